"""Read a crontab: each line is a flow."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.imports.draft import DraftJob, shell
from azkaban_client.flow.times import to_quartz
from azkaban_client.when import When

if TYPE_CHECKING:
    from azkaban_client.flow.imports.draft import Draft

__all__ = ["read"]

_SETTING = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")


def read(text: str, draft: Draft) -> None:
    """Read each line as a flow of one job."""
    zone, mail, variables = None, "", {}
    for number, whole in enumerate(text.splitlines(), 1):
        line = whole.strip()
        if not line or line.startswith("#"):
            continue
        if setting := _SETTING.fullmatch(line):
            key, value = setting[1], setting[2].strip("\"'")
            if key == "CRON_TZ":  # TZ is for the commands, not for their times
                zone = value
            elif key == "MAILTO":
                mail = value
            elif key != "SHELL":
                variables[key] = value
            continue
        when, command = _split(line, draft.name, number)
        command, *line_input = re.split(r"(?<!\\)%", command, maxsplit=1)
        command = command.strip().replace(r"\%", "%")
        words = command.split() or ["job"]
        program = next((one for one in words if re.search(r"\.\w+$", one)), words[0])
        job = DraftJob(properties={f"env.{key}": value for key, value in variables.items()})
        if mail:
            job.properties["failure.emails"] = mail
        name = draft.add(PurePosixPath(program).stem, job)
        job.command = shell(draft, name, command)
        draft.losses.exact("command", job.command, f"line {number}")
        if line_input:
            said = "Azkaban gives none: what follows % is left out"
            draft.losses.lost("standard input", said, f"line {number}")
        _note_time(draft, name, when, zone, number)


def _split(line: str, name: str, number: int) -> tuple[str, str]:
    """Take the time from a line."""
    if line.startswith("@"):
        named, *command = line.split(None, 1)
        if command:
            return named, command[0]
    fields = line.split(None, 5)
    if len(fields) < 6:
        raise InvalidProject(
            f"{name}: line {number}: expected five fields, or @daily, and a command: {line}"
        )
    return " ".join(fields[:5]), fields[5]


def _note_time(draft: Draft, name: str, when: str, zone: str | None, number: int) -> None:
    try:
        schedule = When("cron", to_quartz(when), zone=zone)
    except ValueError as error:
        draft.losses.lost("time", f"{when}: {error}", f"line {number}")
        return
    draft.schedules[name] = schedule
    if zone is None:
        draft.losses.exact("time", str(schedule), f"line {number}")
    else:
        words = f"{schedule}, as cronie counts; the cron of Debian and Ubuntu ignores CRON_TZ"
        draft.losses.approximated("time", words, f"line {number}")
