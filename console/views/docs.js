/** The product's docs: `setup docs build` puts their site beside the console. */

import { h } from '../dom.js';
import { t } from '../words.js';

const SITE = new URL('../docs/index.html', document.baseURI).href;

/** The page `#/docs` leads to the site, or says how to get it. */
export async function docsView({ signal }) {
  const { ok } = await fetch(SITE, { method: 'HEAD', signal });
  if (ok) {
    location.replace(SITE);
    return new Promise(() => {}); // this page ends
  }
  return {
    title: t`Docs`,
    node: [
      h('h1', {}, t`Docs`),
      h('p', {}, t`They are not on this server. Whoever set it up adds them with this command, and they open here:`),
      h('p', {}, h('code', {}, 'python3 -m setup docs build')),
    ],
  };
}
