/**
 * What an ended run needs to go on: the jobs that run again, and the outputs of the others.
 *
 * The same rules as `azk retry` (azkaban_client/resume.py): a job that succeeded runs again only if
 * a condition asks for it, if two of them give different values of one output, or if the project's
 * files set a property of that name, too (the output would reach jobs that are not after it).
 */

const LEFT_OUT = /^(DISABLED|SKIPPED)$/;
const GOOD = /^(SUCCEEDED|FAILED_SUCCEEDED)$/;

/** Nodes by their nested ids (`flow:job`), with the nested ids of their parents. */
function index(nodes, prefix = '', found = new Map()) {
  for (const node of nodes) {
    const id = prefix + node.id;
    found.set(id, { id, node, parents: (node.in ?? []).map((name) => prefix + name) });
    if (node.nodes) index(node.nodes, `${id}:`, found);
  }
  return found;
}

const chain = (id) => id.split(':').map((_, level, parts) => parts.slice(0, level + 1).join(':'));

/**
 * `{disabled, flowParam, again}`; `outputs` by nested id, or null where the server tells none; `own`
 * has what the project's files set, by name.
 */
export function resumeOf(nodes, outputs, own) {
  const all = index(nodes);
  const leaves = [...all.values()].filter(({ node }) => !node.nodes && !LEFT_OUT.test(node.status)).map(({ id }) => id);
  const inside = (id) => leaves.filter((leaf) => leaf === id || leaf.startsWith(`${id}:`));
  const runs = new Set(leaves.filter((id) => !GOOD.test(all.get(id).node.status)));
  const again = new Set();
  const need = (ids) => {
    const missing = ids.flatMap(inside).filter((id) => !runs.has(id));
    for (const id of missing) {
      runs.add(id);
      again.add(id);
    }
    return missing.length > 0;
  };

  function collect() {
    const flowParam = {};
    const source = {};
    for (const id of runs) {
      for (const step of chain(id)) {
        const { node, parents } = all.get(step);
        if (node.condition && need(parents)) return null;
        for (const parent of parents) {
          const kept = inside(parent).filter((leaf) => !runs.has(leaf));
          const whole = kept.length && kept.length === inside(parent).length;
          for (const giver of whole ? [parent] : kept) {
            if (!GOOD.test(all.get(giver).node.status)) continue;
            for (const [key, value] of Object.entries(outputs?.[giver] ?? {})) {
              if (own.has(key)) {
                need([giver]);
                return null;
              }
              if ((flowParam[key] ?? value) !== value) {
                need([source[key], giver]);
                return null;
              }
              flowParam[key] = value;
              source[key] = giver;
            }
          }
        }
      }
    }
    return flowParam;
  }

  let flowParam = collect();
  while (!flowParam) flowParam = collect();
  const off = (list, prefix = '') =>
    list.flatMap((node) => {
      const id = prefix + node.id;
      if (!inside(id).some((leaf) => runs.has(leaf))) return [node.id];
      const children = node.nodes ? off(node.nodes, `${id}:`) : [];
      return children.length ? [{ id: node.id, children }] : [];
    });
  return { disabled: off(nodes), flowParam, again: [...again] };
}
