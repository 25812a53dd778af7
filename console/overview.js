/** What needs somebody now: failed and recovered, late and missed, running, what comes next, health. */

import * as intervals from './intervals.js';
import * as known from './known.js';
import * as stock from './stock.js';
import { h, icon, route, show } from './dom.js';
import { badge, clock, duration, finished, instant, when } from './format.js';
import { healthLines } from './health.js';
import { lately, troubles, yesterday } from './recent.js';
import { eachInTurn } from './pieces.js';
import { DAY, isLate, missed, upcoming } from './plan.js';
import { count, t } from './words.js';

const SHOWN = 8; // lines of one part; the rest is a click away
const CHECKED = 40; // schedules that may have missed a run
const SLOTS = 96; // of the timeline: a quarter of an hour each

/** The parts, which fill themselves and stay up to date while the page is open. */
export function overview(context) {
  const { signal } = context;
  const past = lately(yesterday(), signal);
  const names = ['failed', 'running', 'next', 'health'];
  const places = Object.fromEntries(names.map((name) => [name, h('section', { class: ['card', 'part', name], 'aria-busy': 'true' })]));
  const titles = { failed: t`Needs attention`, running: t`Running now`, next: t`Next 24 hours`, health: t`Server` };
  for (const name of names) show(places[name], h('h2', {}, titles[name]), h('p', { class: 'hint' }, t`Looking …`));

  async function part(name, work) {
    let inside;
    try {
      inside = await work();
    } catch (error) {
      if (error.name === 'AbortError' || error.kind === 'session') throw error;
      inside = h('p', { class: 'hint' }, error.message);
    }
    places[name].removeAttribute('aria-busy');
    show(places[name], h('h2', {}, titles[name]), inside);
  }

  let loaded = false;
  context.every(intervals.OVERVIEW, async () => {
    // Each part waits for what it shows alone: one page that fails leaves the others.
    const running = stock.running(signal);
    const planned = known.schedules();
    const rows = loaded ? past.update() : past.load();
    await Promise.all([
      part('failed', async () => attention(await rows, await planned, signal)),
      part('running', async () => runningLines(await running, signal)),
      part('next', async () => nextLines(await planned)),
      part('health', async () => healthLines(await running, context)),
    ]);
    loaded = true;
    return true;
  });
  return h('div', { class: 'overview', 'aria-label': t`What needs attention`, role: 'region' }, names.map((name) => places[name]));
}

const flowName = ({ project, flow }) => [h('strong', {}, flow), h('span', { class: 'hint' }, t` in ${project}`)];

/** One line: what leads to its cause, and what there is to say. */
const line = (href, key, name, ...said) =>
  h('li', {}, h('a', { href, data: { key } }, name), h('span', { class: 'said' }, said));

function listOf(lines, more, shown = SHOWN) {
  return [
    h('ul', { class: 'lines' }, lines.slice(0, shown)),
    lines.length > shown ? h('p', { class: 'hint' }, h('a', { href: more }, t`${lines.length - shown} more`)) : null,
  ];
}

/** Schedules with the times at which no run started although one was due. */
async function missedOnes(state, schedules, signal) {
  const starts = new Map();
  for (const { project, flow, begun } of state.rows) {
    const key = JSON.stringify([project, flow]);
    starts.set(key, [...(starts.get(key) ?? []), begun]);
  }
  const doubtful = [];
  await eachInTurn(schedules, (one) => {
    const asked = { ...one, starts: starts.get(JSON.stringify([one.project, one.flow])) ?? [] };
    if (missed(asked, asked.starts, state.since).length) doubtful.push(asked);
  });
  const found = [];
  // A schedule may have been made since then, with a first time in the past.
  await known.each(doubtful.slice(0, CHECKED), async (one) => {
    const times = missed(one, one.starts, Math.max(state.since, await known.scheduledAt(one.project, one.flow, signal)));
    if (times.length) found.push({ ...one, times });
  }, signal);
  return found;
}

/** Failed and recovered flows, late and missed schedules, each with the way to its cause. */
async function attention(state, schedules, signal) {
  const { failed, recovered } = troubles(state.rows);
  const late = schedules.filter((one) => isLate(one));
  const gone = await missedOnes(state, schedules, signal);
  const since = t`since ${when(state.since).slice(0, 16)}`;
  const bad = failed.map(({ run, times, ...of }) =>
    line(route('execution', run.id), `failed-${run.id}`, flowName(of), badge(run.status), ` ${run.end && run.end !== '-' ? run.end.slice(5, 16) : ''}`, times > 1 ? ` ${count(times, 'time')} ${since}` : ''));
  const behind = late.map((one) =>
    line(route('flow', one.project, one.flow), `late-${one.id}`, flowName(one), label('clock', t`Late`, 'warn'), t` due at ${one.next.slice(5, 16)}, not started`));
  const lost = gone.map(({ times, ...one }) =>
    line(route('schedules', one.id), `missed-${one.id}`, flowName(one), label('clock', t`Missed`, 'warn'), ` ${when(times.at(-1)).slice(5, 16)}${times.length > 1 ? t` and ${times.length - 1} more` : ''}`));
  const well = recovered.map(({ run, by, ...of }) =>
    line(route('execution', by.id), `recovered-${by.id}`, flowName(of), label('check', t`Recovered`, 'good'), t` after ${h('a', { href: route('execution', run.id) }, `#${run.id}`)}`));
  const troubled = [...bad, ...behind, ...lost];
  const history = `#/history?status=70&begin=${when(state.since).slice(0, 10)}`;
  return [
    troubled.length ? listOf(troubled, history) : h('p', { class: 'all-well' }, icon('check'), t`Nothing failed, late or missed ${since}.`),
    well.length ? listOf(well, history, SHOWN / 2) : null,
  ];
}

const label = (glyph, text, family) => h('span', { class: ['badge', `is-${family}`] }, icon(glyph), text);

/** What runs, how far it is by what it usually takes, and whether it takes longer. */
async function runningLines(running, signal) {
  if (!running.length) return h('p', { class: 'hint' }, t`Nothing runs now.`);
  const usual = new Map();
  await known.each(running.slice(0, SHOWN), async ({ project, flow }) => {
    const found = await known.flowRuns(project, flow, { fresh: 300_000 }, signal).catch(() => ({ list: [] }));
    usual.set(JSON.stringify([project, flow]), known.usual(found.list));
  }, signal);
  const lines = running.map((run) => {
    const most = usual.get(JSON.stringify([run.project, run.flow]));
    const spent = Date.now() - instant(run.start);
    const slow = spent > 2 * most && spent > most + 60_000;
    const told = most > 0 ? t`${duration(spent)} of usually ${duration(most)}` : spent > 0 ? t`for ${duration(spent)}|a time` : '';
    return line(route('execution', run.id), `running-${run.id}`, flowName(run),
      slow ? label('clock', t`Long`, 'warn') : finished(run.status) ? null : badge(run.status),
      most > 0 && spent > 0 ? h('progress', { max: most, value: Math.min(spent, most), 'aria-label': `${run.flow}: ${told}`, class: slow ? 'is-warn' : '' }) : null,
      h('span', {}, ` ${told}`));
  });
  return listOf(lines, '#/running');
}

/** The coming 24 hours as quarters of an hour, and the next runs by name. */
async function nextLines(schedules) {
  const now = Date.now();
  const due = [];
  await eachInTurn(schedules, (one) => due.push(...upcoming(one, now + DAY, SLOTS * 2).map((time) => ({ ...one, time }))));
  due.sort((a, b) => a.time - b.time);
  if (!due.length) return h('p', { class: 'hint' }, schedules.length ? t`Nothing is due.` : t`Nothing is scheduled.`);
  const lines = due.slice(0, SHOWN).map((one) =>
    line(route('flow', one.project, one.flow), `next-${one.id}-${one.time}`, flowName(one), h('span', {}, clock(one.time)), h('span', { class: 'hint' }, one.time > now ? t` in ${duration(one.time - now)}` : t` due`)));
  return [dayLine(due, now), h('ul', { class: 'lines' }, lines),
    due.length > SHOWN ? h('p', { class: 'hint' }, h('a', { href: '#/schedules' }, t`${count(due.length, 'run')} in all`)) : null];
}

/** Bars of how many runs are due in each quarter of an hour. */
function dayLine(due, now) {
  const slots = Array.from({ length: SLOTS }, () => []);
  for (const one of due) slots[Math.min(SLOTS - 1, Math.max(0, Math.floor(((one.time - now) * SLOTS) / DAY)))].push(one);
  const most = Math.max(...slots.map((slot) => slot.length));
  const hours = [0, 6, 12, 18].map((hour) => h('span', { style: { left: `${(100 * hour) / 24}%` } }, clock(now + hour * 3_600_000)));
  return h('div', { class: 'day-line', role: 'img', 'aria-label': t`${count(due.length, 'run')} due in the next 24 hours, at most ${most} in a quarter of an hour` },
    h('div', { class: 'day-bars' }, slots.map((slot) =>
      h('span', slot.length ? { class: 'due', title: `${clock(slot[0].time)} ${slot.slice(0, 5).map(({ flow }) => flow).join(', ')}${slot.length > 5 ? t` and ${slot.length - 5} more` : ''}`, style: { height: `${20 + (80 * slot.length) / most}%` } } : {}))),
    h('div', { class: 'day-hours' }, hours));
}

