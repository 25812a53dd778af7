"""Find out what happened on a server since the last look, by its Ajax API alone."""

from __future__ import annotations

import glob
import os
import stat
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from azkaban_client.models import Status
from azkaban_client.watch.journal import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from azkaban_client.client import Client
    from azkaban_client.models import ExecutionSummary

__all__ = ["Event", "Scope", "arrived", "is_late", "look"]

_GRACE = timedelta(minutes=2)  # a server looks at its schedules once a minute
_PAGE = 20
_MOST = 500  # executions of one flow that are looked at after a long absence


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes
    ----------
    kind
        One of `azkaban_client.watch.rules.KINDS`, or ``server-up``.
    status
        How the execution ended, by the server's word.
    seconds
        How long it took, or has taken.
    due
        When a missed run should have started, in the server's time zone; else what tells the
        event from others of its kind: a time, the state of a file, or the limit of a long run.
    file
        What has arrived.
    start, end
        When an execution started and ended, as ISO 8601 writes it; empty if it has not.
    about
        Of messages that were given up: what they were about.
    """

    kind: str
    project: str = ""
    flow: str = ""
    execid: int | None = None
    status: str = ""
    seconds: float | None = None
    due: str = ""
    file: str = ""
    start: str = ""
    end: str = ""
    about: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The same for the same event, whoever asks and how often."""
        return ":".join(
            map(str, (self.kind, self.project, self.flow, self.execid, self.due, self.file))
        )

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "about": list(self.about)}


@dataclass(frozen=True)
class Scope:
    """What to look for.

    Attributes
    ----------
    since
        At a first look: what was submitted before is nothing new; by default, nothing is new.
    limits
        When a run counts as long; it is told of each.
    schedule
        Also look whether a run was missed or is late: one request more.
    zone
        Time zone of the server's times; this machine's by default.
    """

    since: datetime | None = None
    limits: tuple[timedelta, ...] = ()
    schedule: bool = False
    zone: tzinfo | None = None


def look(
    client: Client, project: str, flow: str, seen: Seen | None, scope: Scope | None = None
) -> tuple[list[Event], Seen]:
    """Look at a flow.

    Parameters
    ----------
    client
        Connected to the server.
    project, flow
        The flow.
    seen
        What is known of it; None at the first look.
    scope
        What to look for, besides the ends of executions.

    Returns
    -------
    tuple
        What happened, the oldest first; and what is known now.
    """
    scope = scope or Scope()
    # The schedule first: a run that starts in between is in the history then, and meets it although
    # the server tells the time after it only at the next look.
    due = _due(client, project, flow) if scope.schedule else None
    if seen is None:
        seen = _first(client, project, flow, scope.since)
    new, going = _since(client, project, flow, seen)
    events: list[Event] = []
    now = Seen(newest=seen.newest, last=seen.last, due=due, met=seen.met)
    if new:
        now.newest = max(seen.newest, new[-1].execid)
        if due and _has_passed(due, scope.zone):
            now.met = due
    for one in new:
        begin = one.start or one.submitted
        events.append(Event("started", project, flow, one.execid, start=_iso(begin)))
    for one in sorted((*going, *new), key=lambda one: (one.end or _LATE, one.execid)):
        about: dict[str, Any] = {"project": project, "flow": flow, "execid": one.execid}
        if one.status.final:
            events += _ended(one, now.last, about)
            now.last = one.status.value
            continue
        now.going.append(one.execid)
        now.waiting += one.start is None or one.status in _WAITING
        spent = datetime.now(UTC) - one.start if one.start else timedelta(0)
        passed = sorted(limit for limit in scope.limits if spent > limit)
        now.long += [one.execid] * len(passed)
        events += [
            Event("long", **about, seconds=spent.total_seconds(), due=str(limit))
            for limit in passed[seen.long.count(one.execid) :]
        ]
    missed = scope.schedule and seen.due not in (None, due, seen.met) and not new
    if missed and _has_passed(str(seen.due), scope.zone):
        events.append(Event("missed", project, flow, due=str(seen.due)))
    return events, now


def _first(client: Client, project: str, flow: str, since: datetime | None) -> Seen:
    """Return what is known of a flow at the first look: its earlier executions."""
    before: list[ExecutionSummary] = []
    for offset in range(0, _MOST, _PAGE):
        page = client.history(project, flow, offset=offset, length=_PAGE).executions
        before = [
            one for one in page if since is None or one.submitted is None or one.submitted < since
        ]
        if before or len(page) < _PAGE:
            break
    ended = [one for one in before if one.status.final]
    return Seen(
        newest=before[0].execid if before else -1,
        going=[one.execid for one in before if not one.status.final],
        last=ended[0].status.value if ended else None,
    )


_LATE = datetime.max.replace(tzinfo=UTC)
_WAITING = {Status.READY, Status.PREPARING, Status.DISPATCHING, Status.QUEUED}


def _iso(time: datetime | None) -> str:
    return "" if time is None else time.isoformat(timespec="milliseconds")


def _due(client: Client, project: str, flow: str) -> str | None:
    found = client.schedule_of(project, flow)
    return found.next if found else None


def is_late(seen: Seen, zone: tzinfo | None) -> bool:
    """Tell whether a scheduled run is due and was not made, longer than a server takes for it.

    Parameters
    ----------
    seen
        What is known of the flow.
    zone
        Time zone of the server's times.
    """
    due = seen.due
    return due is not None and due != seen.met and _has_passed(due, zone, _GRACE)


def _has_passed(due: str, zone: tzinfo | None, by: timedelta = timedelta(0)) -> bool:
    """Tell whether a time of the server has passed; if not, somebody changed the schedule."""
    try:
        found = datetime.fromisoformat(due)
    except ValueError:
        return not by
    return found.replace(tzinfo=zone).astimezone(UTC) + by <= datetime.now(UTC)


def _since(
    client: Client, project: str, flow: str, seen: Seen
) -> tuple[list[ExecutionSummary], list[ExecutionSummary]]:
    """Return the executions that are new, the oldest first, and those that had not ended."""
    new: list[ExecutionSummary] = []
    going: list[ExecutionSummary] = []
    waiting = set(seen.going)
    offset = 0
    while offset < _MOST:
        page = client.history(project, flow, offset=offset, length=_PAGE).executions
        new += [one for one in page if one.execid > seen.newest]
        going += [one for one in page if one.execid in waiting]
        waiting -= {one.execid for one in going}
        if len(page) < _PAGE or (page[-1].execid <= seen.newest and not waiting):
            break
        offset += _PAGE
    known: dict[int, ExecutionSummary] = {one.execid: one for one in new}
    return sorted(known.values(), key=lambda one: one.execid), going


def _ended(one: ExecutionSummary, last: str | None, about: dict[str, Any]) -> Iterator[Event]:
    spent = one.duration.total_seconds() if one.duration else None
    begin, end = _iso(one.start or one.submitted), _iso(one.end)
    told = {**about, "status": one.status.value, "seconds": spent, "start": begin, "end": end}
    if one.status is Status.SUCCEEDED:
        yield Event("succeeded", **told)
        if last not in (None, Status.SUCCEEDED.value):
            yield Event("recovered", **told)
    else:
        yield Event("failed", **told)


def arrived(pattern: str, settled: timedelta, known: dict[str, str]) -> list[tuple[str, str]]:
    """Find files that have come or changed, and have not changed for some time since.

    Parameters
    ----------
    pattern
        A path, or a pattern of the shell.
    settled
        For how long size and time must have stayed.
    known
        The state of each file that was told, by its path; the first look tells of all.

    Returns
    -------
    list
        Paths and their states, the oldest file first.
    """
    found = []
    for name in glob.glob(pattern):  # noqa: PTH207 (a pattern with its folder, absolute)
        try:
            about = os.stat(name)  # noqa: PTH116
        except OSError:  # it is gone already
            continue
        state = f"{about.st_size} {about.st_mtime_ns}"
        still = time.time() - max(about.st_mtime, about.st_ctime) >= settled.total_seconds()
        if stat.S_ISREG(about.st_mode) and still and known.get(name) != state:
            found.append((about.st_mtime_ns, name, state))
    return [(name, state) for _, name, state in sorted(found)]
