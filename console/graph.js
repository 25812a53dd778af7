/**
 * The graph of a flow as SVG; layout.js chooses the places.
 *
 * Wheel with Ctrl and pinch zoom, dragging moves, the keyboard walks: arrow keys go from a job to
 * those before and after it, Enter opens it.
 */

import { button, h, s, icon } from './dom.js';
import { duration, status, took } from './format.js';
import { layout } from './layout.js';
import { inOrder } from './order.js';
import { shorten, width as wide } from './text.js';

const HEIGHT = 46;
const TOOLS = 48; // room for the buttons below the graph

const INSET = 38; // of the words in a box, beside the icon

/** Width of a box, the fonts of its two lines (console.css), and the smallest scale that can be read. */
const size = () =>
  matchMedia('(max-width: 760px)').matches
    ? { width: 172, name: '600 14px', detail: '500 13px', smallest: 0.75 }
    : { width: 206, name: '600 13px', detail: '500 12px', smallest: 0.75 };

/** Distance between two pointers. */
const apart = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y);

/** A path through the points of an edge: straight past other jobs, curved between layers. */
function path([first, ...rest]) {
  let d = `M${first.x},${first.y}`;
  let last = first;
  for (const point of rest) {
    const middle = (last.y + point.y) / 2;
    d += point.x === last.x ? `V${point.y}` : `C${last.x},${middle} ${point.x},${middle} ${point.x},${point.y}`;
    last = point;
  }
  return d;
}

/**
 * Draw a flow.
 *
 * `nodes` have id, in, type and, in an execution, status and times. `open(node)` is called when
 * one is chosen. The result has `element` and `update(nodes)`, which changes colours and
 * durations in place.
 */
export function drawGraph(given, { open, label = 'Graph of the flow' }) {
  // The server lists jobs in changing order; so the same flow always looks the same.
  const nodes = inOrder(given);
  const box = size();
  const fits = (text, font) => wide(text, font) <= box.width - INSET - 8;
  const { width, height, edges, places } = layout(nodes, { width: box.width, height: HEIGHT });
  const boxes = new Map();
  const after = new Map(nodes.map((node) => [node.id, []]));
  for (const { from, to } of edges) after.get(from).push(to);
  const before = new Map(nodes.map((node) => [node.id, node.in ?? []]));
  const current = new Map(nodes.map((node) => [node.id, node]));

  const lines = edges.map((edge) => {
    const line = s('path', { class: 'edge', d: path(edge.points), 'marker-end': 'url(#arrow)' });
    return { ...edge, line };
  });

  for (const node of nodes) {
    const { x, y } = places.get(node.id);
    const name = s('text', { class: 'node-name', x: INSET, y: 19 }, shorten(node.id, (text) => fits(text, box.name)));
    const detail = s('text', { class: 'node-detail', x: INSET, y: 36 });
    const glyph = s('g', { class: 'node-icon', transform: 'translate(10 13)' });
    const shape = s(
      'g',
      {
        class: 'node',
        tabindex: nodes[0] === node ? 0 : -1,
        role: 'button',
        transform: `translate(${x - box.width / 2} ${y - HEIGHT / 2})`,
        onclick: () => choose(node.id),
        onkeydown: (event) => walk(event, node.id),
        onfocus: () => mark(node.id),
        onpointerenter: () => mark(node.id),
      },
      s('rect', { class: 'node-box', width: box.width, height: HEIGHT, rx: 8 }),
      glyph,
      name,
      detail,
      s('title', {}, node.id),
    );
    boxes.set(node.id, { shape, detail, glyph });
  }

  const marker = s(
    'marker',
    { id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: 'userSpaceOnUse', orient: 'auto' },
    s('path', { class: 'arrow', d: 'M0,0L8,4L0,8z' }),
  );
  const scene = s('g', {}, lines.map(({ line }) => line), [...boxes.values()].map(({ shape }) => shape));
  const svg = s('svg', { class: 'graph', role: 'group', 'aria-label': label }, s('defs', {}, marker), scene);
  const frame = h('div', { class: 'graph-frame' }, svg);
  const view = { x: 0, y: 0, scale: 1 };

  function place() {
    scene.setAttribute('transform', `translate(${view.x} ${view.y}) scale(${view.scale})`);
  }

  /** Show the whole graph. */
  function fit(smallest = 0) {
    const room = { width: frame.clientWidth, height: frame.clientHeight - TOOLS };
    if (!room.width) return;
    const whole = Math.min(room.width / width, room.height / height, 1.15);
    view.scale = Math.max(whole, smallest);
    const [wide, high] = [width * view.scale, height * view.scale];
    // What is wider than the window starts at its first job.
    const first = room.width / 2 - places.get(nodes[0]?.id)?.x * view.scale;
    view.x = wide <= room.width ? (room.width - wide) / 2 : Math.min(0, Math.max(room.width - wide, first));
    view.y = Math.max((room.height - high) / 2, 0);
    place();
  }

  /** Show as much of it as can be read. */
  const fitReadable = () => fit(box.smallest);

  function zoom(factor, x = frame.clientWidth / 2, y = frame.clientHeight / 2) {
    const scale = Math.min(2.5, Math.max(0.05, view.scale * factor));
    view.x = x - ((x - view.x) * scale) / view.scale;
    view.y = y - ((y - view.y) * scale) / view.scale;
    view.scale = scale;
    place();
  }

  // Pointers: one moves the graph, two zoom it. A click stays a click until it moves 4 pixels.
  const pointers = new Map();
  let dragged = false;
  svg.addEventListener('pointerdown', (event) => {
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    dragged = false;
  });
  svg.addEventListener('pointermove', (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const distance = pointers.size === 2 ? apart([...pointers.values()]) : 0;
    const next = { x: event.clientX, y: event.clientY };
    if (!dragged && Math.hypot(next.x - last.x, next.y - last.y) < 4) return;
    dragged = true;
    svg.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, next);
    if (distance) {
      const room = frame.getBoundingClientRect();
      const middle = [...pointers.values()].reduce((a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }));
      zoom(apart([...pointers.values()]) / distance, middle.x - room.left, middle.y - room.top);
    } else {
      view.x += next.x - last.x;
      view.y += next.y - last.y;
      place();
    }
  });
  for (const end of ['pointerup', 'pointercancel']) {
    svg.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  svg.addEventListener(
    'wheel',
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // else the page could not be scrolled past it
      event.preventDefault();
      const room = frame.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 300), event.clientX - room.left, event.clientY - room.top);
    },
    { passive: false },
  );

  function choose(id) {
    if (!dragged) open(current.get(id));
  }

  /** Emphasise the edges of one job. */
  function mark(id) {
    for (const { from, to, line } of lines) line.classList.toggle('near', from === id || to === id);
  }

  function focus(id) {
    for (const { shape } of boxes.values()) shape.setAttribute('tabindex', -1);
    const { shape } = boxes.get(id);
    shape.setAttribute('tabindex', 0);
    shape.focus({ preventScroll: true });
    const room = frame.getBoundingClientRect();
    const { x, y } = places.get(id);
    const at = { x: x * view.scale + view.x, y: y * view.scale + view.y };
    const margin = 40;
    if (at.x < margin || at.x > room.width - margin) view.x = room.width / 2 - x * view.scale;
    if (at.y < margin || at.y > room.height - margin) view.y = room.height / 2 - y * view.scale;
    place();
  }

  function walk(event, id) {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      dragged = false;
      choose(id);
      return;
    }
    const here = places.get(id);
    const beside = (sign) =>
      nodes
        .map((node) => ({ id: node.id, ...places.get(node.id) }))
        .filter((other) => Math.abs(other.y - here.y) < 2 && sign * (other.x - here.x) > 0)
        .sort((a, b) => sign * (a.x - b.x))
        .map((other) => other.id);
    const moves = {
      ArrowDown: () => after.get(id),
      ArrowUp: () => before.get(id),
      ArrowLeft: () => beside(-1),
      ArrowRight: () => beside(1),
    };
    const target = moves[event.key]?.().find((other) => boxes.has(other));
    if (!(event.key in moves)) return;
    event.preventDefault();
    if (target !== undefined) focus(target);
  }

  /** Show what became of the jobs. */
  function update(fresh) {
    for (const node of fresh) {
      const parts = boxes.get(node.id);
      if (!parts) continue;
      current.set(node.id, node);
      const shown = node.skip ? 'DISABLED' : node.status;
      const { word, glyph, family } = status(shown ?? 'READY');
      const elapsed = took({ ...node, status: shown });
      const lasting = elapsed >= 0 ? duration(elapsed) : '';
      const text = shown ? [word, lasting].filter(Boolean).join(' · ') : (node.type ?? '');
      const line = fits(text, box.detail) ? text : lasting || shorten(text, (part) => fits(part, box.detail));
      parts.shape.setAttribute('class', `node is-${shown ? family : 'plain'}${node.nodes ? ' nested' : ''}`);
      parts.shape.setAttribute('aria-label', `${node.id}, ${text || 'job'}`);
      parts.shape.dataset.status = shown ?? '';
      if (parts.detail.textContent !== line) parts.detail.textContent = line;
      const drawn = shown ? glyph : node.nodes ? 'flow' : 'chevron';
      if (parts.glyph.dataset.icon !== drawn) {
        parts.glyph.dataset.icon = drawn;
        const image = icon(drawn);
        image.setAttribute('width', 20);
        image.setAttribute('height', 20);
        parts.glyph.replaceChildren(image);
      }
    }
    for (const { from, line } of lines) {
      line.classList.toggle('passed', /SUCCEEDED/.test(current.get(from)?.status ?? ''));
    }
  }

  const tools = h(
    'div',
    { class: 'graph-tools', role: 'group', 'aria-label': 'Zoom' },
    tool('add', 'Larger', () => zoom(1.25)),
    tool('minus', 'Smaller', () => zoom(0.8)),
    tool('fit', 'Show the whole graph', () => fit()),
  );
  update(nodes);
  // Tall enough for the graph, at most most of the window (console.css).
  frame.style.setProperty('--graph-height', `${Math.ceil(height) + TOOLS}px`);
  new ResizeObserver(fitReadable).observe(frame);
  return { element: h('div', { class: 'graph-panel' }, frame, tools), update };
}

function tool(name, label, onclick) {
  const control = button('', onclick, { class: 'square', 'aria-label': label, title: label, icon: name });
  control.querySelector('span').remove();
  return control;
}
