/**
 * Runs and their attempts: an execution that "Retry what failed" or `azk retry` made belongs to the
 * first one, which its parameter `retry.of` names.
 */

import { started } from './known.js';

/** The first execution of each: its own number, or that of which it is a retry, as a Map. */
export async function firsts(execids, signal) {
  const given = await started(execids, signal);
  return new Map(execids.map(Number).map((id) => {
    const told = given.get(id)?.['retry.of'] ?? '';
    return [id, /^\d{1,9}$/.test(told) ? Math.min(Number(told), id) : id];
  }));
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
