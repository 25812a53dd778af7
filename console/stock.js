/**
 * What only Azkaban's own pages tell: projects, rights, running and past executions, schedules.
 *
 * A page is parsed into a document that is never shown and in which nothing runs or loads; only
 * text is taken from it. The columns of a table are found by their headings, which are the same
 * from 2.5 to 4.0. Azkaban 2.5 writes descriptions and names unescaped into these pages, so a
 * hostile project can make a list look odd; what a link leads to always comes from the Ajax API.
 */

import * as api from './api.js';
import { instant, parts } from './format.js';
import { eachInTurn, turns } from './pieces.js';
import { t } from './words.js';

// Under require-trusted-types-for 'script' this is the only place that may read HTML.
const policy = globalThis.trustedTypes?.createPolicy('stock-pages', { createHTML: (text) => text });

/** Scripts, styles and event handlers: nothing of them runs, but the browser would complain. */
const ACTIVE = /<(script|style)\b[\s\S]*?<\/\1\s*>/gi;
const TAG = /<[a-z][^>]*>/gi;
const HANDLER = /([\s"'/])(on\w+|style)(?=\s*=)/gi;

function parse(text) {
  const quiet = text.replace(ACTIVE, '').replace(TAG, (tag) => tag.replace(HANDLER, '$1data-$2'));
  const html = policy ? policy.createHTML(quiet) : quiet;
  return new DOMParser().parseFromString(html, 'text/html');
}

async function open(path, params, signal) {
  return read(await api.page(path, params, signal));
}

function read(text) {
  const doc = parse(text);
  if (doc.querySelector('form#login-form') && !doc.querySelector('.navbar-right')) {
    throw new api.ApiError(t`Your session has ended. Log in again.`, 'session');
  }
  return { text, doc };
}

/** Turn `&lt;` into `<` where a server escaped a text; one that holds a `<` was not escaped. */
export function plain(text) {
  if (!text.includes('&') || /[<>]/.test(text)) return text;
  return parse(`<textarea>\n${text}</textarea>`).querySelector('textarea').value;
}

const words = (element) => element?.textContent.replace(/\s+/g, ' ').trim() ?? '';

/** What to say instead of showing an empty list: the page's own message, or what it lacks. */
function unreadable(doc, what) {
  const said = problem(doc);
  const why = t`The server’s own page has no ${what}: this console reads pages of Azkaban 2.5 to 4.0 only.`;
  return new api.ApiError(said || why, said ? 'refused' : 'server');
}

/** The message of an error on a page; its dialogs, which are hidden, hold empty ones. */
const problem = (doc) => words(doc.querySelector('.alert-danger:not(.alert-messaging, .modal *), .callout-danger')).replace(/^(×\s*|Error )+/, '');

/** Rows of a table as objects by heading; it must be there and have the headings in `needed`. */
function table(doc, id, needed) {
  const found = doc.getElementById(id);
  if (!found) throw unreadable(doc, t`table ${id}`);
  const headings = [...found.querySelectorAll('thead th')].map(words);
  const lacking = needed.find((name) => !headings.includes(name));
  if (lacking) throw unreadable(doc, t`column ${lacking} in its table ${id}`);
  return [...found.querySelectorAll('tbody tr')]
    .map((row) => [...row.cells])
    .filter((cells) => cells.length >= headings.length)
    .map((cells) => Object.fromEntries(headings.map((name, at) => [name, cells[at]])));
}

/** The status behind its localised words: the class beside `status`. */
const status = (cell) => cell?.querySelector('.status')?.classList[1] ?? words(cell);

/** Project names are letters, digits, `_`, `-` and `|`: anything else in a link is no project. */
const NAME = /^[A-Za-z][\w|-]*$/;

/**
 * Who is logged in, what the server is called, its time zone and whether projects can be made, by its
 * index page, which a server before 3.1 has sent already.
 */
export async function session(index) {
  readings = index ? [...READINGS].reverse() : [...READINGS];
  const { text, doc } = index ? read(index) : await open('index', {});
  const user = words(doc.querySelector('.navbar-right .dropdown-toggle'));
  if (!user) throw unreadable(doc, t`name of the user`);
  return {
    user,
    name: words(doc.querySelector('.navbar-enviro-name')),
    label: words(doc.querySelector('.navbar-enviro-server')),
    zone: /var timezone = "([^"]*)"/.exec(text)?.[1] ?? 'UTC',
    mayCreate: doc.querySelector('button#create-project-btn') !== null,
  };
}

const PROJECT = [
  'manager\\?project=([^"]*)">[^<]*</a>\\s*</h4>\\s*' +
    '<p class="project-description">([\\s\\S]*?)</p>\\s*' +
    '<p class="project-last-modified">Last modified on\\s*<strong>([^<]*)</strong>\\s*by\\s*' +
    '<strong>([^<]*)</strong>',
  'g',
];

/** All projects: name, description, when and by whom they were changed. */
export async function projects(signal) {
  const text = await api.page('index', { all: '' }, signal);
  const turn = turns(); // there may be 10,000; to make a document of them would hold the page up
  const pattern = new RegExp(...PROJECT);
  const found = [];
  for (let one = pattern.exec(text); one; one = pattern.exec(text)) {
    const [, name, description, modified, by] = one;
    if (NAME.test(name)) found.push({ name, description: plain(description), modified, by: plain(by) });
    await turn();
  }
  if (!found.length) {
    const { doc } = read(text);
    const none = /No (Viewable )?Projects/.test(words(doc.querySelector('.callout')));
    if (!none) throw unreadable(doc, t`list of projects`);
  }
  return found;
}

/** A project as its page shows it; `rights` is what the user may do, empty when not even read. */
export async function project(name, signal) {
  if (!NAME.test(name)) return { known: false, rights: new Set(), message: t`There is no such project.` };
  const { text, doc } = await open('manager', { project: name, permissions: '' }, signal);
  const start = 'id="project-description">';
  const from = text.indexOf(start);
  if (from < 0 && problem(doc)) return { known: false, rights: new Set(), message: problem(doc) };
  if (from < 0) throw unreadable(doc, t`description of the project`);
  const granted = [...text.matchAll(/Your Permissions:<\/strong>\s*([A-Z, ]*)</g)].at(-1)?.[1];
  if (granted === undefined) throw unreadable(doc, t`list of your permissions`);
  const rights = new Set(granted.split(/[ ,]+/).filter(Boolean).map((word) => word.toLowerCase()));
  if (rights.has('admin')) api.RIGHTS.forEach((right) => rights.add(right));
  const until = text.indexOf('<div id="project-description-form"', from);
  const described = text.slice(from + start.length, until);
  return {
    name,
    rights,
    known: true,
    description: plain(described.slice(0, described.lastIndexOf('</p>')).trim()),
    people: permissions(doc, 'permissions-table', 'User'),
    groups: permissions(doc, 'group-permissions-table', 'Group'),
    proxies: table(doc, 'proxy-user-table', ['Proxy User'])
      .map((row) => words(row['Proxy User']).replace(/ \(you\)$/, ''))
      .filter((proxy) => proxy && proxy !== 'No Proxy User Found.'),
    token: doc.getElementById('csrf-token')?.getAttribute('value') ?? '',
  };
}

/** Delete a project; the answer is a message on the page that the server leads to. */
export async function deleteProject(name) {
  const { doc } = await open('manager', { project: name, delete: 'true' });
  if (problem(doc)) throw new api.ApiError(problem(doc), 'refused');
}

const capital = (word) => word[0].toUpperCase() + word.slice(1);

function permissions(doc, id, heading) {
  return table(doc, id, [heading, ...api.RIGHTS.map(capital)]).map((row) => ({
    name: words(row[heading]).replace(/ \(you\)$/, ''),
    rights: new Set(
      api.RIGHTS.filter((right) => {
        return row[capital(right)].querySelector('input')?.hasAttribute('checked');
      }),
    ),
  }));
}

const COLUMNS = ['Execution Id', 'Flow', 'Project', 'User', 'Start Time', 'End Time', 'Elapsed', 'Status'];

/** The executions of a page. */
function executions(doc) {
  const rows = table(doc, 'executingJobs', COLUMNS).map(execution);
  const found = rows.filter(({ id }) => id >= 0);
  if (rows.length && !found.length) throw unreadable(doc, t`number in its column Execution Id`);
  return found;
}

function execution(row) {
  return {
    id: parseInt(words(row['Execution Id']), 10),
    flow: words(row.Flow),
    project: words(row.Project),
    user: words(row.User),
    start: words(row['Start Time']),
    end: words(row['End Time']),
    elapsed: milliseconds(words(row.Elapsed)),
    status: status(row.Status),
  };
}

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };

/** The milliseconds in `1h 2m 3s` or `5 sec`; NaN in `-`. */
function milliseconds(text) {
  const parts = [...text.matchAll(/(\d+) ?([dhms])/g)];
  return parts.length ? parts.reduce((sum, [, number, unit]) => sum + number * UNITS[unit], 0) : NaN;
}

/** Executions that run now. */
export async function running(signal) {
  return executions((await open('executor', {}, signal)).doc);
}

const SCAN = 200; // rows in one request when we filter ourselves
const SCANS = 10;

/** A moment as the history's filter reads it: from 2.6.2 on, and before. */
const READINGS = [
  ({ year, month, day, hour, minute }) => `${month}/${day}/${year} ${String(hour % 12 || 12).padStart(2, '0')}:${minute} ${hour < 12 ? 'AM' : 'PM'}`,
  ({ year, month, day, hour, minute }) => `${month}/${day}/${year}-${hour}:${minute}`,
];
let readings = [...READINGS]; // those that may be the server's; the first is asked

/**
 * Past and present executions, newest first.
 *
 * Azkaban 2.5 finds nothing when asked for a project (its query is ambiguous), so that filter is
 * ours: it looks at the last SCAN * SCANS executions that the other filters leave. So are `begin` and
 * `end` on a server that reads neither form of a moment, as AM and PM are in its language. They are
 * moments: only what started after the one and ended before the other.
 */
export async function history({ page, size, project: name, ...filter }, signal) {
  const { begin, end } = filter;
  if (!name) {
    const rows = await historyPage({ page, size, ...filter }, signal);
    if (rows) return rows;
  }
  const wanted = (run) => (!name || run.project.toLowerCase().includes(name.toLowerCase()))
    && !(begin && instant(run.start) < begin) && !(end && instant(run.end) > end);
  const found = [];
  for (let at = 1; at <= SCANS && found.length < page * size; at += 1) {
    const asked = { page: at, size: SCAN, ...filter };
    const rows = await historyPage(asked, signal) ?? await historyPage({ ...asked, begin: 0, end: 0 }, signal);
    found.push(...rows.filter(wanted));
    if (rows.length < SCAN) break;
  }
  return found.slice((page - 1) * size, page * size);
}

/** A page of the history; undefined where the server cannot read the moments. */
async function historyPage({ page, size, flow = '', user = '', status: code, begin, end }, signal) {
  const filter = { advfilter: 'true', projcontain: '', flowcontain: flow, usercontain: user };
  while (readings.length || !(begin || end)) {
    const [reading] = readings;
    const time = (moment) => (moment > 0 ? reading(parts(moment)) : '');
    const whole = { status: code || 0, begin: time(begin), end: time(end) };
    const params = flow || user || code || begin || end ? { page, size, ...filter, ...whole } : { page, size };
    try {
      return executions((await open('history', params, signal)).doc);
    } catch (error) {
      if (!(begin || end) || !error.message.includes('Invalid format')) throw error;
      readings = readings.filter((other) => other !== reading);
    }
  }
  return undefined;
}

/** All schedules. */
export async function schedules(signal) {
  const { doc } = await open('schedule', {}, signal);
  const needed = ['ID', 'Flow', 'Project', 'Submitted By', 'First Scheduled to Run', 'Next Execution Time', 'Repeats Every'];
  const found = [];
  await eachInTurn(table(doc, 'scheduledFlowsTbl', needed), (row) => found.push({
    id: words(row.ID),
    flow: words(row.Flow),
    project: words(row.Project),
    user: words(row['Submitted By']),
    first: words(row['First Scheduled to Run']),
    next: words(row['Next Execution Time']),
    period: words(row['Repeats Every']).replace('Not Applicable', ''),
    cron: words(row['Cron Expression']).replace('Not Applicable', ''),
  }));
  return found;
}

/** The defaults in a job's .properties files, nearest first, as a map. */
export async function defaults(projectName, flow, job, signal) {
  const at = { project: projectName, flow, job };
  const { doc } = await open('manager', at, signal);
  const links = [...doc.querySelectorAll('a[href*="&prop="]')];
  const files = [...new Set(links.map((link) => link.getAttribute('href').split('&prop=')[1]))];
  const found = new Map();
  for (const prop of files) {
    const { doc: file } = await open('manager', { ...at, prop }, signal);
    for (const key of file.querySelectorAll('td.property-key')) {
      const name = words(key);
      if (!found.has(name)) found.set(name, key.nextElementSibling?.textContent ?? '');
    }
  }
  return found;
}
