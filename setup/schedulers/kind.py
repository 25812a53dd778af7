"""What `Scheduler` needs to know about a kind of scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from setup.layout import Layout
    from setup.life.daemons import Daemon

__all__ = ["Kind", "Place"]


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


class Kind(Protocol):
    """A kind of scheduler."""

    @property
    def port(self) -> int:
        """The port that it prefers."""

    @property
    def megabytes(self) -> int:
        """What it needs on disk."""

    def prepare(self, place: Place, update: Callable[[str], None]) -> None:
        """Install what its lock lacks and write its settings; a second call changes nothing."""

    def daemons(self, place: Place) -> list[Daemon]:
        """Return its processes, in the order of their start."""

    def about(self, place: Place) -> str:
        """Return what the user needs to know after a start."""
