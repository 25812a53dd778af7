/** When each job ran: one bar for each attempt, on a common time axis. */

import { h } from './dom.js';
import { badge, duration, span, status, took, when } from './format.js';
import { flatten } from './order.js';
import { shorten, width } from './text.js';
import { count, t } from './words.js';

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

const ROOM = 240; // pixels for a name

const attempts = (job) => [...(job.pastAttempts ?? []), job].filter((one) => took(one) >= 0);

/** The jobs of an execution that have started, in the order in which they did. */
export const inTime = (execution) =>
  flatten(execution.nodes)
    .map((job) => ({ job, tries: attempts(job) }))
    .filter(({ tries }) => tries.length)
    .sort((a, b) => a.tries[0].startTime - b.tries[0].startTime)
    .map(({ job }) => job);

/** The first start and the last end of jobs that have started. */
function extent(ran, now) {
  let [begin, end] = [Infinity, 0];
  for (const { startTime, endTime } of ran.flatMap(attempts)) {
    begin = Math.min(begin, startTime);
    end = Math.max(end, endTime > 0 ? endTime : now);
  }
  return [begin, Math.max(end, begin + 1000)];
}

/** Draw the bars of some jobs on the time axis of their execution; `link(job)` is where a row leads. */
export function drawGantt(execution, jobs, link, now = Date.now()) {
  const ran = inTime(execution);
  if (!ran.length) return h('p', { class: 'empty' }, t`No job has started yet.`);
  const [begin, end] = extent(ran, now);
  const total = end - begin;
  const place = (time) => `${(100 * (time - begin)) / total}%`;

  const most = matchMedia('(max-width: 760px)').matches ? 4 : 9;
  const step = 1000 * (STEPS.find((seconds) => total / (1000 * seconds) <= most) ?? 604800);
  const ticks = Array.from({ length: Math.floor(total / step) + 1 }, (_, at) =>
    h('span', { class: 'tick', style: { left: place(begin + at * step) } },
      // The last one would stick out to the right.
      (at * step) / total > 0.94 ? '' : at ? axis(at * step) : '0'),
  );

  const rows = jobs.map((job) => {
    const tries = attempts(job);
    const bars = tries.map((attempt, at) => {
      const last = attempt.endTime > 0 ? attempt.endTime : now;
      const { family, word } = status(attempt.status);
      const nth = tries.length > 1 ? t`attempt ${at + 1}, ` : '';
      const hint = `${nth}${word}, ${when(attempt.startTime)}, ${duration(last - attempt.startTime)}`;
      const length = `max(3px, ${(100 * (last - attempt.startTime)) / total}%)`;
      return h('span', {
        class: ['bar', `is-${family}`],
        style: { left: place(attempt.startTime), width: length },
        title: hint,
      });
    });
    const indent = { 'padding-inline-start': `${job.depth}em` };
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, h('a', { href: link(job), style: indent, title: job.path, data: { key: `bar-${job.path}` } }, shorten(job.id, (text) => width(text, '500 16px') <= ROOM - 16 * job.depth))),
      h('td', { class: 'bars' }, h('div', {}, bars)),
      h('td', { class: 'number' }, duration(span(tries[0].startTime, tries.at(-1).endTime, now))),
      h('td', { class: 'wide-only' }, badge(job.status)),
    );
  });
  const waiting = flatten(execution.nodes).length - ran.length;
  return h(
    'div',
    { class: 'gantt' },
    h(
      'table',
      {},
      h('caption', { class: 'unseen' }, t`When each job ran`),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, t`Job`),
          h('th', { scope: 'col', class: 'axis' }, h('div', { 'aria-label': t`Time since the start` }, ticks)),
          h('th', { scope: 'col', class: 'number' }, t`Took`),
          h('th', { scope: 'col', class: 'wide-only' }, t`Status`),
        ),
      ),
      h('tbody', {}, rows),
    ),
    waiting ? h('p', { class: 'hint' }, t`${count(waiting, 'job')} without a run.`) : null,
  );
}

/** A round duration on the axis: `90` seconds are `1 m 30 s`. */
function axis(milliseconds) {
  const seconds = milliseconds / 1000;
  const units = [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'm'],
  ];
  const [size, unit] = units.find(([size]) => seconds >= size && seconds % (size / 2 || 1) === 0) ?? [1, 's'];
  return `${seconds / size} ${unit}`;
}
