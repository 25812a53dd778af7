/**
 * The words of the console, in the language of whoever reads it.
 *
 * Texts stand in English where they are shown, as t`Run ${flow}`. words/de.js is the catalogue of all
 * of them with their German; another language is one more such file, named below. What a file lacks
 * is shown in English. What the server says stays as it is.
 */

import { german } from './words/de.js';

export const LANGUAGES = { en: ['English', {}], de: ['Deutsch', german] };

const KEPT = 'console.language';

/** The language that was chosen here, else the first of the browser's that there is. */
function wanted() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    // A worker has no storage, and a browser can be told to keep none.
  }
  const asked = [kept, ...(globalThis.navigator?.languages ?? [])].map((one) => String(one).split('-')[0]);
  return asked.find((one) => Object.hasOwn(LANGUAGES, one)) ?? 'en';
}

export const language = wanted();
const words = LANGUAGES[language][1];

/** Show all in another language from now on. */
export function speak(chosen) {
  localStorage.setItem(KEPT, chosen);
  location.reload();
}

const parsed = new WeakMap(); // by the texts of a template, which stay the same object

/** The pieces of a text in the reader's language, every second one the number of a value. */
function piecesOf(texts) {
  if (!parsed.has(texts)) {
    const english = texts.reduce((all, text, at) => `${all}{${at - 1}}${text}`);
    const key = english.trim();
    const said = words[key] ?? key.split('|')[0];
    parsed.set(texts, english.replace(key, () => said).split(/\{(\d+)\}/));
  }
  return parsed.get(texts);
}

/**
 * A text in the reader's language: t`in ${project}`.
 *
 * In the catalogue the values are {0}, {1} and so on, without the spaces at the ends. What follows a
 * bar, as in t`Run|the thing`, is not shown: it tells two meanings of a word apart. Where a value is an
 * element, the result is a list of pieces for `h`.
 */
export function t(texts, ...values) {
  const pieces = piecesOf(texts).map((piece, at) => (at % 2 ? values[piece] : piece));
  return values.some((value) => value !== null && typeof value === 'object') ? pieces : pieces.join('');
}

const numbers = new Intl.PluralRules(language);

/** `1,200 jobs`, `1 job`: a number of things, whose forms in other languages the catalogue has. */
export function count(number, noun) {
  const shown = number.toLocaleString(language);
  const forms = words[`{0} ${noun}`];
  if (!forms) return `${shown} ${noun}${number === 1 ? '' : 's'}`;
  return (forms[numbers.select(number)] ?? forms.other).replace('{0}', shown);
}

const [, POINT] = (1.5).toLocaleString(language);

/** A number such as `0.93` as it is written in the reader's language. */
export const decimal = (text) => String(text).replace('.', POINT);
