/**
 * Groups of jobs that are drawn as one box while a flow is too large to be read.
 *
 * Jobs of one layer never need each other, and those of some layers in a row only what is before
 * these: so whatever is folded, the groups follow each other without a cycle. There are several
 * coarsenesses: jobs of a layer whose names differ by their digits; those whose names begin with
 * the same word; whole layers; and bands of layers, fewer and fewer.
 */

const FEWEST = 4; // jobs that are worth a group by their names

const letters = (id) => id.replace(/\d+/g, '#');
const firstWord = (id) => /^[^\p{L}]*\p{L}*/u.exec(id)[0].toLowerCase();

const KEYS = [
  null,
  (job) => `${job.layer} ${job.nested} ${letters(job.id)}`,
  (job) => `${job.layer} ${firstWord(job.id)}`,
  (job) => `${job.layer}`,
  ...[12, 6, 3].map((bands) => (job, layers) => `${Math.floor((job.layer * bands) / Math.max(layers, bands))}`),
];
export const COARSEST = KEYS.length - 1;

/**
 * Fold jobs (`id`, `in`, `nested`, `layer`), which come in the order of their flow.
 *
 * `opened` has the keys of groups whose jobs are seen, or folded less coarsely. The result is boxes
 * in the order of the flow: id, name, in, and for a group its key and `members`, their ids.
 */
export function fold(jobs, coarseness, opened = new Set()) {
  const layers = jobs.reduce((most, { layer }) => Math.max(most, layer + 1), 0);
  const groups = split(jobs, coarseness, opened, layers);
  const boxOf = new Map();
  const boxes = groups.map(({ key, members }) => {
    const [first] = members;
    const box = key
      ? { id: `\u0001${key}`, key, name: nameOf(members.map(({ id }) => id)), members: members.map(({ id }) => id) }
      : { id: first.id, name: first.id, nested: first.nested };
    for (const { id } of members) boxOf.set(id, box);
    return { ...box, place: first.layer, from: members };
  });
  for (const box of boxes) {
    const before = box.from.flatMap((job) => job.in ?? []).map((id) => boxOf.get(id)?.id);
    box.in = [...new Set(before)].filter((id) => id !== undefined && id !== box.id);
    delete box.from;
  }
  // A group stands where its first job does: layer by layer none comes before what it needs.
  boxes.sort((a, b) => a.place - b.place);
  return coarseness ? reduced(boxes) : boxes;
}

/** Without the edges that others imply: between groups of hundreds of jobs there is every edge. */
function reduced(boxes) {
  const before = new Map(); // of each box, all that come before it
  return boxes.map((box) => {
    const far = new Set(box.in.flatMap((id) => [...(before.get(id) ?? [])]));
    before.set(box.id, new Set([...box.in, ...far]));
    return { ...box, in: box.in.filter((id) => !far.has(id)) };
  });
}

function split(jobs, coarseness, opened, layers) {
  if (!coarseness) return jobs.map((job) => ({ members: [job] }));
  const found = new Map();
  for (const job of jobs) {
    const name = KEYS[coarseness](job, layers);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(job);
  }
  return [...found].flatMap(([name, members]) => {
    const key = `${coarseness} ${name}`;
    const few = coarseness < 3 ? FEWEST : 2;
    if (members.length < few) return split(members, 0, opened, layers);
    if (!opened.has(key)) return [{ key, members }];
    // What would fold into one group again is no answer to somebody who opens it.
    for (let finer = coarseness - 1; finer > 0; finer -= 1) {
      const parts = split(members, finer, opened, layers);
      if (parts.length > 1) return parts;
    }
    return split(members, 0, opened, layers);
  });
}

/** `load-*` of `load-1` and `load-2`; `load*` of `load-a` and `loads`; else the first and the last. */
export function nameOf(ids) {
  const runs = ids.map((id) => id.split(/(\d+)/));
  const same = runs.every((parts) => parts.length === runs[0].length && parts.every((part, at) => at % 2 || part === runs[0][at]));
  if (same) return runs[0].map((part, at) => (runs.every((parts) => parts[at] === part) ? part : '*')).join('');
  const words = ids.map((id) => [...id]);
  const differs = words[0].findIndex((letter, at) => words.some((other) => other[at] !== letter));
  const common = words[0].slice(0, differs < 0 ? words[0].length : differs).join('');
  return common.length > 2 ? `${common}*` : `${ids[0]} … ${ids.at(-1)}`;
}
