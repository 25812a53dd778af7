/**
 * Places for the boxes of a flow: layers in its direction, few crossings, straight long edges.
 *
 * Sugiyama's steps (1981): each box one layer after the last of those it needs; edges over several
 * layers get a stop in each; stops and boxes of a layer are sorted by the mean of their neighbours'
 * places, there and back again, and the order with the fewest crossings is kept; then each layer
 * comes as near to its neighbours as its order and the gaps allow.
 *
 * Boxes and stops are numbers into arrays: a flow of 2,000 jobs takes a tenth of the time that
 * objects and maps take. The same flow always gets the same places.
 */

const GAP = { down: { box: 22, stop: 14, layer: 44 }, right: { box: 12, stop: 10, layer: 58 } };
const MARGIN = 12;
const SWEEPS = 24;
const STOPS = 20_000; // beyond these, the longest edges run straight: a hostile flow has millions

/** The edges between boxes that there are; in a cycle, the one against the order is `back`. */
function edgesOf(boxes) {
  const numbers = new Map(boxes.map(({ id }, at) => [id, at]));
  return boxes.flatMap(({ in: before }, to) =>
    [...new Set(before ?? [])]
      .map((id) => numbers.get(id))
      .filter((from) => from !== undefined && from !== to)
      .map((from) => ({ from, to, back: from > to })));
}

/** The layer of each box; boxes come in the order of their flow. */
export function layersOf(boxes, edges = edgesOf(boxes)) {
  const ins = boxes.map(() => []);
  const outs = boxes.map(() => []);
  for (const { from, to, back } of edges) {
    if (back) continue; // it is drawn, and ranks nobody
    ins[to].push(from);
    outs[from].push(to);
  }
  const layer = new Int32Array(boxes.length);
  boxes.forEach((_, at) => {
    for (const from of ins[at]) layer[at] = Math.max(layer[at], layer[from] + 1);
  });
  // One with more edges after it than before goes up to those: their lengths get shorter.
  for (let at = boxes.length - 1; at >= 0; at -= 1) {
    if (outs[at].length <= ins[at].length) continue;
    layer[at] = outs[at].reduce((least, to) => Math.min(least, layer[to]), Infinity) - 1;
  }
  return layer;
}

/** Break layers that are wider than `most` into rows. */
function wrapped(layer, size, gap, most) {
  const rows = [];
  layer.forEach((one, at) => {
    const row = ((rows[one] ??= [{ used: 0, items: [] }]).at(-1));
    const open = row.items.length && row.used + size[at] > most ? { used: 0, items: [] } : row;
    if (open !== row) rows[one].push(open);
    open.used += size[at] + gap;
    open.items.push(at);
  });
  const result = new Int32Array(layer.length);
  rows.flat().forEach(({ items }, row) => items.forEach((at) => { result[at] = row; }));
  return result;
}

/**
 * Place boxes, which have id, in, width and height and come in the order of their flow.
 *
 * They run down, or to the `right`; layers wider than `most` are broken into rows. The result has
 * width, height, `boxes` with their upper left corner, and of each edge the numbers of its boxes
 * (two in `ends`) and its points (x and y in `points` from `starts[edge]` to `starts[edge + 1]`).
 */
export function layout(given, { right = false, most = Infinity } = {}) {
  const gap = right ? GAP.right : GAP.down;
  const across = right ? 'height' : 'width';
  const along = right ? 'width' : 'height';
  const edges = edgesOf(given);
  const ranks = layersOf(given, edges);
  const size = given.map((box) => box[across]);
  const graph = {
    boxes: given.length,
    gap,
    layer: [...(most < Infinity ? wrapped(ranks, size, gap.box, most) : ranks)],
    size,
    up: given.map(() => []),
    down: given.map(() => []),
  };
  const paths = route(graph, edges);
  const layers = [];
  graph.layer.forEach((layer, at) => (layers[layer] ??= []).push(at));
  order(graph, layers);
  place(graph, layers);
  return drawn(given, { graph, layers, edges, paths, right, along });
}

/** Lead each edge over its layers, with a stop in each that it passes. */
function route(graph, edges) {
  const { layer, size, up, down } = graph;
  const length = ({ from, to }) => Math.abs(layer[from] - layer[to]);
  let left = STOPS;
  const total = edges.reduce((sum, edge) => sum + Math.max(0, length(edge) - 1), 0);
  const turn = edges.map((_, at) => at);
  if (total > STOPS) turn.sort((a, b) => length(edges[a]) - length(edges[b]) || a - b);
  const paths = [];
  for (const at of turn) {
    const { from, to } = edges[at];
    const [top, bottom] = layer[from] <= layer[to] ? [from, to] : [to, from];
    const stops = Math.max(0, layer[bottom] - layer[top] - 1);
    paths[at] = [top, bottom];
    if (stops > left) continue;
    left -= stops;
    const passed = Array.from({ length: stops }, (_, nth) => {
      layer.push(layer[top] + 1 + nth);
      up.push([]);
      down.push([]);
      return size.push(2) - 1;
    });
    paths[at] = [top, ...passed, bottom];
    for (let step = 1; step < paths[at].length; step += 1) {
      down[paths[at][step - 1]].push(paths[at][step]);
      up[paths[at][step]].push(paths[at][step - 1]);
    }
  }
  return paths;
}

/** Sort each layer; the order with the fewest crossings stays. */
function order(graph, layers) {
  const at = new Int32Array(graph.size.length);
  const wish = new Float64Array(graph.size.length);
  const number = (layer) => layer.forEach((one, place) => { at[one] = place; });
  layers.forEach(number);
  let best = { crossings: crossings(graph, layers, at), layers: layers.map((layer) => [...layer]) };
  for (let sweep = 0, idle = 0; sweep < SWEEPS && idle < 6 && best.crossings; sweep += 1) {
    const near = sweep % 2 ? graph.down : graph.up;
    for (const layer of sweep % 2 ? layers.toReversed() : layers) {
      for (const one of layer) wish[one] = mean(near[one], at) ?? at[one];
      layer.sort((a, b) => wish[a] - wish[b] || at[a] - at[b]);
      number(layer);
    }
    const found = crossings(graph, layers, at);
    idle = found < best.crossings ? 0 : idle + 1;
    if (!idle) best = { crossings: found, layers: layers.map((layer) => [...layer]) };
  }
  best.layers.forEach((layer, nth) => { layers[nth] = layer; });
}

/** Count the pairs of edges that cross, between all layers (a Fenwick tree over the lower ends). */
function crossings({ down, size }, layers, at) {
  const tree = new Int32Array(size.length + 2);
  let total = 0;
  layers.forEach((layer, nth) => {
    const most = (layers[nth + 1]?.length ?? 0) + 1;
    tree.fill(0, 0, most + 1);
    let before = 0;
    for (const one of layer) {
      const ends = down[one].map((other) => at[other]).sort((a, b) => a - b);
      for (const end of ends) {
        let notRight = 0;
        for (let place = end + 1; place > 0; place -= place & -place) notRight += tree[place];
        total += before - notRight;
        for (let place = end + 1; place <= most; place += place & -place) tree[place] += 1;
        before += 1;
      }
    }
  });
  return total;
}

/** Give each item its x: near its neighbours, a gap from the next one. */
function place(graph, layers) {
  const x = new Float64Array(graph.size.length);
  const wish = new Float64Array(graph.size.length);
  graph.x = x;
  // No layer may spread beyond the widest: how large names can be shown depends on it.
  graph.reach = layers.reduce((most, layer) => Math.max(most, extent(graph, layer).total), 0) / 2;
  for (const layer of layers) settle(graph, layer, wish);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const both = sweep >= SWEEPS - 4;
    const near = sweep % 2 ? graph.down : graph.up;
    for (const layer of sweep % 2 ? layers.toReversed() : layers) {
      for (const one of layer) {
        const others = both ? [...graph.up[one], ...graph.down[one]] : near[one];
        wish[one] = mean(others, x) ?? x[one];
      }
      settle(graph, layer, wish);
    }
  }
}

/** How far from the first of a layer each item is when all are as near as the gaps allow. */
function extent({ size, boxes, gap }, layer) {
  const offsets = new Float64Array(layer.length);
  for (let at = 1; at < layer.length; at += 1) {
    const [last, one] = [layer[at - 1], layer[at]];
    const apart = one < boxes && last < boxes ? gap.box : gap.stop;
    offsets[at] = offsets[at - 1] + (size[last] + size[one]) / 2 + apart;
  }
  return { offsets, total: offsets.at(-1) + (size[layer[0]] + size[layer.at(-1)]) / 2 };
}

/**
 * Come as near to the wishes as the order and the gaps allow, by least squares: neighbours that are
 * too near each other move as one block (pool adjacent violators). Stops pull more: long edges are
 * straight.
 */
function settle(graph, layer, wish) {
  const { size, boxes, x, reach } = graph;
  const blocks = [];
  const { offsets, total } = extent(graph, layer);
  const least = size[layer[0]] / 2 - reach;
  const most = Math.max(least, least + 2 * reach - total);
  layer.forEach((one, at) => {
    const weight = one < boxes ? 1 : 4;
    blocks.push({ sum: weight * (wish[one] - offsets[at]), weight, from: at });
    while (blocks.length > 1 && value(blocks.at(-2)) > value(blocks.at(-1))) {
      const { sum, weight: more } = blocks.pop();
      const block = blocks.at(-1);
      block.sum += sum;
      block.weight += more;
    }
  });
  blocks.forEach((block, nth) => {
    const end = blocks[nth + 1]?.from ?? layer.length;
    const start = Math.min(most, Math.max(least, value(block)));
    for (let at = block.from; at < end; at += 1) x[layer[at]] = start + offsets[at];
  });
}

const value = (block) => block.sum / block.weight;

function mean(items, values) {
  if (!items.length) return undefined;
  let sum = 0;
  for (const one of items) sum += values[one];
  return sum / items.length;
}

/** The places as they are drawn: the layers' thickness is known, and where the first one begins. */
function drawn(given, { graph, layers, edges, paths, right, along }) {
  const { x, size, layer: layerOf, gap } = graph;
  const all = layers.flat();
  const least = all.reduce((found, one) => Math.min(found, x[one] - size[one] / 2), Infinity) - MARGIN;
  const reach = all.reduce((found, one) => Math.max(found, x[one] + size[one] / 2), -Infinity) + MARGIN;
  const thick = layers.map((layer) => layer.reduce((most, one) => Math.max(most, given[one]?.[along] ?? 0), 0));
  let end = MARGIN;
  const from = thick.map((one) => {
    const start = end;
    end += one + gap.layer;
    return start;
  });
  const deep = Math.max(end - gap.layer + MARGIN, 1);
  const wide = given.length ? reach - least : 1;
  // To the right, the boxes of a layer are one column; downwards, each is as wide as its name.
  const boxes = given.map((box, at) => {
    const layer = layerOf[at];
    const side = x[at] - least - size[at] / 2;
    return right
      ? { ...box, x: from[layer], y: side, width: thick[layer] }
      : { ...box, x: side, y: from[layer] + (thick[layer] - box.height) / 2 };
  });
  const starts = new Uint32Array(edges.length + 1);
  const points = [];
  edges.forEach((edge, nth) => {
    const path = paths[nth];
    const flat = path.flatMap((one, at) => {
      const layer = layerOf[one];
      const [near, far] = one < given.length && !right
        ? [boxes[one].y, boxes[one].y + boxes[one].height]
        : [from[layer], from[layer] + thick[layer]];
      const ends = at === 0 ? [far] : at === path.length - 1 ? [near] : [near, far];
      return ends.map((place) => (right ? [place, x[one] - least] : [x[one] - least, place]));
    });
    if (path[0] !== edge.from) flat.reverse();
    points.push(...flat.flat());
    starts[nth + 1] = points.length;
  });
  return {
    width: right ? deep : wide,
    height: right ? wide : deep,
    right,
    boxes,
    ends: Int32Array.from(edges.flatMap((edge) => [edge.from, edge.to])),
    starts,
    points: Float32Array.from(points),
  };
}
