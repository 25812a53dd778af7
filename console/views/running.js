/** What runs now. */

import * as intervals from '../intervals.js';
import * as stock from '../stock.js';
import { h, show } from '../dom.js';
import { executionTable } from './common.js';
import { t } from '../words.js';

export async function runningView(context) {
  const place = h('div', { 'aria-live': 'off' });
  async function load() {
    const list = await stock.running(context.signal);
    show(place, list.length ? executionTable(list) : h('p', { class: 'empty' }, t`Nothing runs now.`));
    return true;
  }
  await load();
  context.every(intervals.RUNNING, load);
  return { title: t`Running`, node: [h('header', { class: 'page-head' }, h('h1', {}, t`Running`)), place] };
}
