/**
 * Elements without HTML strings.
 *
 * Every value reaches the page through `h` or `s` as a text node or an attribute, so nothing that
 * a project says (a name, a description, a log line) is ever read as markup.
 */

const SVG = 'http://www.w3.org/2000/svg';

/** Make an HTML element: properties `class`, `on…`, `style` (an object), `data` or attributes. */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Make an SVG element. */
export function s(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else if (name === 'class') {
      element.setAttribute('class', Array.isArray(value) ? value.filter(Boolean).join(' ') : value);
    } else if (name === 'data') {
      Object.assign(element.dataset, value);
    } else if (name === 'style') {
      for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    } else if (name === 'value' || name === 'checked' || name === 'selected') {
      element[name] = value;
    } else {
      if ((name === 'href' || name === 'src') && !/^(#|\/(?!\/)|\?)/.test(value)) {
        throw new Error(`link to ${value}: only pages of this server are linked`);
      }
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

/** Replace what is in `parent`; the control with the same `data-key` keeps the keyboard focus. */
export function show(parent, ...children) {
  const key = parent.contains(document.activeElement) && document.activeElement.dataset?.key;
  parent.replaceChildren(...flat(children));
  if (key) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  return parent;
}

let counter = 0;

/** A fresh id, to tie a label to its control. */
export function uid(prefix = 'id') {
  counter += 1;
  return `${prefix}-${counter}`;
}

/** A link inside the console, its parts encoded: `route('project', name)`. */
export function route(...parts) {
  return `#/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}

/** A button. */
export function button(label, onclick, properties = {}) {
  const { icon: name, kind, ...rest } = properties;
  const type = rest.type ?? 'button';
  return h(
    'button',
    { ...rest, type, class: ['button', kind, rest.class], onclick },
    name ? icon(name) : null,
    h('span', {}, label),
  );
}

/** The lines of each icon, in a square of 24. */
export const ICONS = {
  add: 'M12 5v14M5 12h14',
  calendar: 'M4 6h16v14H4zM4 10h16M8 3v5M16 3v5',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  chevron: 'M9 6l6 6-6 6',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4.5l3 2',
  cross: 'M6.5 6.5l11 11M17.5 6.5l-11 11',
  down: 'M12 5v14M6 13l6 6 6-6',
  edit: 'M4 20l1-5L16 4l4 4L9 19zM14 6l4 4',
  fit: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  flow: 'M4 4h6v5H4zM14 15h6v5h-6zM7 9v8h7',
  folder: 'M3 6h7l2 3h9v10H3z',
  history: 'M4 12a8 8 0 1 0 2.5-5.8L4 8.5M4 4v4.5h4.5M12 8v4.5l3 2',
  key: 'M14 10a4 4 0 1 0-3.5 4H13v2h2v2h3v-3l-4.3-4.2',
  log: 'M5 5h14M5 10h14M5 15h9M5 20h11',
  minus: 'M6 12h12',
  out: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
  pause: 'M9 6v12M15 6v12',
  play: 'M8 5.5l10 6.5-10 6.5z',
  retry: 'M20 12a8 8 0 1 1-2.5-5.8L20 8.5M20 4v4.5h-4.5',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L20 20',
  stop: 'M7 7h10v10H7z',
  report: 'M6 3h9l4 4v14H6zM9 17v-4M12.5 17v-7M16 17v-5',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  up: 'M12 19V5M6 11l6-6 6 6',
  upload: 'M12 16V5M7 9.5L12 4.5l5 5M5 15v5h14v-5',
  user: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20c1-4 4-6 7.5-6s6.5 2 7.5 6',
};

/** A line icon, hidden from screen readers: the words beside it say the same. */
export function icon(name) {
  const shape = s('path', { d: ICONS[name] });
  return s('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, shape);
}
