/**
 * Many columns by many rows, of which only those in sight are in the page.
 *
 * 200 runs by 100 jobs are 20,000 cells; a window shows some hundreds. Cells are links with a name each;
 * the arrow keys walk among them, Enter opens one.
 */

import { h, show } from './dom.js';

const MORE = 8; // rows and columns beyond the edge, so that most scrolling draws nothing

/**
 * `cell(row, column)` gives `{href, family, part, name}` or null; `head(column)` an element, `names` the rows.
 * `seen(first, last)` hears which columns are in sight, `told(name)` what is pointed at.
 */
export function lattice({ names, label, cell, head, seen, told }) {
  const coarse = matchMedia('(pointer: coarse)').matches;
  const [width, height] = coarse ? [32, 34] : [24, 26];
  let columns = 0;
  let drawn = null; // the range that is in the page
  let focus = { row: 0, column: 0 };

  const heads = h('div', { class: 'lattice-heads' });
  const sides = h('div', { class: 'lattice-names' });
  const body = h('div', { class: 'lattice-body' });
  const element = h('div', { class: 'lattice', role: 'group', 'aria-label': label },
    h('div', { class: 'lattice-corner' }), heads, sides, body);
  element.style.setProperty('--column', `${width}px`);
  element.style.setProperty('--row', `${height}px`);

  const clamp = (value, most) => Math.max(0, Math.min(most, value));

  function range() {
    const left = element.scrollLeft / width;
    const top = element.scrollTop / height;
    return {
      left: clamp(Math.floor(left), columns), right: clamp(Math.ceil(left + element.clientWidth / width), columns),
      top: clamp(Math.floor(top), names.length), bottom: clamp(Math.ceil(top + element.clientHeight / height), names.length),
    };
  }

  function draw(force = false) {
    const now = range();
    const inside = drawn && now.left >= drawn.left && now.right <= drawn.right && now.top >= drawn.top && now.bottom <= drawn.bottom;
    if (inside && !force) return;
    drawn = {
      left: clamp(now.left - MORE, columns), right: clamp(now.right + MORE, columns),
      top: clamp(now.top - MORE, names.length), bottom: clamp(now.bottom + MORE, names.length),
    };
    const held = element.contains(document.activeElement) && document.activeElement.dataset.at;
    const at = (list, first) => list.map((item, index) => [item, first + index]);
    const shownNames = at(names.slice(drawn.top, drawn.bottom), drawn.top);
    const shownColumns = Array.from({ length: drawn.right - drawn.left }, (_, index) => drawn.left + index);
    show(sides, shownNames.map(([name, row]) =>
      h('span', { title: name.title ?? name.text, style: { top: `${row * height}px`, 'padding-inline-start': `${0.4 + (name.depth ?? 0)}em` } }, name.text)));
    show(heads, shownColumns.map((column) => h('div', { style: { left: `${column * width}px` } }, head(column))));
    show(body, shownColumns.map((column) => drawColumn(column)));
    if (held) body.querySelector(`[data-at="${focus.row},${focus.column}"]`)?.focus({ preventScroll: true });
    reach();
  }

  /** Let Tab reach one cell: the one that was walked to, else any. */
  function reach() {
    const cell = body.querySelector(`[data-at="${focus.row},${focus.column}"]`) ?? body.querySelector('[tabindex="0"]') ?? body.querySelector('a');
    if (cell) cell.tabIndex = 0;
  }

  function drawColumn(column) {
    const cells = [];
    for (let row = drawn.top; row < drawn.bottom; row += 1) {
      const one = cell(row, column);
      if (!one) continue;
      const link = document.createElement('a');
      link.className = `cell is-${one.family}`;
      link.href = one.href;
      link.tabIndex = -1;
      link.dataset.at = `${row},${column}`;
      link.setAttribute('aria-label', one.name);
      link.style.top = `${row * height}px`;
      link.style.setProperty('--part', `${Math.round(100 * one.part)}%`);
      cells.push(link);
    }
    return h('div', { class: 'lattice-column', data: { column }, style: { left: `${column * width}px` } }, cells);
  }

  let asked = false;
  function later() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
      const { left, right } = range();
      seen(clamp(left - 2, columns), clamp(right + 2, columns));
    });
  }
  element.addEventListener('scroll', later, { passive: true });
  let placed = false; // at the newest column, once it has a width
  const watcher = new ResizeObserver(() => {
    if (!placed && element.clientWidth) {
      placed = true;
      element.scrollLeft = element.scrollWidth;
    }
    later();
  });
  watcher.observe(element);

  /** Go to the next cell in a direction that there is, and into sight with it. */
  function walk(byRow, byColumn) {
    let { row, column } = focus;
    do {
      row += byRow;
      column += byColumn;
      if (row < 0 || column < 0 || row >= names.length || column >= columns) return;
    } while (!cell(row, column));
    focus = { row, column };
    const side = sides.clientWidth;
    const top = heads.clientHeight;
    const [x, y] = [column * width, row * height];
    if (x < element.scrollLeft) element.scrollLeft = x;
    if (x + width + side > element.scrollLeft + element.clientWidth) element.scrollLeft = x + width + side - element.clientWidth;
    if (y < element.scrollTop) element.scrollTop = y;
    if (y + height + top > element.scrollTop + element.clientHeight) element.scrollTop = y + height + top - element.clientHeight;
    draw();
    body.querySelector(`[data-at="${row},${column}"]`)?.focus({ preventScroll: true });
  }

  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  body.addEventListener('keydown', (event) => {
    if (!STEPS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    walk(...STEPS[event.key]);
  });
  const tell = (event) => {
    const at = event.target.closest?.('[data-at]');
    if (!at) return;
    if (event.type === 'focusin') [focus.row, focus.column] = at.dataset.at.split(',').map(Number);
    told(at.getAttribute('aria-label'));
  };
  body.addEventListener('focusin', tell);
  body.addEventListener('pointerover', tell);

  return {
    element,
    /** How many columns there are; `added` of them are new on the left. */
    resize(number, added = 0) {
      columns = number;
      heads.style.width = body.style.width = `${number * width}px`;
      sides.style.height = body.style.height = `${names.length * height}px`;
      focus = { row: focus.row, column: drawn ? focus.column + added : Math.max(0, number - 1) };
      if (placed) element.scrollLeft += added * width;
      draw(true);
      later();
    },
    /** Draw a column again whose cells have changed. */
    redraw(column) {
      const before = body.querySelector(`[data-column="${column}"]`);
      if (!before) return;
      const held = before.contains(document.activeElement) && document.activeElement.dataset.at;
      const fresh = drawColumn(column);
      before.replaceWith(fresh);
      reach();
      if (held) fresh.querySelector(`[data-at="${held}"]`)?.focus({ preventScroll: true });
    },
    redrawAll: () => draw(true),
    stop: () => watcher.disconnect(),
  };
}
