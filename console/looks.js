/** How a box of a graph looks: the state of its job, or of all the jobs that are folded into it. */

import { duration, finished, status, took } from './format.js';
import { INSET } from './arrange.js';
import { shorten, width } from './text.js';
import { count, t } from './words.js';

const ORDER = ['bad', 'run', 'warn', 'wait']; // the first of these that a group has is its colour

const shownStatus = (node) => (node.skip ? 'DISABLED' : node.status);

/** The look of one job: family, glyph, detail, whether what comes after it may start, and words. */
function ofJob(box, node, font) {
  const shown = shownStatus(node);
  const { word, glyph, family } = status(shown ?? 'READY');
  const elapsed = took({ ...node, status: shown });
  const lasting = elapsed >= 0 ? duration(elapsed) : '';
  const words = shown ? [word, lasting].filter(Boolean).join(' · ') : (node.type ?? t`job|the thing`);
  const fits = (text) => width(text, font) <= box.width - INSET - 6;
  return {
    family: shown ? family : 'plain',
    glyph: shown ? glyph : box.nested ? 'flow' : 'chevron',
    detail: fits(words) ? words : lasting || shorten(words, fits),
    passed: /SUCCEEDED/.test(node.status ?? ''),
    status: shown ?? '',
    words,
  };
}

/** The look of a group: how many of its jobs failed, run and are done. */
function ofGroup(box, nodes, font) {
  const states = nodes.map(shownStatus).filter(Boolean);
  const families = states.map((state) => status(state).family);
  const those = (family) => families.filter((one) => one === family).length;
  const all = count(nodes.length, 'job');
  const done = states.filter((state) => finished(state) || state === 'DISABLED').length;
  const family = ORDER.find(those) ?? (those('good') && done === nodes.length ? 'good' : 'idle');
  const parts = [those('bad') && t`${those('bad')} failed`, those('run') && t`${those('run')} running`];
  if (states.length && done < nodes.length) parts.push(t`${done} done`);
  const words = [all, ...parts.filter(Boolean)].join(' · ');
  const fits = (text) => width(text, font) <= box.width - INSET - 6;
  return {
    family: states.length ? family : 'plain',
    glyph: 'folder',
    detail: fits(words) ? words : parts.find(Boolean) || all,
    passed: states.length > 0 && done === nodes.length && !those('bad'),
    status: '',
    words,
  };
}

/** The look of a box; `nodes` are its jobs, one or many. */
export const lookOf = (box, nodes, font) => (box.members ? ofGroup : ofJob)(box, box.members ? nodes : nodes[0], font);
