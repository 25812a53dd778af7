/** The files of a project: of each version that the server keeps, and what differs between two. */

import * as api from '../api.js';
import { h, route, show } from '../dom.js';
import { when } from '../format.js';
import { around, difference } from '../diff.js';
import { unzip } from '../zip.js';
import { count, t } from '../words.js';

const EVENTS = 1000;
const SIGNS = { '+': ['new', t`new`], '-': ['gone', t`gone`], '~': ['changed', t`changed`], ' ': ['same', ''] };

export async function sourcePane(context, project) {
  const { query, signal } = context;
  const versions = await uploads(project.name, signal);
  if (!versions.length) return h('p', { class: 'empty' }, t`Nothing has been uploaded yet.`);
  const zips = new Map();
  const asked = { version: Number(query.get('version')) || versions[0].version, with: Number(query.get('with')) || 0, file: query.get('file') ?? '' };
  const place = h('div', { class: 'source' });
  const choice = (name, label, none) => h('select', { class: 'input', 'aria-label': label, data: { key: name }, onchange: (event) => change(name, Number(event.target.value)) },
    none ? h('option', { value: 0, selected: !asked[name] }, none) : null,
    versions.map(({ version, time, user }) => h('option', { value: version, selected: version === asked[name] }, t`${version}: ${when(time)} by ${user}`)));

  async function files(version) {
    if (!zips.has(version)) zips.set(version, unzip(await api.source(project.name, version, context.session.modern, signal)));
    return zips.get(version);
  }

  function change(name, value) {
    asked[name] = value;
    context.keep({ version: asked.version === versions[0].version ? '' : asked.version, with: asked.with || '', file: asked.file });
    draw().catch(fail);
  }

  const fail = (error) => {
    if (error.name === 'AbortError') return;
    show(place, h('p', { class: 'hint' }, t`${error.message} The properties of each job are on the graph of its flow.`));
  };

  async function draw() {
    const now = await files(asked.version);
    const old = asked.with ? await files(asked.with) : null;
    const names = [...new Set([...now.keys(), ...(old?.keys() ?? [])])].sort();
    const sign = (name) => (!old ? ' ' : !old.has(name) ? '+' : !now.has(name) ? '-' : old.get(name).crc !== now.get(name).crc || old.get(name).size !== now.get(name).size ? '~' : ' ');
    const listed = old ? names.filter((name) => sign(name) !== ' ') : names;
    const file = listed.includes(asked.file) ? asked.file : listed[0];
    const list = h('ul', { class: 'files' }, listed.map((name) => h('li', {},
      h('button', { type: 'button', class: ['file', `sign-${SIGNS[sign(name)][0]}`], 'aria-current': name === file ? 'true' : null, data: { key: `file-${name}` }, onclick: () => change('file', name) },
        h('span', {}, name), h('span', { class: 'hint' }, SIGNS[sign(name)][1])))));
    const text = file ? await content(old, now, file) : h('p', { class: 'empty' }, t`Versions ${asked.with} and ${asked.version} have the same files.`);
    show(place, h('p', { class: 'hint' }, old ? t`${count(listed.length, 'file')} of ${names.length} differ.` : `${count(names.length, 'file')}.`), h('div', { class: 'source-parts' }, list, text));
  }

  async function content(old, now, name) {
    const [before, after] = await Promise.all([old, now].map((all) => all?.get(name)?.text()));
    const region = (inside) => h('pre', { class: 'source-text', tabindex: 0, role: 'region', 'aria-label': name }, inside);
    if (before === null || after === null) return h('p', { class: 'hint' }, t`${name} is no text.`);
    if (!old) return region(after);
    const lines = difference(before ?? '', after ?? '');
    if (!lines) return region(after ?? before);
    return region(around(lines).map(([mark, line]) => h('span', { class: `diff diff-${SIGNS[mark]?.[0] ?? 'same'}` }, `${mark} ${line}\n`)));
  }

  await draw().catch(fail);
  return [
    h('div', { class: 'filters' }, choice('version', t`Version`), choice('with', t`Compare with`, t`compare with …`)),
    place,
    h('p', { class: 'hint' }, t`Who uploaded what is in the ${h('a', { href: route('project', project.name, 'events') }, t`log|of a project`)}. Of older versions the server keeps only the last ones.`),
  ];
}

/** The uploads, newest first: each is a version. */
async function uploads(project, signal) {
  const { logData } = await api.events(project, 0, EVENTS, signal);
  const found = logData.filter(([, , type]) => type === 'UPLOADED');
  return found.map(([user, time, , message], at) => ({ version: found.length - at, user, time, message }));
}
