/** Two runs of a flow beside each other: versions, parameters, durations, metrics. */

import * as api from '../api.js';
import { h, route } from '../dom.js';
import { badge, duration, span, status, took, when } from '../format.js';
import * as known from '../known.js';
import { flatten } from '../order.js';
import { short } from '../trends.js';
import { changes } from '../why.js';
import { crumbs } from './common.js';
import { firstLook } from './execution.js';
import { decimal, t } from '../words.js';

const CHOICES = 100; // runs to choose from

/** The page `#/compare/BEFORE/AFTER`. */
export async function compareView(context, before, after) {
  const { signal } = context;
  const [old, fresh] = await Promise.all([firstLook(before, signal), firstLook(after, signal)]);
  if (old.project !== fresh.project || old.flow !== fresh.flow) {
    throw new api.ApiError(t`#${before} is of ${old.project}/${old.flow}, #${after} of ${fresh.project}/${fresh.flow}: two runs of one flow can be compared.`, 'refused');
  }
  const { project, flow } = fresh;
  return {
    title: t`${flow} #${before} and #${after}`,
    node: [
      crumbs([t`Projects`, '#/'], [project, route('project', project)], [flow, route('flow', project, flow, 'executions')]),
      h('header', { class: 'page-head' }, h('h1', {}, flow, h('span', { class: 'muted' }, t` #${before} and #${after}`))),
      await chooser(context, project, flow, [old, fresh]),
      ...await tables(context, old, fresh),
    ],
  };
}

/** The tab of a flow: its last two runs. */
export async function comparePane(context, project, flow) {
  const { list } = await known.flowRuns(project.name, flow, {}, context.signal);
  if (list.length < 2) return h('p', { class: 'empty' }, t`There are no two runs yet.`);
  const pair = await Promise.all([list[1], list[0]].map(({ id }) => known.run(id, context.signal)));
  return [await chooser(context, project.name, flow, pair), ...await tables(context, ...pair)];
}

async function chooser(context, project, flow, pair) {
  const { list } = await known.flowRuns(project, flow, { length: CHOICES }, context.signal);
  const logical = await known.logicalDates(list.slice(0, 50).map(({ id }) => id), context.signal).catch(() => new Map());
  const one = (label, run) => {
    const ids = list.map(({ id }) => id);
    const all = ids.includes(run.execid) ? list : [{ id: run.execid, status: run.status, start: run.startTime }, ...list];
    return h('select', { class: 'input', 'aria-label': label, data: { key: label }, onchange: go }, all.map(({ id, status: state, start }) =>
      h('option', { value: id, selected: id === run.execid }, `#${id} ${logical.get(id) ? t`for ${logical.get(id)}` : when(start)} ${status(state).word.toLowerCase()}`)));
  };
  const selects = [one(t`Earlier run`, pair[0]), one(t`Later run`, pair[1])];
  function go() {
    context.go(route('compare', ...selects.map(({ value }) => value)));
  }
  return h('div', { class: 'filters' }, selects);
}

const sheet = (title, headings, rows, empty) => h('section', {},
  h('header', { class: 'section-head' }, h('h2', {}, title)),
  rows.length
    ? h('div', { class: 'wide-table', role: 'region', tabindex: 0, 'aria-label': title }, h('table', { class: 'list' }, h('thead', {}, h('tr', {}, headings.map((text, at) => h('th', { scope: 'col', class: at ? 'number' : '' }, text)))), h('tbody', {}, rows)))
    : h('p', { class: 'hint' }, empty));

const row = (name, cells, differs) =>
  h('tr', { class: differs ? 'differs' : '' }, h('th', { scope: 'row' }, name), cells.map((cell) => h('td', { class: 'number' }, cell)));

async function tables({ signal }, old, fresh) {
  const ids = [old.execid, fresh.execid];
  const given = await known.started(ids, signal);
  const [versions, records] = await Promise.all([
    Promise.all(ids.map((id) => known.version(id, signal))),
    api.records(ids, signal),
  ]);
  const links = () => ids.map((id) => h('a', { href: route('execution', id) }, `#${id}`));
  const set = (value) => (value === undefined ? h('em', { class: 'muted' }, t`default`) : h('code', {}, value));
  const changed = changes(...ids.map((id) => given.get(id)));
  const both = [old, fresh];
  return [
    sheet(t`Runs`, ['', ...links()], [
      row(t`Status`, both.map(({ status }) => badge(status)), old.status !== fresh.status),
      row(t`Started`, both.map(({ startTime }) => when(startTime))),
      row(t`Took`, both.map(({ startTime, endTime }) => duration(span(startTime, endTime)))),
      row(t`By`, both.map(({ submitUser }) => submitUser), old.submitUser !== fresh.submitUser),
      row(t`Version of the project`, versions.map((one) => one ?? t`not told`), versions[0] !== versions[1]),
    ]),
    sheet(t`Parameters that differ`, [t`Parameter`, ...links()], changed.map((one) => row(h('code', {}, one.name), [set(one.before), set(one.after)], true)),
      ids.some((id) => !given.get(id)) ? t`The server does not tell the parameters of one of them.` : t`Both were started with the same.`),
    sheet(t`Jobs`, [t`Job`, ...links(), t`Change|a difference`], jobRows(old, fresh), t`No jobs.`),
    sheet(t`Metrics`, [t`Metric`, ...links(), t`Change|a difference`], metricRows(ids.map((id) => records[id] ?? {})), t`No job of both recorded a metric.`),
  ];
}

/** `+12%`; a dash where there is nothing to compare. */
function change(before, after) {
  if (!Number.isFinite(before) || !Number.isFinite(after) || before === after) return before === after ? t`same` : '–';
  if (before === 0) return `${after > 0 ? '+' : ''}${short(after)}`;
  const percent = (100 * (after - before)) / Math.abs(before);
  const shown = decimal(percent.toFixed(Math.abs(percent) < 10 ? 1 : 0));
  return `${percent > 0 ? '+' : ''}${shown}%`;
}

const LARGE = 0.25; // a change of a duration that is marked
const SMALL = 1000; // milliseconds that are no difference

function jobRows(old, fresh) {
  const of = (run) => new Map(flatten(run.nodes).filter((job) => !job.nodes).map((job) => [job.path, job]));
  const [was, is] = [of(old), of(fresh)];
  const cell = (run, job) => (job ? [h('a', { href: route('job', run.execid, job.path) }, badge(job.status)), ` ${duration(took(job))}`] : t`not in it`);
  return [...new Set([...is.keys(), ...was.keys()])].map((path) => {
    const [a, b] = [was.get(path), is.get(path)];
    const [before, after] = [a ? took(a) : NaN, b ? took(b) : NaN];
    const slow = Math.abs(after - before) > Math.max(SMALL, LARGE * before);
    return row(path, [cell(old, a), cell(fresh, b), change(before, after)], a?.status !== b?.status || slow);
  });
}

function metricRows([was, is]) {
  const rows = [];
  for (const [job, { metrics = {} }] of Object.entries(is)) {
    for (const [name, value] of Object.entries(metrics)) {
      const before = was[job]?.metrics?.[name];
      if (!Number.isFinite(value) || !Number.isFinite(before)) continue;
      rows.push(row([name, h('span', { class: 'hint' }, ` ${job}`)], [short(before), short(value), change(before, value)], before !== value));
    }
  }
  return rows;
}
