"""Read a crontab: each line is a flow."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
_USERS = re.compile(r"#.*\buser(-?name)?\s+command", re.IGNORECASE)  # the head of /etc/crontab


@dataclass
class _Settings:
    """What the lines above one have set for it."""

    zone: str | None = None
    mail: str = ""
    shell: str = "sh"
    home: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def note(self, key: str, value: str) -> None:
        if key == "CRON_TZ":  # TZ is for the commands, not for their times
            self.zone = value
        elif key == "MAILTO":
            self.mail = value
        elif key == "SHELL":
            self.shell = value
        else:
            self.home = value if key == "HOME" else self.home
            self.variables[key] = value

    def command(self, text: str) -> str:
        """Return a command that begins in the account's home, where cron begins."""
        if re.match(r"cd\s+[/~]", text):
            return text
        return f"cd {shlex.quote(self.home)} || exit 1; {text}" if self.home else f"cd; {text}"


def read(text: str, draft: Draft) -> None:
    """Read each line as a flow of one job."""
    settings, users = _Settings(), _names_users(text)
    for number, whole in enumerate(text.splitlines(), 1):
        line = whole.strip()
        if not line or line.startswith("#"):
            continue
        if setting := _SETTING.fullmatch(line):
            settings.note(setting[1], setting[2].strip("\"'"))
            continue
        when, command = _split(line, draft.name, number)
        if users:
            user, command = (*command.split(None, 1), "")[:2]
            said = f"runs as the server's account, not as {user}"
            draft.losses.approximated("account", said, f"line {number}")
        command, *line_input = re.split(r"(?<!\\)%", command, maxsplit=1)
        command = command.strip().replace(r"\%", "%")
        words = re.sub(r"^cd\s+\S+\s*(&&|;)", "", command).split() or ["job"]
        program = next((one for one in words if re.search(r"\.\w+$", one)), words[0])
        name = draft.add(PurePosixPath(program).stem, _job(draft, settings, number))
        job = draft.jobs[name]
        job.command = shell(draft, name, settings.command(command), program=settings.shell)
        draft.losses.exact("command", job.command, f"line {number}")
        if line_input:
            said = "Azkaban gives none: what follows % is left out"
            draft.losses.lost("standard input", said, f"line {number}")
        _note_time(draft, name, when, settings.zone, number)


def _names_users(text: str) -> bool:
    """Tell whether this is a table of the whole system, whose lines name an account."""
    lines = [
        line for line in map(str.strip, text.splitlines()) if line and line[0] in "@*0123456789"
    ]
    fields = [line.split(None, 1 if line.startswith("@") else 5)[-1] for line in lines]
    return bool(_USERS.search(text)) or (
        bool(fields) and all(re.match(r"root\s+[^-\s]", one) for one in fields)
    )


def _job(draft: Draft, settings: _Settings, number: int) -> DraftJob:
    """Make a job with the variables of the lines above, but those that Azkaban would change."""
    job = DraftJob()
    for key, value in settings.variables.items():
        if "${" in value or "$(" in value:
            said = f"{key}: Azkaban would read {value} as a property of its own: it is left out"
            draft.losses.lost("variable", said, f"line {number}")
        else:
            job.properties[f"env.{key}"] = value
    if settings.mail:
        job.properties["failure.emails"] = settings.mail
    return job


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
        trouble = "" if any(schedule.times(datetime.now(UTC), UTC)) else "it never comes"
    except ValueError as error:
        trouble = str(error)
    if trouble:
        draft.losses.lost("time", f"{when}: {trouble}", f"line {number}")
        return
    draft.schedules[name] = schedule
    if zone is None:
        draft.losses.exact("time", str(schedule), f"line {number}")
    else:
        words = f"{schedule}, as cronie counts; the cron of Debian and Ubuntu ignores CRON_TZ"
        draft.losses.approximated("time", words, f"line {number}")
