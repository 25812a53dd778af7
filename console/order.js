/** Jobs in the order of their flow. */

/** Jobs so that each comes after those it needs, else by name. */
export function inOrder(nodes) {
  const sorted = [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
  const known = new Map(sorted.map((node) => [node.id, node]));
  const result = new Set(); // sets keep the order of insertion
  const entered = new Set(); // ends the recursion when the flow has a cycle
  const visit = (node) => {
    if (entered.has(node)) return;
    entered.add(node);
    for (const id of [...(node.in ?? [])].sort()) if (known.has(id)) visit(known.get(id));
    result.add(node);
  };
  sorted.forEach(visit);
  return [...result];
}

/** Jobs in the order of the flow, embedded ones after their parent, with depth and full path. */
export function flatten(nodes, depth = 0, prefix = '') {
  return inOrder(nodes ?? []).flatMap((node) => {
    const path = prefix + node.id;
    return [{ ...node, depth, path }, ...flatten(node.nodes, depth + 1, `${path}:`)];
  });
}
