"""Make the files that jobs start executable, by an additional command.

Azkaban unpacks a project without the modes of its files, so that ``command=./run.sh`` fails with
"error=13, Permission denied". `make_executable` puts a ``chmod`` before the commands of such a
job, in the copy that is uploaded; the files of the project stay as they are.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import javaproperties

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.lint.commands import commands_of
from azkaban_client.flow.lint.program import find_program
from azkaban_client.flow.loader import load
from azkaban_client.flow.loader.command_line import words_of

if TYPE_CHECKING:
    from azkaban_client.flow.loader import Job
    from azkaban_client.flow.zip import Bundle

__all__ = ["make_executable"]


def make_executable(bundle: Bundle) -> Bundle:
    r"""Return a project whose jobs first make the files that they start executable.

    Parameters
    ----------
    bundle
        The project, of Flow 1.0 or 2.0.

    Raises
    ------
    InvalidProject
        Such a job of Flow 2.0 inherits its commands from the configuration of a flow around it.

    Examples
    --------
    >>> from azkaban_client.flow.zip import Bundle
    >>> files = {"a.job": b"type=command\ncommand=./run.sh 3\n", "run.sh": b"#!/bin/sh\n"}
    >>> print(make_executable(Bundle(files)).read("a.job").decode())
    type=command
    command=./run.sh 3
    <BLANKLINE>
    command=chmod +x ./run.sh
    command.1=./run.sh 3
    <BLANKLINE>
    """
    project = load(bundle)
    changed: dict[str, bytes] = {}
    lines: dict[str, list[str]] = {}  # of .flow files, one item for each original line
    for flow in project.flows.values():
        for job in flow.jobs.values():
            programs = _programs(job, bundle) if job.type == "command" else []
            name = job.own.name
            if programs and project.version == 1:
                changed[name] = bundle.read(name) + _more_lines(job, programs)
            elif programs:
                _move_keys(lines.setdefault(name, _lines_of(bundle, name)), job, programs)
    changed |= {name: "\n".join(one).encode() for name, one in lines.items()}
    return replace(bundle, files={**bundle.files, **changed})


def _lines_of(bundle: Bundle, name: str) -> list[str]:
    try:
        return bundle.read(name).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidProject(f"{name}: not UTF-8: {error}: save the file as UTF-8") from error


def _programs(job: Job, bundle: Bundle) -> list[str]:
    """List the project files that a job's commands start by path."""
    found: dict[str, None] = {}
    for _, value in commands_of(job):
        program = find_program(words_of(value))
        if program is None or "/" not in program.name or program.name.startswith("/"):
            continue
        if posixpath.normpath(posixpath.join(job.folder, program.name)) in bundle.files:
            found[program.name] = None
    return list(found)


def _chmod(programs: list[str]) -> str:
    return " ".join(["chmod", "+x", *(f'"{one}"' if " " in one else one for one in programs)])


def _more_lines(job: Job, programs: list[str]) -> bytes:
    """Repeat the commands with numbers one higher; of a duplicate key, the last one counts."""
    commands = [_chmod(programs), *(value for _, value in commands_of(job))]
    lines = ["\n"]
    for number, value in enumerate(commands):
        key = f"command.{number}" if number else "command"
        lines.append(f"{javaproperties.join_key_value(key, value)}\n")
    return "".join(lines).encode("ascii")


def _move_keys(lines: list[str], job: Job, programs: list[str]) -> None:
    """Put the command before those of a node, and renumber these."""
    keys = [key for key, _ in commands_of(job)]
    if any(key not in job.own.entries for key in keys):
        raise InvalidProject(
            f"{job.own.name}: the commands of {job.name} stand in the config of a flow around it: "
            "write them in its own for --executable, or start the file with bash"
        )
    for number, key in enumerate(keys):
        at = job.own.entries[key].line - 1
        quoted = rf"(?P<key>(['\"]?)\b{re.escape(key)}\b\2)(?=\s*:)"
        found = list(re.finditer(quoted, lines[at]))
        if len(found) != 1:
            raise InvalidProject(
                f"{job.own.name}:{at + 1}: {key} is written in a way that --executable does not "
                "read: give each key its own line, or start the file with bash"
            )
        start, end = found[0].span("key")
        moved = f"command.{number + 1}"
        if key == "command":
            joint = ", " if "{" in lines[at][:start] else f"\n{' ' * start}"
            moved = f"command: {_quoted(_chmod(programs))}{joint}{moved}"
        lines[at] = lines[at][:start] + moved + lines[at][end:]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
