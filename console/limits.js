/** Time limits (SLA): which job, what it must do within which time, and what happens else. */

import * as api from './api.js';
import { ask, field, select } from './dialog.js';
import { button, h, icon, show, uid } from './dom.js';
import { duration } from './format.js';
import { count, t } from './words.js';

const RULES = [
  ['SUCCESS', t`must succeed`],
  ['FINISH', t`must finish`],
];

/** 2.5 says SUCCESS, 4.0 SUCCEED; both take SUCCESS. */
const ruleOf = (rule) => (rule === 'SUCCEED' ? 'SUCCESS' : rule);

/** The minutes of the server's `90m`. */
const minutesOf = (text) => parseInt(text, 10) || 0;

/** A limit as the server tells it, as `api.setLimits` takes it. */
const asRow = ({ id = '', rule = 'FINISH', duration: time = '60m', actions = ['EMAIL'] }) => ({
  job: id ?? '',
  rule: ruleOf(rule),
  minutes: minutesOf(time),
  email: actions.includes('EMAIL'),
  kill: actions.includes('KILL'),
});

/** One limit in words: `the flow must finish within 1 h 30 m, else mail`. */
export function inWords(limit) {
  const { job, rule, minutes, email, kill } = asRow(limit);
  const must = Object.fromEntries(RULES)[rule] ?? rule;
  const then = [email ? t`mail` : '', kill ? t`kill` : ''].filter(Boolean).join(t` and `);
  return t`${job || t`the flow`} ${must} within ${duration(minutes * 60_000)}, else ${then || t`nothing`}`;
}

/**
 * Fields for limits, beginning with those that there are: `{settings, slaEmails}` as the server
 * tells them, and `jobs`, the names to choose from. `read()` gives `{rows, emails}` for the API, or
 * throws what is wrong.
 */
export function limitFields({ settings = [], slaEmails = [], jobs = [] }) {
  const rows = [];
  const list = h('ul', { class: 'limits' });
  const none = h('p', { class: 'hint' }, t`No limit: the flow may take as long as it does.`);
  const emails = h('input', { class: 'input', value: (slaEmails ?? []).join(', '), autocomplete: 'off' });

  const draw = () => {
    show(list, rows.map(({ element }) => element));
    none.hidden = rows.length > 0;
  };

  function add(limit) {
    const given = asRow(limit);
    const number = (label, value, most) =>
      h('input', { type: 'number', class: 'input', min: 0, max: most, value, required: true, 'aria-label': label });
    const box = (label, checked) => {
      const input = h('input', { type: 'checkbox', id: uid('then'), checked });
      return { input, element: h('label', { class: 'toggle', for: input.id }, input, label) };
    };
    const job = select({ 'aria-label': t`What` }, [['', t`the flow`], ...jobs.map((name) => [name, name])], given.job);
    const must = select({ 'aria-label': t`Rule` }, RULES, given.rule);
    const hours = number(t`Hours`, Math.floor(given.minutes / 60), 999);
    const rest = number(t`Minutes`, given.minutes % 60, 59);
    const mail = box(t`mail`, given.email);
    const kill = box(t`kill`, given.kill);
    const drop = h('button', { type: 'button', class: 'button bare', 'aria-label': t`Remove this limit`, onclick: () => { rows.splice(rows.indexOf(row), 1); draw(); } }, icon('cross'));
    const row = {
      element: h('li', { class: 'row' }, job, must, h('span', {}, t`within`), hours, h('span', {}, 'h'), rest, h('span', {}, 'm,'), h('span', { class: 'row' }, t`else`, mail.element, kill.element, drop)),
      value: () => ({ job: job.value, rule: must.value, minutes: 60 * Number(hours.value) + Number(rest.value), email: mail.input.checked, kill: kill.input.checked }),
    };
    rows.push(row);
    draw();
    return job;
  }

  function read() {
    const wanted = rows.map((row) => row.value());
    const to = emails.value.split(',').map((one) => one.trim()).filter(Boolean);
    for (const { job, minutes, email, kill } of wanted) {
      const what = job || t`the flow`;
      if (minutes < 1) throw new Error(t`${what}: a limit is one minute or more.`);
      if (!email && !kill) throw new Error(t`${what}: choose mail, kill or both.`);
      if (email && !to.length) throw new Error(t`${what}: name somebody to mail to.`);
      if (job.includes(',')) throw new Error(t`${job}: the server takes no limit for a name with a comma.`);
    }
    return { rows: wanted, emails: to.join(',') };
  }

  (settings ?? []).forEach(add);
  draw();
  const element = [
    none,
    list,
    button(t`Another limit`, () => add({}).focus(), { icon: 'add', class: 'small' }),
    field(t`When a limit is passed, mail to`, emails, t`Addresses with commas between`),
  ];
  return { element, read };
}

/** Let the user change the limits of a schedule; resolves to true when they were saved. */
export async function editLimits(scheduleId, flow, signal) {
  const known = await api.limits(scheduleId, signal);
  const fields = limitFields({ ...known, jobs: known.allJobNames });
  return ask({
    title: t`Time limits of ${flow}`,
    action: t`Save`,
    wide: true,
    body: fields.element,
    submit: async () => {
      const { rows, emails } = fields.read();
      await save(scheduleId, rows, emails);
      return true;
    },
  });
}

/** Give a flow's new schedule the limits of the one before, which the server drops. */
export async function keepLimits(projectId, flow, { settings, slaEmails }) {
  if (!settings?.length) return;
  const { scheduleId } = await api.flowSchedule(projectId, flow);
  await save(scheduleId, settings.map(asRow), (slaEmails ?? []).join(','));
}

async function save(scheduleId, rows, emails) {
  await api.setLimits(scheduleId, rows, emails);
  const { settings = [] } = await api.limits(scheduleId);
  if (!rows.length && settings.length) { // 4.0 takes an empty list for no list
    throw new Error(t`This server keeps the last limits: unschedule the flow and schedule it again to be without.`);
  }
  if (settings.length !== rows.length) {
    throw new Error(t`The server kept ${count(settings.length, 'limit')} of ${rows.length}.`);
  }
}
