/** When each job ran: one bar for each attempt, on a common time axis. */

import { h } from './dom.js';
import { badge, count, duration, span, status, took, when } from './format.js';
import { flatten } from './order.js';
import { shorten, width } from './text.js';

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

const ROOM = 240; // pixels for a name

const attempts = (job) => [...(job.pastAttempts ?? []), job].filter((one) => took(one) >= 0);

/** Draw the timeline of an execution; `link(job)` is where a job's row leads. */
export function drawGantt(execution, link, now = Date.now()) {
  const jobs = flatten(execution.nodes);
  const ran = jobs.filter((job) => attempts(job).length);
  if (!ran.length) return h('p', { class: 'empty' }, 'No job has started yet.');
  const begin = Math.min(...ran.flatMap((job) => attempts(job).map(({ startTime }) => startTime)));
  const ends = ran.flatMap((job) => attempts(job).map(({ endTime }) => (endTime > 0 ? endTime : now)));
  const total = Math.max(...ends, begin + 1000) - begin;
  const place = (time) => `${(100 * (time - begin)) / total}%`;

  const most = matchMedia('(max-width: 760px)').matches ? 4 : 9;
  const step = 1000 * (STEPS.find((seconds) => total / (1000 * seconds) <= most) ?? 604800);
  const ticks = Array.from({ length: Math.floor(total / step) + 1 }, (_, at) =>
    h('span', { class: 'tick', style: { left: place(begin + at * step) } },
      // The last one would stick out to the right.
      (at * step) / total > 0.94 ? '' : at ? axis(at * step) : '0'),
  );

  const order = [...ran].sort((a, b) => attempts(a)[0].startTime - attempts(b)[0].startTime);
  const rows = order.map((job) => {
    const tries = attempts(job);
    const bars = tries.map((attempt, at) => {
      const end = attempt.endTime > 0 ? attempt.endTime : now;
      const { family, word } = status(attempt.status);
      const nth = tries.length > 1 ? `attempt ${at + 1}, ` : '';
      const hint = `${nth}${word}, ${when(attempt.startTime)}, ${duration(end - attempt.startTime)}`;
      const length = `max(3px, ${(100 * (end - attempt.startTime)) / total}%)`;
      return h('span', {
        class: ['bar', `is-${family}`],
        style: { left: place(attempt.startTime), width: length },
        title: hint,
      });
    });
    const indent = { 'padding-inline-start': `${job.depth}em` };
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, h('a', { href: link(job), style: indent, title: job.path, data: { key: `bar-${job.path}` } }, shorten(job.id, (text) => width(text, '500 16px') <= ROOM - 16 * job.depth))),
      h('td', { class: 'bars' }, h('div', {}, bars)),
      h('td', { class: 'number' }, duration(span(tries[0].startTime, tries.at(-1).endTime, now))),
      h('td', { class: 'wide-only' }, badge(job.status)),
    );
  });
  const waiting = jobs.length - ran.length;
  return h(
    'div',
    { class: 'gantt' },
    h(
      'table',
      {},
      h('caption', { class: 'unseen' }, 'When each job ran'),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, 'Job'),
          h('th', { scope: 'col', class: 'axis' }, h('div', { 'aria-label': 'Time since the start' }, ticks)),
          h('th', { scope: 'col', class: 'number' }, 'Took'),
          h('th', { scope: 'col', class: 'wide-only' }, 'Status'),
        ),
      ),
      h('tbody', {}, rows),
    ),
    waiting ? h('p', { class: 'hint' }, `${count(waiting, 'job')} without a run.`) : null,
  );
}

/** A round duration on the axis: `90` seconds are `1 m 30 s`. */
function axis(milliseconds) {
  const seconds = milliseconds / 1000;
  const units = [
    [86400, 'd'],
    [3600, 'h'],
    [60, 'm'],
  ];
  const [size, unit] = units.find(([size]) => seconds >= size && seconds % (size / 2 || 1) === 0) ?? [1, 's'];
  return `${seconds / size} ${unit}`;
}
