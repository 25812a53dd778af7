/** A log that follows its end, searches, filters, wraps, and is shown as text alone. */

import { button, h, icon, uid } from './dom.js';
import { toast } from './dialog.js';
import { save } from './save.js';
import { t } from './words.js';

const PIECE = 200_000; // bytes in one request
const AUTOMATIC = 4_000_000; // bytes loaded without asking
const BLOCK = 400; // lines in one block that the browser may skip while it is out of sight
const MARKED = 3000; // matching lines that get their matches highlighted

const LEVELS = [
  [/\b(ERROR|FATAL|SEVERE|Traceback|Exception)\b/, 'is-bad'],
  [/\b(WARN|WARNING)\b/, 'is-warn'],
];

/**
 * Show a log.
 *
 * `fetchPiece(offset, length)` gives `{offset, length, data}` (in bytes) or null while the server
 * has none; `isOver()` tells whether the log can still grow. `name` is for the download.
 * Returns `element` and `poll()`, to be called once a second; it resolves to false at the end.
 */
export function logView({ fetchPiece, isOver, decode, name }) {
  const lines = []; // {text, element}
  let offset = 0;
  let rest = '';
  let quiet = 0; // empty answers in a row
  let allowance = AUTOMATIC;
  let busy = false;
  let query = '';
  let hits = []; // indices of matching lines
  let at = -1; // position in hits

  const body = h('div', { class: 'log-lines', tabindex: 0, role: 'log', 'aria-label': t`Log`, 'aria-live': 'off' });
  const found = h('span', { class: 'log-count', 'aria-live': 'polite' });
  const state = h('span', { class: 'log-state' });
  const search = h('input', {
    type: 'search',
    class: 'input',
    placeholder: t`Search the log`,
    'aria-label': t`Search the log`,
    oninput: () => look(search.value),
    onkeydown: (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      step(event.shiftKey ? -1 : 1);
    },
  });
  const follow = toggle(t`Follow`, true, () => follow.checked && toEnd());
  const wrap = toggle(t`Wrap`, true, () => body.classList.toggle('nowrap', !wrap.checked));
  const only = toggle(t`Matches only`, false, () => body.classList.toggle('filtered', only.checked && query !== ''));
  const more = button(t`Load more`, () => {
    allowance += AUTOMATIC;
    more.hidden = true;
    poll();
  });
  more.hidden = true;

  body.addEventListener('scroll', () => {
    const atEnd = body.scrollHeight - body.scrollTop - body.clientHeight < 30;
    if (!atEnd && scrolledByUser) follow.checked = false;
    else if (atEnd && !isOver()) follow.checked = true;
  });
  // Only the user's own scrolling ends following; ours comes without these.
  let scrolledByUser = false;
  for (const type of ['wheel', 'pointerdown', 'keydown', 'touchmove']) {
    body.addEventListener(type, () => { scrolledByUser = true; }, { passive: true });
  }

  // Blocks out of sight have a guessed height: each step towards a place makes the guess better.
  function toEnd(steps = 4) {
    scrolledByUser = false;
    body.scrollTop = body.scrollHeight;
    if (steps) requestAnimationFrame(() => follow.checked && toEnd(steps - 1));
  }

  function reveal(element, steps = 8) {
    const frame = body.getBoundingClientRect();
    const off = element.getBoundingClientRect().top - frame.top - frame.height / 2;
    if (Math.abs(off) < frame.height / 2 - 20 || !steps) return;
    body.scrollTop += off;
    requestAnimationFrame(() => reveal(element, steps - 1));
  }

  function add(text) {
    const level = LEVELS.find(([pattern]) => pattern.test(text))?.[1] ?? '';
    const element = h('div', { class: ['line', level] }, text || ' ');
    if (lines.length % BLOCK === 0) body.append(h('div', { class: 'block' }));
    body.lastElementChild.append(element);
    lines.push({ text, element });
    if (query) matchLine(lines.length - 1);
  }

  function take(data) {
    const pieces = (rest + data).split('\n');
    rest = pieces.pop();
    for (const text of pieces) add(text.replace(/\r$/, ''));
  }

  async function poll() {
    if (busy) return true;
    busy = true;
    try {
      let piece = null;
      let grown = false;
      while (offset < allowance) {
        piece = await fetchPiece(offset, PIECE);
        if (!(piece?.length > 0)) break;
        take(decode(piece.data));
        offset = piece.offset + piece.length;
        quiet = 0;
        grown = true;
      }
      if (grown && query) count();
      if (grown && follow.checked) toEnd(); // once: it makes the browser lay out the log
      const held = offset >= allowance;
      more.hidden = !held;
      if (!held) quiet += 1;
      // The server loses sight of a log for a moment when a flow ends: ask a few times more.
      const over = !held && isOver() && quiet >= (offset > 0 && piece ? 2 : 6);
      if (over && rest) add(rest);
      if (over) rest = '';
      const ended = lines.length ? t`Complete` : t`This log is empty.`;
      const growing = isOver() ? t`Loading` : t`Live`;
      state.textContent = over ? ended : held ? t`There is more` : growing;
      state.classList.toggle('live', !isOver());
      return !over;
    } finally {
      busy = false;
    }
  }

  // Search ---------------------------------------------------------------------------------------

  function look(text) {
    query = text.toLowerCase();
    for (const index of hits) unmark(lines[index]);
    hits = [];
    at = -1;
    if (query) lines.forEach((_, index) => matchLine(index));
    body.classList.toggle('filtered', only.checked && query !== '');
    if (hits.length) step(1);
    count();
  }

  function matchLine(index) {
    const line = lines[index];
    const low = line.text.toLowerCase();
    if (!low.includes(query)) return;
    hits.push(index);
    line.element.classList.add('hit');
    if (hits.length > MARKED) return;
    const parts = [];
    let from = 0;
    for (let to = low.indexOf(query); to >= 0; to = low.indexOf(query, from)) {
      parts.push(line.text.slice(from, to), h('mark', {}, line.text.slice(to, to + query.length)));
      from = to + query.length;
    }
    line.element.replaceChildren(...parts, line.text.slice(from));
  }

  function unmark(line) {
    line.element.classList.remove('hit', 'current');
    line.element.replaceChildren(line.text || ' ');
  }

  function step(by) {
    if (!hits.length) return;
    lines[hits[at]]?.element.classList.remove('current');
    at = (at + by + hits.length) % hits.length;
    follow.checked = false;
    const { element } = lines[hits[at]];
    element.classList.add('current');
    reveal(element);
    count();
  }

  function count() {
    if (!query) found.textContent = '';
    else if (!hits.length) found.textContent = t`No match`;
    else found.textContent = t`${at + 1} of ${hits.length} lines`;
  }

  // Taking it away -------------------------------------------------------------------------------

  const whole = () => lines.map(({ text }) => text).join('\n') + rest;

  async function copy() {
    await navigator.clipboard.writeText(whole());
    toast(t`The log was copied.`);
  }

  const tools = h(
    'div',
    { class: 'log-tools' },
    h('div', { class: 'log-search' }, icon('search'), search),
    arrow('up', t`Previous match`, -1),
    arrow('down', t`Next match`, 1),
    found,
    h('span', { class: 'push' }, state),
    follow.element,
    wrap.element,
    only.element,
    navigator.clipboard ? button(t`Copy`, copy, { class: 'small' }) : null, // https only
    button(t`Download`, () => save(name, 'text/plain', whole()), { class: 'small' }),
  );

  function arrow(name_, label, by) {
    return h(
      'button',
      { type: 'button', class: 'button square small', 'aria-label': label, title: label, onclick: () => step(by) },
      icon(name_),
    );
  }

  return { element: h('section', { class: 'log' }, tools, body, more), poll };
}

/** A checkbox with its label; `checked` reads and sets it. */
function toggle(label, checked, onchange) {
  const id = uid('toggle');
  const box = h('input', { type: 'checkbox', id, checked, onchange });
  return {
    element: h('span', { class: 'toggle' }, box, h('label', { for: id }, label)),
    get checked() {
      return box.checked;
    },
    set checked(value) {
      box.checked = value;
    },
  };
}
