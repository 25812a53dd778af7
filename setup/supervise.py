"""Keep the servers up: restart what crashed, with growing pauses, and give up loudly.

`run` works in the foreground, so that systemd, cron or a terminal can control it. It ends the
servers when it is ended by SIGTERM or Ctrl-C, and ends with exit code 5 if they keep crashing.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from setup.called import called
from setup.errors import ServerError, SetupError, UsageError
from setup.messages import say
from setup.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Backoff", "pid_file", "run"]

CHECK_SECONDS = 2.0
TEND_SECONDS = 3600.0


@dataclass
class Backoff:
    """How long to wait before the next restart, and when to give up.

    Parameters
    ----------
    first, longest
        Seconds before the first restart, and at most; each pause is twice the one before.
    most, within
        Give up after `most` restarts in `within` seconds.

    Examples
    --------
    >>> backoff = Backoff(most=3)
    >>> [backoff.next(now) for now in (0.0, 10.0, 20.0, 30.0)]
    [1.0, 2.0, 4.0, None]
    >>> backoff.next(10_000.0)  # calm for long enough: everything starts over
    1.0
    """

    first: float = 1.0
    longest: float = 60.0
    most: int = 6
    within: float = 600.0
    _restarts: list[float] = field(default_factory=list)

    def next(self, now: float) -> float | None:
        """Return the pause before a restart at `now` (seconds), or None to give up."""
        self._restarts = [then for then in self._restarts if now - then < self.within]
        if len(self._restarts) >= self.most:
            return None
        pause = min(self.first * 2.0 ** len(self._restarts), self.longest)
        self._restarts.append(now)
        return pause


def pid_file(prefix: Path) -> Path:
    """Return the file that records an installation's supervisor."""
    return prefix / "supervisor.pid"


def run(
    record: Path,
    down: Callable[[], list[str]],
    up: Callable[[], object],
    stop: Callable[[], object],
    *,
    backoff: Backoff | None = None,
    tend: Callable[[], object] = lambda: None,
) -> None:
    """Keep servers up until this process is asked to end; then stop them.

    Parameters
    ----------
    record
        The supervisor's pid file.
    down
        Names the servers that do not run.
    up
        Starts those that do not run, and waits until they do.
    stop
        Stops all.
    backoff
        Pauses between restarts.
    tend
        Does what is due from time to time; called every hour.

    Raises
    ------
    UsageError
        When another supervisor runs.
    ServerError
        When the servers crash again and again; what still runs is left running.
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
        """Wait, and tell whether this is the end."""
        return ended.wait(seconds) or replaced()

    try:
        try:
            up()
        except ServerError as error:  # one that was killed meanwhile, for example
            say(f"the start failed: {error}")
        _watch(over, down, up, backoff or Backoff(), tend)
        if replaced():
            raise SetupError(f"{record} is gone, and so is what this supervisor kept up: it ends")
        stop()
    finally:
        if not replaced():
            record.unlink()


def _own_process() -> Process:
    own = Process.of(os.getpid())
    if own is None:
        raise SetupError("/proc cannot be read: it is needed to recognise processes")
    return own


def _watch(
    over: Callable[[float], bool],
    down: Callable[[], list[str]],
    up: Callable[[], object],
    backoff: Backoff,
    tend: Callable[[], object],
) -> None:
    tended = float("-inf")
    while not over(CHECK_SECONDS):
        if time.monotonic() - tended > TEND_SECONDS:
            tended = time.monotonic()
            try:
                tend()
            except SetupError as error:
                say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {error}")
        missing = down()
        if not missing:
            continue
        names = ", ".join(missing)
        pause = backoff.next(time.monotonic())
        if pause is None:
            raise ServerError(
                f"{names} went down {backoff.most} times in {backoff.within / 60:.0f} minutes: "
                f"the supervisor gives up. {called()} logs shows why; {called()} doctor looks "
                "for causes"
            )
        say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {names} went down; restart in {pause:.0f} s")
        if over(pause):
            return
        try:
            up()
        except (SetupError, OSError) as error:  # such as for a full disk: counts as one more crash
            say(f"the restart failed: {error}")
