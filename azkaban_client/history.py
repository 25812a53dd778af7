"""Read the history of a flow: its executions, and what they were started with."""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.client import Client
    from azkaban_client.models import ExecutionSummary

__all__ = ["IN_FLIGHT", "LOGICAL_DATE", "TRIGGER", "executions", "find_start", "started_with"]

LOGICAL_DATE = "logical.date"
"""The property that tells what time a run is for, as ISO 8601 writes it: each run of a backfill has
it, and each that `azk watch` starts by a schedule."""

TRIGGER = "trigger"
"""The property of a run that `azk watch` started: what for, and another value for each start."""

IN_FLIGHT = 10.0
"""Seconds for which a start without an answer may still arrive, once the server answers again: one
that hung has the request in its queue."""

_PAGE = 100
_LOOKED_AT = 200  # executions, for a start whose answer was lost


def executions(client: Client, project: str, flow: str) -> Iterator[ExecutionSummary]:
    """Iterate over a flow's executions, newest first, asking for a page when it is needed."""
    offset = 0
    while True:
        page = client.history(project, flow, offset=offset, length=_PAGE).executions
        yield from page
        if len(page) < _PAGE:
            return
        offset += _PAGE


def started_with(client: Client, execid: int, name: str) -> str | None:
    """Return a property that an execution was started with, or None."""
    value = (client.execution_options(execid).get("flowParam") or {}).get(name)
    return None if value is None else str(value)


def find_start(
    client: Client,
    project: str,
    flow: str,
    name: str,
    value: str,
    *,
    after: int = -1,
    most: int | None = _LOOKED_AT,
) -> int | None:
    """Return the execution that was started with a property of this value, or None.

    Parameters
    ----------
    client
        Connected to the server.
    project, flow
        The flow.
    name, value
        The property.
    after
        Only later executions are looked at.
    most
        Only so many of the latest are looked at, one request each; None for all.
    """
    later = takewhile(lambda one: one.execid > after, executions(client, project, flow))
    for one in islice(later, most):
        if started_with(client, one.execid, name) == value:
            return one.execid
    return None
