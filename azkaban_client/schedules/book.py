"""The schedules that were made here: one file for each server, for `azk schedule` and `azk watch`.

The server keeps those that it can keep; of them the file remembers what the server does not tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from azkaban_client import _home
from azkaban_client.config import written_by_others
from azkaban_client.errors import AzkabanError
from azkaban_client.files import alone, lock, open_private, write_private
from azkaban_client.when import When, machine_zone, zone_named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from pathlib import Path

__all__ = ["CATCH_UP", "Book", "BookError", "CatchUp", "Entry", "Missed", "Run"]

CatchUp = Literal["none", "last", "all"]
CATCH_UP: tuple[CatchUp, ...] = ("none", "last", "all")
"""What becomes of runs that could not be made in time: nothing, the latest is made, or all are."""

_MOST_MISSED = 100  # the latest are kept


class BookError(AzkabanError):
    """The file cannot be read."""


@dataclass
class Run:
    """A run that is due and was not started yet.

    Attributes
    ----------
    date
        Its logical date: the time for which it was scheduled.
    tried
        When it was asked for without an answer, in seconds since 1970; 0 if it was not.
    reason
        Why it was not started so far.
    """

    date: str
    tried: float = 0.0
    reason: str = ""


@dataclass
class Missed:
    """A run that was never made.

    Attributes
    ----------
    date
        The time for which it was scheduled.
    reason
        Why it was not.
    told
        Whether `azk watch` has noted it for those whom it tells.
    """

    date: str
    reason: str
    told: bool = False


@dataclass
class Entry:
    """A schedule.

    Attributes
    ----------
    project, flow, name
        What it runs; a flow can have several of different names, one of which may be empty.
    when
        The times.
    zone
        Time zone in which they count, where `when` names none.
    options
        Those of each execution; values of properties may hold ``{date}`` and ``{end}``.
    kept_by
        Who starts the runs.
    catch_up
        One of `CATCH_UP`.
    paused
        Nothing is started. A paused schedule is on no server.
    server_id
        Its number on the server, where that keeps it.
    limits
        Time limits: those of each run that `azk watch` starts, or those that the server had for
        it, while it is paused.
    since
        Times up to this one have been dealt with.
    runs, missed
        Those that are due, and those that were never made.
    """

    project: str
    flow: str
    name: str
    when: When
    zone: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kept_by: Literal["server", "watch"] = "watch"
    catch_up: CatchUp = "none"
    paused: bool = False
    server_id: int | None = None
    limits: dict[str, Any] | None = None
    since: str = ""
    runs: list[Run] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.since = self.since or datetime.now(UTC).isoformat()

    def __str__(self) -> str:
        return "/".join(filter(None, (self.project, self.flow, self.name)))

    @property
    def counts_in(self) -> tzinfo:
        """The time zone of its times."""
        name = self.when.zone or self.zone
        return zone_named(name) if name else machine_zone()

    def times(self, since: datetime) -> Iterator[datetime]:
        """Yield the times after another one."""
        return self.when.times(since, self.counts_in)

    def is_of(self, project: str, flow: str | None = None, name: str | None = None) -> bool:
        """Tell whether it is of a project, a flow, or the one of a name."""
        return self.project == project and flow in (None, self.flow) and name in (None, self.name)

    def miss(self, date: str, reason: str) -> None:
        """Note a run that was never made; of very many, the latest are kept."""
        if any(one.date == date for one in self.missed):
            return
        self.missed = [*self.missed, Missed(date, reason)][-_MOST_MISSED:]


class Book:
    """The schedules of a server.

    Parameters
    ----------
    url
        URL of the server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        name = hashlib.sha256(url.encode()).hexdigest()[:24]
        self.path: Path = _home.state("schedules") / f"{name}.json"

    @property
    def watch_lock(self) -> Path:
        """Held by the `azk watch` that keeps these schedules."""
        return self.path.with_suffix(".watch")

    def keep(self, until: contextlib.ExitStack) -> bool:
        """Keep these schedules until the stack closes; return False if another process does."""
        with self._locked():
            return until.enter_context(alone(self.watch_lock))

    def is_watched(self) -> bool:
        """Tell whether an `azk watch` keeps these schedules now."""
        # Whoever asks holds the watch's lock for a moment: neither another who asks nor a watch
        # that begins may meet it then.
        with self._locked(), alone(self.watch_lock) as free:
            return not free

    def read(self) -> list[Entry]:
        """Return all entries.

        Raises
        ------
        BookError
            The file is damaged, or another account could have written it: it starts flows.
        """
        if self.path.is_file() and (reason := written_by_others(self.path)):
            raise BookError(f"{self.path}: {reason}; what it says is started in your name")
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return [_entry(one) for one in content["entries"]]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BookError(
                f"{self.path}: cannot read the schedules that were made here ({error}); move the "
                "file away to begin anew: those that azk watch keeps are no longer started then"
            ) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Wait until no other process works on the file or asks for its watch."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open_private(self.path.with_suffix(".lock"), "a") as stream:
            lock(stream, wait=True)
            yield

    @contextlib.contextmanager
    def changing(self) -> Iterator[list[Entry]]:
        """Give the entries to change; they are written when the block ends without an error."""
        with self._locked():
            entries = self.read()
            yield entries
            if entries:
                plain = [_plain(entry) for entry in entries]
                write_private(self.path, json.dumps({"url": self.url, "entries": plain}, indent=1))
            else:
                self.path.unlink(missing_ok=True)


def _plain(entry: Entry) -> dict[str, Any]:
    following = (
        None if entry.paused else next(entry.times(datetime.fromisoformat(entry.since)), None)
    )
    written = {
        "words": str(entry.when),  # these two are for the console, which does not know cron
        "next": following.isoformat() if following else None,
        "when": entry.when.plain(),
        "runs": [asdict(one) for one in entry.runs],
        "missed": [asdict(one) for one in entry.missed],
    }
    return {one.name: getattr(entry, one.name) for one in fields(entry)} | written


def _entry(data: dict[str, Any]) -> Entry:
    if data["catch_up"] not in CATCH_UP or data["kept_by"] not in ("server", "watch"):
        raise ValueError(f"catch_up = {data['catch_up']!r}, kept_by = {data['kept_by']!r}")
    read = {
        "when": When.of_plain(data["when"]),
        "runs": [Run(**one) for one in data["runs"]],
        "missed": [Missed(**one) for one in data["missed"]],
    }
    datetime.fromisoformat(data["since"])
    kept = {name: value for name, value in data.items() if name not in ("words", "next")}
    made = Entry(**{**kept, **read})
    _ = made.counts_in  # raises for a zone that this machine does not know
    return made
