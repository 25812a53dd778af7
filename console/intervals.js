/** How often the pages ask the server, in milliseconds; `app.js` asks less often while it has trouble. */

export const EXECUTION = 1000;
export const LOG = 1000;
export const JOB = 1500;
export const RUNNING = 2000;
export const HISTORY = 3000;
export const OVERVIEW = 30_000;
