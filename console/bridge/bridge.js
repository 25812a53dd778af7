/*
 * Stands in for the scripts that Azkaban's own pages load: leads from such a page to the same
 * place in the console, so that old links (in mails, in bookmarks) go on working.
 */
(function () {
  'use strict';
  var query = new URLSearchParams(location.search);
  var part = function (name) { return encodeURIComponent(query.get(name)); };
  var page = location.pathname.split('/').pop();
  var target = '';
  if (query.has('execid')) {
    target = query.has('job')
      ? 'job/' + part('execid') + '/' + part('job')
      : 'execution/' + part('execid');
  } else if (query.has('project') && query.has('flow')) {
    target = 'flow/' + part('project') + '/' + part('flow');
    if (location.hash === '#executions') target += '/executions';
  } else if (query.has('project')) {
    target = 'project/' + part('project');
    if (query.has('permissions')) target += '/permissions';
    else if (query.has('logs')) target += '/events';
  } else {
    target = { executor: 'running', history: 'history', schedule: 'schedules' }[page] || '';
  }
  var root = document.currentScript.src.replace(/\/js\/.*$/, '/');
  // Now, while the body is not read: Azkaban 2.5 writes what projects say into it unescaped.
  window.stop();
  location.replace(root + 'js/console/index.html#/' + target);
})();
