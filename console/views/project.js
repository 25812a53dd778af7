/** One project: its flows, who may do what, what happened to it; uploading, deleting. */

import * as api from '../api.js';
import * as known from '../known.js';
import * as stock from '../stock.js';
import { ask, attempt, confirm, field, toast } from '../dialog.js';
import { button, h, icon, route, show } from '../dom.js';
import { badge, duration, span, when } from '../format.js';
import { inAlphabet } from '../order.js';
import { pagedList } from '../pages.js';
import { choose, crumbs, described, forbidden, startRun, tabs } from './common.js';
import { sourcePane } from './source.js';
import { count, t } from '../words.js';

export async function projectView(context, name, tab = 'flows') {
  const project = await stock.project(name, context.signal);
  if (!project.known) return forbidden(t`Project ${name}`, project.message);
  const may = (right) => project.rights.has(right);
  const pane = choose({ flows: flowsPane, source: sourcePane, permissions: permissionsPane, events: eventsPane }, tab);
  return {
    title: name,
    node: [
      crumbs([t`Projects`, '#/']),
      h(
        'header',
        { class: 'page-head' },
        h('h1', {}, name),
        h(
          'div',
          { class: 'actions' },
          may('write') ? button(t`Upload zip`, () => uploadZip(context, name), { kind: 'primary', icon: 'upload' }) : null,
          may('write') ? button(t`Describe`, () => describe(context, project), { icon: 'edit' }) : null,
          may('admin') ? button(t`Delete`, () => remove(context, name), { icon: 'trash', kind: 'danger-line' }) : null,
        ),
      ),
      described(project),
      h('p', { class: 'hint' }, mayDo(project.rights)),
      tabs(tab, [
        ['flows', t`Flows`, route('project', name)],
        ['source', t`Source`, route('project', name, 'source')],
        ['permissions', t`Permissions`, route('project', name, 'permissions')],
        ['events', t`Log`, route('project', name, 'events')],
      ]),
      await pane(context, project),
    ],
  };
}

function mayDo(rights) {
  if (rights.has('admin')) return t`You may do everything here.`;
  return t`You may ${api.RIGHTS.filter((right) => rights.has(right)).join(', ')} here.`;
}

// Flows ------------------------------------------------------------------------------------------

async function flowsPane(context, project) {
  const { flows } = await api.flows(project.name, context.signal);
  if (!flows.length) {
    const advice = project.rights.has('write')
      ? t`Upload a zip file with .job files (or a .flow and a .project file on newer servers).`
      : t`Nobody has uploaded a zip file yet.`;
    return h('div', { class: 'empty' }, h('p', {}, t`This project has no flows.`), h('p', {}, advice));
  }
  const rows = new Map(); // by flow, once they were seen

  function row(flow) {
    const last = h('td', { class: 'state' }, '…');
    const time = h('td', {});
    const run = project.rights.has('execute')
      ? button(t`Run`, () => startRun(context, { project: project.name, flow }), { icon: 'play', class: 'small', 'aria-label': t`Run ${flow}` })
      : null;
    const link = h('a', { href: route('flow', project.name, flow) }, icon('flow'), flow);
    return { flow, last, time, element: h('tr', {}, h('td', { class: 'main' }, link), last, time, h('td', { class: 'end' }, run)) };
  }

  function draw(some) {
    const fresh = some.filter((flow) => !rows.has(flow)).map(row);
    for (const one of fresh) rows.set(one.flow, one);
    known.each(fresh, fill, context.signal);
    return h('table', { class: 'list stack' },
      h('thead', {}, h('tr', {}, [t`Flow`, t`Last run`, t`Started`].map((text) => h('th', { scope: 'col' }, text)), h('td', {}))),
      h('tbody', {}, some.map((flow) => rows.get(flow).element)));
  }

  async function fill({ flow, last, time }) {
    try {
      const { executions } = await api.executions(project.name, flow, 0, 1, context.signal);
      const [latest] = executions;
      show(last, latest ? h('a', { href: route('execution', latest.execId) }, badge(latest.status)) : t`never run`);
      show(time, latest ? `${when(latest.startTime)}, ${duration(span(latest.startTime, latest.endTime))}` : '');
    } catch (error) {
      if (error.name !== 'AbortError') show(last, '–');
    }
  }

  const list = pagedList({
    find: t`Find a flow`,
    counted: (number) => count(number, 'flow'),
    text: (flow) => flow.toLowerCase(),
    draw,
  });
  list.update(flows.map(({ flowId }) => flowId).sort(inAlphabet));
  return list.element;
}

// Permissions ------------------------------------------------------------------------------------

async function permissionsPane(context, project) {
  const admin = project.rights.has('admin');
  const change = (entry, group) => editPermission(context, project, entry, group);
  const list = (title, entries, group) =>
    h(
      'section',
      {},
      h(
        'header',
        { class: 'section-head' },
        h('h2', {}, title),
        admin ? button(group ? t`Add group` : t`Add user`, () => change(null, group), { icon: 'add', class: 'small' }) : null,
      ),
      entries.length
        ? h(
            'table',
            { class: 'list' },
            h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, group ? t`Group` : t`User`), h('th', { scope: 'col' }, t`May`), h('td', {}))),
            h('tbody', {}, entries.map((entry) =>
              h(
                'tr',
                {},
                h('td', { class: 'main' }, entry.name, entry.name === context.session.user && !group ? t` (you)` : ''),
                h('td', {}, h('div', { class: 'chips' }, entry.rights.has('admin') ? chip(t`everything (admin)`) : [...entry.rights].map(chip))),
                h('td', { class: 'end' }, admin ? button(t`Change`, () => change(entry, group), { class: 'small', 'aria-label': t`Change the rights of ${entry.name}` }) : null),
              ))),
          )
        : h('p', { class: 'hint' }, group ? t`No group has rights of its own.` : t`No user has rights of their own.`),
    );
  return [
    list(t`Users`, project.people, false),
    list(t`Groups`, project.groups, true),
    proxies(context, project, admin),
    h('p', { class: 'hint' }, t`Users whose role grants a right have it in every project; they are not listed here.`),
  ];
}

/** The accounts that jobs may run as, on servers that change the account. */
function proxies(context, project, admin) {
  const set = (name, add) => api.setProxyUser({ project: project.name, name, add, token: project.token });
  const add = async () => {
    const name = h('input', { name: 'name', class: 'input', required: true, autofocus: true, autocomplete: 'off' });
    const saved = await ask({
      title: t`Add a proxy user`,
      action: t`Add`,
      body: field(t`Name of the proxy user`, name, t`An account that you may act for.`),
      submit: (form) => set(form.get('name').trim(), true),
    });
    if (saved) context.reload();
  };
  const drop = async (name) => {
    await attempt(() => set(name, false), t`${name} is no proxy user any more.`);
    context.reload();
  };
  return h('section', {},
    h('header', { class: 'section-head' }, h('h2', {}, t`Proxy users`),
      admin ? button(t`Add proxy user`, add, { icon: 'add', class: 'small' }) : null),
    project.proxies.length
      ? h('table', { class: 'list' },
          h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, t`Account that jobs may run as`), h('td', {}))),
          h('tbody', {}, project.proxies.map((name) => h('tr', {},
            h('td', { class: 'main' }, name),
            h('td', { class: 'end' }, admin ? button(t`Remove`, () => drop(name), { class: 'small', 'aria-label': t`Remove the proxy user ${name}` }) : null)))))
      : h('p', { class: 'hint' }, t`Jobs run as the server’s own account.`));
}

const chip = (text) => h('span', { class: 'chip' }, text);

const MEANING = {
  admin: t`everything, permissions and deleting included`,
  read: t`see flows, executions and logs`,
  write: t`upload and describe`,
  execute: t`run, cancel, pause and retry`,
  schedule: t`schedule and unschedule`,
};

async function editPermission(context, project, entry, group) {
  const name = h('input', { name: 'name', class: 'input', required: true, autofocus: true, autocomplete: 'off' });
  const boxes = api.RIGHTS.map((right) => {
    const box = h('input', { type: 'checkbox', name: right, id: `right-${right}`, checked: entry ? entry.rights.has(right) : right === 'read' });
    return h('li', {}, box, h('label', { for: box.id }, h('strong', {}, right), `: ${MEANING[right]}`));
  });
  const saved = await ask({
    title: entry ? t`Rights of ${entry.name}` : group ? t`Add a group` : t`Add a user`,
    action: t`Save`,
    body: [
      entry ? null : group ? field(t`Name of the group`, name, t`A group that the server knows.`) : field(t`Name of the user`, name, t`A user that the server knows.`),
      h('fieldset', {}, h('legend', {}, t`May`), h('ul', { class: 'checks' }, boxes)),
      entry ? h('p', { class: 'hint' }, group ? t`Without any right the group is removed from the list.` : t`Without any right the user is removed from the list.`) : null,
    ],
    submit: (form) => {
      const rights = new Set(api.RIGHTS.filter((right) => form.has(right)));
      if (!entry && !rights.size) throw new Error(t`Choose at least one right.`);
      // A later server that starts loads no flows of a project on which nobody has a right.
      if (!rights.size && project.people.length + project.groups.length === 1) throw new Error(t`Nobody else has a right on this project: give somebody else one first.`);
      const target = entry ? entry.name : form.get('name').trim();
      return api.setPermission({ project: project.name, name: target, group, rights, isNew: !entry, token: project.token });
    },
  });
  if (saved) context.reload();
}

// Log of the project -----------------------------------------------------------------------------

async function eventsPane(context, project) {
  const SIZE = 50;
  const body = h('tbody', {});
  const more = button(t`Older`, () => attempt(load), {});
  let skip = 0;
  async function load() {
    const { logData } = await api.events(project.name, skip, SIZE, context.signal);
    skip += logData.length;
    more.hidden = logData.length < SIZE;
    body.append(...logData.map(([user, time, type, message]) =>
      h('tr', {}, h('td', { class: 'nowrap' }, when(time)), h('td', {}, user), h('td', {}, chip(String(type).toLowerCase().replaceAll('_', ' '))), h('td', {}, message))));
  }
  await load();
  const headings = [t`Time`, t`User`, t`What`, t`Message`].map((text) => h('th', { scope: 'col' }, text));
  return [h('table', { class: 'list stack' }, h('thead', {}, h('tr', {}, headings)), body), more];
}

// Actions ----------------------------------------------------------------------------------------

async function uploadZip(context, name) {
  const file = h('input', { type: 'file', name: 'file', accept: '.zip,application/zip', required: true, class: 'input', autofocus: true });
  const bar = h('progress', { max: 1, value: 0, hidden: true, 'aria-label': t`Upload` });
  const done = await ask({
    title: t`Upload to ${name}`,
    action: t`Upload`,
    body: [field(t`Zip file`, file, t`It replaces the present flows; executions that run keep the old ones.`), bar],
    submit: async () => {
      const [chosen] = file.files;
      if (!/\.zip$/i.test(chosen.name)) throw new Error(t`${chosen.name} is not a .zip file.`);
      bar.hidden = false;
      try {
        return await api.upload(name, chosen, (part) => { bar.value = part; });
      } finally {
        bar.hidden = true;
      }
    },
  });
  if (!done) return;
  const { flows } = await api.flows(name);
  toast(t`Version ${done.version} was uploaded: ${count(flows.length, 'flow')}.`, flows.length ? 'good' : 'warn');
  context.reload();
}

async function describe(context, project) {
  const text = h('input', { name: 'description', class: 'input', required: true, maxlength: 255, value: project.description, autofocus: true });
  const saved = await ask({
    title: t`Describe ${project.name}`,
    action: t`Save`,
    body: field(t`Description`, text),
    submit: (form) => api.describeProject(project.name, form.get('description')),
  });
  if (saved) context.reload();
}

async function remove(context, name) {
  const gone = await confirm(
    t`Delete ${name}?`,
    t`Its flows and schedules disappear from all lists; executions that ran stay in the history. Some servers want it unscheduled first.`,
    t`Delete`,
    () => stock.deleteProject(name),
  );
  if (gone) {
    toast(t`Project ${name} was deleted.`);
    context.go('#/');
  }
}
