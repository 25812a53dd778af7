"""Outputs of a job that the next one, started with the job kit, takes for parameters of its own.

The kit names outputs after the job (``sales.total``) and parameters after the script
(``sales.day``), and refuses a property with its prefix that is no parameter.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.program import PYTHON, find_program, python_target
from azkaban_client.flow.loader.command_line import words_of
from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.lint.context import Context
    from azkaban_client.flow.loader.model import Job
    from azkaban_client.flow.zip import Bundle

__all__ = ["check_outputs"]

_KIT = b"azkaban_client.job"


def check_outputs(job: Job, context: Context) -> Iterator[Problem]:
    """Find the jobs before this one whose outputs it refuses."""
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


def _prefix(job: Job, bundle: Bundle) -> str:
    """Return the prefix of a job's parameters; empty if it does not use the kit."""
    command = job.get("command")
    program = find_program(words_of(command)) if command and job.type == "command" else None
    if program is None or not PYTHON.match(program.name):
        return ""
    kind, name, _ = python_target(program.arguments) or ("", "", "")
    path = {"file": name, "-m": f"{name.replace('.', '/')}.py"}.get(kind)
    place = posixpath.normpath(posixpath.join(job.folder, path)) if path else ""
    if place not in bundle.files or _KIT not in bundle.read(place):
        return ""
    return name.removeprefix("jobs.") if kind == "-m" else posixpath.basename(name)[: -len(".py")]
