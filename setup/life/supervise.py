"""Keep the servers up: restart what died, notice what hangs, and say so where it is looked for.

`run` works in the foreground, so that systemd, cron or a terminal can control it. It ends the
servers when it is ended by SIGTERM or Ctrl-C. It never gives up: when servers die again and again,
or do not start, it waits longer, and raises an alert.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup import environment
from setup.called import called
from setup.errors import ServerError, SetupError, UsageError
from setup.life.process import Process
from setup.messages import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from setup.life.status import Status

__all__ = ["Backoff", "Policy", "Servers", "pid_file", "run", "trouble"]

CHECK_SECONDS = 2.0
HUNG_SECONDS = 60.0  # without an answer: a full garbage collection, or a busy disk, is shorter
TEND_SECONDS = 3600.0
ALERT_SECONDS = 60.0  # for the command that the user named
_FAILURES = 3  # of a restart, before an alert


@dataclass
class Backoff:
    """How long to wait before the next restart.

    Parameters
    ----------
    first, longest
        Seconds before the first restart, and at most; each pause is twice the one before.
    most, within
        `most` deaths in `within` seconds are worth an alert.

    Examples
    --------
    >>> backoff = Backoff(longest=4.0)
    >>> [backoff.death(now) for now in (0.0, 10.0, 20.0, 30.0)]
    [1.0, 2.0, 4.0, 4.0]
    >>> backoff.death(10_000.0)  # calm for long enough: everything starts over
    1.0
    """

    first: float = 1.0
    longest: float = 300.0
    most: int = 6
    within: float = 600.0
    _deaths: list[float] = field(default_factory=list)

    def death(self, now: float) -> float:
        """Count a death at `now` (seconds), and return the pause before the restart."""
        self._deaths = [then for then in self._deaths if now - then < self.within]
        self._deaths.append(now)
        return self.pause(len(self._deaths))

    def pause(self, time: int) -> float:
        """Return the pause before the restart that is needed for the `time`-th time."""
        return min(self.first * 2.0 ** min(time - 1, 60), self.longest)

    @property
    def often(self) -> bool:
        """Whether the latest death was the one that is worth an alert."""
        return len(self._deaths) == self.most


@dataclass(frozen=True)
class Servers:
    """What is kept up.

    Attributes
    ----------
    look
        Looks at each server.
    up
        Starts those that do not run, and waits until they do.
    stop
        Stops all.
    end
        Ends one that hangs.
    tend
        Does what is due from time to time; called every hour.
    """

    look: Callable[[], Sequence[Status]]
    up: Callable[[], object]
    stop: Callable[[], object]
    end: Callable[[Status], object] = lambda _: None
    tend: Callable[[], object] = lambda: None


@dataclass
class Policy:
    """What the user wants.

    Attributes
    ----------
    restart_hung
        Whether a server that does not answer for `HUNG_SECONDS` is ended, and then restarted.
    alert
        A command of the shell that gets each alert on its standard input; empty for none.
    backoff
        Pauses between restarts.
    """

    restart_hung: bool = False
    alert: str = ""
    backoff: Backoff = field(default_factory=Backoff)


def pid_file(prefix: Path) -> Path:
    """Return the file that records an installation's supervisor."""
    return prefix / "supervisor.pid"


def trouble(prefix: Path) -> str:
    """Read the alert of a supervisor; empty if there is none."""
    if not Process.read(pid_file(prefix)):
        return ""
    try:
        return _trouble_file(pid_file(prefix)).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _trouble_file(record: Path) -> Path:
    return record.with_suffix(".trouble")


def run(record: Path, servers: Servers, policy: Policy | None = None) -> None:
    """Keep servers up until this process is asked to end; then stop them.

    Parameters
    ----------
    record
        The supervisor's pid file.
    servers
        What is kept up.
    policy
        What the user wants.

    Raises
    ------
    UsageError
        When another supervisor runs.
    SetupError
        When this machine or its settings do not allow a first start.
    """
    if other := Process.read(record):
        raise UsageError(f"a supervisor runs already (pid {other.pid}); {called()} stop ends it")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    own = _own_process()
    own.write(record)

    def replaced() -> bool:
        """Tell whether the prefix was deleted, and maybe made again, with another supervisor."""
        return Process.read(record) != own

    def over(seconds: float) -> bool:
        """Wait, and tell whether to end."""
        return ended.wait(seconds) or replaced()

    try:
        try:
            servers.up()
        except ServerError as error:  # one that was killed meanwhile, for example
            _log(f"the start failed: {error}")
        _Watch(record, servers, policy or Policy(), over).run()
        if replaced():
            raise SetupError(f"{record} is gone, and so is what this supervisor kept up: it ends")
        servers.stop()
    finally:
        if not replaced():
            _trouble_file(record).unlink(missing_ok=True)
            record.unlink()


def _own_process() -> Process:
    own = Process.of(os.getpid())
    if own is None:
        raise SetupError("/proc cannot be read: it is needed to recognise processes")
    return own


def _log(text: str) -> None:
    say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")


class _Watch:
    """Looks at the servers in rounds, and restarts what is down."""

    def __init__(
        self, record: Path, servers: Servers, policy: Policy, over: Callable[[float], bool]
    ) -> None:
        self._record = record
        self._servers = servers
        self._policy = policy
        self._over = over
        self._dead: set[str] = set()  # and not restarted yet
        self._failures = 0  # of restarts, one after the other
        self._silent: dict[str, float] = {}  # since when a server does not answer
        self._hung: set[str] = set()  # what was said to hang
        self._alerted = False

    def run(self) -> None:
        tended = float("-inf")
        while not self._over(CHECK_SECONDS):
            if time.monotonic() - tended > TEND_SECONDS:
                tended = time.monotonic()
                try:
                    self._servers.tend()
                except SetupError as error:
                    _log(str(error))
            statuses = self._servers.look()
            self._note_silence(statuses)
            if self._policy.restart_hung:
                self._end_hung(statuses)
            dead = [status for status in statuses if status.state == "down"]
            if dead and self._restart(dead):
                return
            if self._alerted and all(status.state == "running" for status in statuses):
                self._recovered()

    # What hangs

    def _note_silence(self, statuses: Sequence[Status]) -> None:
        """Say once of each server that it has not answered for long, and when it does again."""
        now = time.monotonic()
        silent = {one.server for one in statuses if one.state == "unresponsive"}
        self._silent = {name: self._silent.get(name, now) for name in silent}
        for name in sorted(self._hung - silent):
            _log(f"{name} {'went down' if name in self._down(statuses) else 'answers again'}")
        self._hung &= silent
        for one in statuses:
            if one.server in silent - self._hung and self._is_hung(one, now):
                self._hung.add(one.server)
                way = (
                    "it is ended and started again"
                    if self._policy.restart_hung
                    else "supervise --restart-hung would end it and start it again"
                )
                self._alert(
                    f"{one.server} (pid {one.pid}) runs, but has not answered for "
                    f"{HUNG_SECONDS:g} s: {one.reason or 'no reason is known'}; {way}"
                )

    def _is_hung(self, status: Status, now: float) -> bool:
        return now - self._silent.get(status.server, now) >= HUNG_SECONDS

    @staticmethod
    def _down(statuses: Sequence[Status]) -> set[str]:
        return {one.server for one in statuses if one.state == "down"}

    def _end_hung(self, statuses: Sequence[Status]) -> None:
        for one in statuses:
            if one.server in self._hung:
                self._servers.end(one)
                del self._silent[one.server]
                self._hung.discard(one.server)

    # What died

    def _restart(self, dead: Sequence[Status]) -> bool:
        """Wait, and start what is down; tell whether to end."""
        backoff, names = self._policy.backoff, ", ".join(one.server for one in dead)
        if new := [one for one in dead if one.server not in self._dead]:
            pause = backoff.death(time.monotonic())
            reasons = "; ".join(f"{one.server}: {one.reason}" for one in new if one.reason)
            why = f" ({reasons})" if reasons else ""
            _log(f"{names} went down{why}; restart in {pause:.0f} s")
            if backoff.often:
                self._alert(
                    f"{names} went down {backoff.most} times in {backoff.within / 60:.0f} minutes"
                    f"{why}: restarts go on, with pauses of up to {backoff.longest:.0f} s. "
                    f"{called()} logs shows why; {called()} doctor looks for causes"
                )
        else:
            pause = backoff.pause(self._failures + 1)
            _log(f"{names} is still down; next try in {pause:.0f} s")
        self._dead |= {one.server for one in dead}
        if self._over(pause):
            return True
        try:
            self._servers.up()
        except (SetupError, OSError) as error:  # such as for a full disk
            self._failures += 1
            _log(f"the restart failed ({self._failures} in a row): {error}")
            if self._failures == _FAILURES:
                first = str(error).partition("\n")[0]
                self._alert(f"{names} could not be restarted {_FAILURES} times in a row: {first}")
        else:
            self._failures = 0
            self._dead.clear()
        return False

    # Where it is said

    def _alert(self, text: str) -> None:
        """Raise an alert: in the log, in `status`, and to the user's command."""
        _log(f"ALERT: {text}")
        self._alerted = True
        try:
            write_private(_trouble_file(self._record), f"since {time.strftime('%F %T')}: {text}\n")
        except OSError as error:  # a full disk may be why
            _log(f"{called()} status cannot show this: {error}")
        self._tell(text)

    def _recovered(self) -> None:
        self._alerted = False
        _trouble_file(self._record).unlink(missing_ok=True)
        text = "all servers run and answer again"
        _log(text)
        self._tell(text)

    def _tell(self, text: str) -> None:
        if not self._policy.alert:
            return
        try:
            subprocess.run(
                ["/bin/sh", "-c", self._policy.alert],
                input=f"azkaban-jobflow in {self._record.parent}: {text}\n",
                env=environment.program(),
                text=True,
                check=True,
                timeout=ALERT_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            _log(f"the command of --alert failed: {error}")
