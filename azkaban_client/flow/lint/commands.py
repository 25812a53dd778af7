"""Check the commands of a job: whether they exist, and how they would run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.scripts import check_scripts
from azkaban_client.flow.lint.shell import needs_shell, waits_for_input
from azkaban_client.flow.loader.command_line import words_of
from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.lint.context import Context
    from azkaban_client.flow.loader.model import Job

__all__ = ["check_commands", "commands_of"]


def commands_of(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the commands of a job: ``command``, ``command.1`` ... as long as they follow."""
    number = 0
    key = "command"
    while (value := job.get(key)) is not None:
        yield key, value
        number += 1
        key = f"command.{number}"


def check_commands(job: Job, context: Context) -> Iterator[Problem]:
    """Check all commands of a job of the type ``command``."""
    here = job.own.name
    commands = list(commands_of(job))
    if not commands:
        yield Problem(here, job.line("type"), "no-command", "type=command needs command=...")
    yield from _check_unreached(job, len(commands))
    yield from _check_folder(job)
    for number, (key, value) in enumerate(commands):
        line = job.line(key)
        words = words_of(value)
        if not words:
            yield Problem(here, line, "no-command", f"{key} is empty")
            continue
        earlier = [one for _, one in commands[:number]]
        yield from check_scripts(job, context, words, key, earlier)
        if shell := list(dict.fromkeys(needs_shell(words))):
            verb, form = ("is", "it is") if len(shell) == 1 else ("are", "they are")
            message = (
                f"{', '.join(map(repr, shell))} {verb} passed to the program as {form}, there is "
                'no shell: write bash -c "..." if you mean one'
            )
            yield Problem(here, line, "no-shell", message, "warning")
        elif waits_for_input(words):
            message = (
                f"{words[0].text} reads its standard input, which Azkaban neither fills nor "
                "closes: the job would not end"
            )
            yield Problem(here, line, "waits-for-input", message, "warning")


def _check_unreached(job: Job, count: int) -> Iterator[Problem]:
    """Find commands after a gap in their numbers, which the server ignores."""
    for file, key, entry in job.visible():
        if (found := re.fullmatch(r"command\.(\d+)", key)) and int(found[1]) >= max(count, 1):
            missing = "command" if count == 0 else f"command.{count}"
            words = f"{key} never runs: there is no {missing} before it"
            yield Problem(file, entry.line, "unreached-command", words, "warning")


def _check_folder(job: Job) -> Iterator[Problem]:
    folder = job.get("working.dir")
    if folder is not None and not folder.startswith(("/", "$")):
        words = (
            f"working.dir={folder}: counts from the folder that the server was started in, not "
            "from the project: write it from / on, or leave it out"
        )
        yield Problem(job.own.name, job.line("working.dir"), "working-dir", words, "warning")
