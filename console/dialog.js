/** Dialogs and passing messages. */

import { button, h, icon, uid } from './dom.js';
import { t } from './words.js';

/**
 * Show a dialog with a form; resolves to what `submit` returned, or undefined when closed.
 *
 * `submit` may be asynchronous; while it works the buttons are off, and what it throws is shown
 * in the dialog, which stays open.
 */
export function ask({ title, body, action, kind = 'primary', wide = false, submit, extra }) {
  return new Promise((resolve) => {
    const heading = uid('dialog');
    const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
    const cancel = button(t`Cancel`, () => dialog.close());
    const confirm = button(action, null, { kind, type: 'submit' });
    const close = h(
      'button',
      { type: 'button', class: 'button bare', 'aria-label': t`Close`, onclick: () => dialog.close() },
      icon('cross'),
    );
    let result;
    // Another page (Back, a link in a message) is not asked what this one asks.
    const leave = () => dialog.close();
    addEventListener('hashchange', leave);
    const form = h(
      'form',
      {
        onsubmit: async (event) => {
          event.preventDefault();
          problem.hidden = true;
          for (const control of [cancel, confirm]) control.disabled = true;
          try {
            result = (await submit(new FormData(form))) ?? true;
            dialog.close();
          } catch (error) {
            problem.textContent = error.message;
            problem.hidden = false;
          } finally {
            for (const control of [cancel, confirm]) control.disabled = false;
          }
        },
      },
      h('header', {}, h('h2', { id: heading }, title), close),
      h('div', { class: 'dialog-body' }, body),
      problem,
      h('footer', {}, extra ?? null, cancel, confirm),
    );
    const dialog = h('dialog', { 'aria-labelledby': heading, class: wide ? 'wide' : '' }, form);
    dialog.addEventListener('close', () => {
      dialog.remove();
      removeEventListener('hashchange', leave);
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector('[autofocus]')?.focus();
  });
}

/** Ask whether to do something that cannot be undone. */
export function confirm(title, text, action, submit) {
  return ask({ title, body: h('p', {}, text), action, kind: 'danger', submit });
}

/** A choice among pairs of a value and its words. */
export const select = (properties, choices, value) =>
  h(
    'select',
    { ...properties, class: 'input' },
    choices.map(([key, text]) => h('option', { value: key, selected: key === value }, text)),
  );

/** A labelled control; the control gets the label's id. */
export function field(label, control, hint) {
  control.id ||= uid('field');
  const about = hint ? h('p', { class: 'hint', id: uid('hint') }, hint) : null;
  if (about) control.setAttribute('aria-describedby', about.id);
  return h('div', { class: 'field' }, h('label', { for: control.id }, label), control, about);
}

/** Say something in the corner for some seconds; screen readers hear it. */
export function toast(text, family = 'good') {
  const message = h('div', { class: ['toast', `is-${family}`] }, text);
  document.getElementById('toasts').append(message);
  setTimeout(() => message.remove(), 6000);
}

/** Run something the user asked for, and say so when it fails. */
export async function attempt(work, done) {
  try {
    const result = await work();
    if (done) toast(done);
    return result;
  } catch (error) {
    if (error.kind === 'session') throw error;
    toast(error.message, 'bad');
    return undefined;
  }
}
