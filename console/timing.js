/** When a schedule runs: date, time and repetition, or cron, in the dialog that schedules a flow. */

import { field, select } from './dialog.js';
import { h } from './dom.js';
import { parts, repetition, zoneName } from './format.js';
import { t } from './words.js';

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
export function whenFields({ cron, planned }) {
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
