/** The console: who is logged in, which page the address names, and the frame around it. */

import * as api from './api.js';
import * as stock from './stock.js';
import { toast } from './dialog.js';
import { button, h, icon, show } from './dom.js';
import { setZone } from './format.js';
import { languageChoice } from './languages.js';
import { forget, openSearch, searchKeys } from './search.js';
import { compareView } from './views/compare.js';
import { docsView } from './views/docs.js';
import { executionView } from './views/execution.js';
import { flowView } from './views/flow.js';
import { jobView } from './views/job.js';
import { historyView } from './views/history.js';
import { loginView } from './views/login.js';
import { projectView } from './views/project.js';
import { projectsView } from './views/projects.js';
import { reportView } from './views/report.js';
import { runningView } from './views/running.js';
import { schedulesView } from './views/schedules.js';
import { language, t } from './words.js';

const PAGES = {
  '': projectsView,
  project: projectView,
  flow: flowView,
  execution: executionView,
  job: jobView,
  running: runningView,
  history: historyView,
  schedules: schedulesView,
  compare: compareView,
  report: reportView,
  docs: docsView,
};

const MENU = [
  ['', t`Projects`, 'folder'],
  ['running', t`Running`, 'play'],
  ['schedules', t`Schedules`, 'calendar'],
  ['history', t`History`, 'history'],
];

const app = document.getElementById('app');
let session = null;
let leave = new AbortController(); // ends what the present page still does

/** The parts of the address after `#/`. */
function address() {
  return location.hash.replace(/^#\/?/, '').split('?')[0].split('/').filter(Boolean).map(decodeURIComponent);
}

/** Look whether there is a session, then show the page or the login. */
async function start() {
  try {
    const { modern, index } = await api.probe();
    const version = modern ? await api.version() : '';
    session = { modern, limits: parseInt(version, 10) >= 4, ...(await stock.session(index)) };
  } catch (error) {
    if (error.kind === 'session') return showLogin();
    return show(app, h('main', { class: 'alone' }, h('p', { class: 'problem', role: 'alert' }, error.message), button(t`Try again`, start)));
  }
  setZone(session.zone);
  document.documentElement.dataset.server = session.label;
  return visit();
}

function showLogin(message) {
  leave.abort();
  session = null;
  forget();
  document.title = t`Log in`;
  show(app, h('main', { class: 'alone' }, loginView(message, start)), languageChoice());
}

async function logout() {
  await api.logout().catch(() => null);
  location.hash = '';
  showLogin(t`You are logged out.`);
}

/** The frame: brand, menu, user, and a place for the page. */
function frame(current) {
  const links = MENU.map(([key, text, glyph]) =>
    h('a', { href: `#/${key}`, 'aria-current': key === current ? 'page' : null }, icon(glyph), h('span', {}, text)));
  return h(
    'div',
    { class: 'frame' },
    h('a', { class: 'skip', href: '#main', onclick: skip }, t`Skip to the content`),
    h(
      'header',
      { class: 'top' },
      h('a', { class: 'brand', href: '#/' }, h('strong', {}, session.name || 'Azkaban'), h('span', {}, session.label)),
      h('nav', { class: 'menu', 'aria-label': t`Main` }, links),
      button(t`Search`, () => openSearch(go), { class: 'small find', icon: 'search', title: t`Search (/)`, 'aria-keyshortcuts': '/' }),
      h('div', { class: 'user' }, icon('user'), h('span', { class: 'user-name' }, session.user), button(t`Log out`, logout, { class: 'small', icon: 'out' })),
    ),
    h('main', { id: 'main', tabindex: -1 }),
    languageChoice(h('a', { href: '#/docs' }, t`Docs`)),
  );
}

function skip(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

/** Show the page that the address names. */
async function visit() {
  leave.abort();
  const here = new AbortController();
  leave = here;
  if (!session) return;
  const [name = '', ...rest] = address();
  const page = Object.hasOwn(PAGES, name) ? PAGES[name] : null;
  const shown = app.querySelector('main#main');
  const context = pageContext(here);
  let result;
  shown?.setAttribute('aria-busy', 'true');
  try {
    result = page ? await page(context, ...rest) : missing();
  } catch (error) {
    if (here.signal.aborted || error.name === 'AbortError') return;
    if (error.kind === 'session') return showLogin(error.message);
    if (!error.kind) console.error(error);
    result = { title: t`Problem`, node: problem(error) };
  }
  if (here.signal.aborted) return;
  const top = frame(MENU.some(([key]) => key === name) ? name : '');
  const main = top.querySelector('main');
  show(main, result.node);
  const moved = shown?.dataset.address !== undefined && shown.dataset.address !== location.hash;
  main.dataset.address = location.hash;
  show(app, top);
  // Of tabs that are wider than a phone, the present one is seen.
  main.querySelector('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  document.title = `${result.title} – ${session.name || 'Azkaban'}`;
  if (moved) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  context.begin();
}

function go(href) {
  if (location.hash === href) visit();
  else location.hash = href;
}

/** What a page gets: the session, a signal that ends with it, and repeated work. */
function pageContext(here) {
  const repeated = [];
  return {
    session,
    signal: here.signal,
    go,
    reload: visit,
    /** What the address has after its `?`. */
    query: new URLSearchParams(location.hash.split('?').slice(1).join('?')),
    /** Write what a page shows into its address, so that the view can be sent; empty values are left out. */
    keep: (values) => {
      const kept = new URLSearchParams(Object.entries(values).filter(([, value]) => value && String(value) !== '0'));
      history.replaceState(null, '', `${location.hash.split('?')[0]}${kept.size ? `?${kept}` : ''}`);
      const main = document.getElementById('main');
      if (main && !main.hasAttribute('aria-busy')) main.dataset.address = location.hash;
    },
    /** Do `work` every so often while the page is open and seen, until it resolves to false. */
    every: (milliseconds, work) => repeated.push([milliseconds, work]),
    begin: () => repeated.forEach(([milliseconds, work]) => repeat(here.signal, milliseconds, work)),
  };
}

async function repeat(signal, milliseconds, work) {
  let troubled = false;
  while (!signal.aborted) {
    try {
      if (!document.hidden && (await work()) === false) return;
      troubled = false;
    } catch (error) {
      if (signal.aborted || error.name === 'AbortError') return;
      if (error.kind === 'session') return showLogin(error.message);
      if (!troubled) toast(t`${error.message} Trying on.`, 'warn');
      troubled = true;
    }
    await pause(signal, milliseconds * (troubled ? 4 : 1));
  }
}

/** Wait, at most until the page is left: a timer holds all of a page until it ends. */
function pause(signal, milliseconds) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}

const missing = () => ({
  title: t`Not found`,
  node: [h('h1', {}, t`Not found`), h('p', {}, t`There is no such page. `, h('a', { href: '#/' }, t`To the projects`))],
});

const problem = (error) => [
  h('header', { class: 'page-head' }, h('h1', {}, t`That did not work`)),
  h('p', { class: 'problem', role: 'alert' }, error.message),
  h('p', {}, button(t`Try again`, visit), ' ', h('a', { href: '#/' }, t`To the projects`)),
];

document.documentElement.lang = language;
addEventListener('hashchange', visit);
searchKeys(go);
addEventListener('unhandledrejection', (event) => {
  if (event.reason?.name === 'AbortError') event.preventDefault();
  else if (event.reason?.kind === 'session') {
    event.preventDefault();
    showLogin(event.reason.message);
  } else if (event.reason?.kind) {
    event.preventDefault();
    toast(event.reason.message, 'bad');
  }
});
start();
