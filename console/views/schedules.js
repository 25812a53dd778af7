/** What is scheduled: the next runs, the ones that were missed, the coming week. */

import * as api from '../api.js';
import { button, h, route } from '../dom.js';
import { clock, every, instant, when } from '../format.js';
import * as known from '../known.js';
import { DAY, isLate, missed, upcoming } from '../plan.js';
import { turns } from '../pieces.js';
import * as stock from '../stock.js';
import { tabs, unschedule } from './common.js';
import { count, language, t } from '../words.js';

const NEXT = 10;
const SHOWN = 100; // rows at first: each asks for the rights in its project
const HELD = 12; // runs of one hour that the week names

/** The page `#/schedules[/week]`, or `#/schedules/ID` for one of them. */
export async function schedulesView(context, tab = 'list') {
  const list = (await stock.schedules(context.signal)).sort((a, b) => (a.next < b.next ? -1 : 1));
  const beside = tab === 'list' ? keptBeside(await api.kept(context.signal)) : null;
  const empty = beside ? null : h('div', { class: 'empty' }, h('p', {}, t`Nothing is scheduled.`), h('p', {}, t`Open a flow and choose Schedule.`));
  const one = list.find(({ id }) => id === tab);
  const inside = !list.length ? empty : one ? await details(context, one) : tab === 'week' ? await week(list) : await table(context, list);
  return {
    title: t`Schedules`,
    node: [
      h('header', { class: 'page-head' }, h('h1', {}, t`Schedules`)),
      list.length ? tabs(one ? '' : tab, [['list', t`All (${list.length})`, '#/schedules'], ['week', t`Coming week`, '#/schedules/week']]) : null,
      inside,
      beside,
    ],
  };
}

/** Schedules that azk keeps beside the server, and runs that were missed; nothing if there are none. */
function keptBeside(all) {
  const list = (all ?? []).filter(({ kept_by: by, paused, missed: gone }) => by === 'watch' || paused || gone.length);
  if (!list.length) return null;
  const minute = (time) => when(Date.parse(time)).slice(0, 16); // on the server's clock, as the others
  const state = ({ paused, next }) => (paused ? t`paused` : next ? minute(next) : t`over`);
  const last = ({ missed: gone }) => (gone.length ? t`${count(gone.length, 'run')}, last ${minute(gone.at(-1).date)}: ${gone.at(-1).reason}` : '');
  return h('section', { class: 'kept' },
    h('h2', {}, t`Kept by azk watch`),
    h('table', { class: 'list stack' },
      h('thead', {}, h('tr', {}, [t`Flow`, t`Next run`, t`Repeats`, t`Missed`].map((text) => h('th', { scope: 'col' }, text)))),
      h('tbody', {}, list.map((one) => h('tr', {},
        h('td', { class: 'main' }, h('a', { href: route('flow', one.project, one.flow) }, one.flow), h('span', { class: 'hint' }, t` in ${one.project}`, one.name ? `, ${one.name}` : '')),
        h('td', { class: 'nowrap' }, state(one)),
        h('td', {}, one.words),
        h('td', {}, last(one)))))));
}

/** A cron expression, `every day` or `once`. */
const repeats = ({ cron, period }) => cron || every(period) || t`once`;

async function table(context, list) {
  const body = h('tbody', {});
  const more = button(t`More`, () => add(), {});
  const allowed = new Map();
  let at = 0;
  async function add() {
    const some = list.slice(at, at + SHOWN);
    at += some.length;
    const names = [...new Set(some.map(({ project }) => project))].filter((name) => !allowed.has(name));
    await known.each(names, async (name) => {
      allowed.set(name, (await stock.project(name, context.signal)).rights.has('schedule'));
    }, context.signal);
    body.append(...some.map((entry) => row(context, entry, allowed.get(entry.project))));
    more.hidden = at >= list.length;
  }
  await add();
  const headings = [[t`Flow`], [t`Next run`], [t`Repeats`], [t`First run`, 'wide-only'], [t`By`, 'wide-only']];
  return [
    h('table', { class: 'list stack' },
      h('thead', {}, h('tr', {}, headings.map(([text, name]) => h('th', { scope: 'col', class: name }, text)), h('td', {}))),
      body),
    more,
  ];
}

const row = (context, entry, may) => h(
  'tr',
  {},
  h('td', { class: 'main' }, h('a', { href: route('flow', entry.project, entry.flow) }, entry.flow), h('span', { class: 'hint' }, t` in ${entry.project}`)),
  h('td', { class: 'nowrap' }, h('a', { href: route('schedules', entry.id), 'aria-label': t`Next runs of ${entry.flow}: ${entry.next}` }, entry.next), isLate(entry) ? h('span', { class: ['badge', 'is-warn'] }, t`Late`) : null),
  h('td', {}, repeats(entry)),
  h('td', { class: 'wide-only nowrap' }, entry.first),
  h('td', { class: 'wide-only' }, entry.user),
  h('td', { class: 'end' }, may ? button(t`Unschedule`, () => unschedule(context, entry.id, entry.flow), { class: 'small', 'aria-label': t`Unschedule ${entry.flow}` }) : null),
);

/** One schedule: its next runs, and those that should have been. */
async function details(context, entry) {
  const { list } = await known.flowRuns(entry.project, entry.flow, { length: 100 }, context.signal);
  const made = await known.scheduledAt(entry.project, entry.flow, context.signal);
  const since = Math.min(Date.now(), Math.max(Date.now() - 7 * DAY, made, list.length === 100 ? list.at(-1).start : 0));
  const gone = missed(entry, list.map(({ start }) => start), since);
  const next = upcoming(entry, Infinity, NEXT);
  const times = (moments) => h('ol', { class: 'times' }, moments.map((time) => h('li', {}, when(time))));
  return [
    h('h2', {}, h('a', { href: route('flow', entry.project, entry.flow) }, entry.flow), h('span', { class: 'hint' }, t` in ${entry.project}, ${entry.cron ? t`by cron ${entry.cron}` : repeats(entry)}`)),
    isLate(entry) ? h('p', { class: 'problem' }, t`The run of ${entry.next} has not started: is the server’s scheduler running?`) : null,
    h('div', { class: 'pair' },
      h('section', {}, h('h3', {}, t`Next ${count(next.length, 'run')}`), times(next)),
      h('section', {}, h('h3', {}, t`Missed since ${when(since).slice(0, 16)}`), gone.length ? times(gone.slice(-20)) : h('p', { class: 'hint' }, t`None.`))),
    h('p', { class: 'hint' }, t`Azkaban itself cannot pause a schedule; ${h('code', {}, `azk schedule pause ${entry.project} ${entry.flow}`)} does.`),
  ];
}

/** Seven days by hours: what is due when. */
async function week(list) {
  const now = Date.now();
  const begin = instant(`${when(now).slice(0, 10)} 00:00`);
  const days = Array.from({ length: 7 }, (_, at) => when(begin + at * DAY + DAY / 2).slice(0, 10));
  const due = new Map(days.map((day) => [day, { number: 0, hours: new Map() }]));
  const turn = turns();
  for (const entry of list) {
    for (const time of upcoming(entry, begin + 7.5 * DAY, 7 * 24 * 12)) {
      const [day, hour] = [when(time).slice(0, 10), clock(time).slice(0, 2)];
      if (due.has(day)) enter(due.get(day), hour, { ...entry, time });
      await turn();
    }
  }
  const name = new Intl.DateTimeFormat(language, { weekday: 'short', timeZone: 'UTC' });
  return h('div', { class: 'week' }, days.map((day) => {
    const { number, hours } = due.get(day);
    return h('section', { class: 'card' },
      h('h3', {}, name.format(new Date(`${day}T12:00:00Z`)), ` ${day.slice(5)}`, h('span', { class: 'hint' }, ` ${count(number, 'run')}`)),
      h('ul', { class: 'lines' }, [...hours.keys()].sort().map((hour) => h('li', {}, h('strong', {}, `${hour}h`), h('span', { class: 'said' }, flowsOf(hours.get(hour)))))));
  }));
}

function enter(day, hour, run) {
  day.number += 1;
  if (!day.hours.has(hour)) day.hours.set(hour, []);
  day.hours.get(hour).push(run);
}

/** The flows of an hour, each once, with how often it runs in it. */
function flowsOf(runs) {
  const flows = new Map();
  for (const run of runs.sort((a, b) => a.time - b.time)) flows.set(run.id, { ...run, times: (flows.get(run.id)?.times ?? 0) + 1 });
  const all = [...flows.values()];
  return [
    all.slice(0, HELD).map((run, at) => [at ? ', ' : '', h('a', { href: route('schedules', run.id) }, run.flow), h('span', { class: 'hint' }, run.times > 1 ? ` × ${run.times}` : ` ${clock(run.time)}`)]),
    all.length > HELD ? h('span', { class: 'hint' }, t` and ${all.length - HELD} more`) : null,
  ];
}

