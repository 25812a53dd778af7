"""Make the folder of a new project: from a template, or around a script that exists.

`create` fills a template of ``templates/``, `script` reads the parameters of a script without
running it, and `wrap` writes the project around it. Nothing here talks to a server.
"""

from __future__ import annotations

__all__ = ["TEMPLATES"]

TEMPLATES = {
    "script": "one job: a script, its parameters and its tests (the default)",
    "etl": "three jobs in a row: fetch, add up, store in a database",
    "python-flow": "a flow in Python: a job for each item of a list, then one that joins them",
    "flow2": "Flow 2.0, with a condition: for Azkaban 3.43 or later",
    "spark": "a job on a Spark cluster, which takes its packages along",
}
