"""Rules about one job, the same for Flow 1.0 and 2.0."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.callbacks import check_callbacks
from azkaban_client.flow.lint.commands import check_commands
from azkaban_client.flow.lint.memory import check_memory
from azkaban_client.flow.lint.outputs import check_outputs
from azkaban_client.flow.lint.references import check_references
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.loader.properties import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.lint.context import Context
    from azkaban_client.flow.loader.model import Job

__all__ = ["check_job"]


def check_job(job: Job, context: Context) -> Iterator[Problem]:
    """Yield what is wrong with a job, except for its dependencies."""
    yield from _check_type(job, context)
    yield from check_references(job, context)
    if job.type == "command":
        yield from check_commands(job, context)
        yield from check_outputs(job, context)
    for key in ("retries", "retry.backoff"):
        value = job.get(key)
        if value is not None and not REFERENCE.search(value) and not value.strip().isdecimal():
            yield Problem(
                job.own.name,
                job.line(key),
                "not-a-number",
                f"{key}={value}: expected a number, 0 or more",
                "warning",  # the server looks at it when an attempt has failed
            )
    yield from check_memory(job)
    yield from check_callbacks(job)


def _check_type(job: Job, context: Context) -> Iterator[Problem]:
    if job.type is None or job.type in (*context.job_types, "flow") or "${" in job.type:
        return
    close = get_close_matches(job.type, context.job_types, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    yield Problem(
        job.own.name,
        job.line("type"),
        "unknown-type",
        f"type {job.type!r} is not known{hint}; if the server has a plugin for it: "
        f"--job-type {job.type}",
    )
