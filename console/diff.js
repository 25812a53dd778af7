/** What differs between two texts, by lines. */

const MOST = 4_000_000; // comparisons; more would block the page
const AROUND = 3; // equal lines that are shown beside a difference

/** Lines as `[sign, text]`, sign `+`, `-` or a space; null when the texts are too large and too different. */
export function difference(before, after) {
  const [a, b] = [before.split('\n'), after.split('\n')];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const [x, y] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  if (x.length * y.length > MOST) return null;
  const width = y.length + 1;
  // The longest common part of what remains, from each place on.
  const longest = new Uint32Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i -= 1) {
    for (let j = y.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] = x[i] === y[j] ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const middle = [];
  let [i, j] = [0, 0];
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) [middle[middle.length], i, j] = [[' ', x[i]], i + 1, j + 1];
    else if (j >= y.length || (i < x.length && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) [middle[middle.length], i] = [['-', x[i]], i + 1];
    else [middle[middle.length], j] = [['+', y[j]], j + 1];
  }
  const same = (list) => list.map((text) => [' ', text]);
  return [...same(a.slice(0, head)), ...middle, ...same(tail ? a.slice(-tail) : [])];
}

/** Only the differences and some lines around each; `…` stands for what is left out. */
export function around(lines) {
  const near = lines.map((_, at) => lines.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(([sign]) => sign !== ' '));
  const shown = [];
  for (const [at, line] of lines.entries()) {
    if (near[at]) shown.push(line);
    else if (shown.at(-1)?.[0] !== '…') shown.push(['…', '']);
  }
  return shown;
}
