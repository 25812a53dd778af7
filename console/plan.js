/** When a schedule runs: by its period, or by a cron expression of Quartz. */

import { instant, period, when } from './format.js';

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const DAY = 86_400_000;
const FAR = 1500; // days in which a cron expression must come true

/** Numbers that a field of a cron expression allows; names are `base` and more. */
function numbers(field, low, high, names = [], base = 0) {
  const number = (text) => (names.includes(text) ? names.indexOf(text) + base : Number(text));
  const found = new Set();
  for (const part of field.toUpperCase().split(',')) {
    const [range, step] = part.split('/');
    const all = range === '*' || range === '?';
    const [from, to] = all ? [low, high] : range.split('-').map(number);
    const last = to ?? (step ? high : from);
    if (![from, last].every(Number.isInteger) || (step !== undefined && !(Number(step) > 0))) throw new Error(field);
    // FRI-MON and 22-2 go over the end.
    const length = last < from ? last + (high - low + 1) - from : last - from;
    for (let at = 0; at <= length; at += Number(step ?? 1)) found.add(low + ((from - low + at) % (high - low + 1)));
  }
  return found;
}

const lastOf = (date) => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
const sameMonth = (date, other) => date.getUTCMonth() === other.getUTCMonth();

/** The weekday nearest to a day of the month, within the month. */
function nearest(date, wanted) {
  const find = (number) => new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), number));
  const asked = find(wanted);
  const shift = asked.getUTCDay() === 6 ? (sameMonth(find(wanted - 1), asked) ? -1 : 2)
    : asked.getUTCDay() === 0 ? (sameMonth(find(wanted + 1), asked) ? 1 : -2) : 0;
  return wanted + shift;
}

/** Whether a date is one of a field of days: of the month first, then of the week. */
function dayRule(ofMonth, ofWeek) {
  const byMonth = (part) => {
    const found = /^(?:L(?:-(\d+))?|(\d+))(W)?$/.exec(part);
    if (!found || (!part.includes('L') && !part.includes('W'))) {
      const days = numbers(part, 1, 31);
      return (date) => days.has(date.getUTCDate());
    }
    const [, before, number, weekday] = found;
    return (date) => {
      const wanted = number ? Math.min(Number(number), lastOf(date)) : lastOf(date) - Number(before ?? 0);
      return date.getUTCDate() === (weekday ? nearest(date, wanted) : wanted);
    };
  };
  const byWeek = (part) => {
    const found = /^(\w+)(L|#(\d))$/.exec(part);
    if (part === 'L') return (date) => date.getUTCDay() === 6;
    if (!found) {
      const days = numbers(part, 1, 7, DAYS, 1);
      return (date) => days.has(date.getUTCDay() + 1);
    }
    const [name] = numbers(found[1], 1, 7, DAYS, 1);
    return (date) => date.getUTCDay() + 1 === name
      && (found[3] ? Math.ceil(date.getUTCDate() / 7) === Number(found[3]) : date.getUTCDate() + 7 > lastOf(date));
  };
  const any = (field, rule) => {
    const rules = field.toUpperCase().split(',').map(rule);
    return (date) => rules.some((one) => one(date));
  };
  const [month, week] = [any(ofMonth, byMonth), any(ofWeek, byWeek)];
  return (date) => month(date) && week(date);
}

const two = (number) => String(number).padStart(2, '0');

/** Moments of a cron expression after `from`, in the server's zone; throws for one that is none. */
export function* cronTimes(expression, from) {
  const fields = expression.trim().split(/\s+/);
  if (fields.length < 6) throw new Error(expression);
  const [seconds, minutes, hours] = [[0, 59], [0, 59], [0, 23]].map(([low, high], at) => [...numbers(fields[at], low, high)].sort((a, b) => a - b));
  const months = numbers(fields[4], 1, 12, MONTHS, 1);
  const fits = dayRule(fields[3], fields[5]);
  const years = fields[6] ? numbers(fields[6], 1970, 2199) : null;
  const [year, month, day] = when(from).slice(0, 10).split('-').map(Number);
  let last = from;
  for (let at = 0; at < FAR; at += 1) {
    const date = new Date(Date.UTC(year, month - 1, day + at));
    if (!months.has(date.getUTCMonth() + 1) || !fits(date) || (years && !years.has(date.getUTCFullYear()))) continue;
    const text = date.toISOString().slice(0, 10);
    for (const hour of hours) for (const minute of minutes) for (const second of seconds) {
      const time = instant(`${text} ${two(hour)}:${two(minute)}:${two(second)}`);
      if (time > last) yield (last = time);
    }
  }
}

/** A moment some units later, at the same time of day. */
function later(time, number, unit) {
  const fixed = { second: 1000, minute: 60_000, hour: 3_600_000 }[unit];
  if (fixed) return time + number * fixed;
  const [date, clock] = when(time).split(' ');
  const [year, month, day] = date.split('-').map(Number);
  const days = { day: 1, week: 7 }[unit];
  const months = { month: 1, year: 12 }[unit] ?? 0;
  const last = new Date(Date.UTC(year, month + number * months, 0)).getUTCDate();
  const moved = days ? new Date(Date.UTC(year, month - 1, day + number * days))
    : new Date(Date.UTC(year, month - 1 + number * months, Math.min(day, last)));
  return instant(`${moved.toISOString().slice(0, 10)} ${clock}`);
}

const unitOf = (schedule) => {
  const [number, noun] = period(schedule.period).split(' ');
  return Number(number) > 0 ? [Number(number), noun.replace(/s$/, '')] : null;
};

/** The next runs of a schedule as the server's page has it, before `until`, at most `most`. */
export function upcoming(schedule, until, most = 1000) {
  const next = instant(schedule.next);
  const found = [];
  const add = (time) => time < until && found.length < most && found.push(time);
  if (!(next > 0) || !add(next)) return found;
  if (schedule.cron) {
    try {
      for (const time of cronTimes(schedule.cron, next)) if (!add(time)) break;
    } catch {
      return found; // an expression of a kind that we do not know: the server's next time is right
    }
    return found;
  }
  const unit = unitOf(schedule);
  for (let at = 1; unit && add(later(next, at * unit[0], unit[1])); at += 1);
  return found;
}

/** The runs of a schedule that were due since a moment, the oldest first. */
export function past(schedule, since, now = Date.now(), most = 500) {
  const first = Math.max(instant(schedule.first) || 0, since);
  const found = [];
  if (schedule.cron) {
    try {
      for (const time of cronTimes(schedule.cron, first - 1)) {
        if (time >= now || found.length === most) break;
        found.push(time);
      }
    } catch {
      return found;
    }
    return found;
  }
  const unit = unitOf(schedule);
  const next = instant(schedule.next);
  if (!unit || !(next > 0)) return found;
  for (let at = 0; found.length < most; at += 1) {
    const time = later(next, -at * unit[0], unit[1]);
    if (!(time >= first)) break;
    if (time < now) found.unshift(time);
  }
  return found;
}

const LATE = 90_000; // the server looks once a minute

/** Runs that were due and did not start until the next was due: times of `starts` are of the flow's runs. */
export function missed(schedule, starts, since, now = Date.now()) {
  const due = past(schedule, since, now - LATE);
  return due.filter((time, at) => {
    const until = due[at + 1] ?? now;
    return !starts.some((start) => start >= time - LATE && start < Math.max(until, time + LATE));
  });
}

/** Whether the next run should have started: the server is behind. */
export const isLate = (schedule, now = Date.now()) => instant(schedule.next) < now - LATE;

export { DAY };
