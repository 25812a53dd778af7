/** Read zip files in the browser: their list, and one file at a time. */

import { t } from './words.js';

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const MOST = 2_000_000; // characters of a file that are shown

/** The files in a zip, by name: `{size, crc, text()}`; throws when it is no zip. */
export function unzip(buffer) {
  const view = new DataView(buffer);
  let end = buffer.byteLength - 22;
  while (end >= 0 && end > buffer.byteLength - 66_000 && view.getUint32(end, true) !== END) end -= 1;
  if (end < 0 || view.getUint32(end, true) !== END) throw new Error(t`What the server sent is no zip file.`);
  const files = new Map();
  let at = view.getUint32(end + 16, true);
  for (let number = view.getUint16(end + 10, true); number > 0 && view.getUint32(at, true) === ENTRY; number -= 1) {
    const [method, crc, packed, size] = [view.getUint16(at + 10, true), view.getUint32(at + 16, true), view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const name = new TextDecoder().decode(new Uint8Array(buffer, at + 46, nameLength));
    const start = view.getUint32(at + 42, true);
    if (!name.endsWith('/')) files.set(name, { size, crc, text: () => unpack(buffer, view, start, packed, method) });
    at += 46 + nameLength + extra + comment;
  }
  return files;
}

/** The text of an entry; null for one that is no text. */
async function unpack(buffer, view, start, packed, method) {
  const data = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
  const bytes = new Uint8Array(buffer, data, packed);
  if (method !== 0 && method !== 8) throw new Error(t`It is packed in a way that browsers do not know.`);
  const stream = new Blob([bytes]).stream();
  const reader = (method === 8 ? stream.pipeThrough(new DecompressionStream('deflate-raw')) : stream).getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    text += decoder.decode(piece.value, { stream: true });
    if (text.includes('\0')) return null;
    if (text.length > MOST) {
      await reader.cancel();
      return `${text.slice(0, MOST)}\n${t`… more than is shown here`}`;
    }
  }
  return text + decoder.decode();
}
