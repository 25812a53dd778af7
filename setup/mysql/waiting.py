"""Waiting for a server that starts, and what its log says when it does not."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from setup.errors import ServerError
from setup.life import probe
from setup.life.process import tail
from setup.mysql import checks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from setup.life.process import Process
    from setup.mysql.config import Files

__all__ = ["LockedError", "ended", "failed", "until"]

_LINES = 20
_LOCK_SECONDS = 3.0  # mysqld itself tries for 100 s, and says so once
# Answers of a server that may still change: too many connections, shutdown in progress.
_PASSING = {1040, 1053}
_ANSWER = re.compile(r"\b([13]\d{3}) \(\w{5}\)")


class LockedError(ServerError):
    """The server cannot lock its data; it has not begun to work on it, and hears no SIGTERM."""


def until(
    process: Process,
    files: Files,
    trouble: Callable[[], str],
    update: Callable[[str], None],
    begin: int,
) -> None:
    """Wait until nothing is in the way of Azkaban's account.

    Recovery may take long, so a server that works, on the processor or the disk, is waited for.

    Parameters
    ----------
    process
        The server.
    files
        Its files.
    trouble
        Asks as Azkaban would; empty when it gets an answer.
    update
        Is told what goes on.
    begin
        Where the log of this start begins.

    Raises
    ------
    ServerError
        As soon as it is clear that it will not come up; with the end of its log.
    """
    watch = probe.Watch(process.pid, None, files.log, files.output)
    locked = 0.0
    while words := trouble():
        what = ""
        if not process.alive():
            what = "ended while it started"
        elif (answer := _ANSWER.search(words)) and int(answer[1]) not in _PASSING:
            raise ServerError(f"MySQL runs, but refuses Azkaban's account: {words}")
        elif watch.look():
            if "Unable to lock " in since(files.log, begin):
                locked = locked or time.monotonic()
            if locked and time.monotonic() - locked > _LOCK_SECONDS:
                what = "cannot lock its data"
            elif found := watch.trouble():
                what = f"answers no query ({words}); {found}"
        if what:
            printed = tail(files.output, 10) if files.output.is_file() else ""
            error = failed(f"MySQL (pid {process.pid}) {what}", files.log, printed, begin)
            raise LockedError(str(error)) if locked else error
        update("waiting for an answer to a query")
        time.sleep(0.05)


def ended(child: subprocess.Popen[str], log: Path) -> tuple[str, str]:
    """Wait until a program of MySQL has ended, and end it when it does nothing any more.

    Parameters
    ----------
    child
        The program.
    log
        Where it logs.

    Returns
    -------
    tuple of str
        What it printed, and why it was ended, if it was.
    """
    watch = probe.Watch(child.pid, None, log)
    trouble = ""
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                printed, _ = child.communicate(timeout=1.0)
                return printed, trouble
            if watch.look() and (words := watch.trouble()):
                trouble = f": {words}"
                child.kill()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def since(log: Path, begin: int) -> str:
    """Read what a log says from a place on; all of a log that began anew."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(begin if begin <= size else 0)
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def failed(what: str, log: Path, output: str, begin: int = 0) -> ServerError:
    """Make the error of a server that did not come up, with what its log means and says.

    Parameters
    ----------
    what
        Happened.
    log
        The server's.
    output
        What it printed elsewhere.
    begin
        Where the log of this start begins.
    """
    lines = [line for line in since(log, begin).splitlines() if "Shutting down plugin" not in line]
    meaning = checks.diagnosis("\n".join([*lines, output]))
    text = "\n".join([*lines[-_LINES:], output]).strip()
    return ServerError(f"{what}{': ' + meaning if meaning else ''}; the end of {log}:\n{text}")
