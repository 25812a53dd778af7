"""Past runs of jobs as pages: what `azk report` shows.

Jobs leave ``RUNS/PROJECT/EXECUTION/JOB/`` with a ``run.json`` (how it went, metrics, parameters)
and a ``report.html``. From these folders alone, without a server: `records` reads them, `pages`
makes an index, the trends of a flow and the summary of an execution, `server` shows them.
"""
