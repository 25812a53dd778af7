/** What ran: filtered, with the filter in the address so that it can be sent; saved as CSV or JSON. */

import * as intervals from '../intervals.js';
import * as stock from '../stock.js';
import { attempt, toast } from '../dialog.js';
import { button, h, show } from '../dom.js';
import { finished, instant } from '../format.js';
import { csv, save } from '../save.js';
import { executionTable, pager } from './common.js';
import { count, t } from '../words.js';

const SIZE = 20;
const AT_ONCE = 200; // rows in one request of what is saved
const MOST = 2000;

const STATUSES = [
  [0, t`any status`], [30, t`running`], [40, t`paused`], [50, t`succeeded`], [60, t`killed`], [70, t`failed`], [110, t`queued`],
];

const COLUMNS = ['id', 'project', 'flow', 'status', 'start', 'end', 'seconds', 'user'];

export async function historyView(context) {
  const { query, signal } = context;
  const place = h('div', {});
  const input = (name, text) =>
    h('input', { name, type: 'search', class: 'input', placeholder: text, 'aria-label': text, value: query.get(name) ?? '' });
  const date = (name, text) =>
    h('label', { class: 'date' }, h('span', {}, text), h('input', { name, type: 'date', class: 'input', value: query.get(name) ?? '', onchange: () => attempt(() => load(1)) }));
  const form = h(
    'form',
    {
      class: 'filters history-filters',
      role: 'search',
      onsubmit: (event) => {
        event.preventDefault();
        attempt(() => load(1));
      },
    },
    input('project', t`Project contains`),
    input('flow', t`Flow contains`),
    input('user', t`User contains`),
    h('select', { name: 'status', class: 'input', 'aria-label': t`Status`, onchange: () => attempt(() => load(1)) },
      STATUSES.map(([value, text]) => h('option', { value, selected: String(value) === query.get('status') }, text))),
    date('begin', t`From|a day`),
    date('end', t`to|a day`),
    button(t`Find`, null, { type: 'submit', icon: 'search' }),
  );

  /** What the server is asked for; days are whole ones in its zone. */
  function filter() {
    const { begin, end, status, ...words } = Object.fromEntries(new FormData(form));
    const from = instant(`${begin} 00:00`);
    const until = instant(`${end} 23:59`);
    return { ...words, status: Number(status), begin: from > 0 ? from - 60_000 : 0, end: until > 0 ? until + 60_000 : 0 };
  }

  let page = Math.max(1, Number(query.get('page')) || 1);
  async function load(next = page) {
    page = next;
    const list = await stock.history({ page, size: SIZE, ...filter() }, signal);
    context.keep({ ...Object.fromEntries(new FormData(form)), page: page > 1 ? page : '' });
    show(place, list.length ? executionTable(list) : h('p', { class: 'empty' }, t`No run was found.`), pager(page, list.length === SIZE, (to) => load(to)));
    return list;
  }

  /** All runs that the filter leaves, up to MOST. */
  async function collect() {
    const found = [];
    for (let at = 1; found.length < MOST; at += 1) {
      const list = await stock.history({ page: at, size: AT_ONCE, ...filter() }, signal);
      found.push(...list);
      if (list.length < AT_ONCE) break;
    }
    if (found.length >= MOST) toast(t`Only the newest ${MOST} are in the file: narrow the dates for the others.`, 'warn');
    return found.slice(0, MOST).map((run) => {
      const spent = (instant(run.end) - instant(run.start)) / 1000;
      const row = { ...run, seconds: spent >= 0 ? spent : '' };
      return Object.fromEntries(COLUMNS.map((name) => [name, row[name]]));
    });
  }
  const saved = (name, type, text) => () => attempt(async () => {
    const rows = await collect();
    save(name, type, text(rows));
    toast(t`${count(rows.length, 'run')} saved as ${name}.`);
  });

  const first = await load(page);
  if (first.some(({ status }) => !finished(status))) {
    context.every(intervals.HISTORY, async () => (await load()).some(({ status }) => !finished(status)));
  }
  return {
    title: t`History`,
    node: [
      h('header', { class: 'page-head' }, h('h1', {}, t`History`), h('div', { class: 'actions' },
        button('CSV', saved('runs.csv', 'text/csv', (rows) => csv(COLUMNS, rows)), { icon: 'down', class: 'small', title: t`Save what is found as CSV` }),
        button('JSON', saved('runs.json', 'application/json', (rows) => JSON.stringify(rows, null, 1)), { icon: 'down', class: 'small', title: t`Save what is found as JSON` }))),
      form,
      place,
    ],
  };
}
