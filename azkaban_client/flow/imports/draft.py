"""The project that an import builds up while it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import javaproperties

from azkaban_client.flow.loader.properties import REFERENCE
from azkaban_client.flow.losses import Losses

if TYPE_CHECKING:
    from azkaban_client.when import When

__all__ = ["Draft", "DraftJob", "shell"]


@dataclass
class DraftJob:
    """A job that is being read.

    Attributes
    ----------
    command
        What it runs; None for nothing.
    dependencies
        The jobs before it.
    properties
        What stands in its file besides.
    note
        A comment at the head of its file.
    """

    command: str | None = None
    dependencies: list[str] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass
class Draft:
    """A project that is being read.

    Attributes
    ----------
    name
        The project's.
    jobs
        Its jobs by name.
    properties
        What its runs can change, with the defaults.
    scripts
        Files that its jobs start.
    schedules
        When its flows run.
    """

    name: str
    jobs: dict[str, DraftJob] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    schedules: dict[str, When] = field(default_factory=dict)
    losses: Losses = field(default_factory=Losses)

    def add(self, wanted: str, job: DraftJob) -> str:
        """Add a job under a name that can be a file's; return it."""
        base = re.sub(r"[^A-Za-z0-9_.-]+", "_", wanted).strip("_.") or "job"
        name, number = base, 2
        while name in self.jobs:
            name, number = f"{base}_{number}", number + 1
        self.jobs[name] = job
        return name

    def close(self, flow: str) -> str:
        """Make one flow of all jobs, named by a last job that does nothing; return its name."""
        last = self.flows()
        if last in ((), (flow,)):
            return flow
        return self.add(flow, DraftJob(dependencies=list(last)))

    def flows(self) -> tuple[str, ...]:
        """Return the jobs that nothing waits for."""
        needed = {one for job in self.jobs.values() for one in job.dependencies}
        return tuple(name for name in self.jobs if name not in needed)

    def files(self) -> dict[str, bytes]:
        """Write the project."""
        found: dict[str, bytes] = {}
        for name, job in self.jobs.items():
            pairs = {"type": "noop" if job.command is None else "command"}
            if job.command is not None:
                pairs["command"] = job.command
            if job.dependencies:
                pairs["dependencies"] = ",".join(dict.fromkeys(job.dependencies))
            comment = "".join(f"# {line}\n" for line in job.note.splitlines())
            found[f"{name}.job"] = comment.encode("ascii", "replace") + _lines(
                pairs | job.properties
            )
        if self.properties:
            found[f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', self.name)}.properties"] = _lines(
                self.properties
            )
        return found | {name: text.encode() for name, text in self.scripts.items()}


def _lines(pairs: dict[str, str]) -> bytes:
    text = "".join(f"{javaproperties.join_key_value(k, v)}\n" for k, v in pairs.items())
    return text.encode("ascii")


def shell(
    draft: Draft, name: str, command: str, *, refers: bool = False, program: str = "sh"
) -> str:
    """Return a command of Azkaban for one of a shell: Azkaban splits at spaces and has no escapes.

    One that has both kinds of quotes, or several lines, becomes a script.

    Parameters
    ----------
    refers
        Whether ``${...}`` in it are Azkaban's references, and not the shell's.
    program
        The shell.
    """
    plain = command.strip()
    if "\n" not in plain and "$(" not in plain and (refers or "${" not in plain):
        for quote in "'\"":
            if quote not in plain:
                return f"{program} -c {quote}{plain}{quote}"
    script = f"{name}.sh"
    if refers:  # Azkaban substitutes in properties, not in files: they go through variables
        for reference in sorted(set(REFERENCE.findall(command))):
            variable = re.sub(r"\W", "_", reference)
            draft.jobs[name].properties[f"env.{variable}"] = f"${{{reference}}}"
            command = command.replace(f"${{{reference}}}", f"${{{variable}}}")
    draft.scripts[script] = f"{command.strip()}\n"
    return f"{program} {script}"
