/**
 * A laid-out flow on a canvas.
 *
 * It is drawn in steps of some milliseconds onto a sheet that is not seen yet; until that is
 * complete, the last one is shown, moved and stretched. So a graph of any size follows the hand, and
 * never holds the page up.
 */

import { INSET, LINE } from './arrange.js';
import { h, ICONS } from './dom.js';

const SLICE = 8; // milliseconds of drawing in one frame
const STEP = 40; // edges or boxes between two looks at the clock
const LETTERS = 0.4; // the scale below which names are no longer drawn, and colours are full
const PIXELS = 8e6; // of a sheet: a tall graph on a fine screen is drawn less finely
const FAMILIES = ['good', 'run', 'bad', 'warn', 'wait', 'idle'];

const shapes = new Map(); // of icons

function shape(name) {
  if (!shapes.has(name)) shapes.set(name, new Path2D(ICONS[name]));
  return shapes.get(name);
}

/** The page's colours at this moment: they change with the system's. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const found = Object.fromEntries(['surface', 'text', 'muted', 'edge', 'accent', 'good'].map((name) => [name, colour(name)]));
  for (const family of FAMILIES) found[`is-${family}`] = { tone: colour(family), soft: colour(`${family}-soft`) };
  found['is-plain'] = { tone: colour('edge'), soft: colour('raised') };
  found.sans = getComputedStyle(document.body).fontFamily;
  return found;
}

/** The line of an edge; straight past other boxes, curved between layers. */
function trace(pen, { points, starts, right }, edge) {
  const from = starts[edge];
  let [x, y] = [points[from], points[from + 1]];
  pen.moveTo(x, y);
  for (let at = from + 2; at < starts[edge + 1]; at += 2) {
    const [nextX, nextY] = [points[at], points[at + 1]];
    if (right ? nextY === y : nextX === x) pen.lineTo(nextX, nextY);
    else if (right) pen.bezierCurveTo((x + nextX) / 2, y, (x + nextX) / 2, nextY, nextX, nextY);
    else pen.bezierCurveTo(x, (y + nextY) / 2, nextX, (y + nextY) / 2, nextX, nextY);
    [x, y] = [nextX, nextY];
  }
  return [x, y];
}

/** Draw an edge and the arrow at its end. */
function edgeTo(pen, scene, edge, colour, arrows) {
  pen.strokeStyle = colour;
  pen.beginPath();
  const [x, y] = trace(pen, scene, edge);
  pen.stroke();
  if (!arrows) return;
  const before = scene.starts[edge + 1] - 4;
  const back = scene.right ? Math.sign(scene.points[before] - x) || -1 : Math.sign(scene.points[before + 1] - y) || -1;
  pen.fillStyle = colour;
  pen.beginPath();
  pen.moveTo(x, y);
  for (const side of [-4, 4]) {
    if (scene.right) pen.lineTo(x + 8 * back, y + side);
    else pen.lineTo(x + side, y + 8 * back);
  }
  pen.fill();
}

function seen({ points, starts }, edge, window) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = starts[edge]; at < starts[edge + 1]; at += 2) {
    left = Math.min(left, points[at]);
    right = Math.max(right, points[at]);
    top = Math.min(top, points[at + 1]);
    bottom = Math.max(bottom, points[at + 1]);
  }
  return right >= window.left && left <= window.right && bottom >= window.top && top <= window.bottom;
}

function outline(pen, x, y, width, height) {
  pen.beginPath();
  pen.roundRect(x, y, width, height, 8);
}

/** Draw a box with the icon, name and detail of its job. */
function boxAt(pen, box, look, colours, readable) {
  const { tone, soft } = colours[`is-${look.family}`];
  const { x, y, width, height } = box;
  if (!readable) {
    pen.fillStyle = tone;
    pen.fillRect(x, y, width, height);
    return;
  }
  pen.lineWidth = 1.5;
  pen.strokeStyle = tone;
  pen.fillStyle = soft;
  for (const off of box.members ? [6, 3] : []) {
    outline(pen, x + off, y + off, width, height);
    pen.fill();
    pen.stroke();
  }
  outline(pen, x, y, width, height);
  pen.fill();
  pen.setLineDash(box.nested ? [5, 3] : []);
  pen.stroke();
  pen.setLineDash([]);
  const plain = look.family === 'plain';
  pen.save();
  pen.translate(x + 10, y + height / 2 - 10);
  pen.scale(20 / 24, 20 / 24);
  pen.lineWidth = 2;
  pen.strokeStyle = plain ? colours.muted : tone;
  pen.stroke(shape(look.glyph));
  pen.restore();
  pen.fillStyle = colours.text;
  pen.font = look.fonts.name;
  box.lines.forEach((line, nth) => pen.fillText(line, x + INSET, y + 19 + nth * LINE));
  pen.fillStyle = plain ? colours.muted : tone;
  pen.font = look.fonts.detail;
  pen.fillText(look.detail, x + INSET, y + height - 10);
}

/** Draw all that is seen of a scene, pausing when the caller wants. */
function* drawing(pen, { scene, looks, view, ratio, width, height, colours }) {
  const { scale } = view;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, width * ratio, height * ratio);
  pen.setTransform(scale * ratio, 0, 0, scale * ratio, view.x * ratio, view.y * ratio);
  pen.direction = 'ltr';
  pen.lineCap = pen.lineJoin = 'round';
  const window = { left: -view.x / scale, top: -view.y / scale };
  window.right = window.left + width / scale;
  window.bottom = window.top + height / scale;
  const readable = scale >= LETTERS;
  for (let edge = 0; edge + 1 < scene.starts.length; edge += 1) {
    if (edge % STEP === 0) yield;
    if (!seen(scene, edge, window)) continue;
    pen.lineWidth = readable ? 1.5 : 0.7 / scale;
    edgeTo(pen, scene, edge, looks[scene.ends[2 * edge]].passed ? colours.good : colours.edge, readable);
  }
  for (const [at, box] of scene.boxes.entries()) {
    if (at % STEP === 0) yield;
    if (box.x > window.right || box.y > window.bottom || box.x + box.width < window.left || box.y + box.height < window.top) continue;
    boxAt(pen, box, looks[at], colours, readable);
  }
}

const same = (a, b) => a && a.x === b.x && a.y === b.y && a.scale === b.scale;

/**
 * A canvas that shows a scene; `looks` has the family, glyph, detail and fonts of each of its boxes.
 *
 * `show(view)` moves it, `touch()` says that looks or colours have changed, `resize` that its room
 * has, `mark(edges)` emphasises some edges. It ends with the `signal`.
 */
export function painter(scene, looks, signal) {
  const canvas = h('canvas', { class: 'graph', 'aria-hidden': 'true' });
  const pen = canvas.getContext('2d');
  const sheets = [1, 2].map(() => document.createElement('canvas'));
  const room = { width: 0, height: 0, ratio: 1 };
  let [view, shown, work, near] = [null, null, null, []];
  let colours = palette();
  let stale = true;
  let frame = 0;

  const request = () => {
    if (view && !signal.aborted) frame ||= requestAnimationFrame(tick);
  };

  function tick() {
    frame = 0;
    if (!room.width || signal.aborted) return;
    if (!work && (stale || !same(shown?.view, view))) {
      const sheet = sheets.find((one) => one !== shown?.sheet);
      const now = { ...view };
      work = { sheet, view: now, steps: drawing(sheet.getContext('2d'), { scene, looks, view: now, colours, ...room }) };
      stale = false;
    }
    const until = performance.now() + SLICE;
    while (work && performance.now() < until) {
      if (!work.steps.next().done) continue;
      shown = { sheet: work.sheet, view: work.view };
      work = null;
    }
    compose();
    if (work || stale || !same(shown?.view, view)) request();
  }

  function compose() {
    const { ratio } = room;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!shown) return;
    const by = view.scale / shown.view.scale;
    const at = (side) => (view[side] - shown.view[side] * by) * ratio;
    pen.drawImage(shown.sheet, at('x'), at('y'), canvas.width * by, canvas.height * by);
    pen.setTransform(view.scale * ratio, 0, 0, view.scale * ratio, view.x * ratio, view.y * ratio);
    pen.lineWidth = Math.max(2.5, 1.5 / view.scale);
    for (const edge of near) edgeTo(pen, scene, edge, colours.accent, view.scale >= LETTERS);
  }

  function resize(width, height) {
    const ratio = Math.min(devicePixelRatio || 1, Math.sqrt(PIXELS / Math.max(1, width * height)));
    if (room.width === width && room.height === height && room.ratio === ratio) return;
    Object.assign(room, { width, height, ratio });
    for (const sheet of [canvas, ...sheets]) Object.assign(sheet, { width: width * ratio, height: height * ratio });
    [shown, work] = [null, null];
    request();
  }

  function touch() {
    stale = true;
    request();
  }

  for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
    matchMedia(query).addEventListener('change', () => {
      colours = palette();
      touch();
    }, { signal });
  }
  return {
    canvas,
    resize,
    touch,
    show: (next) => {
      view = next;
      request();
    },
    mark: (edges) => {
      near = edges;
      request();
    },
  };
}
