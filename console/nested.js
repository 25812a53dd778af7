/** A graph whose embedded flows open in place, with a trail back. */

import { button, h, show } from './dom.js';
import { drawGraph } from './graph.js';
import { t } from './words.js';

/** Like `drawGraph`; `open(node, path)` gets jobs only, `path` leads to them from the top. */
export function nestedGraph(nodes, { open, label, signal }) {
  let top = nodes;
  let trail = []; // ids of the embedded flows that are open
  let drawn;
  let leave = new AbortController(); // ends the graph that is shown
  signal.addEventListener('abort', () => leave.abort());
  const crumbs = h('nav', { class: 'crumbs small', 'aria-label': t`Embedded flow`, hidden: true });
  const place = h('div', {});
  const element = h('div', { class: 'nested-graph' }, crumbs, place);

  const level = () => trail.reduce((list, id) => list.find((node) => node.id === id)?.nodes ?? [], top);

  function enter(next) {
    leave.abort();
    leave = new AbortController();
    trail = next;
    drawn = drawGraph(level(), {
      label,
      signal: leave.signal,
      open: (node) => (node.nodes ? enter([...trail, node.id]) : open(node, [...trail, node.id])),
    });
    show(place, drawn.element);
    crumbs.hidden = !trail.length;
    show(
      crumbs,
      button(t`Whole flow`, () => enter([]), { class: 'bare' }),
      trail.map((id, at) => [' / ', button(id, () => enter(trail.slice(0, at + 1)), { class: 'bare' })]),
    );
  }

  enter([]);
  return {
    element,
    update(fresh) {
      top = fresh;
      drawn.update(level());
    },
  };
}
