/** The end of a job's log as its program wrote it, without what the server adds. */

import * as api from './api.js';
import { t } from './words.js';

const PIECE = 64_000; // bytes of the end that are looked at

// The same lines as azkaban_client/joblog.py leaves out.
const HEAD = /^\d\d-\d\d-\d{4} \d\d:\d\d:\d\d \S+ .*? (?:INFO|ERROR|WARN|DEBUG) - /;
const ABOUT = new RegExp(
  '^(?:(?:Starting|Finishing) job \\S+ (?:at|attempt)|Building \\w+ job executor|\\d+ commands to execute|' +
    'Command: |Environment variables: \\{|Working directory: |Job run (?:failed|killed)!|Kill has been called|Spawned process with id |' +
    'Process completed (?:un)?successfully in |Process with id \\d+ completed |Process exited with code |' +
    '(?:java\\.lang\\.RuntimeException: )?azkaban\\.jobExecutor\\.utils\\.process\\.ProcessFailureException|' +
    'Caused by: azkaban\\.|(?:effective user|user\\.to\\.proxy|Memory granted) |' +
    'azkaban\\.webserver\\.url property|job JVM args: |JobClassLoader URLs:|Failed with \\d+ inputs|cwd=/|\\S+ creation took \\d+ milli|' +
    'azkaban-jobflow: exit code \\d+)',
);
// Where the server itself failed in Java, the lines have no head; those of a job have one.
const FRAME = /^(?:\s+at [\w.$/<>]+\(|\s+\.\.\. \d+ more$)/;

/** The end of a log, in bytes that the server need not read from its beginning; null without a log. */
export async function logEnd(execid, job, attempt, signal) {
  const read = (offset, length) => api.jobLog(execid, job, attempt, offset, length, signal);
  let piece = await read(0, PIECE);
  if (!piece || piece.length < PIECE * 0.9) return piece?.data ?? null;
  // Its length is not told: double the place until nothing is there, then halve the distance.
  const some = async (offset) => ((await read(offset, 1000))?.length ?? 0) > 0;
  let low = PIECE;
  let high = 2 * PIECE;
  while (await some(high)) [low, high] = [high, 2 * high];
  while (high - low > PIECE / 2) {
    const middle = Math.floor((low + high) / 2);
    if (await some(middle)) low = middle;
    else high = middle;
  }
  piece = await read(Math.max(0, low - PIECE / 4), PIECE);
  return piece?.data.slice(piece.data.indexOf('\n') + 1) ?? null;
}

/** The last lines of the program's own, of a log's text. */
export function ownLines(text, most = 12) {
  const lines = [];
  for (const line of text.split('\n')) {
    const whole = line.replace(/\r$/, '');
    const own = whole.replace(HEAD, '');
    const frame = own === whole && FRAME.test(own);
    if (!frame && !ABOUT.test(own) && (own.trim() || lines.length)) lines.push(own);
  }
  while (lines.length && !lines.at(-1).trim()) lines.pop();
  return lines.slice(-most);
}

/** The exit code that a log tells; undefined when it tells none. */
export function exitCode(text) {
  const told = [...text.matchAll(/Process exited with code (\d+)|azkaban-jobflow: exit code (\d+)/g)].at(-1);
  return told ? Number(told[1] ?? told[2]) : undefined;
}

const CODES = {
  1: t`the program ended with an error`,
  2: t`it was given something wrong, most often a parameter`,
  126: t`the command is there but cannot be run: may it be executed?`,
  127: t`the command was not found: is it installed where the job runs?`,
};
const SIGNALS = {
  1: 'SIGHUP', 2: t`SIGINT, an interruption`, 3: 'SIGQUIT', 4: t`SIGILL, an instruction that this machine lacks`,
  6: t`SIGABRT, the program gave up`, 7: 'SIGBUS', 8: t`SIGFPE, an impossible calculation`,
  9: t`SIGKILL: somebody killed it, or the machine had no memory left`, 11: t`SIGSEGV, the program crashed`,
  13: t`SIGPIPE, nobody read what it wrote`, 15: t`SIGTERM: it was asked to end`, 24: t`SIGXCPU, its processor time was used up`, 25: t`SIGXFSZ, a file grew too large`,
};

/** What an exit code means: `exit code 137: ended by SIGKILL …`. */
export function exitWords(code) {
  const signal = code > 128 && code < 192 ? code - 128 : 0;
  const meaning = signal ? t`ended by ${SIGNALS[signal] ?? t`signal ${signal}`}` : (CODES[code] ?? t`a code of the program’s own`);
  return t`exit code ${code}: ${meaning}`;
}

const ERROR = /^(?:[\w.]+\.)?\w*(?:Error|Exception|Exit|Interrupt|Failure|Killed)(?::\s|$)/;

/** The line that says most: the last error that a program named, else nothing. */
export const errorLine = (lines) => lines.findLast((line) => ERROR.test(line)) ?? '';
