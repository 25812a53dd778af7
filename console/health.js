/** How the server is: what it tells of itself, on the version that it is. */

import * as api from './api.js';
import { h, icon } from './dom.js';
import { count, decimal, t } from './words.js';

const LITTLE = 0.1; // of a disk or of memory that is left

const size = (bytes) => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${decimal(Number((bytes / 1000 ** step).toPrecision(3)))} ${units[step]}`;
};

const line = (name, good, text) =>
  h('li', {}, h('span', { class: ['dot', good === null ? 'is-idle' : good ? 'is-good' : 'is-bad'] }, icon(good === false ? 'cross' : good ? 'check' : 'minus')), h('strong', {}, name), h('span', { class: 'said' }, text));

/** Executors and what they do, database, memory, disk; a sentence for what it does not tell. */
export async function healthLines(running, { session, signal }) {
  // 2.5 answers with an error that would only fill the browser's own log.
  const [told, own] = await Promise.all([session.modern ? api.status(signal) : null, api.health(signal)]);
  const waiting = running.filter(({ status }) => status === 'PREPARING' || status === 'QUEUED').length;
  const lines = [line(t`Queue`, waiting === 0 ? true : null, t`${count(running.length - waiting, 'flow')} running, ${waiting} waiting`)];
  const executors = own?.executors ?? (told?.executorStatusMap ? Object.values(told.executorStatusMap).map(({ host, port, isActive }) => ({ name: `${host}:${port}`, up: isActive })) : null);
  if (executors) {
    const up = executors.filter((one) => one.up);
    const down = executors.filter((one) => !one.up).map(({ name }) => name);
    lines.push(line(t`Executors`, executors.length > 0 && !down.length, t`${up.length} of ${executors.length} answer${down.length ? t`; not ${down.join(', ')}` : ''}`));
  }
  if (own || told?.isDatabaseUp !== undefined) {
    const up = own ? own.database >= 0 : told.isDatabaseUp;
    lines.push(line(t`Database`, up, up ? (own ? t`answers in ${own.database} ms` : t`answers`) : t`does not answer`));
  }
  const memory = own?.memory ?? (told?.xmx ? { used: told.usedMemory, most: told.xmx } : null);
  if (memory) lines.push(line(t`Memory`, memory.used < memory.most * (1 - LITTLE), t`${size(memory.used)} of ${size(memory.most)}`));
  if (own?.disk) lines.push(line(t`Disk`, own.disk.free > own.disk.total * LITTLE, t`${size(own.disk.free)} free of ${size(own.disk.total)}`));
  const lacks = [executors ? '' : t`its executors`, own?.disk ? '' : t`its disk`, memory ? '' : t`its memory`].filter(Boolean);
  return [
    h('ul', { class: 'lines health' }, lines),
    lacks.length ? h('p', { class: 'hint' }, t`This server tells nothing about ${lacks.join(', ')}.`) : null,
  ];
}
