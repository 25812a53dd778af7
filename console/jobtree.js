/** Which jobs of a flow run: checkboxes in the dialog that runs or schedules it. */

import { button, h, uid } from './dom.js';
import { inOrder } from './order.js';
import { pagedList } from './pages.js';
import { t } from './words.js';

/** Checkboxes of all jobs, a page at a time; an embedded flow's jobs are indented below it. */
export function jobTree(nodes, disabled) {
  const entries = []; // in the order of the flow, an embedded flow's after it
  const summary = h('span', {});

  function level(list, off, depth) {
    const names = new Map(off.map((entry) => [entry.id ?? entry, entry.children]));
    return inOrder(list).map((node) => {
      const entry = { id: node.id, depth, runs: !names.has(node.id) || Boolean(names.get(node.id)) };
      entries.push(entry);
      entry.children = node.nodes ? level(node.nodes, names.get(node.id) ?? [], depth + 1) : [];
      return entry;
    });
  }

  const top = level(nodes, disabled, 0);
  const list = pagedList({ text: ({ id }) => id.toLowerCase(), draw: (some) => h('ul', { class: 'checks' }, some.map(check)) });

  function check(entry) {
    const change = () => {
      entry.runs = box.checked;
      tell();
    };
    const box = h('input', { type: 'checkbox', id: uid('job'), checked: entry.runs, onchange: change });
    return h('li', { style: { 'padding-inline-start': `${1.5 * entry.depth}em` } }, box, h('label', { for: box.id }, entry.id));
  }

  const collect = (some) =>
    some.flatMap(({ id, runs, children }) => {
      if (!runs) return [id];
      const inside = collect(children);
      return inside.length ? [{ id, children: inside }] : [];
    });

  function tell() {
    const skipped = entries.filter(({ runs }) => !runs).length;
    summary.textContent = skipped
      ? t`${entries.length - skipped} of ${entries.length} run, ${skipped} skipped`
      : t`all ${entries.length} run`;
  }

  const set = (runs) => {
    for (const entry of entries) entry.runs = runs;
    list.update(entries);
    tell();
  };
  list.update(entries);
  tell();
  const all = h('div', { class: 'row' },
    button(t`Run all`, () => set(true), { class: 'small' }),
    button(t`Run none`, () => set(false), { class: 'small' }));
  return { element: [all, list.element], summary, disabled: () => collect(top) };
}
