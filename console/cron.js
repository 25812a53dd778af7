/**
 * Quartz cron expressions, read as `azkaban_client/cron.py` reads them: tests/azkaban_client/data/cron.json
 * and random expressions hold the two together.
 */

import { moments, sameClock, when } from './format.js';

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const NEVER = '(?!)'; // matches nothing
const FIELDS = [
  { low: 0, high: 59 },
  { low: 0, high: 59 },
  { low: 0, high: 23 },
  { low: 1, high: 31, special: '\\?|L|LW|L-(?:[1-9]|[12]\\d|30)W?|(?:[1-9]|[12]\\d|3[01])W' },
  { low: 1, high: 12, names: MONTHS },
  { low: 1, high: 7, names: DAYS, special: `\\?|L|(?:[1-7]|${DAYS.join('|')})(?:L|#[1-5])` },
  { low: 1970, high: 2199, year: true },
];
const DAY = 86_400_000;
const YEARS = 100; // after so many years without a time, there is none

const isSpecial = (text, { special = NEVER }) => new RegExp(`^(?:${special})$`).test(text);

/** The fields of an expression; throws for one that is not valid. */
function fieldsOf(expression) {
  const texts = expression.toUpperCase().trim().split(/\s+/);
  const fits = texts.length === 6 || texts.length === 7;
  if (!fits || !texts.every((text, at) => isValid(text, FIELDS[at])) || (texts[3] === '?') === (texts[5] === '?')) {
    throw new Error(expression);
  }
  return texts;
}

const isValid = (text, field) => isSpecial(text, field) || text.split(',').every((item) => isItem(item, field));

/** Whether it is `*`, `A`, `A-B`, or one of these with `/STEP`; Quartz also takes its own 99 for `*`. */
function isItem(item, { low, high, names = [], year = false }) {
  if (item === '99' && !year) return true;
  const value = ['\\d+', ...names].join('|');
  const found = new RegExp(`^(?:\\*|(${value})(?:-(${value}))?)(?:/(\\d+))?$`).exec(item);
  if (!found) return false;
  const [first, last] = found.slice(1, 3);
  const isNumber = (text) => /^\d+$/.test(text);
  const within = (text) => text === undefined || !isNumber(text) || (Number(text) >= low && Number(text) <= high);
  const alike = first === undefined || last === undefined || isNumber(first) === isNumber(last);
  const forwards = !year || last === undefined || Number(last) >= Number(first);
  const step = found[3] === undefined || (Number(found[3]) >= 1 && Number(found[3]) <= high);
  return within(first) && within(last) && alike && forwards && step;
}

/** The numbers of a field; none where it holds no list of numbers. */
function valuesOf(text, field) {
  const { low, high, names = [] } = field;
  const found = new Set();
  if (isSpecial(text, field)) return found;
  const number = (word) => (names.includes(word) ? names.indexOf(word) + low : Number(word));
  for (const item of text.split(',')) {
    const [span, step] = item.split('/');
    const [first, last] = span.split('-');
    const all = span === '*' || span === '99';
    const begin = all ? low : number(first);
    const end = all ? high : last !== undefined ? number(last) : step !== undefined ? high : begin;
    const size = high - low + 1;
    const until = end < begin ? end + size : end; // FRI-MON, 22-4
    for (let at = begin; at <= until; at += Number(step ?? 1)) found.add(((at - low) % size) + low);
  }
  return found;
}

/** The day of a month that `L`, `LW`, `L-3`, `L-3W` or `15W` means; 0 where the month has none. */
function specialDay(text, date) {
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const found = /^(?:L(?:-(\d+))?|(\d+))(W?)$/.exec(text);
  if (!found) return 0;
  const number = found[2] ? Number(found[2]) : last - Number(found[1] ?? 0);
  if (number < 1 || number > last) return 0;
  const weekday = found[3] ? new Date(Date.UTC(year, month, number)).getUTCDay() : 1;
  if (weekday === 6) return number + (number === 1 ? 2 : -1);
  if (weekday === 0) return number + (number === last ? -2 : 1);
  return number;
}

/** Whether a date is what `L`, `FRIL`, `6L` or `6#3` means. */
function isSpecialWeekday(text, date) {
  const [, name, , nth] = /^(\w*?)(?:(L)|#(\d))$/.exec(text);
  const wanted = !name ? 7 : DAYS.includes(name) ? DAYS.indexOf(name) + 1 : Number(name);
  if (date.getUTCDay() + 1 !== wanted) return false;
  if (nth) return Math.ceil(date.getUTCDate() / 7) === Number(nth);
  const next = new Date(date.getTime() + 7 * DAY);
  return !name || next.getUTCMonth() !== date.getUTCMonth();
}

/** Tell whether a date is one of an expression's, of a month and year that are. */
const dayRule = (texts, days, weekdays) => (date) => {
  if (texts[5] !== '?') return weekdays.length ? weekdays.includes(date.getUTCDay() + 1) : isSpecialWeekday(texts[5], date);
  return days.length ? days.includes(date.getUTCDate()) : date.getUTCDate() === specialDay(texts[3], date);
};

/**
 * Moments of an expression after `from`, in the server's zone; throws for one that is not valid.
 *
 * A time that the clocks skip in spring is as much later as they skip. Of one that they show twice in
 * autumn, the first is taken; of an expression for every hour of the day, both.
 */
export function* cronTimes(expression, from) {
  const texts = fieldsOf(expression);
  const values = texts.map((text, at) => [...valuesOf(text, FIELDS[at])].sort((a, b) => a - b));
  const [seconds, minutes, hours, days, months, weekdays, years] = values;
  const fits = dayRule(texts, days, weekdays);
  const clocks = hours.flatMap((hour) => minutes.flatMap((minute) => seconds.map((second) => 1000 * (3600 * hour + 60 * minute + second))));
  const begin = Date.parse(`${when(from).slice(0, 10)}T00:00:00Z`) - DAY; // a skipped time can move into the next day
  let carried = new Set();
  let date = new Date(begin);
  for (; date.getTime() < begin + YEARS * 366 * DAY; date = new Date(date.getTime() + DAY)) {
    const midnight = date.getTime();
    const inMonth = months.includes(date.getUTCMonth() + 1) && (!years || years.includes(date.getUTCFullYear()));
    if (!inMonth && !carried.size) {
      date = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)); // its last day
      continue;
    }
    const due = inMonth && fits(date) ? clocks : [];
    if (!carried.size && !due.length) continue;
    if (!carried.size && sameClock(midnight)) { // nearly always, and there may be 86,400 of them
      for (const clock of due) {
        const [time] = moments(midnight + clock);
        if (time > from) yield time;
      }
      continue;
    }
    for (const clock of due) for (const time of moments(midnight + clock).slice(0, hours.length === 24 ? 2 : 1)) carried.add(time);
    const [end] = moments(midnight + DAY);
    const ready = [...carried].filter((time) => time < end);
    carried = new Set([...carried].filter((time) => time >= end));
    yield* ready.filter((time) => time > from).sort((a, b) => a - b);
  }
}
