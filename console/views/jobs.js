/** The jobs of an execution as a table, and when each ran. */

import { h, icon, route } from '../dom.js';
import { badge, duration, took, when } from '../format.js';
import { drawGantt, inTime } from '../gantt.js';
import { flatten } from '../order.js';
import { pagedList } from '../pages.js';
import { reportLink } from './common.js';
import { t } from '../words.js';

export const jobLink = (run) => (job) => route('job', run.execid, job.path);

const words = (job) => `${job.path} ${job.status}`.toLowerCase();

/** The timeline, a page of its bars at a time. */
export async function timelinePane() {
  let run;
  const list = pagedList({ text: words, draw: (jobs) => drawGantt(run, jobs, jobLink(run)) });
  return {
    element: list.element,
    update(fresh) {
      run = fresh;
      list.update(inTime(run));
    },
  };
}

/** The table, a page of its rows at a time. */
export async function jobsPane() {
  let [run, files] = [null, {}];
  const headings = [t`Job`, t`Status`, t`Started`, t`Took`, t`Attempt`].map((text, at) =>
    h('th', { scope: 'col', class: at === 4 ? 'number' : '' }, text));
  const body = h('tbody', {});
  const table = h('table', { class: 'list stack' }, h('thead', {}, h('tr', {}, headings, h('td', {}))), body);
  const list = pagedList({
    text: words,
    draw: (jobs) => {
      body.replaceChildren(...jobs.map((job) => row(run, job, files)));
      return table;
    },
  });
  return {
    element: list.element,
    update(fresh, left) {
      [run, files] = [fresh, left];
      list.update(flatten(run.nodes));
    },
  };
}

function row(run, job, files) {
  const started = job.startTime > 0 ? 'nowrap' : 'nowrap wide-only';
  const indent = { 'padding-inline-start': `${job.depth}em` };
  return h(
    'tr',
    {},
    h('td', { class: 'main' }, job.nodes
      ? h('span', { style: indent }, icon('flow'), job.id)
      : h('a', { href: jobLink(run)(job), style: indent, data: { key: `job-${job.path}` } }, job.id)),
    h('td', { class: 'state' }, badge(job.status)),
    h('td', { class: started }, when(job.startTime)),
    h('td', { class: started }, duration(took(job))),
    h('td', { class: job.attempt > 0 ? 'number' : 'number wide-only' }, h('span', { class: 'narrow-only' }, t`attempt`, ' '), (job.attempt ?? 0) + 1),
    h('td', { class: 'end' }, reportLink(run.execid, job.path, files, { class: 'small' })),
  );
}
