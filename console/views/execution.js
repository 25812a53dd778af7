/** One execution, live: graph, timeline, jobs, log, parameters; cancel, pause, retry, run again. */

import * as api from '../api.js';
import * as intervals from '../intervals.js';
import * as stock from '../stock.js';
import { firsts } from '../attempts.js';
import { attempt, confirm } from '../dialog.js';
import { button, h, route, show } from '../dom.js';
import { badge, duration, finished, span, status, took, when } from '../format.js';
import { logView } from '../logview.js';
import { nestedGraph } from '../nested.js';
import { flatten, inOrder } from '../order.js';
import { ON_FAILURE, WHEN_RUNNING } from '../run.js';
import { short } from '../trends.js';
import { resumeOf } from '../resume.js';
import { whyPanel } from '../why.js';
import { choose, crumbs, reportLink, startRun, tabs, walkHint } from './common.js';
import { jobLink, jobsPane, timelinePane } from './jobs.js';
import { count, t } from '../words.js';

const FAILED = ['FAILED', 'KILLED', 'CANCELLED', 'FAILED_FINISHING'];

const MANY = 300; // jobs of a run that is asked for less often: an answer has 200 kB

const TABS = [
  ['graph', t`Graph`],
  ['timeline', t`Timeline`],
  ['jobs', t`Jobs`],
  ['results', t`Results`],
  ['log', t`Flow log`],
  ['parameters', t`Parameters`],
];

const PANES = { graph: graphPane, timeline: timelinePane, jobs: jobsPane, results: resultsPane, log: logPane, parameters: parametersPane };

export async function executionView(context, id, tab = 'graph') {
  const { signal } = context;
  let run = await firstLook(id, signal);
  let files = await api.files(id, signal);
  const { rights } = await stock.project(run.project, signal);
  const first = (await firsts([id], signal)).get(Number(id));
  const head = h('div', { class: 'run-state', 'aria-live': 'off' });
  const actions = h('div', { class: 'actions' });
  const may = rights.has('execute');
  const pane = await choose(PANES, tab)(context, run);
  const why = whyPanel(context, {
    decode: decoder(context),
    resume: may ? () => runAgain(context, run, true) : null,
  });

  function draw() {
    show(head, summary(run), first === Number(id) ? null : h('a', { href: route('execution', first) }, t`retry of #${first}`));
    const last = inOrder(run.nodes).at(-1)?.id;
    show(actions, reportLink(id, last, files), may ? controls(context, run, refresh) : null);
    pane.update?.(run, files);
    if (tab === 'graph') why.update(run, files);
    document.title = `${status(run.status).word.toLowerCase()} #${id} ${run.flow}`;
  }

  async function refresh() {
    run = await api.execution(id, signal);
    if (finished(run.status) || tab === 'results') files = await api.files(id, signal);
    draw();
  }

  draw();
  if (!finished(run.status)) {
    context.every(run.nodes.length > MANY ? 3 * intervals.EXECUTION : intervals.EXECUTION, async () => {
      await refresh();
      return !finished(run.status);
    });
  }
  if (pane.poll) context.every(intervals.LOG, () => pane.poll(run));
  return {
    title: `#${id} ${run.flow}`,
    node: [
      crumbs([t`Projects`, '#/'], [run.project, route('project', run.project)], [run.flow, route('flow', run.project, run.flow, 'executions')]),
      h('header', { class: 'page-head' }, h('h1', {}, run.flow, h('span', { class: 'muted' }, ` #${id}`)), actions),
      head,
      why.element,
      tabs(tab, TABS.map(([key, text]) => [key, text, key === 'graph' ? route('execution', id) : route('execution', id, key)])),
      pane.element,
    ],
  };
}

/** How a log becomes text: newer servers escape it. */
export const decoder = (context) => (context.session.modern ? stock.plain : (text) => text);

/** The execution; Azkaban 2.5 has only a Java error for one that does not exist. */
export async function firstLook(id, signal) {
  try {
    return await api.execution(id, signal);
  } catch (error) {
    if (error.kind !== 'server') throw error;
    const why = /^Index\b/.test(error.message) ? '' : ` (${error.message})`;
    throw new api.ApiError(t`There is no run #${id}.` + why, 'refused');
  }
}

function summary(run) {
  const jobs = flatten(run.nodes).filter((job) => !job.nodes);
  const over = jobs.filter((job) => finished(job.status) || job.status === 'DISABLED').length;
  const those = (word) => jobs.filter((job) => job.status === word).length;
  const [failed, cancelled] = [those('FAILED'), those('CANCELLED')];
  const done = [t`${over - cancelled} of ${count(jobs.length, 'job')} done`, failed ? t`${failed} failed` : '', cancelled ? t`${cancelled} cancelled` : ''];
  return [
    badge(run.status),
    h('span', {}, `${done.filter(Boolean).join(', ')}, ${duration(span(run.startTime, run.endTime))}`),
    h('progress', { max: jobs.length, value: over, 'aria-label': t`Jobs done`, class: failed ? 'is-bad' : `is-${status(run.status).family}` }),
    h('span', { class: 'hint' }, t`started ${when(run.startTime)} by ${run.submitUser}`),
  ];
}

/** What can be done with an execution in its present state, and nothing that would only fail. */
function controls(context, run, refresh) {
  const act = (label, work, done, properties) =>
    button(label, async () => {
      await attempt(() => work(run.execid), done);
      await attempt(refresh);
    }, { ...properties, data: { key: label } });
  const again = (label, properties, failedOnly) =>
    button(label, () => runAgain(context, run, failedOnly), { ...properties, data: { key: label } });
  if (finished(run.status)) {
    const broken = FAILED.includes(run.status) && flatten(run.nodes).some((job) => job.status === 'SUCCEEDED');
    return [
      broken ? again(t`Retry what failed`, { icon: 'retry', kind: 'primary' }, true) : null,
      again(t`Run again`, { icon: 'play', kind: broken ? '' : 'primary' }, false),
    ];
  }
  const paused = run.status === 'PAUSED';
  const failing = run.status === 'FAILED_FINISHING';
  return [
    failing ? act(t`Retry failed jobs`, api.retryFailed, t`The failed jobs run again.`, { icon: 'retry', kind: 'primary' }) : null,
    paused ? act(t`Resume`, api.resume, t`Resumed.`, { icon: 'play', kind: 'primary' }) : act(t`Pause`, api.pause, t`Paused: jobs that run go on, no other starts.`, { icon: 'pause' }),
    button(t`Cancel`, async () => {
      const done = await confirm(t`Cancel run #${run.execid}?`, t`The jobs that run are killed, the others do not start.`, t`Cancel the run`, () => api.cancel(run.execid));
      if (done) await attempt(refresh);
    }, { icon: 'stop', kind: 'danger-line', data: { key: t`Cancel` } }),
  ];
}

/** Run the flow once more with the same options; without the jobs that succeeded when asked. */
async function runAgain(context, run, failedOnly) {
  const last = run.nodes.find((node) => !run.nodes.some((next) => (next.in ?? []).includes(node.id)));
  const asked = failedOnly ? [api.outputs(run.execid), stock.defaults(run.project, run.flow, last.id).catch(() => new Map())] : [];
  const found = await attempt(() => Promise.all([api.executionOptions(run.execid), ...asked]));
  if (!found) return;
  const [options, outputs, own] = found;
  const first = options.flowParam?.['retry.of'] ?? String(run.execid);
  const preset = failedOnly ? retryOf(run, options, { outputs, own }, first) : options;
  await startRun(context, { project: run.project, flow: run.flow, preset });
}

function retryOf(run, options, { outputs, own }, first) {
  const { disabled, flowParam, again } = resumeOf(run.nodes, outputs, own);
  const named = Object.keys(flowParam).length;
  const hints = [
    named ? t`The parameters hold ${count(named, 'output')} of the jobs that do not run again.` : '',
    again.length ? t`${again.join(', ')} succeeded and must run again: a condition or other outputs depend on it.` : '',
    outputs ? '' : t`This server does not tell the outputs of jobs: tick those whose outputs the others need.`,
  ];
  return {
    ...options,
    disabled,
    flowParam: { ...options.flowParam, ...flowParam, 'retry.of': first },
    hint: hints.filter(Boolean).join(' '),
  };
}

async function graphPane(context, run) {
  const drawn = nestedGraph(run.nodes, {
    label: t`Graph of run ${run.execid}`,
    signal: context.signal,
    open: (node, path) => context.go(route('job', run.execid, path.join(':'))),
  });
  return { element: [drawn.element, walkHint(t`Choose a job to read its log.`)], update: (fresh) => drawn.update(fresh.nodes) };
}

/** What each job recorded and left: the summary of the run. */
async function resultsPane(context, first) {
  const place = h('div', {});
  let seen = '';
  const table = (run, records, files) =>
    h('table', { class: 'list stack' },
      h('thead', {}, h('tr', {}, [t`Job`, t`Status`, t`Took`, t`Metrics`].map((text) => h('th', { scope: 'col' }, text)), h('td', {}))),
      h('tbody', {}, inOrder(run.nodes).filter((job) => records[job.id] || files[job.id]).map((job) => {
        const { metrics = {}, error } = records[job.id] ?? {};
        return h('tr', {},
          h('td', { class: 'main' }, h('a', { href: jobLink(run)(job), data: { key: `result-${job.id}` } }, job.id)),
          h('td', { class: 'state' }, badge(job.status), error ? h('p', { class: 'hint' }, error) : null),
          h('td', { class: 'nowrap' }, duration(took(job))),
          h('td', {}, h('dl', { class: 'metrics' }, Object.entries(metrics).map(([name, value]) => [h('dt', {}, name), h('dd', {}, Number.isFinite(value) ? short(value) : '–')]))),
          h('td', { class: 'end' }, reportLink(run.execid, job.id, files, { class: 'small' })));
      })));
  const update = async (run, files) => {
    const now = run.nodes.map(({ status: word }) => word).join();
    if (now === seen) return;
    seen = now;
    const records = (await api.records([run.execid], context.signal))[run.execid] ?? {};
    const any = Object.keys(records).length || Object.keys(files).length;
    show(place, any ? table(run, records, files) : h('p', { class: 'empty' }, t`No job has left a record or a report.`));
  };
  await update(first, await api.files(first.execid, context.signal));
  return { element: place, update };
}

async function logPane(context, first) {
  let over = finished(first.status);
  const view = logView({
    name: `run-${first.execid}.log`,
    decode: decoder(context),
    isOver: () => over,
    fetchPiece: (offset, length) => api.flowLog(first.execid, offset, length, context.signal),
  });
  const update = (run) => {
    over = finished(run.status);
  };
  return { element: view.element, poll: () => view.poll(), update };
}

async function parametersPane(context, run) {
  const options = await api.executionOptions(run.execid, context.signal);
  const pairs = Object.entries(options.flowParam ?? {});
  const properties = (entries, tag) =>
    h('dl', { class: 'properties' }, entries.map(([key, value]) => [h('dt', {}, key), h('dd', {}, h(tag, {}, value))]));
  const names = (list) => (list?.length ? list.map((entry) => entry.id ?? entry).join(', ') : t`none`);
  const words = (choices, value) => Object.fromEntries(choices)[value] ?? value ?? '–';
  return {
    element: [
      h('h2', {}, t`Parameters set for this run`),
      pairs.length ? properties(pairs, 'code') : h('p', { class: 'hint' }, t`None: all parameters had their defaults.`),
      h('h2', {}, t`Options`),
      properties([
        [t`disabled jobs`, names(options.disabled)],
        [t`when a job fails`, words(ON_FAILURE, options.failureAction)],
        [t`when it runs already`, words(WHEN_RUNNING, options.concurrentOptions)],
        [t`mail on success`, names(options.successEmails)],
        [t`mail on failure`, names(options.failureEmails)],
      ], 'span'),
    ],
  };
}
