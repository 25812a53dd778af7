/** Texts that must fit into a given room. */

let pen; // of a canvas that is never shown

/** How wide a text is in pixels, in the page's typeface of a weight and size such as `600 13px`. */
export function width(text, font) {
  pen ??= document.createElement('canvas').getContext('2d');
  pen.font = `${font} ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

/** Shorten a name in its middle until it fits: the beginning and the end tell names apart. */
export function shorten(name, fits) {
  const letters = [...name];
  let shown = name;
  for (let kept = letters.length - 1; kept > 1 && !fits(shown); kept -= 1) {
    const head = Math.ceil(kept / 2);
    shown = `${letters.slice(0, head).join('')}…${letters.slice(head - kept).join('')}`;
  }
  return shown;
}
