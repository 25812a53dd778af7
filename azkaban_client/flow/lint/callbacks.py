"""Check job callbacks: URLs that the server calls when a job starts or ends (Azkaban 2.7+)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.loader.model import Job

__all__ = ["check_callbacks"]

_STATES = ("started", "success", "failure", "completed")
_MOST, _LONGEST_BODY = 3, 4096  # of each state; jobcallback.max_count and max.post.body.length
_URL = re.compile(r"job\.notification\.(.+)\.([^.]+)\.url")


def check_callbacks(job: Job) -> Iterator[Problem]:
    """Find what servers refuse at upload, and what they or a local run ignore."""
    called = set()
    for state in _STATES:
        for number in range(_MOST + 1):
            stem = f"job.notification.{state}.{number}"
            url = job.at_upload(f"{stem}.url")
            if not url and number:
                break
            if url is None:
                continue
            called.add(f"{stem}.url")
            if words := _mistake(job, stem, number):
                yield Problem(job.own.name, job.line(f"{stem}.url"), "callback", words)
    for file, key, entry in job.visible():
        if (found := _URL.fullmatch(key)) is None:
            continue
        if key in called:
            words = f"{key}: a job callback: Azkaban calls it from 2.7 on, azk run --local does not"
        else:
            words = (
                f"{key}: Azkaban never calls it: job callbacks are job.notification.STATE.N.url, "
                f"STATE one of {', '.join(_STATES)}, N from 1 to {_MOST} without a gap"
            )
            if found[1] in _STATES and not entry.value:
                words = f"{key} is empty: Azkaban calls neither it nor those after it"
        yield Problem(file, entry.line, "callback", words, "warning")


def _mistake(job: Job, stem: str, number: int) -> str | None:
    if number == 0:
        return f"{stem}.url: callbacks are numbered from 1"
    method = job.at_upload(f"{stem}.method")
    if method not in (None, "GET", "POST"):
        return f"{stem}.method={method}: expected GET or POST"
    if method == "POST":
        body = job.at_upload(f"{stem}.body")
        if not body:
            return f"{stem}.method=POST needs {stem}.body=..."
        if len(body) > _LONGEST_BODY:
            return f"{stem}.body has {len(body)} characters: expected {_LONGEST_BODY} at most"
    return None
