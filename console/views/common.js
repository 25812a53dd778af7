/** Pieces that several pages share. */

import * as api from '../api.js';
import { attempt, toast } from '../dialog.js';
import { h, icon, route, show } from '../dom.js';
import { badge, duration, span, when } from '../format.js';
import { runFlow } from '../run.js';
import { count, t } from '../words.js';

/** The way back: pairs of a text and a link. */
export function crumbs(...steps) {
  return h(
    'nav',
    { class: 'crumbs', 'aria-label': t`You are in` },
    steps.map(([text, href], at) => [at ? icon('chevron') : null, h('a', { href }, text)]),
  );
}

/** Links that look like tabs: entries are key, text, link. */
export function tabs(current, entries) {
  return h(
    'nav',
    { class: 'tabs', 'aria-label': t`Sections` },
    entries.map(([key, text, href]) => h('a', { href, 'aria-current': key === current ? 'page' : null }, text)),
  );
}

/** What a project is, unless that says no more than its name, as where nobody has described it. */
export const described = ({ name, description }) =>
  (description === name ? null : h('p', { class: 'description' }, description));

/** The part of a page that its address names, else the first. */
export const choose = (panes, key) => (Object.hasOwn(panes, key) ? panes[key] : Object.values(panes)[0]);

/** What one can do with a graph, by the means that there are. */
export const walkHint = (text) =>
  h('p', { class: 'hint' }, text, ' ', matchMedia('(pointer: coarse)').matches
    ? t`Two fingers zoom, one moves.`
    : t`Arrow keys walk through the graph; Ctrl and the wheel zoom.`);

/** The page for what one may not see. */
export function forbidden(title, message) {
  return {
    title,
    node: [
      crumbs([t`Projects`, '#/']),
      h('header', { class: 'page-head' }, h('h1', {}, title)),
      h('div', { class: 'empty' }, h('p', {}, message || t`You may not read it.`), /permission/i.test(message) ? h('p', {}, t`An administrator of the project can give you the right to read.`) : null),
    ],
  };
}

/** Open the dialog that runs a flow, then show the execution. */
export async function startRun(context, options) {
  const id = await attempt(() => runFlow({ ...options, limited: context.session.limits }));
  if (id > 0 && id !== true) context.go(route('execution', id));
}

/** Open the dialog that schedules a flow; `planned` is its present schedule. */
export async function startSchedule(context, { planned, ...options }) {
  const scheduling = { cron: context.session.modern, planned };
  const done = await attempt(() => runFlow({ ...options, scheduling, preset: planned?.options }));
  if (done) {
    toast(t`${options.flow} is scheduled.`);
    context.reload();
  }
}

/** Ask for nothing, unschedule, say so. */
export async function unschedule(context, id, flow) {
  const done = await attempt(() => api.unschedule(id), t`${flow} is not scheduled any more.`);
  if (done) context.reload();
}

/** A link to the report that a job left, if it left one. */
export function reportLink(execid, job, files, properties = {}) {
  if (!files[job]?.includes('report.html')) return null;
  const href = route('report', execid, job);
  return h('a', { class: ['button', properties.class], href, data: { key: `report-${job}` } }, icon('report'), h('span', {}, t`Report`));
}

const heading = (text, properties) => h('th', { scope: 'col', ...properties }, text);

/** The flow and its project; of a deleted project the server knows the number alone. */
function flowCell({ flow, project }) {
  const gone = /^\d+$/.test(project);
  const name = gone ? flow : h('a', { href: route('flow', project, flow) }, flow);
  return h('td', { class: 'main' }, name, h('span', { class: 'hint' }, gone ? t` in a deleted project` : t` in ${project}`));
}

/** Whether it is one attempt of several; the first may be on another page. */
const attemptNote = ({ id, first, earlier }) => {
  if (earlier?.length) return h('span', { class: 'hint' }, ` ${count(earlier.length + 1, 'attempt')}`);
  return first && first !== Number(id) ? h('span', { class: 'hint' }, t` retry of #${first}`) : null;
};

/**
 * A table of executions, times as the server wrote them or in milliseconds; of runs (`together`) the
 * latest attempt, and those before it below.
 */
export function executionTable(list, { withFlow = true } = {}) {
  const time = (value) => (typeof value === 'number' ? when(value) : value || '–');
  const all = list.flatMap((run) => [run, ...(run.earlier ?? []).map((one) => ({ ...one, before: run.id }))]);
  const rows = all.map((run) =>
    h(
      'tr',
      { class: run.before ? 'earlier' : null },
      h('td', { class: 'number' }, h('a', { href: route('execution', run.id), data: { key: `run-${run.id}` } }, `#${run.id}`),
        run.before ? h('span', { class: 'hint' }, t` before #${run.before}`) : attemptNote(run)),
      withFlow ? flowCell(run) : null,
      h('td', { class: 'state' }, badge(run.status)),
      h('td', { class: 'nowrap' }, time(run.start)),
      h('td', { class: 'number' }, duration(run.elapsed ?? span(run.start, run.end))),
      h('td', { class: 'wide-only' }, run.user),
    ),
  );
  return h(
    'table',
    { class: 'list stack' },
    h('thead', {}, h('tr', {}, heading(t`Run|the thing`, { class: 'number' }), withFlow ? heading(t`Flow`) : null, heading(t`Status`), heading(t`Started`), heading(t`Took`, { class: 'number' }), heading(t`By`, { class: 'wide-only' }))),
    h('tbody', {}, rows),
  );
}

/** Newer and older pages. */
export function pager(page, full, change) {
  const step = (text, by, off) =>
    h('button', { type: 'button', class: 'button small', disabled: off, data: { key: text }, onclick: () => change(page + by) }, text);
  return h('nav', { class: 'pager', 'aria-label': t`Pages` }, step(t`Newer`, -1, page <= 1), h('span', {}, t`Page ${page}`), step(t`Older`, 1, !full));
}

/** Show a job's properties in a dialog-like panel below the graph. */
export async function jobPanel(place, context, project, flow, node) {
  const close = h('button', { type: 'button', class: 'button bare', 'aria-label': t`Close`, onclick: () => show(place) }, icon('cross'));
  const body = h('div', {}, t`Loading …`);
  show(place, h('section', { class: 'card job-panel' }, h('header', { class: 'section-head' }, h('h2', {}, node.id), close), body));
  try {
    const { props, type } = await api.jobProperties(project, flow, node.id, context.signal);
    const needs = node.in?.length ? node.in.join(', ') : t`nothing`;
    const rows = Object.entries(props).filter(([key]) => !['type', 'dependencies', 'azk.form'].includes(key));
    show(
      body,
      h('p', {}, t`Type ${type}; needs ${needs}.`),
      h('dl', { class: 'properties' }, rows.map(([key, value]) => [h('dt', {}, key), h('dd', {}, h('code', {}, value))])),
    );
  } catch (error) {
    show(body, h('p', { class: 'problem' }, error.message));
  }
  place.scrollIntoView({ block: 'nearest' });
}
