"""The processes of a server that has several: their records and logs, their start and their end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from setup.life.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

__all__ = ["Daemon", "Daemons"]


@dataclass(frozen=True)
class Daemon:
    """A process of a server.

    Attributes
    ----------
    name
        As its log and ``status`` call it.
    command
        Its program and arguments.
    ready
        Tells whether it works; those that come after it are started then.
    once
        Whether it ends by itself, and is to end well.
    variables
        What it has in its environment beside those of all.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] = lambda: True
    once: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


class Daemons:
    """The processes of a server, each with ``NAME.pid`` and ``logs/NAME.log`` in its folder.

    Parameters
    ----------
    home
        The server's folder.
    elsewhere
        Other folders in which some of them work.
    last
        The names of those that end after the others, which need them to the end.
    """

    def __init__(self, home: Path, *elsewhere: Path, last: Collection[str] = ()) -> None:
        self.home = home
        self._places = (home, *elsewhere)
        self._last = last

    def log(self, name: str) -> Path:
        """Return the log of a process."""
        return self.home / "logs" / f"{name}.log"

    def names(self) -> list[str]:
        """List the processes that were started and not stopped, in the order in which they stop."""
        names = (file.stem for file in self.home.glob("*.pid"))
        return sorted(names, key=lambda name: (name in self._last, name))

    def running(self) -> dict[str, Process]:
        """Find those that run."""
        found = {name: Process.read(self._record(name)) for name in self.names()}
        return {name: one for name, one in found.items() if one and one.works_in(*self._places)}

    def start(self, daemon: Daemon, environ: Mapping[str, str]) -> Process:
        """Start a process, with a new log."""
        log = self.log(daemon.name)
        log.unlink(missing_ok=True)
        variables = {**environ, **daemon.variables}
        process = Process.start(daemon.command, folder=self.home, log=log, environ=variables)
        process.write(self._record(daemon.name))
        return process

    def end(self, patience: float = 20.0) -> int:
        """End all of them with their children; return how many of these were left."""
        left = 0
        for process in self.running().values():
            children = process.children()
            process.stop(patience)
            for child in (one for one in children if one.alive()):
                child.stop(patience=5.0)
                left += 1
        self.forget()
        return left

    def forget(self) -> None:
        """Delete the records, as of processes that have died."""
        for name in self.names():
            self._record(name).unlink()

    def _record(self, name: str) -> Path:
        return self.home / f"{name}.pid"
