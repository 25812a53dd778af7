/** The dialog that runs a flow or schedules it: parameters, jobs, and what to do on failure. */

import * as api from './api.js';
import * as stock from './stock.js';
import { ask, field, select } from './dialog.js';
import { button, h, show, uid } from './dom.js';
import { parts, repetition, zoneName } from './format.js';
import { control, expected } from './kinds.js';
import { keepLimits, limitFields } from './limits.js';
import { inAlphabet, inOrder } from './order.js';
import { pagedList } from './pages.js';
import { eachInTurn } from './pieces.js';
import { t } from './words.js';

const MANY = 30; // parameters among which one may have to look for one
const FORM = 'azk.form'; // a property, written by azk: azkaban_client/flow/form.py

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

// Jobs -------------------------------------------------------------------------------------------

/** Checkboxes of all jobs, a page at a time; an embedded flow's jobs are indented below it. */
function jobTree(nodes, disabled) {
  const entries = []; // in the order of the flow, an embedded flow's after it
  const summary = h('span', {});

  function level(list, off, depth) {
    const names = new Map(off.map((entry) => [entry.id ?? entry, entry.children]));
    return inOrder(list).map((node) => {
      const entry = { id: node.id, depth, runs: !names.has(node.id) || Boolean(names.get(node.id)) };
      entries.push(entry);
      entry.children = node.nodes ? level(node.nodes, names.get(node.id) ?? [], depth + 1) : [];
      return entry;
    });
  }

  const top = level(nodes, disabled, 0);
  const list = pagedList({ text: ({ id }) => id.toLowerCase(), draw: (some) => h('ul', { class: 'checks' }, some.map(check)) });

  function check(entry) {
    const change = () => {
      entry.runs = box.checked;
      tell();
    };
    const box = h('input', { type: 'checkbox', id: uid('job'), checked: entry.runs, onchange: change });
    return h('li', { style: { 'padding-inline-start': `${1.5 * entry.depth}em` } }, box, h('label', { for: box.id }, entry.id));
  }

  const collect = (some) =>
    some.flatMap(({ id, runs, children }) => {
      if (!runs) return [id];
      const inside = collect(children);
      return inside.length ? [{ id, children: inside }] : [];
    });

  function tell() {
    const skipped = entries.filter(({ runs }) => !runs).length;
    summary.textContent = skipped
      ? t`${entries.length - skipped} of ${entries.length} run, ${skipped} skipped`
      : t`all ${entries.length} run`;
  }

  const set = (runs) => {
    for (const entry of entries) entry.runs = runs;
    list.update(entries);
    tell();
  };
  list.update(entries);
  tell();
  const all = h('div', { class: 'row' },
    button(t`Run all`, () => set(true), { class: 'small' }),
    button(t`Run none`, () => set(false), { class: 'small' }));
  return { element: [all, list.element], summary, disabled: () => collect(top) };
}

// Parameters -------------------------------------------------------------------------------------

/** The flow's properties with their defaults, to be overridden, and rows for others. */
function parameterTable(project, flow, nodes, given, signal) {
  const rows = []; // {key(), input, always}
  const list = h('div', { class: 'parameters' });
  const more = h('div', { class: 'parameters' });
  const finder = finderOf(rows, [list, more]);
  const note = h('p', { class: 'hint' }, t`Looking up the flow’s parameters …`);
  const left = new Map(Object.entries(given));

  /** A parameter; `declared` is what the jobs say of it, if they do. */
  function known(name, standard, declared = {}, place = list) {
    const shown = standard || declared.default || '';
    const { element, input } = control(declared, { standard: shown, value: left.get(name) ?? '' });
    input.required = Boolean(declared.required && !shown);
    const hint = h('p', { class: 'hint', id: uid('hint') }, help(declared));
    if (hint.textContent) input.setAttribute('aria-describedby', hint.id);
    const label = h('label', { for: input.id }, h('code', {}, name));
    const row = h('div', { class: 'parameter' }, label, element, hint.textContent ? hint : null);
    place.append(row);
    rows.push({ key: () => name, input, element: row });
    left.delete(name);
  }

  function other(name = '', value = '') {
    const key = h('input', { class: 'input', placeholder: t`name`, 'aria-label': t`Name of the parameter`, value: name });
    const input = h('input', { class: 'input', placeholder: t`value`, 'aria-label': t`Value of the parameter`, value });
    list.append(h('div', { class: 'parameter' }, key, input));
    rows.push({ key: () => key.value.trim(), input, always: true });
    return key;
  }

  (async () => {
    try {
      const last = nodes.find((node) => !nodes.some((next) => (next.in ?? []).includes(node.id)));
      const [found, form] = last ? await lookUp(project, flow, last.id, signal) : [new Map(), {}];
      const names = [...found.keys()].sort(inAlphabet);
      for (const place of [list, more]) place.classList.toggle('many', names.length + Object.keys(form).length > MANY);
      await eachInTurn(names, (name) => known(name, found.get(name), form[name]));
      // The jobs take these as well, but no file of the project mentions them.
      const others = Object.entries(form).filter(([key]) => !found.has(key));
      await eachInTurn(others, ([name, declared]) => known(name, '', declared, declared.required || left.has(name) ? list : more));
      show(note, rows.length ? t`Empty means the default, shown in grey.` : t`This flow has no .properties file: name the parameters yourself.`);
    } catch {
      show(note, t`The flow’s parameters could not be looked up: name those that you want to set.`);
    }
    if (more.children.length) {
      const rest = h('details', {}, h('summary', {}, t`${more.children.length} more, which the project leaves as they are`), more);
      // The browser shows what is wrong with a value only where it can be seen.
      rest.addEventListener('invalid', () => { rest.open = true; }, true);
      list.after(rest);
    }
    for (const [name, value] of left) other(name, value);
    left.clear();
    finder.hidden = rows.length <= MANY;
  })();

  const add = button(t`Other parameter`, () => other().focus(), { icon: 'add', class: 'small' });
  return {
    element: [note, finder, list, add],
    values: () =>
      rows
        .map(({ key, input, always }) => ({ key: key(), value: input.value, always }))
        .filter(({ key, value, always }) => key && (always || value !== ''))
        .map(({ key, value }) => [key, value])
        .concat([...left]), // who is quicker than the lookup still gets what was given
  };
}

/** A field that leaves the parameters with a text in their names. */
function finderOf(rows, places) {
  const filter = () => {
    const wanted = field.value.trim().toLowerCase();
    for (const { key, element } of rows) if (element) element.hidden = !key().toLowerCase().includes(wanted);
  };
  const field = h('input', {
    type: 'search',
    class: 'input',
    hidden: true,
    placeholder: t`Find a parameter`,
    'aria-label': t`Find a parameter`,
    oninput: filter,
    onkeydown: (event) => { if (event.key === 'Enter') event.preventDefault(); },
  });
  // The browser shows what is wrong with a value only where it can be seen.
  const showAll = () => {
    field.value = '';
    filter();
  };
  for (const place of places) place.addEventListener('invalid', showAll, true);
  return field;
}

/** The flow's properties with their defaults, and what its jobs declare of them (`azk.form`). */
async function lookUp(project, flow, job, signal) {
  const [found, { props }] = await Promise.all([
    stock.defaults(project, flow, job, signal),
    api.jobProperties(project, flow, job, signal),
  ]);
  const text = found.get(FORM) ?? props?.[FORM] ?? '{}';
  found.delete(FORM);
  // What Flow 2.0 says of the flow itself is no parameter.
  if (found.get('type') === 'flow') found.delete('type');
  return [found, readForm(text)];
}

/** Read a form; somebody's own property of this name is none. */
function readForm(text) {
  try {
    const isTable = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
    const form = JSON.parse(text);
    return isTable(form) ? Object.fromEntries(Object.entries(form).filter(([, one]) => isTable(one))) : {};
  } catch {
    return {};
  }
}

/** What a job says of a parameter, and what it takes. */
function help(declared) {
  const takes = declared.choices?.length && !declared.several ? '' : expected(declared);
  const said = [declared.doc, takes ? `${takes[0].toUpperCase()}${takes.slice(1)}.` : ''];
  return said.filter(Boolean).join(' ');
}

// Time -------------------------------------------------------------------------------------------

const UNITS = [
  ['m', t`minutes`, 'minute'],
  ['h', t`hours`, 'hour'],
  ['d', t`days`, 'day'],
  ['w', t`weeks`, 'week'],
  ['M', t`months`, 'month'],
];

/** When a schedule runs next and how often, for its fields; of none: in an hour, each day. */
function plannedTime(planned) {
  const { year, month, day, hour } = parts(Date.now() + 3600_000);
  const soon = { date: `${year}-${month}-${day}`, time: `${hour}:00`, every: 1, unit: 'd' };
  if (!planned) return soon;
  if (planned.cronExpression && planned.cronExpression !== 'null') return { ...soon, unit: 'cron', cron: planned.cronExpression };
  const [, date, time] = /^(\S+) (\d\d:\d\d)/.exec(planned.nextExecTime) ?? [];
  const { number, unit: name } = repetition(planned.period) ?? {};
  const unit = UNITS.find(([, , one]) => one === name)?.[0] ?? '';
  return { ...soon, ...(date ? { date, time } : {}), every: unit ? number : 1, unit };
}

/** Date, time and repetition, or a cron expression; in the server's time zone. */
function whenFields({ cron, planned }) {
  const was = plannedTime(planned);
  const date = h('input', { type: 'date', name: 'date', class: 'input', required: true, value: was.date });
  const time = h('input', { type: 'time', name: 'time', class: 'input', required: true, value: was.time });
  const every = h('input', { type: 'number', name: 'every', class: 'input', min: 1, max: 999, value: was.every, 'aria-label': t`Repeat every` });
  const unit = select({ name: 'unit', 'aria-label': t`Unit of repetition` }, [
    ['', t`only once`],
    ...UNITS,
    ...(cron ? [['cron', t`cron expression`]] : []),
  ], was.unit);
  const expression = h('input', { name: 'cron', class: 'input', autocomplete: 'off', placeholder: '0 30 5 ? * MON-FRI', value: was.cron ?? '' });
  const first = h('div', { class: 'row' }, field(t`First run on`, date), field(t`at|a time`, time));
  const quartz = field(t`Cron expression`, expression, t`Of Quartz: seconds, minutes, hours, day of the month, month, day of the week.`);
  const once = () => {
    const by = unit.value === 'cron';
    every.disabled = unit.value === '' || by;
    first.hidden = by;
    quartz.hidden = !by;
    expression.required = by;
    for (const control of [date, time]) control.disabled = by;
  };
  once();
  unit.addEventListener('change', once);
  const element = h(
    'fieldset',
    { class: 'when' },
    h('legend', {}, t`When (server time, ${zoneName()})`),
    first,
    h('div', { class: 'row' }, h('span', {}, t`Repeat every`), every, unit),
    quartz,
  );
  return {
    element,
    value: (form) => {
      if (unit.value === 'cron') return { cron: expression.value.trim() };
      const [year, month, day] = form.get('date').split('-');
      const [hour, minute] = form.get('time').split(':').map(Number);
      const now = parts(Date.now());
      const present = `${now.year}-${now.month}-${now.day} ${now.hour}:${now.minute}`;
      const period = unit.value ? `${every.value}${unit.value}` : '';
      if (!period && `${form.get('date')} ${form.get('time')}` <= present) {
        throw new Error(t`${form.get('date')} ${form.get('time')} has passed: choose a later time.`);
      }
      const half = hour < 12 ? 'am' : 'pm';
      const clock = `${hour % 12 || 12},${String(minute).padStart(2, '0')},${half},${zoneName()}`;
      return { date: `${month}/${day}/${year}`, time: clock, period };
    },
  };
}
