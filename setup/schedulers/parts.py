"""What `Scheduler` needs to know about a kind of scheduler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from setup.layout import Layout

__all__ = ["Kind", "Part", "Place"]


@dataclass(frozen=True)
class Place:
    """Where a scheduler lies.

    Attributes
    ----------
    layout
        The installation.
    home
        Its folder.
    port
        Where its page is; on loopback.
    """

    layout: Layout
    home: Path
    port: int

    @property
    def bin(self) -> Path:
        """The programs of its environment."""
        return self.home / "env" / "bin"

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Part:
    """A process.

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


class Kind(Protocol):
    """A kind of scheduler."""

    @property
    def port(self) -> int:
        """The port that it prefers."""

    @property
    def megabytes(self) -> int:
        """What it needs on disk."""

    def prepare(self, place: Place, update: Callable[[str], None]) -> None:
        """Bring what its lock does not, and write its settings; done again, it changes nothing."""

    def parts(self, place: Place) -> list[Part]:
        """Return its processes, in the order of their start."""

    def about(self, place: Place) -> str:
        """Say what somebody needs to know who has started it."""
