/** When a schedule runs: by its period, or by a cron expression of Quartz. */

import { cronTimes } from './cron.js';
import { instant, repetition, when } from './format.js';

const DAY = 86_400_000;

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
  const { number, unit } = repetition(schedule.period) ?? {};
  for (let at = 1; unit && add(later(next, at * number, unit)); at += 1);
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
  const { number, unit } = repetition(schedule.period) ?? {};
  const next = instant(schedule.next);
  if (!unit || !(next > 0)) return found;
  for (let at = 0; found.length < most; at += 1) {
    const time = later(next, -at * number, unit);
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
