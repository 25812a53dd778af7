/** The days of a flow: how the runs for each went, and running some of them. */

import * as api from '../api.js';
import { firsts, together } from '../attempts.js';
import { ask, toast } from '../dialog.js';
import { button, h, icon, route, show } from '../dom.js';
import { finished, status, when } from '../format.js';
import * as known from '../known.js';
import { inOrder } from '../order.js';
import * as stock from '../stock.js';
import { count, language, t } from '../words.js';

const PAGE = 100;
const MONTHS = 3; // that are shown at once
const MOST = 31; // days that are started from here: each run waits on the server, with its thread
const ARRIVING = [0, 1000, 3000]; // milliseconds before each look for a start whose answer was lost
const named = (options) => { // in the reader's language, of dates in UTC
  const format = new Intl.DateTimeFormat(language, { ...options, timeZone: 'UTC' });
  return (date) => format.format(date);
};
const monthName = named({ month: 'long', year: 'numeric' });
const dayName = named({ weekday: 'short' });
const WEEK = Array.from({ length: 7 }, (_, at) => dayName(Date.UTC(2024, 0, 1 + at)).slice(0, 2)); // from a Monday on

const iso = (date) => date.toISOString().slice(0, 10);
const utc = (text) => new Date(`${text}T00:00:00Z`);

export async function calendarPane(context, project, flow, graph) {
  const { signal } = context;
  const days = new Map(); // runs by day, newest first
  let loaded = 0;
  let oldest = '';
  let all = false;
  const today = when(Date.now()).slice(0, 10);
  let last = utc(`${today.slice(0, 7)}-01`);
  let chosen = []; // first and last day
  const place = h('div', { class: 'months' });
  const detail = h('div', { class: 'day-detail', 'aria-live': 'polite' });
  const span = h('span', {});
  const may = project.rights.has('execute');

  /** Read the history until a month is covered. */
  async function reach(text, fresh) {
    while (!all && (!oldest || oldest >= text)) {
      const { list, total } = await known.flowRuns(project.name, flow, { start: loaded, length: PAGE, fresh }, signal);
      loaded += list.length;
      all = loaded >= total || !list.length;
      if (!list.length) break;
      const ids = list.map(({ id }) => id);
      const logical = await known.logicalDates(ids, signal);
      const first = await firsts(ids, signal);
      for (const run of together(list.map((one) => ({ ...one, logical: logical.get(one.id) })), first)) {
        if (!days.has(known.dayOf(run))) days.set(known.dayOf(run), []);
        days.get(known.dayOf(run)).push(run);
      }
      // By the start, since a backfill's runs are for days long before.
      oldest = when(list.at(-1).start).slice(0, 10);
    }
  }

  async function move(months) {
    last = new Date(Date.UTC(last.getUTCFullYear(), last.getUTCMonth() + months, 1));
    await draw();
  }

  /** Read the history anew: runs may have begun and ended since. */
  async function renew() {
    days.clear();
    [loaded, oldest, all] = [0, '', false];
    await draw(0);
  }

  async function draw(fresh) {
    const shown = Array.from({ length: MONTHS }, (_, at) => new Date(Date.UTC(last.getUTCFullYear(), last.getUTCMonth() - MONTHS + 1 + at, 1)));
    await reach(iso(shown[0]), fresh);
    const [from, to] = [shown[0], last].map(monthName);
    span.textContent = t`${from} to ${to}`;
    show(place, shown.map(month));
  }

  const marked = (text) => chosen.length && text >= chosen[0] && text <= (chosen[1] ?? chosen[0]);

  function month(date) {
    const number = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
    const before = (date.getUTCDay() + 6) % 7;
    return h('section', { class: 'month' },
      h('h3', {}, monthName(date)),
      h('div', { class: 'month-days' },
        WEEK.map((name) => h('span', { class: 'hint', 'aria-hidden': 'true' }, name)),
        Array.from({ length: before }, () => h('span', {})),
        Array.from({ length: number }, (_, at) => dayCell(iso(new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), at + 1)))))));
  }

  function dayCell(text) {
    const runs = days.get(text) ?? [];
    const { word, family } = runs.length ? status(runs[0].status) : { word: t`no run`, family: 'none' };
    const name = `${text}: ${word}${runs.length > 1 ? `, ${count(runs.length, 'run')}` : ''}`;
    return h('button', {
      type: 'button', class: ['day', runs.length ? `is-${family}` : '', text === today ? 'today' : ''],
      'aria-label': name, title: name, 'aria-pressed': marked(text) ? 'true' : 'false', data: { key: `day-${text}`, day: text },
      onclick: (event) => choose(text, event.shiftKey),
    }, String(Number(text.slice(8))));
  }

  /** The first press begins, a second one on a later or earlier day ends what is chosen. */
  function choose(text) {
    chosen = chosen.length === 1 && text !== chosen[0] ? [chosen[0], text].sort() : [text];
    for (const cell of place.querySelectorAll('[data-day]')) cell.setAttribute('aria-pressed', marked(cell.dataset.day) ? 'true' : 'false');
    describe();
  }

  function chosenDays() {
    const [from, to = from] = chosen;
    const found = [];
    for (let at = utc(from); iso(at) <= to; at = new Date(at.getTime() + 86_400_000)) found.push(iso(at));
    return found;
  }

  /** Those of some days for which no run has succeeded, nor still may. */
  const openOf = (list) => list.filter((text) => !(days.get(text) ?? []).some((run) => run.status === 'SUCCEEDED' || !finished(run.status)));

  async function runOpen(list) {
    await renew();
    describe();
    const open = openOf(list);
    if (open.length) await backfill(open);
    else toast(t`Each of these days has a run by now.`);
  }

  function describe() {
    const list = chosenDays();
    const open = openOf(list);
    const runs = list.length === 1 ? days.get(list[0]) ?? [] : [];
    const start = (text, work) => button(text, work, { icon: 'play', class: 'small', data: { key: text } });
    show(detail,
      h('h3', {}, list.length === 1 ? list[0] : t`${list[0]} to ${list.at(-1)}: ${count(list.length, 'day')}, ${open.length} without success`),
      runs.map((run) => h('p', {}, h('a', { href: route('execution', run.id) }, `#${run.id}`), ` ${status(run.status).word}, ${t`started ${when(run.start)}`}`)),
      may ? h('div', { class: 'row' },
        open.length ? start(open.length === 1 ? t`Run ${open[0]}` : t`Run ${count(open.length, 'day')} without success`, () => runOpen(list)) : null,
        open.length < list.length ? start(list.length === 1 ? t`Run ${list[0]} again` : t`Run all ${count(list.length, 'day')}`, () => backfill(list)) : null) : null,
      list.length === 1 ? h('p', { class: 'hint' }, t`A second day chooses all days between.`) : null);
  }

  /** Start the flow for each day; on the server each job waits for the same job of the run before. */
  async function backfill(dates) {
    if (dates.length > MOST) {
      toast(t`At most ${MOST} days are started from here; azk backfill ${project.name} ${flow} --from ${dates[0]} --to ${dates.at(-1)} takes as many as you like.`, 'warn');
      return;
    }
    const end = inOrder(graph.nodes).at(-1);
    const defaults = end ? await stock.defaults(project.name, flow, end.id, signal).catch(() => new Map()) : new Map();
    if (!defaults.has(known.LOGICAL_DATE)) {
      toast(t`${flow} has no property ${known.LOGICAL_DATE}, so its runs could not know their day. Write ${known.LOGICAL_DATE}= into a .properties file and use \${${known.LOGICAL_DATE}} in its jobs.`, 'warn');
      return;
    }
    const progress = h('progress', { max: dates.length, value: 0, hidden: true, 'aria-label': t`Started` });
    const starts = starter(dates, progress);
    const beside = h('input', { type: 'checkbox', id: 'beside', name: 'beside' });
    const done = await ask({
      title: t`Run ${flow} for ${count(dates.length, 'day')}`,
      action: t`Run`,
      body: [
        h('p', {}, dates.length > 1 ? t`${dates[0]} to ${dates.at(-1)}` : dates[0], ': ', t`each run gets its day as the property ${known.LOGICAL_DATE}.`),
        h('ul', { class: 'checks' }, h('li', {}, beside, h('label', { for: beside.id }, t`All at once: else each job waits until the same job of the day before has ended`))),
        progress,
      ],
      submit: (form) => starts.go(form.has('beside') ? 'ignore' : 'pipeline'),
    });
    if (done) {
      toast(t`${count(dates.length, 'run')} started.`);
      context.go(route('flow', project.name, flow, 'grid'));
    } else if (await starts.stop()) {
      await renew();
      describe();
    }
  }

  /** Starts the flow for each day once, also when it is asked to go on after an error. */
  function starter(dates, progress) {
    const left = [...dates];
    let before = null; // the newest run before the first start
    let unsure = false; // the first of `left` was asked for, and nothing was heard
    let stopped = false;
    let working = null;

    async function work(concurrentOption) {
      progress.hidden = false;
      const options = await api.flowOptions(project.name, flow, signal);
      before ??= (await known.flowRuns(project.name, flow, { length: 1, fresh: 0 }, signal)).list[0]?.id ?? -1;
      while (left.length && !stopped) {
        if (!unsure || !(await hasStarted(left[0], before))) {
          unsure = true;
          await startDay(left[0], options, concurrentOption);
        }
        unsure = false;
        left.shift();
        progress.value = dates.length - left.length;
      }
      return true;
    }

    return {
      go: (concurrentOption) => (working = work(concurrentOption)),
      /** Start no more: the dialog was closed. Resolves to whether anything may have been started. */
      async stop() {
        stopped = true;
        await working?.catch(() => {});
        return before !== null;
      },
    };
  }

  /** Whether a run for a day is newer than another one; a start whose answer was lost may still arrive. */
  async function hasStarted(date, before) {
    for (const pause of ARRIVING) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      const { list } = await known.flowRuns(project.name, flow, { length: PAGE, fresh: 0 }, signal);
      const newer = list.map(({ id }) => id).filter((id) => id > before);
      if ([...(await known.logicalDates(newer, signal)).values()].includes(date)) return true;
    }
    return false;
  }

  async function startDay(date, options, concurrentOption) {
    const list = (entry) => (options[entry] ?? []).join(',');
    await api.execute(project.name, flow, {
      disabled: [], failureAction: options.failureAction ?? 'finishCurrent', concurrentOption, pipelineLevel: 1,
      successEmails: list('successEmails'), failureEmails: list('failureEmails'), notify: 'first',
      parameters: [[known.LOGICAL_DATE, date]],
    });
  }

  await draw();
  const step = (text, months, glyph) => button(text, () => move(months), { class: 'small', icon: glyph, data: { key: text } });
  return [
    h('div', { class: 'row' }, step(t`Earlier`, -1), span, step(t`Later`, 1)),
    place,
    detail,
    h('p', { class: 'hint' }, icon('calendar'), t` Days of ${known.LOGICAL_DATE} where a run has one, else of its start.`, ' ', may ? t`Choose a day to see its runs or to run it.` : t`Choose a day to see its runs.`),
  ];
}
