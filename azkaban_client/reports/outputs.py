"""The outputs of an execution's jobs, as their records have them: no call of Azkaban tells them."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from azkaban_client.flow.outputs import java_text
from azkaban_client.models import Status
from azkaban_client.reports import records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from azkaban_client.models import Execution, JobRun

__all__ = ["recorded_outputs"]

_SLACK = timedelta(seconds=2)  # the server writes a job's times a little before and after


def recorded_outputs(root: Path | None, execution: Execution) -> dict[str, dict[str, str] | None]:
    """Read the outputs of the jobs and embedded flows that succeeded.

    Parameters
    ----------
    root
        The folder that jobs write to (``output.dir``); None if it is not here.
    execution
        It has ended.

    Returns
    -------
    dict
        By nested id; None where nobody can tell. A record counts only if it was made while the job
        ran: another server may write to the same folder, with the same numbers.
    """
    reader = _Reader(root, execution)
    return {job.id: reader.of(job) for job in execution.walk() if job.status is Status.SUCCEEDED}


class _Reader:
    def __init__(self, root: Path | None, execution: Execution) -> None:
        self.execid = str(execution.execid)
        self.folders = [
            execution
            for place in (records.folders(root) if root is not None and root.is_dir() else ())
            for execution in records.inside(place)
            if execution.name == self.execid
        ]
        names = (_name(job) for job in execution.walk() if not job.jobs)
        self.names = Counter(names)

    def of(self, job: JobRun) -> dict[str, str] | None:
        if job.jobs:
            return _merged(
                self.of(one) for one in _ends(job.jobs) if one.status is Status.SUCCEEDED
            )
        if job.type == "noop":
            return {}
        if self.names[_name(job)] > 1:  # of two embedded flows: they share a folder
            return None
        read = (records.read(folder / _name(job) / "run.json")[0] for folder in self.folders)
        found = [record for record in read if self._is_of(record, job)]
        return _texts(found[0].get("output_properties")) if len(found) == 1 else None

    def _is_of(self, record: dict[str, Any], job: JobRun) -> bool:
        if (record.get("job"), record.get("execution")) != (_name(job), self.execid):
            return False
        started, ended = (records.moment(record.get(key)) for key in ("started", "ended"))
        times = (job.start, started, ended, job.end)
        if record.get("status") != "succeeded" or None in times:
            return False
        begin, first, last, end = (time for time in times if time)
        return begin - _SLACK <= first <= last <= end + _SLACK


def _name(job: JobRun) -> str:
    return job.id.rpartition(":")[2]


def _ends(jobs: Sequence[JobRun]) -> list[JobRun]:
    """List the jobs of an embedded flow that no other waits for: its outputs are theirs."""
    waited = {name for job in jobs for name in job.dependencies}
    return [job for job in jobs if job.id not in waited]


def _merged(given: Iterable[dict[str, str] | None]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for one in given:
        if one is None or any(found.get(key, value) != value for key, value in one.items()):
            return None
        found |= one
    return found


def _texts(value: object) -> dict[str, str] | None:
    """Write outputs as the server does; None where that is not certain."""
    if not isinstance(value, dict):
        return None
    numbers = [one for one in value.values() if isinstance(one, float)]
    if None in value.values() or not all(map(math.isfinite, numbers)):
        return None
    return {key: java_text(one) for key, one in value.items()}
