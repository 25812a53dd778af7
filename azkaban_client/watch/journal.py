"""What a watch has seen, and what it still has to tell: one file, written before and after."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azkaban_client import _home
from azkaban_client.errors import AzkabanError
from azkaban_client.files import write_private

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Journal", "JournalError", "Pending", "Seen"]

_MONTH = 30 * 86_400.0


class JournalError(AzkabanError):
    """The journal cannot be read."""


@dataclass
class Seen:
    """What is known of a flow.

    Attributes
    ----------
    newest
        Id of its newest execution.
    going
        Those that had not ended.
    last
        How the latest that ended did.
    long
        Those of which it was told that they take long, once for each limit that they have passed.
    due
        When its schedule comes next, in the server's words.
    met
        The last such time for which a run was seen.
    waiting
        How many of those that had not ended had not started either.
    """

    newest: int = -1
    going: list[int] = field(default_factory=list)
    last: str | None = None
    long: list[int] = field(default_factory=list)
    due: str | None = None
    met: str | None = None
    waiting: int = 0


@dataclass
class Pending:
    """An event that a channel has not been told yet, or a start that was not made.

    Attributes
    ----------
    id
        The same at each attempt, for receivers that must not act twice.
    channel
        Its name, or ``run project/flow``.
    after
        Not before this time, in seconds since 1970.
    tries
        How often it failed.
    """

    id: str
    channel: str
    event: dict[str, Any]
    after: float = 0.0
    tries: int = 0


class Journal:
    """The memory of one watch.

    Parameters
    ----------
    url
        URL of the server.
    rules
        The file of rules: each has a memory of its own.

    Raises
    ------
    JournalError
        The file is damaged.
    """

    def __init__(self, url: str, rules: Path) -> None:
        name = hashlib.sha256(f"{url}\n{rules.resolve()}".encode()).hexdigest()[:24]
        self.path: Path = _home.state("watch") / f"{name}.json"
        self.flows: dict[str, Seen] = {}
        self.files: dict[str, str] = {}
        self.gone: dict[str, float] = {}  # since when files do not exist that were told
        self.pending: list[Pending] = []
        self.down = False
        self.since = datetime.now(UTC)  # who was never told of anything is told from now on
        self._read()

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            self.flows = {name: Seen(**one) for name, one in content["flows"].items()}
            self.pending = [Pending(**one) for one in content["pending"]]
            self.files = dict(content["files"])
            self.gone = dict(content.get("gone", {}))
            self.down = bool(content["down"])
            self.since = datetime.fromisoformat(content["since"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise JournalError(
                f"{self.path}: cannot read what was told ({error}); move the file away to begin "
                "anew: then only what happens from now on is told"
            ) from error

    def forget_files(self, now: float) -> None:
        """Forget files that have not existed for a month: a folder may not be mounted for a while.

        Parameters
        ----------
        now
            In seconds since 1970.
        """
        self.gone = {
            name: self.gone.get(name, now) for name in self.files if not os.path.lexists(name)
        }
        for name in [name for name, since in self.gone.items() if now - since > _MONTH]:
            del self.files[name], self.gone[name]

    def save(self) -> None:
        """Write the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = {
            "flows": {name: asdict(one) for name, one in self.flows.items()},
            "pending": [asdict(one) for one in self.pending],
            "files": self.files,
            "gone": self.gone,
            "down": self.down,
            "since": self.since.isoformat(),
        }
        write_private(self.path, json.dumps(content, indent=1))
