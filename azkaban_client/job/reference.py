"""Generate the reference of jobs' parameters from their declarations.

``python -m azkaban_client.job.reference jobs`` prints that of a package of jobs.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING, Any

from azkaban_client.job.params import as_text
from azkaban_client.job.runtime import JobFunction

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["jobs_of", "main", "render"]

_HEAD = """\
# Jobs and their parameters

Made by `python -m azkaban_client.job.reference {package}`; do not edit.

Each job is a module: `python -m MODULE --name VALUE ...` runs it on this machine, a `.job` file
with `command=${{python}} -m MODULE` runs it on Azkaban. A parameter is the property below and, on
the command line, its last word: `nn.train.batch_size` is `--batch-size`. `seed` (an integer >= 0,
default 0) makes a run reproducible and `output.dir` (`--output-dir`, default `runs`) is where
artifacts go; both are common to all jobs. An unknown property under a job's own prefix is refused,
with exit code 2, as is a bad value; all of them are named at once. Each run leaves `run.json`
(parameters, seed, hashes of the files that it read, versions, time, outputs) and `report.html` in
its folder.
"""


def jobs_of(package: str) -> Iterator[JobFunction[Any, Any]]:
    """Iterate over the jobs of a package, at any depth, by module."""
    top = importlib.import_module(package)
    names = [info.name for info in pkgutil.walk_packages(top.__path__, f"{package}.")]
    for name in sorted(name for name in names if "._" not in name):
        for found in vars(importlib.import_module(name)).values():
            if isinstance(found, JobFunction) and found.module == name:
                yield found


def render(package: str) -> str:
    """Make the page of a package's jobs."""
    parts = [_HEAD.format(package=package)]
    for job in jobs_of(package):
        parts.append(f"\n## {job.module}\n\n{job.doc}\n")
        parts.append("\n| property | expected | default | |\n|---|---|---|---|\n")
        for one in job.parameters:
            default = as_text(one)
            shown = "required" if default is None else f"`{default}`" if default else ""
            text = one.rule.doc.replace("|", "\\|")
            parts.append(f"| `{job.prefix}.{one.name}` | {one.expected} | {shown} | {text} |\n")
    return "".join(parts)


def main() -> int:
    """Print the page of the package that is named."""
    sys.stdout.write(render(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
