"""What tests look for while they follow an execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client import LogLine
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azkaban_client import Client, Event

__all__ = ["logs_of", "wait_for"]


def logs_of(events: Iterable[Event]) -> dict[tuple[str, int], str]:
    """Collect the log of each attempt of each job."""
    found: dict[tuple[str, int], list[str]] = {}
    for event in events:
        if isinstance(event, LogLine):
            found.setdefault((event.job.id, event.attempt), []).append(event.text + event.end)
    return {key: "".join(lines) for key, lines in found.items()}


def wait_for(client: Client, execid: int, job: str, status: str) -> None:
    """Wait until a job has a status."""
    eventually(lambda: client.execution(execid).job(job).status == status, f"{job} {status}")
