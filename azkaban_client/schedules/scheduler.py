"""Start what is due: the part of `azk watch` that keeps the schedules of a server."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from azkaban_client.backfill.dates import fill
from azkaban_client.errors import (
    AlreadyRunning,
    AuthenticationError,
    AzkabanError,
    BadAnswer,
    NetworkError,
    OutcomeUnknown,
    ServerFault,
)
from azkaban_client.history import IN_FLIGHT, LOGICAL_DATE, TRIGGER, find_start
from azkaban_client.schedules.book import Run
from azkaban_client.schedules.place import sla_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azkaban_client.client import Client
    from azkaban_client.options import ExecutionOptions
    from azkaban_client.schedules.book import Book, Entry, Missed

__all__ = ["ON_TIME", "Scheduler"]

ON_TIME = timedelta(minutes=2)
"""A run that is started later than this after its time counts as missed."""

_AGAIN = 5.0  # seconds until a start is tried again
_MOST = 1_000  # runs that are made up for


class Scheduler:
    """Starts the runs of the schedules that no server keeps, each once.

    Parameters
    ----------
    client
        Connected to the server.
    book
        The schedules.
    say
        Takes a line for the person who looks on.
    on_time
        How late a run may be started and still count as made in time.

    Notes
    -----
    Of the schedulers that use one book, the first one that gets its lock works; another takes over
    when that one ends.
    """

    def __init__(
        self,
        client: Client,
        book: Book,
        say: Callable[[str], object],
        *,
        on_time: timedelta = ON_TIME,
    ) -> None:
        self.client, self.book, self.say, self.on_time = client, book, say, on_time
        self._lock = ExitStack()
        self._locked = False
        self._written: tuple[int, int] | None = None
        self._entries: list[Entry] = []
        self._next: dict[tuple[str, str, str], datetime | None] = {}
        self._looked: dict[str, float] = {}  # when a start without an answer was first looked for
        self._after: dict[str, float] = {}  # a start that failed is tried again after this time

    def close(self) -> None:
        """Let another scheduler work."""
        self._lock.close()
        self._locked = False

    def tick(self, now: datetime | None = None) -> list[tuple[Entry, Missed]]:
        """Start the runs that are due, and return those that were missed and not yet reported.

        Parameters
        ----------
        now
            For tests.
        """
        now = now or datetime.now(UTC)
        if not self._locked:
            self._locked = self.book.keep(self._lock)
            if not self._locked:
                self._lock.close()
                return []
        for entry in self._read():
            if entry.kept_by == "watch" and not entry.paused:
                if self._has_come(entry, now):
                    self._take(entry, now)
                elif entry.runs and self._after.get(str(entry), 0.0) <= time.monotonic():
                    self._start(entry, now)
        return [(one, lost) for one in self._read() for lost in one.missed if not lost.told]

    def mark_told(self, missed: list[tuple[Entry, Missed]]) -> None:
        """Mark missed runs as reported."""
        dates = {(str(entry), lost.date) for entry, lost in missed}
        with self.book.changing() as entries:
            for entry in entries:
                for lost in entry.missed:
                    lost.told = lost.told or (str(entry), lost.date) in dates

    def of_server(self, project: str, flow: str | None) -> bool:
        """Tell whether the server keeps a schedule of this flow that was made here."""
        return any(
            one.kept_by == "server" and not one.paused and one.is_of(project, flow)
            for one in self._read()
        )

    def missed_by_server(self, project: str, flow: str, date: str) -> None:
        """Note a run that the server did not make, which `azk watch` has reported."""
        with self.book.changing() as entries:
            for entry in entries:
                if entry.kept_by == "server" and entry.is_of(project, flow):
                    entry.miss(date, "the server was down, or the run before it was not over")
                    entry.missed = [replace(one, told=True) for one in entry.missed]

    def _read(self) -> list[Entry]:
        try:
            about = self.book.path.stat()
            written: tuple[int, int] | None = (about.st_mtime_ns, about.st_ino)
        except OSError:
            written = None
        if written != self._written:
            self._entries, self._written = self.book.read(), written
        return self._entries

    def _has_come(self, entry: Entry, now: datetime) -> bool:
        key = (str(entry), entry.since, str(entry.when))
        if key not in self._next:
            since = datetime.fromisoformat(entry.since)
            self._next[key] = next(entry.times(since), None)
        due = self._next[key]
        return due is not None and due <= now

    @contextmanager
    def _changing(self, entry: Entry) -> Iterator[Entry | None]:
        """Yield an entry as the book has it; None if it was removed or paused."""
        with self.book.changing() as entries:
            found = (
                one
                for one in entries
                if (str(one), one.when, one.kept_by) == (str(entry), entry.when, "watch")
            )
            yield next((one for one in found if not one.paused), None)

    def _take(self, entry: Entry, now: datetime) -> None:
        """Make runs of the times that have come, or miss them; then start."""
        self._next.pop((str(entry), entry.since, str(entry.when)), None)
        with self._changing(entry) as found:
            if found is None:
                return
            since = datetime.fromisoformat(found.since)
            come = list(takewhile(lambda one: one <= now, found.times(since)))
            if not come:
                return
            found.since = come[-1].isoformat()
            kept = come[-_MOST:] if found.catch_up == "all" else come[-1:]
            for one in come[: len(come) - len(kept)]:
                found.miss(one.isoformat(), "nothing was there to start it")
            if found.catch_up != "all":
                self._replace(found)
            found.runs += [Run(one.isoformat()) for one in kept]
        self._after.pop(str(entry), None)
        self._start(found, now)

    @staticmethod
    def _replace(entry: Entry) -> None:
        """Note the runs that still wait as missed: the next time has come."""
        for run in [one for one in entry.runs if not one.tried]:
            entry.runs.remove(run)
            entry.miss(run.date, run.reason or "nothing was there to start it")

    def _start(self, entry: Entry, now: datetime) -> None:
        """Start the runs of an entry in their order, as far as it goes now."""
        for run in list(entry.runs):
            late = now - datetime.fromisoformat(run.date) > self.on_time
            if late and entry.catch_up == "none" and not run.tried:
                self._end(entry, run, run.reason or "nothing was there to start it")
            elif not self._try(entry, run):
                self._after[str(entry)] = time.monotonic() + _AGAIN
                return

    def _try(self, entry: Entry, run: Run) -> bool:
        """Start a run; tell whether it is done with, in whatever way."""
        if run.tried:
            return self._look_for(entry, run)
        if not self._note(entry, Run(run.date, time.time(), run.reason)):
            return True
        try:
            options = {**_options(entry, run), **sla_of(self.client, entry)}
            execid = self.client.execute(entry.project, entry.flow, **options)
        except (AzkabanError, ValueError, TypeError) as error:
            return self._failed(entry, run, error)
        self.say(f"started {entry} for {run.date} as execution {execid}")
        return self._end(entry, run)

    def _failed(self, entry: Entry, run: Run, error: Exception) -> bool:
        if isinstance(error, AlreadyRunning):
            return self._put_off(entry, run, "the run before it was not over")
        if isinstance(error, (OutcomeUnknown, ServerFault, BadAnswer)):
            self.say(f"no answer to the start of {entry}: {error}")
            return False  # it may have been started
        if isinstance(error, (NetworkError, AuthenticationError)):
            return self._put_off(entry, run, str(error), wait=True)
        return self._end(entry, run, str(error))

    def _look_for(self, entry: Entry, run: Run) -> bool:
        """Look for a start whose answer was lost; give it up once it cannot arrive any more."""
        identity = _identity(entry, run)
        try:
            execid = find_start(self.client, entry.project, entry.flow, TRIGGER, identity)
        except AzkabanError:
            self._looked.pop(identity, None)
            return False
        since = self._looked.setdefault(identity, time.monotonic())
        if execid is not None:
            del self._looked[identity]
            self.say(f"started {entry} for {run.date} as execution {execid}")
            return self._end(entry, run)
        if time.monotonic() - since > IN_FLIGHT:
            del self._looked[identity]
            self._note(entry, Run(run.date, reason="the server did not answer"))
        return False

    def _put_off(self, entry: Entry, run: Run, reason: str, *, wait: bool = False) -> bool:
        if entry.catch_up == "none" and not wait:
            return self._end(entry, run, reason)
        if reason != run.reason:
            self.say(f"not started, tried again: {entry} for {run.date}: {reason}")
        self._note(entry, Run(run.date, reason=reason))
        return False

    def _note(self, entry: Entry, run: Run) -> bool:
        """Save the progress of a run; tell whether it is still wanted."""
        with self._changing(entry) as found:
            wanted = found is not None and any(one.date == run.date for one in found.runs)
            if found is not None:
                found.runs = [run if one.date == run.date else one for one in found.runs]
        return wanted

    def _end(self, entry: Entry, run: Run, missed: str | None = None) -> bool:
        """Take a run off the list: it was started, or missed for a reason."""
        with self._changing(entry) as found:
            if found is not None:
                found.runs = [one for one in found.runs if one.date != run.date]
                if missed is not None:
                    found.miss(run.date, missed)
        if missed is not None:
            self.say(f"missed {entry} for {run.date}: {missed}")
        return True


def _identity(entry: Entry, run: Run) -> str:
    return f"schedule {entry} {run.date}"


def _options(entry: Entry, run: Run) -> ExecutionOptions:
    """Return the options of a run, its properties filled with its dates."""
    date = datetime.fromisoformat(run.date).astimezone(entry.counts_in)
    end = next(entry.times(date), date)
    given = entry.options.get("properties") or {}
    properties = {name: fill(text, date, end) for name, text in given.items()}
    properties |= {LOGICAL_DATE: run.date, TRIGGER: _identity(entry, run)}
    options: ExecutionOptions = {**entry.options, "properties": properties}  # type: ignore[typeddict-item]
    return options
