/** Time limits of a schedule (SLA): which job, what it must do within which time, and then what. */

import * as api from './api.js';
import { ask, field } from './dialog.js';
import { button, h, icon, show, uid } from './dom.js';
import { count, duration } from './format.js';

const RULES = [
  ['SUCCESS', 'must succeed'],
  ['FINISH', 'must finish'],
];

/** 2.5 says SUCCESS, 4.0 SUCCEED; both take SUCCESS. */
const ruleOf = (rule) => (rule === 'SUCCEED' ? 'SUCCESS' : rule);

/** The minutes of the server's `90m`. */
const minutesOf = (text) => parseInt(text, 10) || 0;

/** One limit in words: `the flow must finish within 1 h 30 m, else mail`. */
export function inWords({ id, rule, duration: time, actions }) {
  const must = Object.fromEntries(RULES)[ruleOf(rule)] ?? rule;
  const then = [actions.includes('EMAIL') ? 'mail' : '', actions.includes('KILL') ? 'kill' : ''];
  return `${id || 'the flow'} ${must} within ${duration(minutesOf(time) * 60_000)}, else ${then.filter(Boolean).join(' and ') || 'nothing'}`;
}

/** Let the user change the limits of a schedule; resolves to true when they were saved. */
export async function editLimits(scheduleId, flow, signal) {
  const known = await api.limits(scheduleId, signal);
  const rows = [];
  const list = h('ul', { class: 'limits' });
  const none = h('p', { class: 'hint' }, 'No limit: the flow may take as long as it does.');
  const emails = h('input', { name: 'emails', class: 'input', value: (known.slaEmails ?? []).join(', '), autocomplete: 'off' });

  const draw = () => {
    show(list, rows.map(({ element }) => element));
    none.hidden = rows.length > 0;
  };

  function add({ id = '', rule = 'FINISH', duration: time = '60m', actions = ['EMAIL'] } = {}) {
    const minutes = minutesOf(time);
    const choice = (label, entries, value) =>
      h('select', { class: 'input', 'aria-label': label }, entries.map(([key, text]) => h('option', { value: key, selected: key === value }, text)));
    const number = (label, value, most) =>
      h('input', { type: 'number', class: 'input', min: 0, max: most, value, required: true, 'aria-label': label });
    const box = (label, checked) => {
      const input = h('input', { type: 'checkbox', id: uid('then'), checked });
      return { input, element: h('label', { class: 'toggle', for: input.id }, input, label) };
    };
    const job = choice('What', [['', 'the flow'], ...(known.allJobNames ?? []).map((name) => [name, name])], id);
    const must = choice('Rule', RULES, ruleOf(rule));
    const hours = number('Hours', Math.floor(minutes / 60), 999);
    const rest = number('Minutes', minutes % 60, 59);
    const mail = box('mail', actions.includes('EMAIL'));
    const kill = box('kill', actions.includes('KILL'));
    const drop = h('button', { type: 'button', class: 'button bare', 'aria-label': 'Remove this limit', onclick: () => { rows.splice(rows.indexOf(row), 1); draw(); } }, icon('cross'));
    const row = {
      element: h('li', { class: 'row' }, job, must, h('span', {}, 'within'), hours, h('span', {}, 'h'), rest, h('span', {}, 'm,'), h('span', { class: 'row' }, 'else', mail.element, kill.element, drop)),
      value: () => ({ job: job.value, rule: must.value, minutes: 60 * Number(hours.value) + Number(rest.value), email: mail.input.checked, kill: kill.input.checked }),
    };
    rows.push(row);
    draw();
    return job;
  }

  (known.settings ?? []).forEach(add);
  draw();
  return ask({
    title: `Time limits of ${flow}`,
    action: 'Save',
    wide: true,
    body: [
      none,
      list,
      button('Another limit', () => add().focus(), { icon: 'add', class: 'small' }),
      field('Mail to', emails, 'Addresses with commas between'),
    ],
    submit: async (form) => {
      const wanted = rows.map((row) => row.value());
      const to = form.get('emails').split(',').map((one) => one.trim()).filter(Boolean);
      for (const { job, minutes, email, kill } of wanted) {
        const what = job || 'the flow';
        if (minutes < 1) throw new Error(`${what}: a limit is one minute or more.`);
        if (!email && !kill) throw new Error(`${what}: choose mail, kill or both.`);
        if (email && !to.length) throw new Error(`${what}: name somebody to mail to.`);
        if (job.includes(',')) throw new Error(`${job}: the server takes no limit for a name with a comma.`);
      }
      await api.setLimits(scheduleId, wanted, to.join(','));
      const { settings = [] } = await api.limits(scheduleId);
      if (!wanted.length && settings.length) { // 4.0 takes an empty list for no list
        throw new Error('This server keeps the last limits: unschedule the flow and schedule it again to be without.');
      }
      if (settings.length !== wanted.length) {
        throw new Error(`The server kept ${count(settings.length, 'limit')} of ${wanted.length}.`);
      }
      return true;
    },
  });
}
