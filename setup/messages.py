"""Show messages and the progress of each step on stderr, on a terminal or elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from azkaban_client.files import lock
from azkaban_client.secrecy import masked
from setup.disk import ELSEWHERE
from setup.errors import SetupError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Step", "confirmed", "say", "step", "table", "wait_for_lock"]

EVERY_SECONDS = 10.0  # between two lines of a step, where none can be rewritten
LIVE_SECONDS = 1.0  # between two looks at the clock on a terminal


def say(text: str) -> None:
    """Print one message; passwords in URLs are hidden."""
    print(masked(text), file=sys.stderr, flush=True)


def confirmed(what: str, *, yes: bool) -> bool:
    """Say what will be deleted and ask whether it may be, unless ``--yes`` was given.

    Raises
    ------
    UsageError
        When there is no terminal on which to ask.
    """
    say(f"this deletes {what}")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal on which to ask whether it may go: add --yes")
    print("type yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() == "yes":
        return True
    say("nothing was changed")
    return False


class Step:
    """A running step; `update` shows its progress, `done` sets what its line will say.

    A terminal shows one line, rewritten as the step goes on. Elsewhere one line says that the step
    begins, and one every ten seconds says that it is still working, and on what.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.result = "done"
        self.failure = "failed"
        self._text = ""
        self._start = time.monotonic()
        self._live = sys.stderr.isatty()
        self._ended = threading.Event()
        _open.append(self)
        self._show()
        threading.Thread(target=self._tick, daemon=True).start()

    def update(self, text: str) -> None:
        """Show the step's progress."""
        self._text = text
        if self._live:
            self._show()

    def done(self, result: str) -> None:
        """Set the result that the line will show."""
        self.result = result

    def again(self, why: str) -> None:
        """Say that this try failed, why, and that another one begins."""
        self._clear()
        say(f"{self.title}: {why}; trying again")

    def close(self, *, ok: bool) -> None:
        """Print the final line."""
        self._ended.set()
        _open.remove(self)
        self._clear()
        say(f"{self.title}: {self.result if ok else self.failure} ({self._spent():.1f} s)")

    def _tick(self) -> None:
        while not self._ended.wait(LIVE_SECONDS if self._live else EVERY_SECONDS):
            if _open[-1:] == [self]:  # otherwise a step within this one reports
                self._show()

    def _show(self) -> None:
        line = " ".join(filter(None, [f"{self.title} ...", self._text]))
        if self._spent() >= LIVE_SECONDS:
            line += f" ({self._spent():.0f} s)"
        if self._live:
            width = shutil.get_terminal_size().columns - 1  # a longer line could not be rewritten
            print(f"\r\033[K{line[:width]}", end="", file=sys.stderr, flush=True)
        else:
            say(line)

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def _spent(self) -> float:
        return time.monotonic() - self._start


_open: list[Step] = []  # the running ones, innermost last: only that one shows its progress


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Show a step while it runs and how it ended.

    Examples
    --------
    >>> with step("Java") as s:
    ...     s.done("17.0.15, /usr/bin/java")
    """
    shown = Step(title)
    try:
        yield shown
    except BaseException:  # Ctrl-C too must end the line
        shown.close(ok=False)
        raise
    shown.close(ok=True)


def wait_for_lock(stream: IO[Any], what: str) -> None:
    """Lock a file; while another process holds the lock, say which one.

    Parameters
    ----------
    stream
        The open file.
    what
        Who may hold it, such as ``another setup works in /srv/azk``.

    Raises
    ------
    SetupError
        When the disk grants no locks.
    """
    try:
        if not lock(stream):
            with step(f"{what}: waiting for it"):
                lock(stream, wait=True)
    except OSError as error:
        raise SetupError(
            f"{stream.name}: its disk grants no locks ({error.strerror}), as NFS does without its "
            f"lock service; {ELSEWHERE}"
        ) from error


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their header on standard output, in columns as wide as needed."""
    texts = [list(header), *[["-" if cell is None else str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in texts) for i in range(len(header))]
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
