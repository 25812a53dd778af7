/** A laid-out flow as it is shown: its canvas, the buttons above that, and the way among them. */

import { h } from './dom.js';
import { lookOf } from './looks.js';
import { painter } from './paint.js';
import { t } from './words.js';

export const TOOLS = 52; // room for the controls below the graph
const SOME = 60; // buttons that are made in one frame
const CALM = 100; // boxes among which nothing moves

/**
 * Show a scene in a frame.
 *
 * `nodes(box)` are the jobs of a box as they are now, `choose(box)` is called when one is chosen.
 * The result has the scene, `start`, `fit`, `show`, `resize`, `update`, `focus(at)` and `holding(id)`,
 * the number of the box that a job is in.
 */
export function drawScene(scene, { frame, port, look, nodes, choose, signal }) {
  const fonts = { name: `${look.name} ${look.family}`, detail: `${look.detail} ${look.family}` };
  const looks = scene.boxes.map(() => ({ fonts }));
  const { canvas, ...paint } = painter(scene, looks, signal);
  const fitting = fitter(scene, { frame, port, look, looks });
  const layer = h('div', { class: ['graph-jobs', scene.boxes.length > CALM ? 'many' : ''] });
  const buttons = [];
  let kept = 0; // the one that Tab reaches

  function dress(at) {
    const [control, box, state] = [buttons[at], scene.boxes[at], looks[at]];
    if (!control) return;
    control.className = `node is-${state.family}${box.nested ? ' nested' : ''}${box.members ? ' folded' : ''}`;
    control.dataset.status = state.status;
    control.textContent = `${box.name}, ${state.words}`;
  }

  /** Show what became of the jobs. */
  function update() {
    let changed = false;
    scene.boxes.forEach((box, at) => {
      const fresh = lookOf(box, nodes(box), look.detail);
      if (fresh.words === looks[at].words && fresh.family === looks[at].family) return;
      Object.assign(looks[at], fresh);
      dress(at);
      changed = true;
    });
    if (changed) paint.touch();
  }

  function make(at) {
    const box = scene.boxes[at];
    const place = { left: box.x, top: box.y, width: box.width, height: box.height };
    const control = h('button', {
      type: 'button',
      tabindex: at === kept ? 0 : -1,
      style: Object.fromEntries(Object.entries(place).map(([side, length]) => [side, `${length}px`])),
      title: box.members ? t`${box.name}: choose it to see its jobs` : box.id,
      'aria-expanded': box.members ? 'false' : null,
      // A click that ends a drag is none; the keyboard's have no detail.
      onclick: (event) => (event.detail === 0 || !port.dragged()) && choose(box),
      onkeydown: (event) => walk(event, at),
      onfocus: () => {
        emphasise(at);
        if (control.matches(':focus-visible')) fitting.reveal(at);
      },
      onpointerenter: () => emphasise(at),
    });
    buttons[at] = control;
    dress(at);
    layer.append(control);
  }

  /** Make the buttons, of a large flow a few in each frame. */
  function makeSome() {
    if (signal.aborted) return;
    const until = Math.min(buttons.length + SOME, scene.boxes.length);
    while (buttons.length < until) make(buttons.length);
    if (until < scene.boxes.length) requestAnimationFrame(makeSome);
  }

  const emphasise = (at) => paint.mark(edgesAt(scene, at));

  /** Go to a box; `keyboard` tells whether the keyboard goes with it. */
  function focus(at, keyboard = true) {
    while (buttons.length <= at) make(buttons.length);
    buttons[kept].tabIndex = -1;
    kept = at;
    buttons[at].tabIndex = 0;
    if (keyboard) buttons[at].focus({ preventScroll: true });
    emphasise(at);
    fitting.reveal(at);
    buttons[at].scrollIntoView({ block: 'nearest' });
  }

  function walk(event, at) {
    const target = step(scene, at, event.key);
    if (target === undefined) return;
    event.preventDefault();
    if (target !== null) focus(target);
  }

  update();
  frame.replaceChildren(canvas, layer);
  makeSome();
  return {
    scene,
    focus,
    update,
    start: fitting.start,
    fit: fitting.fit,
    resize: () => paint.resize(frame.clientWidth, frame.clientHeight),
    show: (view) => {
      layer.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
      paint.show(view);
    },
    holding: (id) => scene.boxes.findIndex((box) => box.id === id || box.members?.includes(id)),
  };
}

/** Choose what part of a scene is seen. */
function fitter(scene, { frame, port, look, looks }) {
  const room = () => ({ width: frame.clientWidth, height: frame.clientHeight - TOOLS });
  const whole = () => Math.min(room().width / scene.width, room().height / scene.height, 1.15);
  const middle = ({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 });

  /** Show the whole graph. */
  function fit() {
    const scale = whole();
    const x = (room().width - scene.width * scale) / 2;
    const y = Math.max(0, (room().height - scene.height * scale) / 2);
    port.set({ x, y, scale, touched: false });
  }

  /** Show it all if it can be read; else where something failed or runs, or where it begins. */
  function start() {
    if (whole() >= look.smallest || !scene.boxes.length) return fit();
    const first = (family) => looks.findIndex((one) => one.family === family);
    const { x, y } = middle(scene.boxes[[first('bad'), first('run'), 0].find((at) => at >= 0)]);
    const scale = look.smallest;
    const within = (there, size, at) =>
      (size <= there ? (there - size) / 2 : Math.min(0, Math.max(there - size, there / 2 - at)));
    return port.set({
      x: within(room().width, scene.width * scale, x * scale),
      y: within(room().height, scene.height * scale, y * scale),
      scale,
      touched: false,
    });
  }

  /** Move the view to a box that is not in it, near enough to read its name. */
  function reveal(at) {
    const { view } = port;
    const scale = Math.max(view.scale, look.smallest);
    const place = middle(scene.boxes[at]);
    const moved = (side, length) => {
      const now = place[side] * view.scale + view[side];
      const hidden = now < 60 || now > length - 60 || scale !== view.scale;
      return hidden ? length / 2 - place[side] * scale : view[side];
    };
    port.set({ x: moved('x', room().width), y: moved('y', room().height), scale, touched: true });
  }

  return { fit, start, reveal };
}

/** The edges that begin or end at a box. */
function edgesAt({ ends }, at) {
  const found = [];
  for (let edge = 0; 2 * edge < ends.length; edge += 1) {
    if (ends[2 * edge] === at || ends[2 * edge + 1] === at) found.push(edge);
  }
  return found;
}

/** Where a key leads from a box: the number of another, null for nowhere, undefined for no such key. */
function step(scene, at, key) {
  const [ahead, back, next, last] = scene.right
    ? ['ArrowRight', 'ArrowLeft', 'ArrowDown', 'ArrowUp']
    : ['ArrowDown', 'ArrowUp', 'ArrowRight', 'ArrowLeft'];
  const along = (own) => edgesAt(scene, at)
    .filter((edge) => scene.ends[2 * edge + own] === at)
    .map((edge) => scene.ends[2 * edge + 1 - own])[0];
  const moves = {
    [ahead]: () => along(0),
    [back]: () => along(1),
    [next]: () => beside(scene, at, 1),
    [last]: () => beside(scene, at, -1),
    Home: () => 0,
    End: () => scene.boxes.length - 1,
  };
  return key in moves ? (moves[key]() ?? null) : undefined;
}

/** The nearest box of the same layer, to one side. */
function beside({ boxes, right }, at, sign) {
  const centres = boxes.map(({ x, y, width, height }) => [x + width / 2, y + height / 2]);
  const [side, layer] = right ? [1, 0] : [0, 1];
  const distance = (nth) => sign * (centres[nth][side] - centres[at][side]);
  let best;
  centres.forEach((centre, nth) => {
    if (Math.abs(centre[layer] - centres[at][layer]) > 2 || distance(nth) <= 0) return;
    if (best === undefined || distance(nth) < distance(best)) best = nth;
  });
  return best;
}
