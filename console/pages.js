/** A long list of jobs: a page of it at a time, and a field that looks for words in all of it. */

import { button, h, show } from './dom.js';
import { count, t } from './words.js';

const SIZE = 100;

/**
 * A list of which only a page is in the document.
 *
 * `draw(items)` makes what is shown, `text(item)` is what is searched. The result has `element` and `update(items)`, which stays on the same page.
 */
export function pagedList({ draw, text, size = SIZE }) {
  let items = [];
  let page = 0;
  const place = h('div', {});
  const tally = h('span', { class: 'hint', 'aria-live': 'polite' });
  const field = h('input', {
    type: 'search',
    class: 'input',
    placeholder: t`Find a job`,
    'aria-label': t`Find a job`,
    oninput: () => {
      page = 0;
      redraw();
    },
  });
  const to = (label, by) => button(label, () => {
    page += by;
    redraw();
  }, { class: 'small', data: { key: label } });
  const [previous, next] = [to(t`Previous`, -1), to(t`Next`, 1)];
  const number = h('span', {});
  const filters = h('div', { class: 'filters', hidden: true }, field, tally);
  const pager = h('nav', { class: 'pager', 'aria-label': t`Pages`, hidden: true }, previous, number, next);

  function redraw() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length ? items.filter((item) => words.every((word) => text(item).toLowerCase().includes(word))) : items;
    const pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(page, pages - 1);
    show(place, draw(found.slice(page * size, (page + 1) * size)));
    filters.hidden = items.length <= size;
    pager.hidden = pages === 1;
    previous.disabled = page === 0;
    next.disabled = page === pages - 1;
    number.textContent = t`Page ${page + 1} of ${pages}`;
    tally.textContent = words.length ? t`${found.length} of ${count(items.length, 'job')}` : count(items.length, 'job');
  }

  return {
    element: h('div', {}, filters, place, pager),
    update(fresh) {
      items = fresh;
      redraw();
    },
  };
}
