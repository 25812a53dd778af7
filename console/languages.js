/** The foot of each page: what else there is, and the choice of the language. */

import { attempt, select } from './dialog.js';
import { h } from './dom.js';
import { language, LANGUAGES, speak, t } from './words.js';

export const languageChoice = (...others) => h('footer', { class: 'foot' }, others, select(
  { 'aria-label': t`Language`, onchange: ({ target }) => attempt(() => speak(target.value)) },
  Object.entries(LANGUAGES).map(([key, [name]]) => [key, name]),
  language,
));
