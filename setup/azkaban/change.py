"""Refuse options that a running server would have to be stopped for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from setup.azkaban import config
from setup.called import called
from setup.errors import UsageError
from setup.java import kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from setup.azkaban.settings import Settings, Wanted
    from setup.java import Java
    from setup.layout import Layout
    from setup.life.process import Process

__all__ = ["refuse_change"]


def refuse_change(
    layout: Layout, java: Java, wanted: Wanted, now: Settings, running: Mapping[str, Process]
) -> None:
    """Refuse what a server that runs would have to be stopped for.

    Parameters
    ----------
    layout
        Where the server lives.
    java
        The one that was asked for, or found.
    wanted
        What was asked for.
    now
        What the server is.
    running
        Its processes.

    Raises
    ------
    UsageError
        Naming the option.
    """
    programs = [Path(f"/proc/{process.pid}/exe").resolve() for process in running.values()]
    same = java.program.resolve() in programs or str(java.program) == kept(layout)
    secret = config.mail_password_file(layout)
    known = secret.read_text(encoding="utf-8").strip() if secret.is_file() else ""
    given: dict[str, tuple[object, object]] = {
        "--profile": (wanted.profile, now.profile),
        "--mysql": (wanted.mysql, now.database == "mysql"),
        "--tls": (wanted.tls, now.tls),
        "--port": (wanted.port, now.port),
        "--listen": (wanted.listen, now.address),
        "--host": (wanted.host, now.host),
        "--executors": (wanted.executors, len(now.more_executors) + 1),
        "--heap": (wanted.heap, now.heap),
        "--timezone": (wanted.timezone, now.timezone),
        "--mail-host": (wanted.mail, now.mail),
        "--mail-password-file": (_unlike(wanted.mail_password, known), "..."),
        "--java": (None if same else java.choice, programs[0]),
    }
    for option, (asked, present) in given.items():
        if asked is not None and asked != present:
            pids = ", ".join(str(process.pid) for process in running.values())
            raise UsageError(
                f"{_typed(option, asked)}: the server runs already with "
                f"{_typed(option, present)} (pid {pids}); run {called()} stop first"
            )


def _unlike(asked: str | None, known: str) -> str | None:
    """Return the name of a secret that differs from the known one, without revealing either."""
    return "of another password" if asked and asked != known else None


def _typed(option: str, value: object) -> str:
    """Write an option as it would be typed."""
    if isinstance(value, bool):
        return option if value else f"--no-{option.removeprefix('--')}"
    return f"no {option}" if value is None else f"{option} {value}"
