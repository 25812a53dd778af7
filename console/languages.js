/** The choice of the language, at the foot of each page. */

import { attempt, select } from './dialog.js';
import { h } from './dom.js';
import { language, LANGUAGES, speak, t } from './words.js';

export const languageChoice = () => h('footer', { class: 'foot' }, select(
  { 'aria-label': t`Language`, onchange: ({ target }) => attempt(() => speak(target.value)) },
  Object.entries(LANGUAGES).map(([key, [name]]) => [key, name]),
  language,
));
