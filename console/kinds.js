/** Controls for the parameters that a flow's jobs declare, and checks of what is typed into them. */

import { select } from './dialog.js';
import { h, uid } from './dom.js';
import { t } from './words.js';

// What the job kit accepts (azkaban_client/job/kinds.py), and how it says so.
const KINDS = {
  integer: [t`an integer`, (text) => /^[+-]?\d+(_\d+)*$/.test(text)],
  number: [t`a number`, (text) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.replaceAll('_', ''))],
  boolean: [t`true or false`, (text) => /^(true|false|yes|no|1|0)$/i.test(text)],
  date: [t`a date (2026-11-30, today, yesterday)`, (text) => /^(today|yesterday)$/i.test(text) || isDay(text)],
  time: [t`a time (2026-11-30T06:00)`, (text) => isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text))],
  duration: [t`a duration (90s, 15m, 1h30m, 2d)`, (text) => /^(\d+(\.\d+)?\s*(ms|[smhd])\s*)+$/.test(text)],
  secret: [t`file:PATH or env:NAME, where the secret is`, (text) => /^(file|env):./.test(text)],
};
const BOUNDS = {
  ge: ['>=', (value, limit) => value >= limit],
  gt: ['>', (value, limit) => value > limit],
  le: ['<=', (value, limit) => value <= limit],
  lt: ['<', (value, limit) => value < limit],
};

/** A day that the calendar has: JavaScript takes the 30th of February for the 2nd of March. */
function isDay(text) {
  const day = new Date(`${text}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

const bounds = (declared) => Object.entries(BOUNDS).filter(([key]) => typeof declared[key] === 'number');

/** Say what a parameter takes: "an integer >= 1". */
export function expected(declared) {
  const limits = bounds(declared).map(([key, [sign]]) => `${sign} ${declared[key]}`);
  const choices = Array.isArray(declared.choices) ? declared.choices : [];
  const words = choices.length ? t`one of ${choices.join(', ')}` : (KINDS[declared.type]?.[0] ?? '');
  const one = [words, limits.join(t` and `)].filter(Boolean).join(' ');
  return declared.several ? t`several, with commas between${one ? t`, each ${one}` : ''}` : one;
}

/** Say what is wrong with a text; '' if nothing is, or only the server can tell (`${...}`). */
export function problem(declared, text) {
  if (!text.trim() || text.includes('$')) return '';
  const parts = declared.several ? text.split(',').filter((part) => part.trim()) : [text];
  return parts.every((part) => fits(declared, part.trim())) ? '' : t`Expected ${expected(declared)}.`;
}

function fits(declared, text) {
  if (declared.choices?.length) return declared.choices.includes(text);
  if (KINDS[declared.type] && !KINDS[declared.type][1](text)) return false;
  const value = Number(text.replaceAll('_', ''));
  return bounds(declared).every(([key, [, test]]) => test(value, declared[key]));
}

/**
 * A control for a parameter: its `element`, and the `input` that holds the value.
 *
 * `standard` is what the project's files say, `value` what was given before. A value that is none
 * of the choices is kept as one more.
 */
export function control(declared, { standard, value }) {
  const id = uid('parameter');
  const choices = declared.type === 'boolean' ? ['true', 'false'] : (declared.choices ?? []);
  if (choices.length && !declared.several) {
    const pairs = [...new Set([...choices, value].filter(Boolean))].map((one) => [one, one]);
    const input = select({ id }, [['', standard || t`empty`], ...pairs], value);
    return { element: input, input };
  }
  const keyboard = declared.several ? null : { integer: 'numeric', number: 'decimal' }[declared.type];
  const input = h('input', { id, class: 'input', placeholder: standard || t`empty`, value, inputmode: keyboard, autocomplete: 'off' });
  const check = () => input.setCustomValidity(problem(declared, input.value));
  input.addEventListener('input', check);
  check();
  const picker = { date: 'date', time: 'datetime-local' }[declared.several ? '' : declared.type];
  if (!picker) return { element: input, input };
  const choose = h('input', {
    type: picker,
    class: 'input',
    'aria-label': t`From the calendar`,
    onchange: () => {
      if (choose.value) input.value = choose.value;
      check();
    },
  });
  return { element: h('div', { class: 'pick' }, input, choose), input };
}
