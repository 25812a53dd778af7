/** How the flows of each project on the list are: last state, the last 20 runs, the next one. */

import * as api from './api.js';
import * as known from './known.js';
import { h, icon, route, show } from './dom.js';
import { inAlphabet } from './order.js';
import { badge, duration, finished, span, status, when } from './format.js';
import { t } from './words.js';

const NAMED = 8; // flows on a card
const ASKED = 3; // flows of a project whose runs are asked for
const RUNS = 20;

/** Fills cards when they come into sight, a few requests at a time: `add(project, element)` for each. */
export function cardFiller({ signal }) {
  const projects = new WeakMap(); // by element
  let planned = null; // asked for once, with the first card
  const queue = [];
  let busy = 0;

  async function work() {
    busy += 1;
    for (let next = queue.shift(); next && !signal.aborted; next = queue.shift()) {
      planned ??= known.schedules().catch(() => []);
      await fill(next, planned, signal).catch(() => null); // the page was left, or the server is away: the list stays
    }
    busy -= 1;
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      queue.push({ project: projects.get(target), element: target });
      if (busy < 3) work();
    }
  }, { rootMargin: '300px' });
  signal.addEventListener('abort', () => watcher.disconnect());
  return (project, element) => {
    projects.set(element, project);
    watcher.observe(element);
  };
}

async function fill({ project: { name }, element }, planned, signal) {
  const place = element.querySelector('[data-flows]');
  const state = element.querySelector('[data-state]');
  let names;
  try {
    const { flows } = await api.flows(name, signal);
    names = flows.map(({ flowId }) => flowId).sort(inAlphabet);
  } catch (error) {
    if (error.kind === 'refused') show(place, h('span', { class: 'hint' }, icon('key'), t`You may not read this project`));
    return;
  }
  const links = names.slice(0, NAMED).map((flow) => h('a', { class: 'chip', href: route('flow', name, flow) }, icon('flow'), flow));
  show(place, links.length ? links : h('span', { class: 'hint' }, t`No flows uploaded yet`),
    names.length > NAMED ? h('span', { class: 'hint' }, t`and ${names.length - NAMED} more`) : null);
  if (!names.length) return;
  const lists = await Promise.all(names.slice(0, ASKED).map(async (flow) => {
    const { list } = await known.flowRuns(name, flow, { length: RUNS }, signal);
    return list.map((run) => ({ ...run, flow }));
  }));
  const runs = lists.flat().sort((a, b) => b.id - a.id).slice(0, RUNS);
  const next = (await planned).filter(({ project }) => project === name).map(({ next: time }) => time).sort()[0];
  show(state, runs.length
    ? [h('a', { href: route('execution', runs[0].id), class: 'last' }, badge(runs[0].status)), sparkline(runs)]
    : h('span', { class: 'hint' }, t`Never run`),
    next ? h('span', { class: 'hint' }, t`Next ${next.slice(5, 16)}|a time`) : null);
}

/** The last runs as bars, oldest first: height by duration, colour by status. */
export function sparkline(runs) {
  const shown = [...runs].reverse().map((run) => ({ ...run, took: span(run.start, run.end) }));
  const longest = Math.max(...shown.map(({ took }) => took || 0), 1);
  const good = runs.filter((run) => status(run.status).family === 'good').length;
  const over = runs.filter((run) => finished(run.status)).length;
  return h('span', { class: 'spark', role: 'img', 'aria-label': t`${good} of the last ${over} runs succeeded` },
    shown.map((run) => h('span', {
      class: `is-${status(run.status).family}`,
      title: `#${run.id} ${run.flow ?? ''} ${status(run.status).word}, ${when(run.start)}, ${duration(run.took)}`,
      style: { height: `${Math.max(15, (100 * (run.took || 0)) / longest)}%` },
    })));
}
