"""What became of each run of a backfill: one file for each flow, written before and after a start.

So nothing is started twice, whatever ends the program between two steps.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from azkaban_client import _home
from azkaban_client.errors import AzkabanError
from azkaban_client.files import alone, write_private
from azkaban_client.models import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Entry", "Ledger", "LedgerError"]

State = Literal["due", "starting", "running", "ended"]


class LedgerError(AzkabanError):
    """The ledger cannot be read, or another process uses it."""


@dataclass
class Entry:
    """One run of a backfill, and what became of it.

    Attributes
    ----------
    date
        The logical date, as ISO 8601 writes it.
    properties
        What the run is started with.
    options
        The other options of the run, as a text that is equal where they are.
    state
        ``due``; ``starting``: asked for, with no answer yet; ``running``; ``ended``.
    status
        How its last execution ended, by the server's word.
    executions
        Ids of its executions, the latest last: more than one if it was tried again.
    after
        Id of the flow's latest execution before the start: ours is a later one.
    """

    date: str
    properties: dict[str, str]
    options: str = ""
    state: State = "due"
    status: str | None = None
    executions: list[int] = field(default_factory=list)
    after: int = -1

    @property
    def key(self) -> str:
        """What identifies it among the runs of the flow."""
        told = json.dumps([self.date, self.properties, self.options], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:24]

    @property
    def succeeded(self) -> bool:
        """Whether its last execution succeeded."""
        return self.state == "ended" and self.status == Status.SUCCEEDED.value

    @property
    def failed(self) -> bool:
        """Whether its last execution ended in any other way."""
        return self.state == "ended" and not self.succeeded

    def again(self) -> None:
        """Make it due once more; its earlier executions stay known."""
        self.state, self.status = "due", None


class Ledger:
    """The entries of a flow on a server.

    Parameters
    ----------
    url, project, flow
        The flow.

    Raises
    ------
    LedgerError
        The file is damaged.
    """

    def __init__(self, url: str, project: str, flow: str) -> None:
        self._about = {"url": url, "project": project, "flow": flow}
        name = hashlib.sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()[:24]
        self.path: Path = _home.state("backfill") / f"{name}.json"
        self.entries = {entry.key: entry for entry in self._read()}

    def _read(self) -> list[Entry]:
        known = {one.name for one in fields(Entry)}
        try:
            content: Any = json.loads(self.path.read_text(encoding="utf-8"))
            return [
                Entry(**{name: value for name, value in entry.items() if name in known})
                for entry in content["entries"]
            ]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise LedgerError(
                f"{self.path}: cannot read what earlier backfills did ({error}); move the file "
                "away to begin anew"
            ) from error

    def take(self, entry: Entry) -> Entry:
        """Return the entry that is known, or take in a new one."""
        return self.entries.setdefault(entry.key, entry)

    def save(self) -> None:
        """Write the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        entries = [asdict(entry) for entry in self.entries.values()]
        write_private(self.path, json.dumps({**self._about, "entries": entries}, indent=1))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out, and read what they wrote.

        Raises
        ------
        LedgerError
            Another process is at it.
        """
        with alone(self.path.with_suffix(".lock")) as free:
            if not free:
                about = f"{self._about['project']}/{self._about['flow']}"
                raise LedgerError(f"another backfill of {about} is running")
            self.entries = {entry.key: entry for entry in self._read()}
            yield
