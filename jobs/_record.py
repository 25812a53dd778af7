"""What a run leaves beside its own artifacts: ``run.json``, and a report where it wrote none.

``run.json`` is enough to run the job again: parameters, seed, hashes of the files that it read,
versions, time, outputs.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs._report import Page
from jobs._runtime import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs._runtime import Job, Outputs, Spec

__all__ = ["FILE", "REPORT", "write"]

FILE, REPORT = "run.json", "report.html"

_PACKAGES = ("numpy", "scipy", "scikit-learn", "pulp", "matplotlib")


def write(job: Job, spec: Spec, params: object, outputs: Outputs, seconds: float) -> None:
    """Record a finished run in its folder.

    Parameters
    ----------
    job
        The run.
    spec
        What was run.
    params
        Its parameters, an instance of ``spec.params``.
    outputs
        What it returned.
    seconds
        Wall time that it took.
    """
    values = {f.name: getattr(params, f.name) for f in fields(spec.params)}
    record = {
        "job": job.name,
        "project": job.project,
        "flow": job.flow,
        "execution": job.execid,
        "seconds": round(seconds, 3),
        "seed": job.seed,
        "parameters": {f"{spec.prefix}.{name}": _plain(value) for name, value in values.items()},
        "inputs": _inputs(values),
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            **{package: version(package) for package in _PACKAGES},
        },
        "outputs": {key: str(value) for key, value in outputs.items()},
    }
    write_text(job.dir / FILE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    if not (job.dir / REPORT).exists():
        _page(record).write(job.dir / REPORT)


def _plain(value: object) -> Any:
    return value if isinstance(value, (bool, int, float, type(None))) else str(value)


def _inputs(values: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    """Hash the files that parameters name."""
    found = {}
    for value in values.values():
        if isinstance(value, Path) and value.is_file():
            with value.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[str(value)] = {"bytes": value.stat().st_size, "sha256": digest}
    return found


def _page(record: dict[str, Any]) -> Page:
    """Make the report of a job that has nothing of its own to show."""
    where = f"{record['project']} / {record['flow']}, execution {record['execution']}"
    page = Page(record["job"], where)
    page.facts("Run", [("seconds", record["seconds"]), ("seed", record["seed"])])
    page.table("Outputs", ["name", "value"], record["outputs"].items())
    page.table("Parameters", ["property", "value"], record["parameters"].items())
    files = record["inputs"].items()
    page.table("Inputs", ["file", "bytes", "SHA-256"], [[n, *f.values()] for n, f in files])
    page.table("Environment", ["part", "version"], record["environment"].items())
    return page
