/**
 * Runs and their attempts: an execution that "Retry what failed" or `azk retry` made belongs to the
 * first one, which its parameter `retry.of` names.
 */

import * as api from './api.js';

const known = new Map(); // what an execution was started with never changes

/** The first execution of each: its own number, or that of which it is a retry, as a Map. */
export async function firsts(execids, signal) {
  const numbers = execids.map(Number);
  const unknown = numbers.filter((id) => !known.has(id));
  const found = unknown.length ? await api.retries(unknown, signal) : {};
  for (const id of unknown) {
    const first = /^\d{1,9}$/.test(found[id] ?? '') ? Number(found[id]) : id;
    known.set(id, Math.min(first, id));
  }
  return new Map(numbers.map((id) => [id, known.get(id)]));
}

/**
 * Executions (`{id, project, flow, …}`, newest first) grouped into runs: the latest attempt of each, with
 * `first`, the number of the first, and `earlier`, the attempts before it, newest first.
 */
export function together(executions, first) {
  const runs = new Map();
  for (const one of executions) {
    const number = first.get(Number(one.id)) ?? Number(one.id);
    const key = JSON.stringify([one.project, one.flow, number]);
    if (runs.has(key)) runs.get(key).earlier.push(one);
    else runs.set(key, { ...one, first: number, earlier: [] });
  }
  return [...runs.values()];
}
