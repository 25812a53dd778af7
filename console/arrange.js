/**
 * What of a flow is drawn where: all jobs if their names can be read in the room that there is,
 * else as few folded as possible.
 */

import { COARSEST, fold } from './fold.js';
import { layersOf, layout } from './layout.js';
import { inOrder } from './order.js';
import { lines } from './text.js';

export const INSET = 38; // of the words in a box, beside the icon
export const LINE = 16; // pixels from one line of a name to the next
const HEIGHT = 46; // of a box with a name of one line
const NARROWEST = 120;
const MOST_LINES = 3;
const ROWS = 60; // jobs of a flow whose wide layers may be broken into rows

/**
 * Choose what is shown and lay it out.
 *
 * `nodes` have id, in and nested. `room` is the width that there is, and the most height. `look` has
 * the font of names, the width of the `widest` box and the `smallest` scale at which names can be
 * read. With `all`, nothing is folded; `opened` has the keys of groups that are not; with a
 * `coarseness` these are the groups of before. `measure(text, font)` is a text's width.
 */
export function arrange({ nodes, room, look, all = false, opened = [], coarseness = null }, measure) {
  const sorted = inOrder(nodes);
  const layer = layersOf(sorted);
  const jobs = sorted.map((node, at) => ({ ...node, layer: layer[at] }));
  const boxes = (level) => named(fold(jobs, level, new Set(opened))).map((box) => sized(box, look, measure));
  const told = (level, drawn) => ({ ...drawn, coarseness: level, jobs: jobs.length });
  if (all || coarseness !== null) {
    const level = all ? 0 : coarseness;
    return told(level, layout(boxes(level)));
  }
  const scale = ({ width, height }) => Math.min(1, room.width / width, room.height / height);
  for (let level = 0; level <= COARSEST; level += 1) {
    const folded = boxes(level);
    const ways = candidates(folded, room, look);
    if (!ways.length && level < COARSEST) continue;
    const found = (ways.length ? ways : [{}]).map((options) => layout(folded, options));
    // Down is how one reads, so to the right only if that shows the names larger.
    const best = found.reduce((most, next) => (scale(next) > 1.05 * scale(most) ? next : most));
    if (scale(best) >= look.smallest || level === COARSEST) return told(level, best);
  }
  return undefined; // never: the coarsest is taken as it is
}

/** Groups of one name are told apart by their first and last job. */
function named(boxes) {
  const times = new Map();
  for (const { name } of boxes) times.set(name, (times.get(name) ?? 0) + 1);
  return boxes.map((box) => {
    if (!box.members || times.get(box.name) === 1) return box;
    const ids = [...box.members].sort();
    return { ...box, name: `${ids[0]} … ${ids.at(-1)}` };
  });
}

/** Ways to lay out boxes that may fit; of the hopeless ones even an estimate takes time. */
function candidates(boxes, room, look) {
  const layer = layersOf(boxes);
  const most = { width: room.width / look.smallest, height: room.height / look.smallest };
  const sums = { width: new Map(), height: new Map(), widest: 0 };
  boxes.forEach((box, at) => {
    for (const side of ['width', 'height']) sums[side].set(layer[at], (sums[side].get(layer[at]) ?? 0) + box[side]);
    sums.widest = Math.max(sums.widest, box.width);
  });
  const layers = sums.width.size;
  const largest = (side) => Math.max(0, ...sums[side].values());
  const deep = layers * HEIGHT <= most.height;
  const found = [];
  if (deep && largest('width') <= most.width) found.push({});
  if (layers * NARROWEST <= most.width && largest('height') <= most.height) found.push({ right: true });
  if (deep && boxes.length <= ROWS) {
    for (const part of [0.95, 0.75, 0.55]) found.push({ most: Math.max(part * most.width, sums.widest) });
  }
  return found;
}

/** A box as large as its name needs. */
function sized(box, look, measure) {
  const fits = (text) => measure(text, look.name) <= look.widest - INSET - 10;
  const shown = lines(box.name, fits, MOST_LINES);
  const longest = Math.max(...shown.map((line) => measure(line, look.name)));
  const height = HEIGHT + LINE * (shown.length - 1);
  return { ...box, lines: shown, width: Math.max(NARROWEST, Math.ceil(longest) + INSET + 10), height };
}
