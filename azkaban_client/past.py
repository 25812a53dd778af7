"""Executions of a flow that have been, and what they were started with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.client import Client
    from azkaban_client.models import ExecutionSummary

__all__ = ["past", "started_with"]

_PAGE = 100


def past(client: Client, project: str, flow: str) -> Iterator[ExecutionSummary]:
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
