/** The grid of a flow: runs as columns, the newest on the right, jobs as rows. */

import { firsts, together } from '../attempts.js';
import { button, h, route } from '../dom.js';
import { duration, finished, span, status, took, when } from '../format.js';
import * as known from '../known.js';
import { lattice } from '../lattice.js';
import { flatten } from '../order.js';
import { count, t } from '../words.js';

const PAGE = 100; // runs in one request

export async function gridPane(context, project, flow, graph) {
  const { signal } = context;
  const rows = flatten(graph.nodes).filter((job) => !job.nodes);
  const names = rows.map(({ id, path, depth }) => ({ text: id, title: path, depth }));
  const longest = new Map(); // of each job, in what was loaded
  let runs = []; // oldest first
  let total = 0;
  let loaded = 0;

  const told = h('p', { class: 'hint lattice-told', 'aria-live': 'polite' }, t`Point at a cell, or walk with the arrow keys; Enter opens its log.`);
  const older = button(t`Older runs`, () => load().catch(fail), { class: 'small' });
  const view = lattice({
    names,
    label: t`Runs of ${flow}, the newest on the right`,
    cell, head, seen,
    told: (name) => { told.textContent = name; },
  });
  signal.addEventListener('abort', () => view.stop());
  const fail = (error) => { if (error.name !== 'AbortError') told.textContent = error.message; };

  function cell(row, column) {
    const run = runs[column];
    const { path } = rows[row];
    const job = run.jobs?.get(path);
    if (!job) return null;
    const { word, family } = status(job.status);
    const tries = (job.attempt ?? 0) + 1;
    const spent = took(job);
    const parts = [path, `#${run.id} ${run.logical ? t`for ${run.logical}` : t`of ${when(run.start)}`}`, word,
      Number.isFinite(spent) ? duration(spent) : '', tries > 1 ? count(tries, 'attempt') : '', run.earlier?.length ? t`run ${run.earlier.length + 1} times` : ''];
    return {
      href: route('job', job.of ?? run.id, path),
      family,
      part: spent >= 0 ? Math.max(0.12, spent / Math.max(longest.get(path) ?? 1, 1)) : 0,
      name: parts.filter(Boolean).join(', '),
    };
  }

  function head(column) {
    const run = runs[column];
    const most = Math.max(...runs.map(({ start, end }) => span(start, end) || 0), 1);
    const { word, family } = status(run.status);
    const before = runs[column - 1];
    const name = `#${run.id}, ${run.logical ? t`for ${run.logical}` : when(run.start)}, ${word}, ${duration(span(run.start, run.end))}`;
    return [
      !before || known.dayOf(before) !== known.dayOf(run) ? h('span', { class: 'lattice-day' }, known.dayOf(run).slice(5)) : null,
      h('a', { class: `is-${family}`, href: route('execution', run.id), 'aria-label': name, title: name },
        h('span', { style: { height: `${Math.max(3, (34 * (span(run.start, run.end) || 0)) / most)}px` } })),
    ];
  }

  let wanted = [0, 0];
  let working = 0;
  /** Ask for the jobs of the runs in sight, the newest first; those that left it wait. */
  function seen(first, last) {
    wanted = [first, last];
    while (working < 3 && next() >= 0) work();
  }
  const next = () => {
    for (let at = Math.min(wanted[1], runs.length) - 1; at >= wanted[0]; at -= 1) if (!runs[at].jobs && !runs[at].asked) return at;
    return -1;
  };
  async function work() {
    working += 1;
    for (let at = next(); at >= 0 && !signal.aborted; at = next()) {
      const run = runs[at];
      run.asked = true;
      try {
        await fill(run);
      } catch (error) {
        run.jobs = new Map(); // it can be looked at by itself
        fail(error);
      }
      view.redraw(runs.indexOf(run));
    }
    working -= 1;
  }

  /** The jobs of a run; of one that was tried again, each job's last attempt that ran. */
  async function fill(run) {
    const attempts = await Promise.all([run, ...(run.earlier ?? [])].map(({ id }) => known.run(id, signal)));
    const jobs = new Map();
    for (const [at, { execid, nodes }] of attempts.entries()) {
      for (const job of flatten(nodes)) {
        const was = jobs.get(job.path);
        if (!was || (Number.isNaN(took(was)) && took(job) >= 0)) jobs.set(job.path, at ? { ...job, of: execid } : job);
      }
    }
    for (const [path, job] of jobs) if (took(job) > (longest.get(path) ?? 0)) longest.set(path, took(job));
    run.jobs = jobs;
    if (!finished(run.status)) run.asked = false;
  }

  async function load() {
    const page = await known.flowRuns(project.name, flow, { start: loaded, length: PAGE }, signal);
    total = page.total;
    loaded += page.list.length;
    const ids = page.list.map(({ id }) => id);
    const logical = await known.logicalDates(ids, signal);
    const first = await firsts(ids, signal);
    const fresh = together(page.list.map((run) => ({ ...run, logical: logical.get(run.id) })), first).reverse();
    runs = [...fresh, ...runs];
    older.hidden = loaded >= total || !page.list.length;
    view.resize(runs.length, fresh.length);
  }

  await load();
  if (!runs.length) return h('p', { class: 'empty' }, t`This flow has never run.`);
  return [view.element, told, h('div', { class: 'row' }, older, h('span', { class: 'hint' }, t`${count(total, 'execution')} in all. Height and fill: duration; retries of a run share its column.`))];
}

