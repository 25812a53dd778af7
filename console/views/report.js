/** A report that a job left, beside its run. */

import * as api from '../api.js';
import { h, icon, route } from '../dom.js';
import { badge, finished } from '../format.js';
import { flatten } from '../order.js';
import { crumbs } from './common.js';
import { firstLook } from './execution.js';
import { t } from '../words.js';

/** The page `#/report/EXECUTION/JOB`: it is somebody's page, so it gets neither our origin nor a network. */
export async function reportView(context, id, job, name = 'report.html') {
  const [run, files] = await Promise.all([firstLook(id, context.signal), api.files(id, context.signal)]);
  const names = files[job] ?? [];
  if (!names.includes(name)) throw new api.ApiError(t`Job ${job} of run #${id} left no ${name}.`, 'refused');
  const href = api.fileUrl(id, job, name);
  const others = Object.keys(files).filter((one) => one !== job && files[one].includes('report.html'));
  const state = flatten(run.nodes).find((one) => one.id === job);
  return {
    title: t`Report of ${job} #${id}`,
    node: [
      crumbs([t`Projects`, '#/'], [run.project, route('project', run.project)], [run.flow, route('flow', run.project, run.flow, 'executions')], [`#${id}`, route('execution', id, 'results')]),
      h('header', { class: 'page-head' }, h('h1', {}, t`Report of ${job}`, h('span', { class: 'muted' }, ` #${id}`)),
        h('div', { class: 'actions' },
          h('a', { class: 'button', href: route('execution', id, 'results') }, icon('flow'), h('span', {}, t`Back to run #${id}`)),
          h('a', { class: 'button', href }, h('span', {}, t`Open alone`)))),
      h('div', { class: 'run-state' }, badge(state && finished(state.status) ? state.status : run.status),
        others.length ? h('span', { class: 'hint' }, t`Also: `, others.map((one, at) => [at ? ', ' : '', h('a', { href: route('report', id, one) }, one)])) : null),
      h('iframe', { class: 'report', src: href, title: t`Report of ${job}`, sandbox: 'allow-scripts allow-popups' }),
    ],
  };
}
