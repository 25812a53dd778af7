"""The reference of all jobs' parameters, made from their declarations.

``python -m jobs._reference`` prints it; ``docs/jobs.md`` is its output.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING

import jobs
from jobs._params import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs._runtime import Spec

__all__ = ["main", "render", "specs"]

_HEAD = """\
# Jobs and their parameters

Made by `python -m jobs._reference`; do not edit.

Each job is a module: `python -m jobs.NAME --prop KEY=VALUE ...` runs it on this machine, a `.job`
file with `command=${python} -m jobs.NAME` runs it on Azkaban. `seed` (an integer >= 0, default 0)
makes a run reproducible and `output.dir` (default `runs`) is where artifacts go; both are common
to all jobs. An unknown key under a job's own prefix is refused, with exit code 2, as is a bad
value; all of them are named at once. Each run leaves `run.json` (parameters, seed, hashes of the
files that it read, versions, time, outputs) and `report.html` in its folder.
"""


def specs() -> Iterator[tuple[str, str, Spec]]:
    """Iterate over the jobs: module name, docstring, declaration."""
    for module in sorted(info.name for info in pkgutil.iter_modules(jobs.__path__)):
        if not module.startswith("_"):
            loaded = importlib.import_module(f"jobs.{module}")
            yield module, (loaded.__doc__ or "").strip(), loaded.JOB


def render() -> str:
    """Make the page."""
    parts = [_HEAD]
    for module, doc, spec in specs():
        parts.append(f"\n## jobs.{module}\n\n{doc}\n")
        parts.append("\n| property | expected | default | |\n|---|---|---|---|\n")
        for info in describe(spec.params, spec.prefix):
            default = "required" if info.default is None else f"`{info.default}`"
            shown = "" if info.default == "" else default
            text = info.doc.replace("|", "\\|")
            parts.append(f"| `{info.key}` | {info.expected} | {shown} | {text} |\n")
    return "".join(parts)


def main() -> int:
    """Print the page."""
    sys.stdout.write(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
