/**
 * The graph of a flow: a canvas, and above it a button for each job.
 *
 * arrange.js chooses what is shown and lays it out, paint.js draws it. The buttons are invisible:
 * they are what one points at, tabs to and hears. Arrow keys go from a job to those before and after
 * it, Enter opens it; the button of folded jobs shows them.
 */

import { arranged } from './arranging.js';
import { button, h } from './dom.js';
import { inOrder } from './order.js';
import { drawScene, TOOLS } from './scene.js';
import { viewport } from './viewport.js';
import { count, t } from './words.js';

const MANY = 20; // jobs of a flow in which one may have to look for a job
const WINDOWS = 2; // how many times as high as the window a graph may be

/** The fonts of a box's lines, how wide it gets, and the smallest scale at which it can be read. */
function appearance() {
  const phone = matchMedia('(max-width: 760px)').matches;
  return {
    name: phone ? '600 14px' : '600 13px',
    detail: phone ? '500 13px' : '500 12px',
    widest: phone ? 270 : 320,
    smallest: 0.7,
    family: getComputedStyle(document.body).fontFamily,
  };
}

/**
 * Draw a flow.
 *
 * `nodes` have id, in, type and, in an execution, status and times. `open(node)` is called when
 * one is chosen; all ends with the `signal`. The result has `element` and `update(nodes)`, which
 * changes colours and durations in place.
 */
export function drawGraph(nodes, { open, signal, label = t`Graph of the flow` }) {
  const current = new Map(nodes.map((node) => [node.id, node]));
  const plain = nodes.map(({ id, in: before, nodes: inner }) => ({ id, in: before ?? [], nested: Boolean(inner) }));
  const note = h('p', { class: 'graph-note hint' }, plain.length > MANY ? t`Laying out ${count(plain.length, 'job')} …` : '');
  const frame = h('div', { class: 'graph-frame', role: 'group', 'aria-label': label }, note);
  const port = viewport(frame, (view) => drawn?.show(view));
  const choice = { all: false, opened: new Set(), coarseness: null };
  let drawn = null; // what is shown, once it is laid out
  let scene = new AbortController(); // ends it
  let turn = 0; // of the last request for a layout
  let known = 0; // the frame's width that it was for

  /** Lay out what is to be seen, then go on. */
  async function arrange(then = () => {}) {
    turn += 1;
    const mine = turn;
    const look = appearance();
    const room = { width: frame.clientWidth, height: WINDOWS * innerHeight - TOOLS };
    try {
      const found = await arranged({ nodes: plain, room, look, ...choice, opened: [...choice.opened] }, signal);
      if (mine !== turn || signal.aborted) return;
      scene.abort();
      scene = new AbortController();
      setHeight(frame, found, look);
      const of = (box) => (box.members ?? [box.id]).map((id) => current.get(id));
      drawn = drawScene(found, { frame, port, look, nodes: of, choose, signal: scene.signal });
      drawn.resize();
      drawn.start();
      tell(found);
      then();
    } catch (error) {
      frame.replaceChildren(h('p', { class: 'problem', role: 'alert' }, error.message));
    }
  }

  const unfold = (box, then) => {
    choice.coarseness ??= drawn.scene.coarseness;
    choice.opened.add(box.key);
    arrange(then);
  };

  function choose(box) {
    if (box.members) unfold(box, () => drawn.focus(drawn.holding(box.members[0])));
    else open(current.get(box.id));
  }

  /** Go to a job, and open the groups that hold it. */
  function reach(id) {
    const at = drawn.holding(id);
    const box = drawn.scene.boxes[at];
    if (box.members) unfold(box, () => reach(id));
    else drawn.focus(at, false);
  }

  const folding = button('', () => {
    const folded = drawn.scene.coarseness > 0 && !choice.opened.size;
    Object.assign(choice, { all: folded, opened: new Set(), coarseness: null });
    arrange();
  }, { class: 'small' });
  folding.hidden = true;

  function tell(found) {
    frame.dataset.edges = found.ends.length / 2;
    frame.dataset.boxes = found.boxes.length;
    const folded = found.coarseness > 0 && !choice.opened.size;
    folding.hidden = !folded && !choice.all && !choice.opened.size;
    const all = [t`Show all`, h('span', { class: 'wide-only' }, ` ${count(found.jobs, 'job')}`)];
    folding.querySelector('span').replaceChildren(...(folded ? all : [t`Fold`]));
  }

  const observer = new ResizeObserver(() => requestAnimationFrame(() => {
    if (signal.aborted || !frame.clientWidth) return;
    if (frame.clientWidth !== known) {
      known = frame.clientWidth;
      arrange();
    } else if (drawn) {
      drawn.resize();
      if (!port.view.touched) drawn.start();
    }
  }));
  observer.observe(frame);
  signal.addEventListener('abort', () => {
    observer.disconnect();
    scene.abort();
  });
  const tools = h(
    'div',
    { class: 'graph-tools' },
    plain.length > MANY ? finder(nodes, (id) => drawn && reach(id)) : null,
    folding,
    h('div', { class: 'row', role: 'group', 'aria-label': t`Zoom` },
      tool('add', t`Larger`, () => port.zoom(1.25)),
      tool('minus', t`Smaller`, () => port.zoom(0.8)),
      tool('fit', t`Show the whole graph`, () => drawn?.fit())),
  );
  return {
    element: h('div', { class: 'graph-panel' }, frame, tools),
    update(fresh) {
      for (const node of fresh) current.set(node.id, node);
      drawn?.update();
    },
  };
}

/** As tall as a graph that can be read, at most two windows; else part of one (console.css). */
function setHeight(frame, { width, height }, { smallest }) {
  const scale = Math.min(1, frame.clientWidth / width);
  const high = height * scale + TOOLS;
  const whole = Math.min(scale, (WINDOWS * innerHeight - TOOLS) / height) >= smallest;
  frame.style.setProperty('--graph-height', whole ? `${Math.ceil(Math.min(high, WINDOWS * innerHeight))}px` : '68vh');
}

/** A field that goes to the next job with a text in its name. */
function finder(nodes, reach) {
  let last;
  const field = h('input', {
    type: 'search',
    class: 'input',
    placeholder: t`Find a job`,
    'aria-label': t`Find a job in the graph`,
    oninput: () => field.setCustomValidity(''),
    onkeydown: (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      const wanted = field.value.trim().toLowerCase();
      const ids = inOrder(nodes).map(({ id }) => id).filter((id) => wanted && id.toLowerCase().includes(wanted));
      last = ids[(ids.indexOf(last) + 1) % ids.length];
      if (last !== undefined) reach(last);
      else if (wanted) field.setCustomValidity(t`No job of this flow has that in its name.`);
      field.reportValidity();
    },
  });
  return field;
}

function tool(name, label, onclick) {
  const control = button('', onclick, { class: 'square', 'aria-label': label, title: label, icon: name });
  control.querySelector('span').remove();
  return control;
}
