"""Outputs with names that are taken: those of other jobs, and parameters of the next one.

The job kit names outputs after the job (``sales.total``) and parameters after the script
(``sales.day``), and refuses a property with its prefix that is no parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client.flow.lint.kit import kit_script
from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.lint.context import Context
    from azkaban_client.flow.loader.model import Job
    from azkaban_client.flow.zip import Bundle

__all__ = ["check_outputs"]


def check_outputs(job: Job, context: Context) -> Iterator[Problem]:
    """Find the jobs before this one whose outputs have one name, or are refused by it."""
    yield from _check_each_other(job, context)
    prefix = _prefix(job, context.bundle)
    if not prefix:
        return
    for name in job.givers:
        giver = context.jobs.get(name)
        if f"{name}.".startswith(f"{prefix}.") and giver and _prefix(giver, context.bundle):
            words = (
                f"outputs of {name!r} are named {name}.*, which this job refuses as unknown "
                f"parameters of {prefix}: give {name!r} another name"
            )
            yield Problem(
                job.own.name, job.line("dependencies"), "colliding-outputs", words, "warning"
            )


def _check_each_other(job: Job, context: Context) -> Iterator[Problem]:
    """Find two flows with a last job of one name, as two that embed the same flow have."""
    first: dict[str, str] = {}
    for name in job.givers:
        for last in context.last_jobs(context.jobs[name]) if name in context.jobs else ():
            other = first.setdefault(last.name, name)
            if other != name and _prefix(last, context.bundle):
                words = (
                    f"outputs of {other!r} and {name!r} are both named {last.name}.*, and this job "
                    "gets those of one alone"
                )
                line = job.line("dependencies") or job.line("dependsOn")
                yield Problem(job.own.name, line, "colliding-outputs", words, "warning")


def _prefix(job: Job, bundle: Bundle) -> str:
    """Return the prefix of a job's parameters; empty if it does not use the kit."""
    script = kit_script(job, bundle)
    return script[1] if script else ""
