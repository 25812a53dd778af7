"""Read a crontab: each line is a flow."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.imports.draft import DraftJob, shell
from azkaban_client.flow.times import Schedule, to_quartz

if TYPE_CHECKING:
    from azkaban_client.flow.imports.draft import Draft

__all__ = ["read"]

_NAMED = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}  # fmt: skip
_SETTING = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")


def read(text: str, draft: Draft) -> None:
    """Read each line as a flow of one job."""
    zone, mail, variables = None, "", {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if setting := _SETTING.fullmatch(words):
            key, value = setting[1], setting[2].strip("\"'")
            if key in ("CRON_TZ", "TZ"):
                zone = value
            elif key == "MAILTO":
                mail = value
            elif key != "SHELL":
                variables[key] = value
            continue
        when, command = _split(words, draft.name, number)
        program = next((w for w in command.split() if re.search(r"\.\w+$", w)), command.split()[0])
        line_input = re.search(r"(?<!\\)%", command)
        command = command.replace(r"\%", "%")
        job = DraftJob(properties={f"env.{key}": value for key, value in variables.items()})
        if mail:
            job.properties["failure.emails"] = mail
        name = draft.add(PurePosixPath(program).stem, job)
        job.command = shell(draft, name, command)
        draft.losses.exact("command", job.command, f"line {number}")
        if line_input:
            words = "what follows % is no standard input on Azkaban"
            draft.losses.lost("standard input", words, f"line {number}")
        _note_time(draft, name, when, zone, number)


def _split(line: str, name: str, number: int) -> tuple[str, str]:
    """Take the time from a line."""
    if line.startswith("@"):
        named, *command = line.split(None, 1)
        if command:
            return _NAMED.get(named.lower(), named), command[0]
    fields = line.split(None, 5)
    if len(fields) < 6:
        raise InvalidProject(
            f"{name}: line {number}: expected five fields, or @daily, and a command: {line}"
        )
    return " ".join(fields[:5]), fields[5]


def _note_time(draft: Draft, name: str, when: str, zone: str | None, number: int) -> None:
    try:
        schedule = Schedule(cron=to_quartz(when), zone=zone)
    except ValueError as error:
        draft.losses.lost("time", f"{when}: {error}", f"line {number}")
        return
    draft.schedules[name] = schedule
    draft.losses.exact("time", str(schedule), f"line {number}")
