/** What has happened since yesterday, of all flows: read from the history in few requests. */

import * as stock from './stock.js';
import { DAY } from './plan.js';
import { finished, instant, when } from './format.js';

const SIZE = 200; // rows of one request
const PAGES = 4;
const NEWEST = 50; // rows that are looked at again each time

const BAD = /^(FAILED|KILLED|CANCELLED|FAILED_FINISHING)$/;

export const isBad = (status) => BAD.test(status);

/** The beginning of yesterday in the server's zone. */
export function yesterday(now = Date.now()) {
  return instant(`${when(instant(`${when(now).slice(0, 10)} 12:00:00`) - DAY).slice(0, 10)} 00:00:00`);
}

const timed = (run) => ({ ...run, begun: instant(run.start), ended: instant(run.end) });

/**
 * The executions since a moment, newest first; `update` looks at the newest alone, and at all once more
 * where an older one had not ended. `since` is as far back as the rows reach.
 */
export function lately(since, signal) {
  const rows = new Map();
  const state = { rows: [], since, whole: false };

  async function read(pages, size) {
    let full = true;
    for (let page = 1; page <= pages && full; page += 1) {
      const found = await stock.history({ page, size, begin: since }, signal);
      for (const run of found) rows.set(run.id, timed(run));
      full = found.length === size;
    }
    return !full;
  }

  function settle() {
    state.rows = [...rows.values()].sort((a, b) => b.id - a.id).slice(0, SIZE * PAGES);
    if (state.rows.length === SIZE * PAGES) state.whole = false;
    const oldest = state.rows.at(-1);
    state.since = state.whole || !(oldest?.begun > 0) ? since : oldest.begun;
    return state;
  }

  return {
    state,
    async load() {
      state.whole = await read(PAGES, SIZE);
      // Where more ran than that, at least all that failed is known.
      if (!state.whole) for (const run of await stock.history({ page: 1, size: SIZE, begin: since, status: 70 }, signal)) rows.set(run.id, timed(run));
      return settle();
    },
    async update() {
      const going = state.rows.slice(NEWEST).some(({ status }) => !finished(status));
      if (going) return this.load();
      await read(1, NEWEST);
      return settle();
    },
  };
}

/** The executions of each flow, newest first, as `[{project, flow, runs}]`. */
export function byFlow(rows) {
  const flows = new Map();
  for (const run of rows) {
    const key = JSON.stringify([run.project, run.flow]);
    if (!flows.has(key)) flows.set(key, { project: run.project, flow: run.flow, runs: [] });
    flows.get(key).runs.push(run);
  }
  return [...flows.values()];
}

/** Flows whose last ended run failed, and those that succeeded after a failure. */
export function troubles(rows) {
  const failed = [];
  const recovered = [];
  for (const { project, flow, runs } of byFlow(rows)) {
    if (/^\d+$/.test(project)) continue; // it was deleted: nobody waits for it
    const over = runs.filter(({ status }) => finished(status) || status === 'FAILED_FINISHING');
    const bad = over.filter(({ status }) => isBad(status));
    if (!bad.length) continue;
    const entry = { project, flow, times: bad.length, run: bad[0] };
    if (isBad(over[0].status)) failed.push(entry);
    else recovered.push({ ...entry, by: over[0] });
  }
  return { failed, recovered };
}
