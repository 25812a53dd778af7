/** How the flows of each project on the list are: last state, the last 20 runs, the next one. */

import * as api from './api.js';
import * as known from './known.js';
import { h, icon, route, show } from './dom.js';
import { inAlphabet } from './order.js';
import { badge, duration, finished, span, status, when } from './format.js';
import { t } from './words.js';

const NAMED = 8; // flows on a card
const TOGETHER = 12; // cards of one request: the first do not wait for the last
const ASKED = 3; // flows of a project whose runs are asked for, where each takes a request
const RUNS = 20;

/** Fills cards when they come into sight, some at a time: `add(project, element)` for each. */
export function cardFiller({ signal }) {
  const projects = new WeakMap(); // by element
  const queue = [];
  let planned = null; // asked for once, with the first card
  let together = true; // until the server turns out to be one without our viewer
  let busy = false;

  async function work() {
    busy = true;
    planned ??= known.schedules().catch(() => []);
    while (queue.length && !signal.aborted) {
      // When the page was left, or the server is away, the list stays.
      await fill(queue.splice(0, TOGETHER)).catch(() => null);
    }
    busy = false;
  }

  async function fill(some) {
    const told = together ? await api.cards(some.map(({ project }) => project.name), signal) : null;
    together = told !== null;
    await known.each(some, async ({ project: { name }, element }) => {
      const card = !told ? await ask(name, signal) : Object.hasOwn(told, name) ? told[name] : null;
      draw(element, name, card, await planned);
    }, signal);
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      queue.push({ project: projects.get(target), element: target });
    }
    if (!busy) work();
  }, { rootMargin: '300px' });
  signal.addEventListener('abort', () => watcher.disconnect());
  return (project, element) => {
    projects.set(element, project);
    watcher.observe(element);
  };
}

/** The same of one project, as any Azkaban tells it, of its first flows alone; null when one may not read it. */
async function ask(project, signal) {
  let flows;
  try {
    flows = (await api.flows(project, signal)).flows.map(({ flowId }) => flowId).sort(inAlphabet);
  } catch (error) {
    if (error.kind === 'refused') return null;
    throw error;
  }
  const asked = flows.slice(0, ASKED);
  const lists = await Promise.all(asked.map(async (flow) => {
    const { list } = await known.flowRuns(project, flow, { length: RUNS }, signal);
    return list.map((run) => ({ ...run, flow }));
  }));
  const runs = lists.flat().sort((a, b) => b.id - a.id).slice(0, RUNS);
  return { flows, runs, of: asked.length };
}

/** Show what is known of a project: `runs` are those of the first `of` flows. */
function draw(element, project, card, planned) {
  const place = element.querySelector('[data-flows]');
  if (!card) {
    show(place, h('span', { class: 'hint' }, icon('key'), t`You may not read this project`));
    return;
  }
  const { runs, of } = card;
  const names = [...card.flows].sort(inAlphabet);
  const links = names.slice(0, NAMED).map((flow) => h('a', { class: 'chip', href: route('flow', project, flow) }, icon('flow'), flow));
  show(place, links.length ? links : h('span', { class: 'hint' }, t`No flows uploaded yet`),
    names.length > NAMED ? h('span', { class: 'hint' }, t`and ${names.length - NAMED} more`) : null);
  if (!names.length) return;
  const next = planned.filter((one) => one.project === project).map(({ next: time }) => time).sort()[0];
  show(element.querySelector('[data-state]'), runs.length
    ? [h('a', { href: route('execution', runs[0].id), class: 'last' }, badge(runs[0].status)), sparkline(runs)]
    : of === names.length ? h('span', { class: 'hint' }, t`Never run`) : null,
    of < names.length ? h('span', { class: 'hint' }, t`${of} of ${names.length} flows`) : null,
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
