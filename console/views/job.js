/** One job of an execution: its state and its log, attempt by attempt. */

import * as api from '../api.js';
import * as intervals from '../intervals.js';
import { h, route, show } from '../dom.js';
import { badge, duration, finished, took, when } from '../format.js';
import { logView } from '../logview.js';
import { flatten } from '../order.js';
import { crumbs, reportLink, tabs } from './common.js';
import { decoder, firstLook } from './execution.js';
import { t } from '../words.js';

export async function jobView(context, id, path, chosen) {
  const { signal } = context;
  const find = (run) => flatten(run.nodes).find((job) => job.path === path);
  let run = await firstLook(id, signal);
  let job = find(run);
  if (!job) throw new api.ApiError(t`Run #${id} has no job ${path}.`, 'refused');
  const attempt = chosen === undefined ? (job.attempt ?? 0) : Number(chosen);
  const state = h('div', { class: 'run-state' });
  const left = h('div', {});
  const actions = h('div', { class: 'actions' });
  const tries = h('div', {});
  const isOver = () => finished(run.status) || (finished(job.status) && attempt === job.attempt) || attempt < job.attempt;
  const log = logView({
    name: `run-${id}-${path}.log`,
    decode: decoder(context),
    isOver,
    fetchPiece: async (offset, length) =>
      job.startTime > 0 ? api.jobLog(id, path, attempt, offset, length, signal) : null,
  });

  function draw() {
    const past = (job.pastAttempts ?? []).find((entry) => entry.attempt === attempt);
    const shown = past ?? job;
    show(
      state,
      badge(shown.status),
      h('span', {}, duration(took(shown))),
      h('span', { class: 'hint' }, shown.startTime > 0 ? t`started ${when(shown.startTime)}` : t`not started`),
    );
    const total = (job.attempt ?? 0) + 1;
    if (total > 1 && tries.childElementCount !== total) {
      show(tries, tabs(String(attempt), Array.from({ length: total }, (_, at) =>
        [String(at), t`Attempt ${at + 1}`, route('job', id, path, at)])));
    }
  }

  async function showFiles() {
    const files = await api.files(id, signal);
    show(left, fileList(id, path, files[path]));
    show(actions, reportLink(id, path, files));
  }

  draw();
  await showFiles();
  if (!finished(run.status)) {
    context.every(intervals.JOB, async () => {
      run = await api.execution(id, signal);
      job = find(run);
      draw();
      if (finished(job.status)) await showFiles();
      return !finished(run.status);
    });
  }
  context.every(intervals.LOG, () => log.poll());
  return {
    title: `${path} #${id}`,
    node: [
      crumbs([t`Projects`, '#/'], [run.project, route('project', run.project)], [run.flow, route('flow', run.project, run.flow, 'executions')], [`#${id}`, route('execution', id)]),
      h('header', { class: 'page-head' }, h('h1', {}, path), actions),
      state,
      tries,
      left,
      log.element,
    ],
  };
}

/** Links to the files that the job left. */
function fileList(id, job, names) {
  if (!names?.length) return null;
  const links = names.map((name) => h('a', { class: 'chip', href: api.fileUrl(id, job, name) }, name));
  return h('p', { class: 'chips' }, h('span', { class: 'hint' }, t`Files:`), links);
}
