/**
 * What pages ask of many runs: a few requests at a time, and never twice for what cannot change.
 *
 * The answers stay in memory while the console is open, up to MOST of each kind; the oldest go
 * first, so a page that is open for days does not grow.
 */

import * as api from './api.js';
import { finished, when } from './format.js';
import * as stock from './stock.js';

const MOST = 600;
const AT_ONCE = 4; // requests: the server has other work than ours
const FRESH = 20_000; // milliseconds for which a list of runs is not asked for again

function remember(known, key, value) {
  known.delete(key);
  known.set(key, value);
  if (known.size > MOST) known.delete(known.keys().next().value);
  return value;
}

/** Do `work` for each item, AT_ONCE at a time, until the page is left. */
export async function each(items, work, signal) {
  const queue = [...items];
  const worker = async () => {
    while (queue.length && !signal?.aborted) await work(queue.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

const runs = new Map();

/** An execution; one that has ended is asked for once. */
export async function run(id, signal) {
  const key = String(id);
  if (runs.has(key)) return remember(runs, key, runs.get(key));
  const found = await api.execution(key, signal);
  return finished(found.status) ? remember(runs, key, found) : found;
}

const options = new Map();

/** What an execution was started with, by name; null where the server does not tell. */
export async function parameters(id, signal) {
  const key = String(id);
  if (options.has(key)) return remember(options, key, options.get(key));
  try {
    const { flowParam } = await api.executionOptions(key, signal);
    return remember(options, key, flowParam ?? {});
  } catch (error) {
    if (error.kind === 'server' || error.kind === 'refused') return null;
    throw error;
  }
}

const versions = new Map();

/** The project's version that an execution ran: the first lines of its log name it. */
export async function version(id, signal) {
  const key = String(id);
  if (versions.has(key)) return remember(versions, key, versions.get(key));
  const piece = await api.flowLog(key, 0, 2000, signal).catch((error) => {
    if (error.kind === 'refused') return null;
    throw error;
  });
  const found = /\bRunning execid:\d+ flow:.* project:\d+ version:(\d+)/.exec(piece?.data ?? '');
  return found ? remember(versions, key, Number(found[1])) : null;
}

const lists = new Map();

/** A page of a flow's executions, newest first: `{total, list: [{id, status, start, end, user}]}`. */
export async function flowRuns(project, flow, { start = 0, length = 20, fresh = FRESH } = {}, signal) {
  const key = JSON.stringify([project, flow, start, length]);
  const before = lists.get(key);
  if (before && Date.now() - before.at < fresh) return before.answer;
  const { executions, total } = await api.executions(project, flow, start, length, signal);
  const list = executions.map((one) => ({
    id: one.execId, status: one.status, start: one.startTime, end: one.endTime, user: one.submitUser, submitted: one.submitTime,
  }));
  return remember(lists, key, { at: Date.now(), answer: { total, list } }).answer;
}

/** The middle of the durations of the runs that succeeded; NaN when none did. */
export function usual(list) {
  const took = list.filter(({ status, end }) => status === 'SUCCEEDED' && end > 0).map(({ start, end }) => end - start);
  took.sort((a, b) => a - b);
  return took.length ? took[Math.floor((took.length - 1) / 2)] : NaN;
}

/** The newest run before `id` that succeeded, among a hundred; undefined when there is none. */
export async function successBefore(id, project, flow, signal) {
  const { list } = await flowRuns(project, flow, { length: 100 }, signal);
  return list.find((one) => one.id < Number(id) && one.status === 'SUCCEEDED');
}

const planned = { at: 0, asked: null };

/** All schedules, as the server's page has them; parts of one page share the answer. */
export async function schedules() {
  if (!planned.asked || Date.now() - planned.at > FRESH) {
    Object.assign(planned, { at: Date.now(), asked: stock.schedules() }); // whoever asked may leave
    planned.asked.catch(() => { planned.asked = null; });
  }
  return planned.asked;
}

/** The parameter that tells what a run is for. */
export const LOGICAL_DATE = 'logical.date';

/** The day that a run is for: of its logical date (`logical`), else of its start. */
export const dayOf = (run) => (run.logical ?? when(run.start)).slice(0, 10);

const VIEWER = 50; // executions in one request

/** What each execution was started with, as a Map by number; without those that one may not read. */
export async function started(ids, signal) {
  const unknown = ids.map(String).filter((id) => !options.has(id));
  let rest = unknown;
  for (let at = 0; at < unknown.length; at += VIEWER) {
    const told = await api.started(unknown.slice(at, at + VIEWER), signal);
    if (!told) break; // a server without our viewer is asked for each
    for (const [id, given] of Object.entries(told)) remember(options, id, given);
    rest = unknown.slice(at + VIEWER);
  }
  await each(rest, (id) => parameters(id, signal), signal);
  return new Map(ids.map((id) => [Number(id), options.get(String(id)) ?? null]));
}

/** The logical dates of runs that have one, by number. */
export async function logicalDates(ids, signal) {
  const given = await started(ids, signal);
  return new Map([...given].filter(([, one]) => one?.[LOGICAL_DATE]).map(([id, one]) => [id, one[LOGICAL_DATE]]));
}

const planning = new Map();

/** When a flow was scheduled last, as the log of its project has it; infinite where that is not to be read. */
export async function scheduledAt(project, flow, signal) {
  if (!planning.has(project) || Date.now() - planning.get(project).at > FRESH) {
    const events = await api.events(project, 0, 200, signal).then(({ logData }) => logData, (error) => {
      if (error.kind === 'refused' || error.kind === 'server') return null;
      throw error;
    });
    remember(planning, project, { at: Date.now(), events });
  }
  const { events } = planning.get(project);
  if (!events) return Infinity;
  const found = events.filter(([, , type, message]) => type === 'SCHEDULE' && String(message).includes(flow));
  return Math.max(0, ...found.map(([, time]) => time));
}

/** Forget all: the next user may not see it. */
export function forget() {
  for (const known of [runs, options, versions, lists, planning]) known.clear();
  planned.asked = null;
}
