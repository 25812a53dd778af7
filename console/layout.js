/**
 * Places for the jobs of a flow: layers from top to bottom, few crossings, straight long edges.
 *
 * Sugiyama's steps (1981): each job one layer below the last of those it needs; edges over several
 * layers get a stop in each; stops and jobs of a layer are sorted by the mean of their neighbours'
 * places, down and up again, and the order with the fewest crossings is kept; then each layer comes
 * as near to its neighbours as its order and the gaps allow.
 */

const GAP = { job: 22, stop: 14 };
const LAYER_GAP = 44;
const MARGIN = 12;
const SWEEPS = 24;

/**
 * Place jobs that come in the order of their flow.
 *
 * `nodes` have id and in. The result has width and height, places (a Map of id to x and y, the
 * middle of the box) and edges with from, to and points, two in each layer that they pass.
 */
export function layout(nodes, { width, height }) {
  if (!nodes.length) return { width: 1, height: 1, places: new Map(), edges: [] };
  const items = new Map(nodes.map((node) => [node.id, item(node.id, width)]));
  const edges = [];
  const seen = new Set();
  for (const node of nodes) {
    seen.add(node.id);
    for (const before of new Set(node.in ?? [])) {
      // In a flow with a cycle, one edge goes against the order: it is drawn, and ranks nobody.
      if (items.has(before) && before !== node.id) edges.push({ from: before, to: node.id, back: !seen.has(before) });
    }
  }
  rank(items, edges);
  const layers = [];
  for (const one of items.values()) (layers[one.layer] ??= []).push(one);
  const routes = edges.map((edge) => route(edge, items, layers));
  order(layers);
  place(layers);
  const every = layers.flat();
  const left = every.reduce((least, one) => Math.min(least, one.x - one.width / 2), Infinity) - MARGIN;
  const right = every.reduce((most, one) => Math.max(most, one.x + one.width / 2), -Infinity) + MARGIN;
  const y = (layer) => MARGIN + height / 2 + layer * (height + LAYER_GAP);
  const points = (path) =>
    path.flatMap(({ x, layer }, at) => {
      const [above, below] = [-1, 1].map((side) => ({ x: x - left, y: y(layer) + (side * height) / 2 }));
      if (at === 0) return [below];
      return at === path.length - 1 ? [above] : [above, below];
    });
  return {
    width: right - left,
    height: y(layers.length - 1) + height / 2 + MARGIN,
    places: new Map([...items].map(([id, { x, layer }]) => [id, { x: x - left, y: y(layer) }])),
    edges: routes.map(({ from, to, back, path }) => ({ from, to, points: back ? points(path).reverse() : points(path) })),
  };
}

const item = (id, width, layer = 0) => ({ id, width, layer, up: [], down: [], x: 0, at: 0 });

/** Give each job its layer; `items` come in the order of the flow. */
function rank(items, edges) {
  const forward = edges.filter((edge) => !edge.back);
  const [ins, outs] = [new Map(), new Map()];
  for (const { from, to } of forward) {
    ins.set(to, [...(ins.get(to) ?? []), from]);
    outs.set(from, [...(outs.get(from) ?? []), to]);
  }
  const layers = (names) => (names ?? []).map((name) => items.get(name).layer);
  for (const [id, one] of items) one.layer = 1 + Math.max(-1, ...layers(ins.get(id)));
  // One with more edges below than above goes down to them: their lengths get shorter.
  for (const [id, one] of [...items].reverse()) {
    if ((outs.get(id)?.length ?? 0) > (ins.get(id)?.length ?? 0)) one.layer = Math.min(...layers(outs.get(id))) - 1;
  }
}

/** Lead an edge over its layers, with a stop in each that it passes. */
function route(edge, items, layers) {
  const ends = [items.get(edge.from), items.get(edge.to)];
  const [top, bottom] = ends[0].layer <= ends[1].layer ? ends : [ends[1], ends[0]];
  const path = [top];
  for (let layer = top.layer + 1; layer < bottom.layer; layer += 1) {
    const stop = item(null, 2, layer);
    layers[layer].push(stop);
    path.push(stop);
  }
  if (bottom !== top) path.push(bottom);
  for (let at = 1; at < path.length; at += 1) {
    path[at - 1].down.push(path[at]);
    path[at].up.push(path[at - 1]);
  }
  return { ...edge, back: path[0] !== ends[0], path };
}

/** Sort each layer; the order with the fewest crossings stays. */
function order(layers) {
  const number = (layer) => layer.forEach((one, at) => Object.assign(one, { at }));
  layers.forEach(number);
  let best = { crossings: crossings(layers), layers: layers.map((layer) => [...layer]) };
  for (let sweep = 0, idle = 0; sweep < SWEEPS && idle < 6 && best.crossings; sweep += 1) {
    const [side, walk] = sweep % 2 ? ['down', [...layers].reverse()] : ['up', layers];
    for (const layer of walk) {
      const wish = new Map(layer.map((one) => [one, mean(one[side].map((other) => other.at)) ?? one.at]));
      layer.sort((a, b) => wish.get(a) - wish.get(b) || a.at - b.at);
      number(layer);
    }
    const found = crossings(layers);
    idle = found < best.crossings ? 0 : idle + 1;
    if (!idle) best = { crossings: found, layers: layers.map((layer) => [...layer]) };
  }
  layers.forEach((layer, at) => {
    layer.splice(0, layer.length, ...best.layers[at]);
    number(layer);
  });
}

/** Count the pairs of edges that cross, between all layers (a Fenwick tree over the lower ends). */
function crossings(layers) {
  let total = 0;
  for (const layer of layers) {
    const ends = layer.flatMap((one) => one.down.map((other) => other.at).sort((a, b) => a - b));
    const tree = new Array(1 + Math.max(0, ...ends.map((end) => end + 1))).fill(0);
    ends.forEach((end, before) => {
      let notRight = 0;
      for (let at = end + 1; at > 0; at -= at & -at) notRight += tree[at];
      total += before - notRight;
      for (let at = end + 1; at < tree.length; at += at & -at) tree[at] += 1;
    });
  }
  return total;
}

/** Give each item its x: near its neighbours, a gap from the next one. */
function place(layers) {
  for (const layer of layers) settle(layer, layer.map(() => 0));
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const sides = sweep >= SWEEPS - 4 ? ['up', 'down'] : [sweep % 2 ? 'down' : 'up'];
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const near = (one) => sides.flatMap((side) => one[side]);
      settle(layer, layer.map((one) => mean(near(one).map((other) => other.x)) ?? one.x));
    }
  }
}

/**
 * Come as near to `wishes` as the order and the gaps allow, by least squares: neighbours that are too
 * near each other move as one block (pool adjacent violators). Long edges pull more: they are straight.
 */
function settle(layer, wishes) {
  const blocks = [];
  let offset = 0;
  layer.forEach((one, at) => {
    const last = layer[at - 1];
    if (last) offset += (last.width + one.width) / 2 + (one.id && last.id ? GAP.job : GAP.stop);
    const weight = one.id ? 1 : 4;
    blocks.push({ sum: weight * (wishes[at] - offset), weight, items: [{ one, offset }] });
    while (blocks.length > 1 && value(blocks.at(-2)) > value(blocks.at(-1))) {
      const { sum, weight: more, items } = blocks.pop();
      const block = blocks.at(-1);
      block.sum += sum;
      block.weight += more;
      block.items.push(...items);
    }
  });
  for (const block of blocks) for (const { one, offset: own } of block.items) one.x = value(block) + own;
}

const value = (block) => block.sum / block.weight;

const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : undefined);
