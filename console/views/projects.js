/** The first page: what needs somebody now, and all projects; making one. */

import * as api from '../api.js';
import * as stock from '../stock.js';
import { cardFiller } from '../cards.js';
import { ask, field, toast } from '../dialog.js';
import { button, h, icon, route } from '../dom.js';
import { inAlphabet } from '../order.js';
import { overview } from '../overview.js';
import { pagedList } from '../pages.js';
import { count, t } from '../words.js';
import { described } from './common.js';

const SIZE = 60; // cards of a page

export async function projectsView(context) {
  const projects = await stock.projects(context.signal);
  projects.sort((a, b) => inAlphabet(a.name, b.name));
  const fill = cardFiller(context);
  const cards = new Map(); // by project, once they were seen

  function cardOf(project) {
    if (!cards.has(project)) {
      cards.set(project, card(project));
      fill(project, cards.get(project));
    }
    return cards.get(project);
  }

  const list = pagedList({
    size: SIZE,
    always: true,
    find: { placeholder: t`Filter the projects`, title: t`By words of name, description and user`, 'aria-label': t`Filter projects` },
    counted: (number) => count(number, 'project'),
    text: (project) => (project.text ??= `${project.name} ${project.description} ${project.by}`.toLowerCase()),
    draw: (some) => h('ul', { class: 'cards' }, some.map(cardOf)),
  });
  list.update(projects);
  const create = context.session.mayCreate
    ? button(t`New project`, () => createProject(context), { kind: 'primary', icon: 'add' })
    : null;
  const empty = h(
    'div',
    { class: 'empty' },
    h('p', {}, t`There is no project yet.`),
    h('p', {}, t`A project holds the zip file with your flows: make one, then upload the zip.`),
  );
  return {
    title: t`Projects`,
    node: [
      h('header', { class: 'page-head' }, h('h1', {}, t`Projects`), h('div', { class: 'actions' }, create)),
      projects.length ? [overview(context), list.element] : empty,
    ],
  };
}

function card(project) {
  return h(
    'li',
    { class: 'card' },
    h('h2', {}, h('a', { href: route('project', project.name) }, icon('folder'), project.name)),
    described(project),
    h('div', { class: 'card-state', data: { state: project.name } }),
    h('div', { class: 'chips', data: { flows: project.name } }),
    h('p', { class: 'hint' }, t`Changed ${project.modified} by ${project.by}`),
  );
}

async function createProject(context) {
  const name = h('input', {
    name: 'name', class: 'input', required: true, autofocus: true, maxlength: 64,
    pattern: '[A-Za-z][A-Za-z0-9_\\-]*', title: t`A letter, then letters, digits, - and _`, autocomplete: 'off',
  });
  const description = h('input', { name: 'description', class: 'input', required: true, maxlength: 255, autocomplete: 'off' });
  const made = await ask({
    title: t`New project`,
    action: t`Create`,
    body: [
      field(t`Name`, name, t`A letter, then letters, digits, - and _. It cannot be changed later.`),
      field(t`Description`, description, t`What its flows do, for those who find it in the list.`),
    ],
    submit: async (form) => {
      await api.createProject(form.get('name'), form.get('description'));
      return form.get('name');
    },
  });
  if (made) {
    toast(t`Project ${made} was made. Upload its zip file next.`);
    context.go(route('project', made));
  }
}
