/** Asks for the places of a flow's jobs: at once for small flows, of a worker for large ones. */

import { arrange } from './arrange.js';
import { width } from './text.js';
import { t } from './words.js';

const AT_ONCE = 60; // jobs that take less time than a worker needs to start

// Under require-trusted-types-for 'script' a worker's script needs a policy, too; it gets one address.
const policy = globalThis.trustedTypes?.createPolicy('layout-worker', { createScriptURL: (url) => url });

/** The scene of `arrange(request)`; never, once the signal has ended. */
export function arranged(request, signal) {
  if (request.nodes.length <= AT_ONCE) return Promise.resolve(arrange(request, width));
  const url = new URL('worker.js', document.baseURI).href;
  return new Promise((resolve, reject) => {
    const worker = new Worker(policy ? policy.createScriptURL(url) : url, { type: 'module' });
    signal.addEventListener('abort', () => worker.terminate());
    worker.onmessage = ({ data }) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = () => {
      worker.terminate();
      reject(new Error(t`The graph could not be laid out: load the page again.`));
    };
    worker.postMessage({ request, family: getComputedStyle(document.body).fontFamily });
  });
}
