/** How the metrics of a flow's jobs changed from run to run: a small line chart for each. */

import { h, route, s } from './dom.js';
import { count, decimal, language, t } from './words.js';

const WIDTH = 300;
const HEIGHT = 120;
const LEFT = 52;
const BOTTOM = 34;
const TOP = 10;
const RIGHT = 12;

/** A number in few digits. */
export function short(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return value.toLocaleString(language);
  const small = Math.abs(value) < 1e-3 || Math.abs(value) >= 1e7;
  return decimal(small ? value.toExponential(2) : Number(value.toPrecision(4)));
}

/**
 * The metrics over runs, oldest first: `[{job, metric, points: [[execid, value], …]}, …]`; of several
 * attempts at a run (`first`, as attempts.js has it), the last counts.
 */
export function follow(records, first = new Map()) {
  const found = new Map();
  for (const execid of Object.keys(records).sort((a, b) => a - b)) {
    for (const [job, { metrics }] of Object.entries(records[execid])) {
      for (const [metric, value] of Object.entries(metrics ?? {})) {
        if (!Number.isFinite(value)) continue;
        const key = JSON.stringify([job, metric]);
        if (!found.has(key)) found.set(key, { job, metric, points: new Map() });
        found.get(key).points.set(first.get(Number(execid)) ?? Number(execid), [execid, value]);
      }
    }
  }
  return [...found.values()].map(({ points, ...of }) => ({ ...of, points: [...points.values()] }));
}

/** Charts of the metrics that changed from run to run; null when no metric is in two runs. */
export function trendCharts(records, first) {
  const trends = follow(records, first).filter(({ points }) => points.length > 1);
  if (!trends.length) return null;
  const moves = ({ points }) => points.some(([, value]) => value !== points[0][1]);
  const still = trends.filter((trend) => !moves(trend));
  return h(
    'section',
    {},
    h('h2', {}, t`Metrics by run`),
    h('div', { class: 'charts' }, trends.filter(moves).map(chart)),
    still.length
      ? h('p', { class: 'hint' }, t`The same in all these runs: `, still.map(({ job, metric, points }) => `${metric} ${short(points[0][1])} (${job})`).join(', '))
      : null,
  );
}

function chart({ job, metric, points }) {
  const values = points.map(([, value]) => value);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const x = (at) => LEFT + ((WIDTH - LEFT - RIGHT) * at) / (points.length - 1);
  const y = (value) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * (value - low)) / (high - low);
  const text = (at, to, anchor, words) => s('text', { x: at, y: to, 'text-anchor': anchor }, words);
  const [last, latest] = points.at(-1);
  const told = t`${short(latest)} in run #${last}, from ${short(low)} to ${short(high)} in ${count(points.length, 'run')}`;
  return h(
    'figure',
    { class: 'card chart' },
    h('figcaption', {}, h('strong', {}, metric), h('span', { class: 'hint' }, ` ${job}: ${told}`)),
    s(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': t`${metric} of ${job} by run: ${told}` },
      [low, high].map((value) => [
        s('line', { class: 'chart-grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
        text(LEFT - 6, y(value) + 4, 'end', short(value)),
      ]),
      s('polyline', { class: 'chart-line', points: points.map(([, value], at) => `${x(at)},${y(value)}`).join(' ') }),
      points.map(([execid, value], at) =>
        s('a', { href: route('execution', execid), tabindex: -1 },
          s('circle', { class: 'chart-dot', cx: x(at), cy: y(value), r: 3.5 }, s('title', {}, `#${execid}: ${short(value)}`)))),
      text(LEFT, HEIGHT - BOTTOM + 15, 'middle', `#${points[0][0]}`),
      text(WIDTH - RIGHT, HEIGHT - BOTTOM + 15, 'end', `#${last}`),
      text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, 'middle', t`run|the thing`),
    ),
  );
}
