"""Read what jobs left: one ``run.json`` for each job of each execution.

Whatever a folder holds (no ``run.json``, half of one, other types than expected) gives a record
that says so; nothing that a project wrote can stop the others from being shown.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = [
    "JobRecord",
    "Run",
    "Trend",
    "find",
    "folders",
    "inside",
    "moment",
    "read",
    "runs",
    "trends",
]

_MOST_BYTES = 1 << 20  # of a run.json
_WORST_FIRST = ("failed", "killed", "running", "unreadable", "no record", "succeeded")


@dataclass(frozen=True)
class JobRecord:
    """One job of one execution.

    Attributes
    ----------
    name
        Name of the job: its folder.
    status
        ``succeeded``, ``failed``, ``killed``, ``running`` (or killed outright: it wrote no end),
        ``no record`` (files, but no run.json) or ``unreadable``.
    error
        Why it failed.
    started, ended
        With their time zones; None where not recorded.
    seconds
        Wall time.
    flow
        The flow's name; empty where not recorded.
    retry_of
        The execution of which its own is a retry; empty if of none.
    metrics
        The numbers among its outputs.
    report
        ``report.html``, where there is one.
    """

    name: str
    status: str
    error: str
    started: datetime | None
    ended: datetime | None
    seconds: float | None
    flow: str
    metrics: Mapping[str, float]
    report: Path | None
    retry_of: str = ""


@dataclass(frozen=True)
class Run:
    """One execution of a flow: the folder ``RUNS/PROJECT/EXECUTION``."""

    project: str
    execution: str
    folder: Path
    jobs: tuple[JobRecord, ...]

    @property
    def flow(self) -> str:
        """The flow's name, where a job recorded it."""
        return next((job.flow for job in self.jobs if job.flow), "")

    @property
    def retry_of(self) -> str:
        """The execution of which it is a retry, the first if there were several; else empty."""
        first = next((job.retry_of for job in self.jobs if job.retry_of), "")
        return first if first.isascii() and first.isdecimal() and first != self.execution else ""

    @property
    def first(self) -> str:
        """The first execution of which this is an attempt: the same for all attempts of a run."""
        return self.retry_of or self.execution

    @property
    def status(self) -> str:
        """The worst of its jobs' statuses."""
        have = {job.status for job in self.jobs}
        return next((status for status in _WORST_FIRST if status in have), "no record")

    @property
    def started(self) -> datetime | None:
        """When its first job started."""
        return min((job.started for job in self.jobs if job.started), default=None)

    @property
    def duration(self) -> timedelta | None:
        """Time from the start of the first job to the end of the last."""
        ends = [job.ended for job in self.jobs if job.ended]
        return max(ends) - self.started if ends and self.started else None

    @cached_property
    def age_key(self) -> tuple[float, int]:
        """Key that sorts runs by their time, then by their number."""
        time = self.started.timestamp() if self.started else 0.0
        return time, int(self.execution) if self.execution.isdigit() else -1


@dataclass(frozen=True)
class Trend:
    """A metric of a job over the executions of a flow, oldest first."""

    job: str
    metric: str
    points: tuple[tuple[str, float], ...]


def runs(root: Path, *, project: str | None = None, flow: str | None = None) -> list[Run]:
    """Read all executions below a folder, newest first.

    Parameters
    ----------
    root
        The folder that jobs write to (``output.dir``).
    project, flow
        Only these.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    projects = [place for place in folders(root) if project in (None, place.name)]
    found = [
        Run(place.name, execution.name, execution, jobs)
        for place in projects
        for execution in inside(place)
        if (jobs := tuple(sorted(map(_job, inside(execution)), key=_start)))
    ]
    return sorted(
        (run for run in found if flow in (None, run.flow)),
        key=lambda run: run.age_key,
        reverse=True,
    )


def find(root: Path, execution: str, *, project: str | None = None) -> list[Run]:
    """Read the executions with this number or name: one, unless projects share the folder."""
    return [run for run in runs(root, project=project) if run.execution == execution]


def trends(history: Iterable[Run]) -> list[Trend]:
    """Follow each metric over the runs of one flow: of several attempts, the last counts.

    Parameters
    ----------
    history
        The executions, in any order.

    Examples
    --------
    >>> import pathlib
    >>> job = JobRecord("fit", "succeeded", "", None, None, 1.0, "f", {"loss": 0.5}, None)
    >>> run = Run("p", "7", pathlib.Path("p/7"), (job,))
    >>> trends([run])
    [Trend(job='fit', metric='loss', points=(('7', 0.5),))]
    """
    found: dict[tuple[str, str], dict[str, tuple[str, float]]] = {}
    for run in sorted(history, key=lambda run: run.age_key):
        for job in run.jobs:
            for metric, value in job.metrics.items():
                found.setdefault((job.name, metric), {})[run.first] = (run.execution, value)
    return [Trend(job, metric, tuple(points.values())) for (job, metric), points in found.items()]


def tally(history: Iterable[Run]) -> dict[tuple[str, str], int]:
    """Count the executions of each project and flow, in the order in which they come."""
    return dict(Counter((run.project, run.flow) for run in history))


def folders(parent: Path) -> list[Path]:
    """List the folders in a folder; links are none."""
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())


def inside(parent: Path) -> list[Path]:
    """List the folders in one that jobs have made, and may have closed to their own account."""
    try:
        return folders(parent)
    except OSError:
        return []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink()
    except OSError:  # its folder is closed
        return False


def _start(job: JobRecord) -> tuple[bool, float, str]:
    return job.started is None, job.started.timestamp() if job.started else 0.0, job.name


def _job(folder: Path) -> JobRecord:
    data, status = read(folder / "run.json")
    report = folder / "report.html"
    metrics = data.get("metrics")
    numbers = {str(key): _number(value) for key, value in _table(metrics).items()}
    said = data.get("status")
    seconds = _number(data.get("seconds"))
    return JobRecord(
        name=folder.name,
        status=said if said in _WORST_FIRST else status,
        error=_text(data.get("error")),
        started=moment(data.get("started")),
        ended=moment(data.get("ended")),
        seconds=seconds,
        flow=_text(data.get("flow")),
        metrics={key: value for key, value in numbers.items() if value is not None},
        report=report if _is_file(report) else None,
        retry_of=_text(data.get("retry_of")),
    )


def read(path: Path) -> tuple[dict[str, Any], str]:
    """Read a run.json, and what is to be said where it tells no status."""
    try:
        with path.open("rb") as stream:
            data = json.loads(stream.read(_MOST_BYTES + 1)[:_MOST_BYTES])
    except FileNotFoundError:
        return {}, "no record"
    except (OSError, ValueError, RecursionError):
        return {}, "unreadable"
    # Without a status it is of an earlier version, which wrote the file at a good end alone.
    return (data, "succeeded") if isinstance(data, dict) else ({}, "unreadable")


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def moment(value: object) -> datetime | None:
    """Read a time with its zone; None if it is none."""
    try:
        time = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return time if time.tzinfo else None
