/**
 * Search over everything: projects, flows, jobs, runs, parameters. One key (/) opens it anywhere.
 *
 * What needs one request for each project or flow is looked up while the dialog is open, a few at a time, the
 * newest projects first; with many projects the user says when to look into all.
 */

import * as api from './api.js';
import * as known from './known.js';
import * as stock from './stock.js';
import { button, h, icon, route, show, uid } from './dom.js';
import { status } from './format.js';
import { flatten, inAlphabet } from './order.js';
import { eachInTurn } from './pieces.js';
import { count, t } from './words.js';

const AUTOMATIC = 40; // projects that are looked into without asking
const GRAPHS = 120; // of their flows
const SHOWN = 6; // results of a kind
const RECENT = 200; // runs that are searched
const PARAMETERS = 100; // of them, whose parameters are
const MOST = 30_000; // names in memory

const GROUPS = { projects: t`Projects`, flows: t`Flows`, jobs: t`Jobs`, runs: t`Runs`, parameters: t`Parameters` };

// What was found stays while the console is open; `again` is when it is looked up anew.
const index = { entries: new Map(), projects: new Map(), runs: [], again: 0 };
const FRESH = 300_000;

function add(group, text, href, detail = '') {
  if (index.entries.size < MOST) index.entries.set(`${group} ${href} ${text}`, { group, text, href, detail, name: text.toLowerCase(), low: `${text} ${detail}`.toLowerCase() });
}

async function looked(names, graphs, tell, signal) {
  let left = graphs;
  await known.each(names, async (name) => {
    if (index.projects.get(name)) return;
    try {
      const { flows } = await api.flows(name, signal);
      for (const { flowId } of flows) {
        add('flows', flowId, route('flow', name, flowId), t`in ${name}`);
        if (left <= 0) continue;
        left -= 1;
        const { nodes } = await api.graph(name, flowId, signal);
        for (const job of flatten(nodes)) add('jobs', job.path, `${route('flow', name, flowId)}?job=${encodeURIComponent(job.path)}`, t`in ${name} / ${flowId}`);
      }
    } catch (error) {
      if (error.name === 'AbortError' || error.kind === 'session' || error.kind === 'network') throw error;
      // One that may not be read has nothing to be found.
    }
    index.projects.set(name, true);
    tell();
  }, signal);
}

/** Look up what is cheap, then into the newest projects. */
async function fillIndex(tell, signal) {
  if (Date.now() - index.again > FRESH) {
    const [projects, runs, planned] = await Promise.all([
      stock.projects(signal), stock.history({ page: 1, size: RECENT }, signal), known.schedules(),
    ]);
    index.entries.clear();
    index.projects.clear();
    projects.sort((a, b) => (a.modified < b.modified ? 1 : -1));
    await eachInTurn(projects, ({ name, description }) => {
      add('projects', name, route('project', name), description);
      index.projects.set(name, false);
    });
    await eachInTurn([...planned, ...runs], ({ project, flow }) => {
      if (index.projects.has(project)) add('flows', flow, route('flow', project, flow), t`in ${project}`);
    });
    for (const run of runs) add('runs', `#${run.id} ${run.flow}`, route('execution', run.id), t`in ${run.project}, ${status(run.status).word.toLowerCase()}, ${run.start}, by ${run.user}`);
    index.runs = runs;
    index.again = Date.now();
    tell();
  }
  const ids = index.runs.slice(0, PARAMETERS).map(({ id }) => id);
  const given = await known.started(ids, signal);
  for (const { id, flow } of index.runs.slice(0, PARAMETERS)) {
    for (const [name, value] of Object.entries(given.get(id) ?? {})) add('parameters', `${name}=${value}`, route('execution', id, 'parameters'), t`in #${id} ${flow}`);
  }
  tell();
  await looked([...index.projects.keys()].slice(0, AUTOMATIC), GRAPHS, tell, signal);
}

/** The best entries of each kind for some words; all words must be in it. */
function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const rank = ({ name }) => (name === words[0] ? 0 : name.startsWith(words[0]) ? 1 : name.includes(words[0]) ? 2 : 3);
  const fit = [...index.entries.values()].filter(({ low }) => words.every((word) => low.includes(word)));
  const number = /^#?(\d{1,9})$/.exec(text.trim())?.[1];
  const direct = number ? [{ group: 'runs', text: `#${number}`, href: route('execution', number), detail: t`open this run` }] : [];
  return Object.keys(GROUPS).map((group) => {
    const found = fit.filter((one) => one.group === group && one.href !== direct[0]?.href);
    const before = group === 'runs' ? direct : [];
    const byName = group === 'runs' ? () => 0 : (a, b) => inAlphabet(a.text, b.text);
    return { group, number: before.length + found.length, some: [...before, ...first(found, SHOWN - before.length, rank, byName)] };
  }).filter(({ number }) => number);
}

/** The first few of a list by rank, then in an order: to sort 10,000 at each letter would hold the page up. */
function first(list, number, rank, order) {
  const kept = [];
  for (const one of list) {
    const entry = { one, rank: rank(one) };
    const precedes = (other) => (entry.rank - other.rank || order(one, other.one)) < 0;
    if (kept.length === number && !precedes(kept.at(-1))) continue;
    const at = kept.findIndex(precedes);
    kept.splice(at < 0 ? kept.length : at, 0, entry);
    kept.length = Math.min(kept.length, number);
  }
  return kept.map((entry) => entry.one);
}

let open = null;

/** Show the dialog; `go(href)` leads to what is chosen. */
export function openSearch(go) {
  if (open) return;
  const ending = new AbortController();
  const list = h('div', { id: uid('results'), role: 'listbox', 'aria-label': t`Results`, class: 'results' });
  const said = h('p', { class: 'hint', 'aria-live': 'polite' });
  const input = h('input', {
    type: 'search', class: 'input', placeholder: t`Project, flow, job, run number, parameter`, autocomplete: 'off', autofocus: true,
    role: 'combobox', 'aria-label': t`Search`, 'aria-expanded': 'true', 'aria-controls': list.id, oninput: () => draw(),
  });
  const rest = button(t`Look into all`, () => everything(), { class: 'small', hidden: true });
  let options = [];
  let at = 0;

  function draw(keep = false) {
    const groups = find(input.value);
    const before = keep ? options[at]?.href : undefined;
    options = groups.flatMap(({ some }) => some);
    at = Math.max(0, options.findIndex(({ href }) => href === before));
    show(list, groups.map(({ group, number: all, some }) => h('div', { role: 'group', 'aria-label': GROUPS[group] },
      h('div', { class: 'kind' }, GROUPS[group], all > some.length ? h('span', { class: 'hint' }, t` ${some.length} of ${all}`) : null),
      some.map((one) => h('div', { role: 'option', id: `option-${options.indexOf(one)}`, class: 'result', onclick: () => choose(one) },
        h('strong', {}, one.text), h('span', { class: 'hint' }, ` ${one.detail}`))))));
    mark();
    const [seen, all] = [[...index.projects.values()].filter(Boolean).length, index.projects.size];
    rest.hidden = seen >= all || seen < Math.min(AUTOMATIC, all);
    rest.lastElementChild.textContent = t`Look into the other ${count(all - seen, 'project')}`;
    said.textContent = !all ? t`Looking …`
      : input.value.trim() && !groups.length ? t`Nothing found in ${seen} of ${count(all, 'project')}.`
        : seen < all ? t`Jobs of ${seen} of ${count(all, 'project')} are known.` : '';
  }

  function mark() {
    for (const [number, one] of options.entries()) {
      list.querySelector(`#option-${number}`)?.setAttribute('aria-selected', number === at ? 'true' : 'false');
      if (number === at && one) list.querySelector(`#option-${number}`)?.scrollIntoView({ block: 'nearest' });
    }
    if (options.length) input.setAttribute('aria-activedescendant', `option-${at}`);
    else input.removeAttribute('aria-activedescendant');
  }

  function choose(one) {
    dialog.close();
    go(one.href);
  }

  const failed = (error) => { if (error.name !== 'AbortError') said.textContent = error.message; };
  let waiting = 0;
  const tell = () => { waiting ||= setTimeout(() => { waiting = 0; draw(true); }, 200); };
  const everything = () => {
    rest.hidden = true;
    looked([...index.projects.keys()], Infinity, tell, ending.signal).catch(failed);
  };

  input.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      event.preventDefault();
      at = (at + step + options.length) % options.length;
      mark();
    }
    if (event.key === 'Enter' && options[at]) {
      event.preventDefault();
      choose(options[at]);
    }
  });
  const dialog = h('dialog', { class: 'wide search', 'aria-label': t`Search` },
    h('div', { class: 'search-box' }, icon('search'), input,
      h('button', { type: 'button', class: 'button bare', 'aria-label': t`Close`, onclick: () => dialog.close() }, icon('cross'))),
    list, h('div', { class: 'row search-foot' }, said, rest));
  const leave = () => dialog.close();
  addEventListener('hashchange', leave);
  dialog.addEventListener('close', () => {
    ending.abort();
    clearTimeout(waiting);
    dialog.remove();
    removeEventListener('hashchange', leave);
    open = null;
  });
  open = dialog;
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
  draw();
  fillIndex(tell, ending.signal).catch(failed);
}

/** Open it by / or Ctrl+K, where nothing else is being typed. */
export function searchKeys(go) {
  addEventListener('keydown', (event) => {
    const typing = event.target.closest?.('input, textarea, select, [contenteditable]');
    const slash = event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
    const k = event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey);
    if ((!slash && !k) || document.querySelector('dialog[open]') || !document.getElementById('main')) return;
    event.preventDefault();
    openSearch(go);
  });
}

/** Forget what one user could see. */
export function forget() {
  open?.close();
  index.entries.clear();
  index.projects.clear();
  Object.assign(index, { runs: [], again: 0 });
  known.forget();
}
