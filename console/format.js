/** Words for times, durations and statuses. */

import { h, icon } from './dom.js';
import { count, t } from './words.js';

/** The server's time zone: all times are shown in it, as schedules are set in it. */
const zone = { id: 'UTC', format: null };

/** Set the time zone; one that the browser does not know is shown as UTC. */
export function setZone(id) {
  const options = { hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit' };
  Object.assign(options, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  try {
    zone.format = new Intl.DateTimeFormat('en', { ...options, timeZone: id });
    zone.id = id;
  } catch {
    zone.format = new Intl.DateTimeFormat('en', { ...options, timeZone: 'UTC' });
    zone.id = 'UTC';
  }
}

export const zoneName = () => zone.id;

/** Year, month … of a time in the server's zone, as two-digit texts. */
export function parts(time) {
  return Object.fromEntries(zone.format.formatToParts(time).map(({ type, value }) => [type, value]));
}

/** `2026-11-22 18:04:05`; a dash for a time that is not known (the server says -1). */
export function when(time) {
  if (!(time > 0)) return '–';
  const { year, month, day, hour, minute, second } = parts(time);
  return `${year}-${month}-${day} ${hour}:${minute}:${second}`;
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?/;

/** How far the zone's clocks are from UTC at a moment. */
function offset(time) {
  const { year, month, day, hour, minute, second } = parts(time);
  return Date.UTC(year, month - 1, day, hour, minute, second) - time;
}

const DAY = 86_400_000;
const around = { day: NaN, zone: '', before: 0, after: 0 }; // offsets beside the last day that was asked for

function lookAround(shown) {
  const date = Math.floor(shown / DAY);
  if (around.day !== date || around.zone !== zone.id) {
    Object.assign(around, { day: date, zone: zone.id, before: offset((date - 1) * DAY), after: offset((date + 2) * DAY) });
  }
  return around;
}

/** Whether the zone's clocks do not change about a day. */
export const sameClock = (shown) => lookAround(shown).before === lookAround(shown).after;

/**
 * The moments at which the zone's clocks show a time, which is written as if it were UTC: two in the
 * hour that they repeat, else one; a time that they skip is as much later as they skip.
 */
export function moments(shown) {
  const { before, after } = lookAround(shown);
  if (before === after) return [shown - before];
  const fit = [before, after].map((one) => shown - one).filter((time) => time + offset(time) === shown);
  return fit.length ? fit : [shown - before];
}

/** The moment of a time such as `2026-11-22 18:04:05` in the server's zone; NaN for anything else. */
export function instant(text) {
  const found = TIME.exec(text ?? '')?.slice(1).map((part) => Number(part ?? 0));
  return found ? moments(Date.UTC(found[0], found[1] - 1, ...found.slice(2)))[0] : NaN;
}

/** `2026-11-22`: the day of a moment in the server's zone. */
export const day = (time) => when(time).slice(0, 10);

/** `18:04`: its time of day. */
export const clock = (time) => when(time).slice(11, 16);

/**
 * `< 1 s`, `4 s`, `3 m 05 s`, `2 h 10 m`, `3 d 4 h`: whole seconds, since lists of the server's own
 * pages have no finer ones, and one run must not last `0 s` here and `505 ms` there.
 */
export function duration(milliseconds) {
  if (!(milliseconds >= 0)) return '–';
  const seconds = Math.floor(milliseconds / 1000);
  const pad = (number) => String(number).padStart(2, '0');
  if (seconds < 1) return '< 1 s';
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${pad(Math.floor(seconds / 60) % 60)} m`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600) % 24} h`;
}

/** How long something took, or has been going on. */
export function span(start, end, now = Date.now()) {
  if (!(start > 0)) return NaN;
  return (end > 0 ? end : Math.max(now, start)) - start;
}

/** Jobs to which Azkaban gives times although they never ran. */
const NEVER_RAN = ['READY', 'CANCELLED', 'SKIPPED', 'DISABLED'];

/** How long a job took, or has been running; NaN when it never ran. */
export const took = (job, now) => (NEVER_RAN.includes(job.status) ? NaN : span(job.startTime, job.endTime, now));

/** Each status: its word, icon and colour family. */
const STATUSES = {
  READY: [t`Ready`, 'clock', 'idle'],
  PREPARING: [t`Preparing`, 'clock', 'wait'],
  QUEUED: [t`Queued`, 'clock', 'wait'],
  RUNNING: [t`Running`, 'play', 'run'],
  PAUSED: [t`Paused`, 'pause', 'warn'],
  SUCCEEDED: [t`Succeeded`, 'check', 'good'],
  FAILED_SUCCEEDED: [t`Succeeded after failure`, 'check', 'good'],
  FAILED: [t`Failed`, 'cross', 'bad'],
  FAILED_FINISHING: [t`Failed, finishing`, 'cross', 'bad'],
  KILLED: [t`Killed`, 'stop', 'warn'],
  KILLING: [t`Killing`, 'stop', 'warn'],
  CANCELLED: [t`Cancelled`, 'stop', 'warn'],
  SKIPPED: [t`Skipped`, 'minus', 'idle'],
  DISABLED: [t`Disabled`, 'minus', 'idle'],
};

/** The word, icon and colour family of a status; one we don't know shows its own name. */
export function status(name) {
  const [word, glyph, family] = STATUSES[name] ?? [String(name ?? t`Unknown`), 'clock', 'idle'];
  return { word, glyph, family };
}

const FINISHED = ['SUCCEEDED', 'FAILED', 'KILLED', 'CANCELLED', 'SKIPPED', 'FAILED_SUCCEEDED'];

/** Whether an execution with this status goes on no more. */
export const finished = (name) => FINISHED.includes(name);

/** A coloured label with a status's icon and word. */
export function badge(name) {
  const { word, glyph, family } = status(name);
  return h('span', { class: ['badge', `is-${family}`] }, icon(glyph), word);
}

const UNITS = {
  second: [t`every second`, (number) => count(number, 'second')],
  minute: [t`every minute`, (number) => count(number, 'minute')],
  hour: [t`every hour`, (number) => count(number, 'hour')],
  day: [t`every day`, (number) => count(number, 'day')],
  week: [t`every week`, (number) => count(number, 'week')],
  month: [t`every month`, (number) => count(number, 'month')],
  year: [t`every year`, (number) => count(number, 'year')],
};

/** What the server's `2 day(s)` means: `{number, unit}`; null when it does not repeat. */
export function repetition(text) {
  const [, number, unit] = /^(\d+) ([a-z]+?)\(?s?\)?$/i.exec(text?.trim() ?? '') ?? [];
  return number > 0 && Object.hasOwn(UNITS, unit) ? { number: Number(number), unit } : null;
}

/** `every day`, `every 2 hours` from the server's `2 hour(s)`; empty when it does not repeat. */
export function every(text) {
  const found = repetition(text);
  if (!found) return /^(null|Non-?recurring)?$/i.test(text?.trim() ?? '') ? '' : text;
  const [each, several] = UNITS[found.unit];
  return found.number === 1 ? each : t`every ${several(found.number)}`;
}
