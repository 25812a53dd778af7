/** Logging in. */

import * as api from '../api.js';
import { field } from '../dialog.js';
import { button, h } from '../dom.js';
import { t } from '../words.js';

export function loginView(message, entered) {
  const problem = h('p', { class: 'problem', role: 'alert', hidden: !message }, message ?? '');
  const user = h('input', { name: 'username', class: 'input', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: 'false' });
  const word = h('input', { name: 'password', class: 'input', type: 'password', autocomplete: 'current-password', required: true });
  const submit = button(t`Log in`, null, { kind: 'primary', type: 'submit' });
  const form = h(
    'form',
    {
      class: 'card',
      onsubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        problem.hidden = true;
        try {
          await api.login(user.value, word.value);
          await entered();
        } catch (error) {
          problem.textContent = error.message;
          problem.hidden = false;
          word.select();
        } finally {
          submit.disabled = false;
        }
      },
    },
    h('h1', {}, t`Log in`),
    h('p', { class: 'hint' }, location.host),
    field(t`User`, user),
    field(t`Password`, word),
    problem,
    submit,
  );
  setTimeout(() => user.focus());
  return h('div', { class: 'login' }, form);
}
