/** What a run may change: a flow's properties with their defaults, in the dialog that runs or schedules it. */

import * as api from './api.js';
import * as stock from './stock.js';
import { button, h, show, uid } from './dom.js';
import { control, expected } from './kinds.js';
import { inAlphabet } from './order.js';
import { eachInTurn } from './pieces.js';
import { t } from './words.js';

const MANY = 30; // parameters among which one may have to look for one
const FORM = 'azk.form'; // a property, written by azk: azkaban_client/flow/form.py

/** The flow's properties with their defaults, to be overridden, and rows for others. */
export function parameterTable(project, flow, nodes, given, signal) {
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
