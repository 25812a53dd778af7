/** A long list: a page of it at a time, and a field that looks for words in all of it. */

import { button, h, show } from './dom.js';
import { count, t } from './words.js';

const SIZE = 100;

/**
 * A list of which only a page is in the document.
 *
 * `draw(items)` makes what is shown, `text(item)` is what is searched, in small letters, `find` says so (a label, or
 * properties of the field) and `counted(number)` how many there are. The field is there `always`, or
 * where there are more than a page. The result has `element` and `update(items)`, which stays on the
 * same page.
 */
export function pagedList({ draw, text, size = SIZE, find = t`Find a job`, counted = (number) => count(number, 'job'), always = false }) {
  let items = [];
  let page = 0;
  const place = h('div', {});
  const tally = h('span', { class: 'hint', 'aria-live': 'polite' });
  const field = h('input', {
    type: 'search',
    class: 'input',
    ...(typeof find === 'string' ? { placeholder: find, 'aria-label': find } : find),
    oninput: () => {
      page = 0;
      redraw();
    },
    onkeydown: (event) => { if (event.key === 'Enter') event.preventDefault(); }, // in a dialog it would send the form
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
    const fits = (low) => words.every((word) => low.includes(word));
    const found = words.length ? items.filter((item) => fits(text(item))) : items;
    const pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(page, pages - 1);
    show(place, draw(found.slice(page * size, (page + 1) * size)));
    filters.hidden = !always && items.length <= size;
    pager.hidden = pages === 1;
    previous.disabled = page === 0;
    next.disabled = page === pages - 1;
    number.textContent = t`Page ${page + 1} of ${pages}`;
    tally.textContent = found.length < items.length ? t`${found.length} of ${counted(items.length)}` : counted(items.length);
  }

  return {
    element: h('div', {}, filters, place, pager),
    update(fresh) {
      items = fresh;
      redraw();
    },
  };
}
