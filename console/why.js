/** Why a run failed: the job, its last lines, what its record says, what is new, what can be done. */

import * as api from './api.js';
import * as known from './known.js';
import { button, h, icon, route, show } from './dom.js';
import { badge, duration, finished, span, took, when } from './format.js';
import { errorLine, exitCode, exitWords, logEnd, ownLines } from './joblog.js';
import { flatten } from './order.js';
import { count, t } from './words.js';

const WAITS = [0, 700, 1500, 3000]; // before a log is asked for once more
const UNSEEN = 2500; // for so long after a run's end 2.5 has no log of it, which it says with an error

const leaves = (run) => flatten(run.nodes).filter((job) => !job.nodes);

/** The jobs that failed, the first one first; of a killed run, those that were killed. */
export function broken(run) {
  const those = (word) => leaves(run).filter(({ status }) => status === word).sort((a, b) => a.endTime - b.endTime);
  const failed = those('FAILED');
  return failed.length ? failed : those('KILLED');
}

/**
 * A panel that stays empty until a job has failed; `update(run, files)` each time that they change.
 *
 * `decode` turns a log into text, `resume` starts the run that goes on, null where one may not.
 */
export function whyPanel(context, { decode, resume }) {
  const element = h('div', {});
  let seen = '';
  async function update(run, files) {
    const jobs = broken(run);
    const state = [run.status, ...jobs.map(({ path, attempt }) => `${path} ${attempt}`)].join();
    if (!jobs.length || state === seen) {
      if (!jobs.length) show(element);
      return;
    }
    seen = state;
    const [job] = jobs;
    const said = h('div', {}, h('p', { class: 'hint' }, t`Reading the end of its log …`));
    const fresh = h('div', {});
    show(element, h('section', { class: 'card why', 'aria-label': t`Why it failed` },
      h('h2', {}, title(run, job)), also(run, jobs), said, fresh, todo(run, job, files, resume)));
    const since = Date.now() - run.endTime;
    if (run.endTime > 0 && since >= 0 && since < UNSEEN) await new Promise((resolve) => setTimeout(resolve, UNSEEN - since));
    if (context.signal.aborted) return;
    await Promise.all([
      fill(said, () => lastWords(context, run, job, decode)),
      finished(run.status) ? fill(fresh, () => news(context, run, job)) : null,
    ]);
  }
  return { element, update };
}

async function fill(place, work) {
  try {
    show(place, await work());
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (error.kind === 'session') throw error;
    show(place, h('p', { class: 'hint' }, error.message));
  }
}

const jobHref = (run, job) => route('job', run.execid, job.path);

function title(run, job) {
  const tries = (job.attempt ?? 0) + 1;
  const link = h('a', { href: jobHref(run, job), data: { key: 'why-job' } }, job.path);
  const after = Number.isFinite(took(job)) ? duration(took(job)) : '';
  const said = job.status === 'KILLED' ? (after ? t`${link} was killed after ${after}` : t`${link} was killed`)
    : after ? t`${link} failed after ${after}` : t`${link} failed|a job`;
  return [said, tries > 1 ? h('span', { class: 'hint' }, t`, in ${count(tries, 'attempt')}`) : null];
}

function also(run, [, ...others]) {
  if (!others.length) return null;
  const named = others.slice(0, 5).map((job, at) => [at ? ', ' : '', h('a', { href: jobHref(run, job) }, job.path)]);
  return h('p', { class: 'hint' }, t`Then also: `, named, others.length > 5 ? t` and ${others.length - 5} more` : '');
}

/** What the record, the exit code and the last lines say. */
async function lastWords(context, run, job, decode) {
  const { signal } = context;
  const records = (await api.records([run.execid], signal))[run.execid] ?? {};
  const record = records[job.id] ?? {};
  let text = null;
  for (const wait of WAITS) {
    if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
    text = await logEnd(run.execid, job.path, job.attempt ?? 0, signal);
    if (text || signal.aborted) break;
  }
  const log = decode(text ?? '');
  const lines = ownLines(log);
  const code = exitCode(log);
  const reason = record.error || errorLine(lines);
  const unfinished = record.status === 'running' && job.status !== 'RUNNING';
  return [
    reason ? h('p', { class: 'problem' }, reason) : null,
    code === undefined ? null : h('p', {}, exitWords(code)),
    unfinished ? h('p', {}, t`Its record has no end: it was killed from outside, or the machine had no memory left.`) : null,
    lines.length
      ? h('pre', { class: 'last-lines', tabindex: 0, role: 'region', 'aria-label': t`Last lines of ${job.path}` }, lines.join('\n'))
      : h('p', { class: 'hint' }, text ? t`The job wrote nothing itself.` : t`The server has no log of it.`),
  ];
}

/** What is new since the last run that succeeded. */
async function news(context, run, job) {
  const { signal } = context;
  const before = await known.successBefore(run.execid, run.project, run.flow, signal);
  if (!before) return h('p', { class: 'hint' }, t`No run before it succeeded, so there is nothing to compare it with.`);
  const [old, versions, given] = await Promise.all([
    known.run(before.id, signal),
    Promise.all([known.version(before.id, signal), known.version(run.execid, signal)]),
    Promise.all([known.parameters(before.id, signal), known.parameters(run.execid, signal)]),
  ]);
  const same = leaves(old).find(({ path }) => path === job.path);
  const changed = changes(...given);
  const rows = [
    [t`version`, await versionWords(run, before, versions, signal)],
    [t`parameters`, given.includes(null) ? t`the server does not tell them`
      : changed.length ? h('ul', { class: 'plain' }, changed.map(changeWords)) : t`the same`],
    [t`duration`, nowThen(span(run.startTime, run.endTime), span(before.start, before.end))],
    [job.path, same ? nowThen(took(job), took(same)) : t`it was not part of that run`],
  ];
  return [
    h('h3', {}, t`Compared with the last success, ${h('a', { href: route('execution', before.id) }, `#${before.id}`)}`, h('span', { class: 'hint' }, t` of ${when(before.start)}`)),
    h('dl', { class: 'properties' }, rows.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
    h('p', {}, h('a', { href: route('compare', before.id, run.execid) }, t`Compare #${before.id} and #${run.execid} job by job`)),
  ];
}

const nowThen = (now, then) => t`now ${duration(now)}, then ${duration(then)}`;

/** The parameters that differ: `[{name, before, after}]`, undefined where one was not set. */
export function changes(before, after) {
  const own = (name) => !/^(retry\.of)$/.test(name);
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})].filter(own));
  return [...names].sort()
    .map((name) => ({ name, before: before?.[name], after: after?.[name] }))
    .filter((one) => one.before !== one.after);
}

const value = (text) => (text === undefined ? h('em', {}, t`its default`) : h('code', {}, text === '' ? t`(empty)` : text));

export const changeWords = ({ name, before, after }) => h('li', {}, t`${h('code', {}, name)}: now ${value(after)}, then ${value(before)}`);

async function versionWords(run, before, [then, now], signal) {
  const { logData } = await api.events(run.project, 0, 50, signal);
  const uploads = logData.filter(([, time, type]) => type === 'UPLOADED' && time > before.submitted && time <= run.submitTime);
  const by = uploads.length ? t` (uploaded ${when(uploads[0][1])} by ${uploads[0][0]})` : '';
  if (then && now) return then === now ? t`the same (${now})` : t`now ${now}${by}, then ${then}`;
  return uploads.length ? t`new: ${count(uploads.length, 'upload')} since${by}` : t`no upload since`;
}

function todo(run, job, files, resume) {
  const link = (href, glyph, text) => h('a', { class: 'button small', href }, icon(glyph), h('span', {}, text));
  const kept = leaves(run).filter(({ status }) => status === 'SUCCEEDED').length;
  const report = files[job.id]?.includes('report.html');
  return h('div', { class: 'actions' },
    link(jobHref(run, job), 'log', t`Whole log`),
    report ? link(route('report', run.execid, job.id), 'report', t`Its report`) : null,
    resume && kept && finished(run.status) ? button(t`Resume from ${job.id}`, resume, { icon: 'retry', class: 'small', title: t`${count(kept, 'job')} that succeeded are not run again` }) : null);
}
