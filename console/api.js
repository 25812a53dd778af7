/**
 * Azkaban's Ajax API, from 2.5 to 4.0: one function per call, one error for its many failures.
 *
 * The server answers most failures with HTTP 200: `{"error": …}`, `{"status": "error"}`, a failed
 * resume as `{"resume": …}`, a lost session as JSON, as plain text or as the login page. `read`
 * knows them all.
 */

import { finished } from './format.js';
import { t } from './words.js';

/** The root of the server: the console lies in js/console/ below it. */
const ROOT = new URL('../../', import.meta.url).pathname;

const UNREACHED = t`The server does not answer. Is it running, and are you online?`;

/** Why a call failed; `kind` is session, refused, server or network. */
export class ApiError extends Error {
  constructor(message, kind) {
    super(message);
    this.kind = kind;
  }
}

async function send(path, { params = {}, method = 'GET', signal, headers = {} } = {}) {
  const fields = new URLSearchParams(params);
  const get = method === 'GET';
  const url = ROOT + path + (get && fields.size ? `?${fields}` : '');
  const options = {
    method,
    signal,
    credentials: 'same-origin',
    cache: 'no-store',
    headers: { 'X-Requested-With': 'XMLHttpRequest', ...headers },
    body: get ? undefined : fields,
  };
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(UNREACHED, 'network');
  }
  return { status: response.status, text: await response.text() };
}

/** Understand an answer, or throw what went wrong. */
export function read(status, text) {
  let data;
  try {
    data = text.trim() ? JSON.parse(text) : {};
  } catch {
    if (/^Login error/.test(text) || (status === 200 && /id="login-form"/.test(text))) {
      throw new ApiError(t`Your session has ended. Log in again.`, 'session');
    }
    throw new ApiError(serverMessage(status, text), 'server');
  }
  if (data.error === 'session' || /^Invalid Session/.test(data.error ?? '')) {
    throw new ApiError(t`Your session has ended. Log in again.`, 'session');
  }
  if (data.error) throw new ApiError(lines(data.error), 'refused');
  if (data.status === 'error') throw new ApiError(lines(data.message ?? t`The server refused.`), 'refused');
  if (typeof data.resume === 'string') throw new ApiError(data.resume, 'refused');
  if (status >= 400) throw new ApiError(t`The server answered with HTTP ${status}.`, 'server');
  return data;
}

/** Newer servers break lines in messages with `<br>`. */
const lines = (message) => String(message).replace(/<br\s*\/?>/gi, '\n').trim();

/** The first line of the Java error in one of Jetty's HTML pages. */
function serverMessage(status, text) {
  const reason = /<pre>\s*([^\n<]+)/.exec(text)?.[1] ?? '';
  const words = reason.replace(/^(?:[\w.$]+(?:Exception|Error): )+/, '').trim();
  return words || t`The server answered with HTTP ${status} and nothing that can be read.`;
}

async function call(path, params, options = {}) {
  const { status, text } = await send(path, { ...options, params });
  return read(status, text);
}

const get = (path, params, signal) => call(path, params, { signal });
const post = (path, params) => call(path, params, { method: 'POST' });

/** Fetch a stock page, for what the Ajax API does not tell. */
export async function page(path, params, signal) {
  const { status, text } = await send(path, { params, signal });
  if (status >= 400) throw new ApiError(serverMessage(status, text), 'server');
  return text;
}

// Sessions ---------------------------------------------------------------------------------------

/**
 * Whether there is a session, and whether the server lists projects by Ajax (3.1 and later). An earlier
 * one answers with its index page; that is in the result then.
 */
export async function probe() {
  const { status, text } = await send('index', { params: { ajax: 'fetchallprojects' } });
  try {
    return { modern: Array.isArray(read(status, text).projects), index: '' };
  } catch (error) {
    if (error.kind === 'server') return { modern: false, index: status < 400 ? text : '' };
    throw error;
  }
}

/** The server's version, such as `4.0.0`; empty where it does not tell (before 3.33). */
export const version = async () => (await status())?.version ?? '';

/** What a server tells about itself (3.33 and later); null where it tells nothing. */
export const status = (signal) => optional(() => get('status', {}, signal));

/** What our viewer tells about the server beside it; null without the viewer. */
export const health = (signal) => optional(async () => (await get('runs', { ajax: 'health' }, signal)).health ?? null);

/** The schedules that azk made on the server's account, with what they missed; null without our viewer. */
export const kept = (signal) => optional(async () => (await get('runs', { ajax: 'schedules' }, signal)).schedules ?? null);

/** The flows of projects, at most 50, and their last runs: `{name: {flows, of, runs}}`, without what one may not read; null without our viewer. */
export const cards = (names, signal) =>
  optional(async () => (await get('runs', { ajax: 'cards', projects: names.join(',') }, signal)).cards ?? null);

/** What a server may not have; null where it does not. */
async function optional(work) {
  try {
    return await work();
  } catch (error) {
    if (error.kind === 'server' || error.kind === 'refused') return null;
    throw error;
  }
}

export const login = (username, password) => post('', { action: 'login', username, password });
export const logout = () => page('', { logout: '' });

// Projects ---------------------------------------------------------------------------------------

const manager = (ajax, project, params, signal) => get('manager', { ajax, project, ...params }, signal);

export const createProject = (name, description) =>
  post('manager', { action: 'create', name, description });
export const describeProject = (project, description) =>
  manager('changeDescription', project, { description });
export const flows = (project, signal) => manager('fetchprojectflows', project, {}, signal);
export const graph = (project, flow, signal) => manager('fetchflowgraph', project, { flow }, signal);
export const jobProperties = (project, flow, node, signal) =>
  manager('fetchflownodedata', project, { flow, node }, signal);
export const executions = (project, flow, start, length, signal) =>
  manager('fetchFlowExecutions', project, { flow, start, length }, signal);
export const events = (project, skip, size, signal) =>
  manager('fetchProjectLogs', project, { skip, size }, signal);

/** The zip of a version of a project, from 2.6.4 on by the server itself, before that by our viewer. */
export async function source(project, version, modern, signal) {
  const params = modern ? { project, version, download: 'true' } : { ajax: 'source', project, version };
  const query = new URLSearchParams(params);
  let response;
  try {
    response = await fetch(`${ROOT}${modern ? 'manager' : 'runs'}?${query}`, { signal, credentials: 'same-origin', cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(UNREACHED, 'network');
  }
  if (response.ok && /zip|octet-stream/.test(response.headers.get('Content-Type') ?? '')) return response.arrayBuffer();
  read(response.status, await response.text());
  throw new ApiError(t`This server does not give the files of a project.`, 'server');
}

/** Upload a zip; `progress` gets a fraction from 0 to 1. */
export function upload(project, file, progress) {
  const form = new FormData();
  form.append('ajax', 'upload');
  form.append('project', project);
  // Some systems tell browsers no type, or another one, for .zip; the server wants this one.
  form.append('file', new Blob([file], { type: 'application/zip' }), file.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `${ROOT}manager`);
    request.upload.onprogress = (event) => progress(event.loaded / (event.total || 1));
    request.onerror = () => reject(new ApiError(t`The upload was interrupted.`, 'network'));
    request.onload = () => {
      try {
        resolve(read(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    };
    request.send(form);
  });
}

// Permissions ------------------------------------------------------------------------------------

export const RIGHTS = ['admin', 'read', 'write', 'execute', 'schedule'];

const csrf = (token) => (token ? { 'X-CSRF-TOKEN': token } : {});

/** Set what a user or group may do: `rights` is a set of RIGHTS, empty to remove. */
export function setPermission({ project, name, group, rights, isNew, token }) {
  const params = { ajax: isNew ? 'addPermission' : 'changePermission', project, name, group };
  for (const right of RIGHTS) params[`permissions[${right}]`] = rights.has(right);
  // 4.0 asks for the token of its own permissions page.
  return call('manager', params, { headers: csrf(token) }).catch((error) => {
    if (!/^(User|Group) is invalid/.test(error.message)) throw error;
    throw new ApiError(group ? t`The server knows no group ${name}.` : t`The server knows no user ${name}.`, error.kind);
  });
}

/** Let jobs run as another account, or no longer. */
export const setProxyUser = ({ project, name, add, token }) =>
  call('manager', { ajax: add ? 'addProxyUser' : 'removeProxyUser', project, name }, { headers: csrf(token) });

// Executions -------------------------------------------------------------------------------------

const executor = (ajax, params, signal) => get('executor', { ajax, ...params }, signal);
const act = (ajax) => (execid) => post('executor', { ajax, execid });

export const execution = (execid, signal) => executor('fetchexecflow', { execid }, signal);

/** Disabled jobs as 2.5 names them: `'a'`, or `{id, children}`; 4.0 says `{name, children}`. */
const disabledJob = (entry) => {
  const id = entry.id ?? entry.name ?? entry;
  return entry.children ? { id, children: entry.children.map(disabledJob) } : id;
};

async function options(params, signal) {
  const answer = await executor('flowInfo', params, signal);
  return { ...answer, disabled: (answer.disabled ?? []).map(disabledJob) };
}

/** The options that an execution was started with, and those that a flow has. */
export const executionOptions = (execid, signal) => options({ execid }, signal);
export const flowOptions = (project, flow, signal) => options({ project, flow }, signal);
export const cancel = act('cancelFlow');
export const pause = act('pauseFlow');
export const resume = act('resumeFlow');
export const retryFailed = act('retryFailedJobs');

export const flowLog = (execid, offset, length, signal) =>
  log('fetchExecFlowLogs', { execid, offset, length }, signal);
export const jobLog = (execid, jobId, attempt, offset, length, signal) =>
  log('fetchExecJobLogs', { execid, jobId, attempt, offset, length }, signal);

/** A piece of a log; null while the server cannot give it, which it says with HTTP 500. */
async function log(ajax, params, signal) {
  try {
    return await executor(ajax, params, signal);
  } catch (error) {
    if (error.kind === 'server') return null;
    throw error;
  }
}

/** The files that an execution's jobs left, by job; none where the server cannot show them. */
export async function files(execid, signal) {
  try {
    return (await get('runs', { ajax: 'files', execid }, signal)).files ?? {};
  } catch (error) {
    if (error.kind === 'server' || error.kind === 'refused') return {};
    throw error;
  }
}

/** The outputs of an execution's jobs by nested id; null where the server does not tell them. */
export async function outputs(execid, signal) {
  try {
    return (await get('runs', { ajax: 'outputs', execid }, signal)).outputs ?? null;
  } catch (error) {
    if (error.kind === 'server' || error.kind === 'refused') return null;
    throw error;
  }
}

/** What executions, at most 50, were started with: `{execid: {name: value}}`; null without our viewer. */
export const started = (execids, signal) =>
  optional(async () => (await get('runs', { ajax: 'started', execids: execids.join(',') }, signal)).started ?? null);

/** What the jobs of executions recorded: `{execid: {job: {status, metrics, …}}}`. */
export async function records(execids, signal) {
  try {
    return (await get('runs', { ajax: 'records', execids: execids.join(',') }, signal)).records ?? {};
  } catch (error) {
    if (error.kind === 'server' || error.kind === 'refused') return {};
    throw error;
  }
}

/** Where one of these files is. */
export const fileUrl = (execid, job, name) =>
  `${ROOT}runs/${[execid, job, ...name.split('/')].map(encodeURIComponent).join('/')}`;

/** The form fields that running and scheduling have in common. */
function optionFields(options) {
  const fields = {
    disabled: JSON.stringify(options.disabled),
    failureAction: options.failureAction,
    concurrentOption: options.concurrentOption,
    successEmails: options.successEmails,
    failureEmails: options.failureEmails,
    successEmailsOverride: true,
    failureEmailsOverride: true,
    notifyFailureFirst: options.notify === 'first',
    notifyFailureLast: options.notify === 'last',
  };
  if (options.concurrentOption === 'pipeline') fields.pipelineLevel = options.pipelineLevel;
  for (const [key, value] of options.parameters) fields[`flowOverride[${key}]`] = value;
  return fields;
}

const FILING = 30; // times that a start is asked for again, half a second apart

/**
 * Run a flow; `limits` (`{rows, emails}`) only on servers that take them (4.0). For a second or two
 * after a run has ended, 3.x and 4.0 take the flow for running: then they are asked again.
 */
export async function execute(project, flow, options, limits) {
  const within = limits?.rows.length ? limitParams('slaSettings', limits.rows, limits.emails) : {};
  const fields = { ajax: 'executeFlow', project, flow, ...optionFields(options), ...within };
  for (let left = FILING; ; left -= 1) {
    try {
      return await post('executor', fields);
    } catch (error) {
      if (!left || !/Skipping execution/.test(error.message) || !(await ended(project, flow))) throw error;
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}

/** Whether all executions of a flow have ended that its server takes for running. */
async function ended(project, flow) {
  const { execIds = [] } = await get('executor', { ajax: 'getRunning', project, flow });
  const runs = await Promise.all(execIds.map((id) => execution(id)));
  return runs.every(({ status }) => finished(status));
}

// Schedules --------------------------------------------------------------------------------------

/** Schedule a flow: `when` has date (MM/dd/yyyy), time (hh,mm,am,ZONE) and period ('' for once). */
export function schedule(projectId, project, flow, when, options) {
  const fields = { ajax: 'scheduleFlow', projectName: project, projectId, flow };
  fields.scheduleDate = when.date;
  fields.scheduleTime = when.time;
  if (when.period) Object.assign(fields, { is_recurring: 'on', period: when.period });
  return post('schedule', { ...fields, ...optionFields(options) });
}

/** Schedule a flow by a Quartz cron expression (3.2 and later; older servers answer nothing). */
export async function scheduleCron(projectId, project, flow, cronExpression, options) {
  const fields = { ajax: 'scheduleCronFlow', projectName: project, projectId, flow, cronExpression };
  const answer = await post('schedule', { ...fields, ...optionFields(options) });
  if (!answer.scheduleId) throw new ApiError(t`This server has no cron schedules.`, 'refused');
  return answer;
}

export const unschedule = (scheduleId) => post('schedule', { action: 'removeSched', scheduleId });

/** What the server calls the choices that we send with other words. */
const FAILURE_ACTIONS = {
  FINISH_CURRENTLY_RUNNING: 'finishCurrent',
  FINISH_ALL_POSSIBLE: 'finishPossible',
  CANCEL_ALL: 'cancelImmediately',
};

/** The schedule of a flow, or undefined; `options` as `executionOptions` has them (not on 2.5). */
export async function flowSchedule(projectId, flowId, signal) {
  const { schedule } = await get('schedule', { ajax: 'fetchSchedule', projectId, flowId }, signal);
  const told = schedule?.executionOptions;
  if (!told) return schedule;
  const options = {
    flowParam: told.flowParameters,
    disabled: (told.disabledJobs ?? []).map(disabledJob),
    failureAction: FAILURE_ACTIONS[told.failureAction],
    concurrentOptions: told.concurrentOption,
    notifyFailureFirst: told.notifyOnFirstFailure,
    notifyFailureLast: told.notifyOnLastFailure,
    successEmails: told.successEmails,
    failureEmails: told.failureEmails,
  };
  return { ...schedule, options };
}

/** Time limits of a schedule: `{settings: [{id, rule, duration, actions}], slaEmails, allJobNames}`. */
export const limits = (scheduleId, signal) => get('schedule', { ajax: 'slaInfo', scheduleId }, signal);

/** Set them in place of those before: rows of `{job, rule, minutes, email, kill}`. */
export const setLimits = (scheduleId, rows, emails) =>
  post('schedule', { ajax: 'setSla', scheduleId, ...limitParams('settings', rows, emails) });

function limitParams(group, rows, emails) {
  const fields = { slaEmails: emails };
  rows.forEach(({ job, rule, minutes, email, kill }, at) => {
    const time = `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}`;
    fields[`${group}[${at}]`] = [job, rule, time, email, kill].join(',');
  });
  return fields;
}
