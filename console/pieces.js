/** Long work in pieces, so that the page reacts in between. */

const MOST = 10; // milliseconds of work at a time

/** A function to be awaited again and again during the work: it gives way when enough has been done. */
export function turns() {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < MOST) return;
    await new Promise((resolve) => setTimeout(resolve));
    since = performance.now();
  };
}

/** Do something with each of many, in their order. */
export async function eachInTurn(list, work) {
  const turn = turns();
  for (const one of list) {
    work(one);
    await turn();
  }
}
