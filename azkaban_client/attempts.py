"""Executions that are attempts of one run: the first, and its retries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azkaban_client.client import Client
    from azkaban_client.models import ExecutionSummary

__all__ = ["together", "with_retries"]


def with_retries(
    client: Client, executions: Sequence[ExecutionSummary]
) -> tuple[ExecutionSummary, ...]:
    """Look up which executions of a history are retries, and of which ones.

    Parameters
    ----------
    client
        Connected to the server.
    executions
        A part of a flow's history.
    """
    first = client.retries(one.execid for one in executions)
    return tuple(replace(one, retry_of=first.get(one.execid)) for one in executions)


def together(executions: Sequence[ExecutionSummary]) -> list[list[ExecutionSummary]]:
    """Group executions into runs, each the list of its attempts in the order given.

    Parameters
    ----------
    executions
        Of one flow, newest first.

    Returns
    -------
    list
        Runs in the order of their latest attempts.

    Examples
    --------
    >>> from azkaban_client.models import Status
    >>> rest = {"flow": "f", "user": "me", "submitted": None, "start": None, "end": None}
    >>> def one(execid, retry_of=None):
    ...     return ExecutionSummary(
    ...         execid=execid, status=Status.FAILED, retry_of=retry_of, **rest
    ...     )
    >>> from azkaban_client.models import ExecutionSummary
    >>> [[one.execid for one in run] for run in together([one(9, 7), one(8), one(7)])]
    [[9, 7], [8]]
    """
    runs: dict[int, list[ExecutionSummary]] = {}
    for one in executions:
        runs.setdefault(one.retry_of or one.execid, []).append(one)
    return list(runs.values())
