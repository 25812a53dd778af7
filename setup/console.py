"""Messages on stderr: one line a step, kept up to date while it runs on a terminal."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Step", "confirmed", "say", "step"]


def say(text: str) -> None:
    """Print one message."""
    print(text, file=sys.stderr, flush=True)


def confirmed(what: str, *, yes: bool) -> bool:
    """Say what will be deleted and ask for it, unless ``--yes`` was given.

    Raises
    ------
    UsageError
        When there is no terminal on which to ask.
    """
    say(f"this deletes {what}")
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("wipe asks for confirmation: add --yes")
    print("type yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() == "yes":
        return True
    say("nothing was deleted")
    return False


class Step:
    """A running step; `update` shows how far it is, `done` sets what its line will say."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.result = "done"
        self._start = time.monotonic()
        self._live = sys.stderr.isatty()
        self.update("")

    def update(self, text: str) -> None:
        """Show how far the step is (on a terminal only)."""
        if self._live:
            print(f"\r\033[K{self.title} ... {text}", end="", file=sys.stderr, flush=True)

    def done(self, result: str) -> None:
        """Set the result that the line will show."""
        self.result = result

    def close(self, *, ok: bool) -> None:
        """Print the final line."""
        if self._live:
            print("\r\033[K", end="", file=sys.stderr)
        spent = time.monotonic() - self._start
        say(f"{self.title}: {self.result if ok else 'failed'} ({spent:.1f} s)")


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
    except BaseException:
        shown.close(ok=False)
        raise
    shown.close(ok=True)
