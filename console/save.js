/** Files that the browser saves: logs, tables as CSV or JSON. */

/** Save a text under a name. */
export function save(name, type, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Quoted as RFC 4180 has it; a spreadsheet must not take a value for a formula. */
function quoted(value) {
  const text = String(value ?? '');
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows as CSV, with the columns that `names` lists. */
export const csv = (names, rows) => [names, ...rows.map((row) => names.map((name) => row[name]))].map((line) => line.map(quoted).join(',')).join('\r\n') + '\r\n';
