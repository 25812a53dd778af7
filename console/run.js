/** The dialog that runs a flow or schedules it: parameters, jobs, and what to do on failure. */

import * as api from './api.js';
import { ask, field, select } from './dialog.js';
import { h } from './dom.js';
import { jobTree } from './jobtree.js';
import { keepLimits, limitFields } from './limits.js';
import { parameterTable } from './parameters.js';
import { whenFields } from './timing.js';
import { t } from './words.js';

export const ON_FAILURE = [
  ['finishCurrent', t`Finish the jobs that run, start no others`],
  ['finishPossible', t`Run every job that does not need the failed one`],
  ['cancelImmediately', t`Kill all jobs at once`],
];
export const WHEN_RUNNING = [
  ['skip', t`Do not run it a second time`],
  ['ignore', t`Run it beside the other`],
  ['pipeline', t`Let each job wait for the same job of the other run`],
];

/**
 * Run or schedule a flow.
 *
 * `preset` holds the options of an earlier execution or of the present schedule, as the server
 * tells them, and perhaps a `hint` about them. `scheduling` is `{cron, planned}`: whether to offer cron expressions, and the present
 * schedule. `limited` offers time limits for the run. Resolves to the execution's number, to true
 * for a schedule, or to undefined.
 */
export async function runFlow({ project, flow, scheduling = null, limited = false, preset = {}, signal }) {
  const planned = scheduling?.planned;
  const [graph, known, kept] = await Promise.all([
    api.graph(project, flow, signal),
    api.flowOptions(project, flow, signal),
    planned ? api.limits(planned.scheduleId, signal) : {},
  ]);
  const jobs = jobTree(graph.nodes, preset.disabled ?? []);
  const parameters = parameterTable(project, flow, graph.nodes, preset.flowParam ?? {}, signal);
  const mails = { ...known, ...preset };
  const timing = scheduling ? whenFields(scheduling) : null;
  const limits = limited ? limitFields({ jobs: graph.nodes.map(({ id }) => id) }) : null;
  const body = [
    timing?.element,
    planned && !planned.options
      ? h('p', { class: 'hint' }, t`This server does not tell the parameters of the present schedule, nor the jobs that it skips: set them anew.`)
      : null,
    preset.hint ? h('p', { class: 'hint' }, preset.hint) : null,
    h('fieldset', {}, h('legend', {}, t`Parameters`), parameters.element),
    h('details', { open: Boolean(preset.disabled?.length) }, h('summary', {}, t`Jobs: `, jobs.summary), jobs.element),
    h(
      'details',
      {},
      h('summary', {}, t`When something goes wrong, and who is told`),
      field(t`When a job fails`, select({ name: 'failureAction' }, ON_FAILURE, preset.failureAction)),
      field(t`When this flow runs already`, select({ name: 'concurrentOption' }, WHEN_RUNNING, preset.concurrentOptions)),
      field(t`Mail on success to`, mailInput('successEmails', mails.successEmails), t`Addresses with commas between`),
      field(t`Mail on failure to`, mailInput('failureEmails', mails.failureEmails)),
      field(t`Mail about a failure`, select({ name: 'notify' }, [
        ['last', t`when the flow has ended`],
        ['first', t`at the first failed job`],
      ], preset.notifyFailureFirst && !preset.notifyFailureLast ? 'first' : 'last')),
    ),
    limits ? h('details', {}, h('summary', {}, t`Time limits`), limits.element) : null,
  ];
  const result = await ask({
    title: planned ? t`Change the schedule of ${flow}` : scheduling ? t`Schedule ${flow}` : t`Run ${flow}`,
    body,
    wide: true,
    action: scheduling ? t`Schedule` : t`Run`,
    submit: async (form) => {
      const options = {
        disabled: jobs.disabled(),
        parameters: parameters.values(),
        pipelineLevel: 1,
      };
      const plain = ['failureAction', 'concurrentOption', 'successEmails', 'failureEmails', 'notify'];
      for (const key of plain) options[key] = form.get(key);
      if (scheduling) {
        const when = timing.value(form);
        if (when.cron) await api.scheduleCron(graph.projectId, project, flow, when.cron, options);
        else await api.schedule(graph.projectId, project, flow, when, options);
        await keepLimits(graph.projectId, flow, kept);
        return true;
      }
      const { execid, message } = await api.execute(project, flow, options, limits?.read());
      if (!(execid > 0)) throw new Error(message ?? t`The flow was not started: it runs already.`);
      return execid;
    },
  });
  return result;
}

const mailInput = (name, list) =>
  h('input', { name, class: 'input', value: (list ?? []).join(', '), autocomplete: 'off' });
