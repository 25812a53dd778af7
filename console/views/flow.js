/** One flow: its graph, its schedule, its executions. */

import * as api from '../api.js';
import * as stock from '../stock.js';
import { firsts, together } from '../attempts.js';
import { attempt } from '../dialog.js';
import { button, h, icon, route, show } from '../dom.js';
import { duration, every, span, status, when } from '../format.js';
import { editLimits, inWords } from '../limits.js';
import { nestedGraph } from '../nested.js';
import { flatten } from '../order.js';
import { trendCharts } from '../trends.js';
import { calendarPane } from './calendar.js';
import { choose, crumbs, executionTable, forbidden, jobPanel, pager, startRun, startSchedule, tabs, unschedule, walkHint } from './common.js';
import { comparePane } from './compare.js';
import { gridPane } from './grid.js';
import { count, t } from '../words.js';

const PANES = { graph: graphPane, executions: executionsPane, grid: gridPane, calendar: calendarPane, compare: comparePane };

export async function flowView(context, projectName, flow, tab = 'graph') {
  const { signal } = context;
  const project = await stock.project(projectName, signal);
  if (!project.known) return forbidden(t`Project ${projectName}`, project.message);
  const graph = await api.graph(projectName, flow, signal);
  const planned = await api.flowSchedule(graph.projectId, flow, signal);
  const limits = planned ? await api.limits(planned.scheduleId, signal).catch(() => ({})) : {};
  const may = (right) => project.rights.has(right);
  const target = { project: projectName, flow };
  const pane = choose(PANES, tab);
  return {
    title: flow,
    node: [
      crumbs([t`Projects`, '#/'], [projectName, route('project', projectName)]),
      h(
        'header',
        { class: 'page-head' },
        h('h1', {}, flow),
        h(
          'div',
          { class: 'actions' },
          may('execute') ? button(t`Run`, () => startRun(context, target), { kind: 'primary', icon: 'play' }) : null,
          may('schedule') ? button(planned ? t`Change schedule` : t`Schedule`, () => startSchedule(context, { ...target, planned }), { icon: 'calendar' }) : null,
        ),
      ),
      planned ? scheduleNote(context, planned, limits.settings ?? [], flow, may('schedule')) : null,
      tabs(tab, [
        ['graph', t`Graph (${count(graph.nodes.length, 'job')})`, route('flow', projectName, flow)],
        ['executions', t`Runs`, route('flow', projectName, flow, 'executions')],
        ['grid', t`Grid`, route('flow', projectName, flow, 'grid')],
        ['calendar', t`Calendar`, route('flow', projectName, flow, 'calendar')],
        ['compare', t`Compare`, route('flow', projectName, flow, 'compare')],
      ]),
      await pane(context, project, flow, graph),
    ],
  };
}

function scheduleNote(context, planned, limits, flow, may) {
  const change = async () => {
    if (await attempt(() => editLimits(planned.scheduleId, flow, context.signal))) context.reload();
  };
  const cron = planned.cronExpression && planned.cronExpression !== 'null' ? t`by cron ${planned.cronExpression}` : '';
  const again = every(planned.period) || t`once`;
  const within = limits.length ? t` Time limits: ${limits.map(inWords).join('; ')}.` : '';
  return h(
    'p',
    { class: 'notice' },
    icon('clock'),
    h('span', {}, t`Runs ${cron || again}, next at ${planned.nextExecTime}, scheduled by ${planned.submitUser}.${within}`),
    may ? button(t`Time limits`, change, { class: 'small' }) : null,
    may ? button(t`Unschedule`, () => unschedule(context, planned.scheduleId, flow), { class: 'small' }) : null,
  );
}

async function graphPane(context, project, flow, graph) {
  const panel = h('div', {});
  const open = (node, path) => {
    const inside = path.slice(0, -1).reduce((at, id) => at.nodes.find((next) => next.id === id), graph);
    jobPanel(panel, context, project.name, inside.flowId ?? inside.flow ?? flow, node);
  };
  const drawn = nestedGraph(graph.nodes, { label: t`Graph of ${flow}`, signal: context.signal, open });
  const asked = flatten(graph.nodes).find(({ path }) => path === context.query.get('job'));
  if (asked) open(asked, asked.path.split(':'));
  return [drawn.element, walkHint(t`Choose a job to see its properties.`), panel];
}

async function executionsPane(context, project, flow) {
  const SIZE = 20;
  const place = h('div', {});
  async function load(page) {
    const { executions, total } = await api.executions(project.name, flow, (page - 1) * SIZE, SIZE, context.signal);
    const list = executions.map((run) => ({
      id: run.execId, status: run.status, start: run.startTime, end: run.endTime, user: run.submitUser,
    }));
    if (!list.length) {
      show(place, h('p', { class: 'empty' }, t`This flow has never run.`));
      return;
    }
    const ids = list.map(({ id }) => id);
    const [records, first] = await Promise.all([api.records(ids, context.signal), firsts(ids, context.signal)]);
    const runs = together(list, first);
    show(place, trend(list), trendCharts(records, first), executionTable(runs, { withFlow: false }), pager(page, page * SIZE < total, load));
  }
  await load(1);
  return place;
}

/** How long the last runs took, oldest first. */
function trend(list) {
  const runs = [...list].reverse().map((run) => ({ ...run, took: span(run.start, run.end) }));
  const longest = Math.max(...runs.map(({ took }) => took || 0), 1);
  return h(
    'figure',
    { class: 'trend' },
    h('figcaption', { class: 'hint' }, t`Duration of these runs, longest ${duration(longest)}`),
    h(
      'div',
      { class: 'trend-bars' },
      runs.map((run) => {
        const { word, family } = status(run.status);
        const text = `#${run.id}, ${word}, ${when(run.start)}, ${duration(run.took)}`;
        const height = `${Math.max(4, (100 * (run.took || 0)) / longest)}%`;
        return h('a', { href: route('execution', run.id), class: `is-${family}`, title: text, 'aria-label': text }, h('span', { style: { height } }));
      }),
    ),
  );
}
