/** Texts that must fit into a given room. */

/** A function that tells how wide a text is in pixels, in a typeface and a font such as `600 13px`. */
export function measurer(family) {
  const pen = new OffscreenCanvas(1, 1).getContext('2d');
  let last = '';
  return (text, font) => {
    if (font !== last) pen.font = `${font} ${family}`; // setting it takes longer than measuring
    last = font;
    return pen.measureText(text).width;
  };
}

let own; // of the page's typeface

/** How wide a text is in the page's typeface. */
export function width(text, font) {
  own ??= measurer(getComputedStyle(document.body).fontFamily);
  return own(text, font);
}

/** Shorten a name in its middle until it fits: the beginning and the end tell names apart. */
export function shorten(name, fits) {
  if (fits(name)) return name;
  const letters = [...name];
  const cut = (kept) => {
    const head = Math.ceil(kept / 2);
    return `${letters.slice(0, head).join('')}…${letters.slice(head - kept || letters.length).join('')}`;
  };
  let [least, most] = [1, letters.length - 1];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (fits(cut(middle))) least = middle;
    else most = middle - 1;
  }
  return cut(least);
}

/** Break a name into at most so many lines, after its punctuation where that is possible. */
export function lines(name, fits, most) {
  if (fits(name)) return [name];
  const broken = wrap(name, fits);
  if (broken.length <= most) return broken;
  return wrap(shorten(name, (text) => wrap(text, fits).length <= most), fits);
}

function wrap(name, fits) {
  const found = [''];
  for (const word of name.match(/[^-_.:\s]+[-_.:\s]*|[-_.:\s]+/g) ?? []) {
    if (fits(found.at(-1) + word.trimEnd())) {
      found[found.length - 1] += word;
    } else if (fits(word.trimEnd())) {
      found.push(word);
    } else {
      for (const letter of word) {
        if (fits(found.at(-1) + letter)) found[found.length - 1] += letter;
        else found.push(letter);
      }
    }
  }
  return found.map((line) => line.trim()).filter(Boolean);
}
