/** What runs, what ran, what is scheduled. */

import * as intervals from '../intervals.js';
import * as stock from '../stock.js';
import { button, h, route, show } from '../dom.js';
import { finished, period } from '../format.js';
import { executionTable, pager, unschedule } from './common.js';

export async function runningView(context) {
  const place = h('div', { 'aria-live': 'off' });
  async function load() {
    const list = await stock.running(context.signal);
    show(place, list.length ? executionTable(list) : h('p', { class: 'empty' }, 'Nothing runs now.'));
    return true;
  }
  await load();
  context.every(intervals.RUNNING, load);
  return { title: 'Running', node: [h('header', { class: 'page-head' }, h('h1', {}, 'Running')), place] };
}

const STATUSES = [
  [0, 'any status'], [30, 'running'], [40, 'paused'], [50, 'succeeded'], [60, 'killed'], [70, 'failed'], [110, 'queued'],
];

export async function historyView(context) {
  const SIZE = 20;
  const place = h('div', {});
  const input = (name, text) =>
    h('input', { name, type: 'search', class: 'input', placeholder: text, 'aria-label': text });
  const form = h(
    'form',
    {
      class: 'filters',
      role: 'search',
      onsubmit: (event) => {
        event.preventDefault();
        load(1);
      },
    },
    input('project', 'Project contains'),
    input('flow', 'Flow contains'),
    input('user', 'User contains'),
    h('select', { name: 'status', class: 'input', 'aria-label': 'Status', onchange: () => load(1) },
      STATUSES.map(([value, text]) => h('option', { value }, text))),
    button('Find', null, { type: 'submit', icon: 'search' }),
  );

  let page = 1;
  async function load(next = page) {
    page = next;
    const filter = Object.fromEntries(new FormData(form));
    const list = await stock.history({ page, size: SIZE, ...filter, status: Number(filter.status) }, context.signal);
    show(place, list.length ? executionTable(list) : h('p', { class: 'empty' }, 'No run was found.'), pager(page, list.length === SIZE, (to) => load(to)));
    return list;
  }

  const first = await load(1);
  if (first.some(({ status }) => !finished(status))) {
    context.every(intervals.HISTORY, async () => (await load()).some(({ status }) => !finished(status)));
  }
  return { title: 'History', node: [h('header', { class: 'page-head' }, h('h1', {}, 'History')), form, place] };
}

/** `1 day`, a cron expression or `once`; on phones, without a heading, `every 1 day`. */
function repeats({ cron, period: text }) {
  const every = period(text);
  return [every && !cron ? h('span', { class: 'narrow-only' }, 'every ') : null, cron || every || 'once'];
}

export async function schedulesView(context) {
  const list = await stock.schedules(context.signal);
  const allowed = new Map();
  for (const name of new Set(list.map(({ project }) => project))) {
    allowed.set(name, (await stock.project(name, context.signal)).rights.has('schedule'));
  }
  const rows = list.map((entry) =>
    h(
      'tr',
      {},
      h('td', { class: 'main' }, h('a', { href: route('flow', entry.project, entry.flow) }, entry.flow), h('span', { class: 'hint' }, ` in ${entry.project}`)),
      h('td', { class: 'nowrap' }, entry.next),
      h('td', {}, repeats(entry)),
      h('td', { class: 'wide-only nowrap' }, entry.first),
      h('td', { class: 'wide-only' }, entry.user),
      h('td', { class: 'end' }, allowed.get(entry.project)
        ? button('Unschedule', () => unschedule(context, entry.id, entry.flow), { class: 'small', 'aria-label': `Unschedule ${entry.flow}` })
        : null),
    ),
  );
  const headings = [['Flow'], ['Next run'], ['Repeats every'], ['First run', 'wide-only'], ['By', 'wide-only']];
  const table = h(
    'table',
    { class: 'list stack' },
    h('thead', {}, h('tr', {}, headings.map(([text, name]) => h('th', { scope: 'col', class: name }, text)), h('td', {}))),
    h('tbody', {}, rows),
  );
  const empty = h('div', { class: 'empty' }, h('p', {}, 'Nothing is scheduled.'), h('p', {}, 'Open a flow and choose Schedule.'));
  return { title: 'Schedules', node: [h('header', { class: 'page-head' }, h('h1', {}, 'Schedules')), list.length ? table : empty] };
}

