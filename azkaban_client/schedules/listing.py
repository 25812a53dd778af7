"""Schedules as they are shown: those of the server and those of `azk watch`, as one list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from azkaban_client.cron import named
from azkaban_client.schedules.book import CatchUp, Missed  # noqa: TC001 (the schema reads them)
from azkaban_client.when import When, machine_zone, zone_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.client import Client
    from azkaban_client.models import Schedule
    from azkaban_client.schedules.book import Book, Entry

__all__ = ["Listed", "listed", "shown", "upcoming"]

_PERIOD = re.compile(r"(\d+) (minute|hour|day|week|month)\(s\)")
_UNITS = {"minute": "m", "hour": "h", "day": "d", "week": "w", "month": "M"}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A schedule.

    Attributes
    ----------
    id, user, first, period, cron
        As `azkaban_client.models.Schedule` has them, where the server keeps it.
    project, flow, name
        What it runs, and its name among several of a flow.
    when
        In words.
    next
        The next time: in the server's time zone if the server keeps it, else with its offset.
    kept_by
        Who starts the runs.
    catch_up
        What becomes of runs that are missed; None where the server decides.
    paused, ended
        Nothing is started until it is resumed; or ever.
    missed
        Runs that were never made, as far as `azk watch` has seen.
    """

    id: int | None
    project: str
    flow: str
    name: str
    user: str | None
    when: str
    first: str | None
    next: str | None
    period: str | None
    cron: str | None
    kept_by: Literal["server", "watch"]
    catch_up: CatchUp | None
    until: datetime | None
    paused: bool
    ended: bool
    missed: tuple[Missed, ...]


def listed(client: Client, book: Book, project: str | None = None) -> tuple[Listed, ...]:
    """List the schedules of a server, or of one project: its own first, then `azk watch`'s."""
    entries = [one for one in book.read() if project in (None, one.project)]
    found = []
    for schedule in client.schedules(project):
        of_id = (one for one in entries if _is_of_server(one) and one.server_id == schedule.id)
        found.append(shown(next(of_id, None), schedule))
    found += [shown(one, None) for one in entries if not _is_of_server(one)]
    return tuple(found)


def _is_of_server(entry: Entry) -> bool:
    return entry.kept_by == "server" and not entry.paused


def shown(entry: Entry | None, schedule: Schedule | None) -> Listed:
    """Combine what is known of a schedule here and on the server."""
    following = None
    if entry is not None and schedule is None and not entry.paused:
        now = max(datetime.now(UTC), datetime.fromisoformat(entry.since))
        following = next(entry.times(now), None)
    over = entry is not None and not entry.paused and schedule is None and following is None
    return Listed(
        id=schedule.id if schedule else None,
        project=str(schedule.project) if schedule else entry.project if entry else "",
        flow=str(schedule.flow) if schedule else entry.flow if entry else "",
        name=entry.name if entry else "",
        user=schedule.user if schedule else None,
        when=str(entry.when) if entry else _words(schedule),
        first=schedule.first if schedule else None,
        next=schedule.next if schedule else following.isoformat() if following else None,
        period=schedule.period if schedule else None,
        cron=schedule.cron if schedule else None,
        kept_by=entry.kept_by if entry else "server",
        catch_up=entry.catch_up if entry and entry.kept_by == "watch" else None,
        until=entry.when.until if entry else None,
        paused=entry is not None and entry.paused,
        ended=over,
        missed=tuple(entry.missed) if entry else (),
    )


def _words(schedule: Schedule | None) -> str:
    if schedule is None:
        return ""
    if schedule.cron:
        return f"cron {named(schedule.cron)}"
    return f"every {schedule.period}" if schedule.period else f"once at {schedule.next}"


def upcoming(
    entry: Entry | None, schedule: Schedule | None, server_zone: str | None
) -> Iterator[datetime]:
    """Yield the times to come of a schedule, which is at least one of them.

    Raises
    ------
    ValueError
        The server's words for a period mean nothing here.
    """
    now = datetime.now(UTC)
    zone = zone_named(server_zone) if server_zone else machine_zone()
    if entry is not None and (schedule is None or entry.when.kind != "every"):
        return entry.times(now)
    if schedule is None:
        return iter(())
    if schedule.cron:
        return When("cron", schedule.cron).times(now, zone)
    following = datetime.fromisoformat(str(schedule.next)).replace(tzinfo=zone)
    if schedule.period is None:
        return When("at", following.isoformat()).times(now, zone)
    found = _PERIOD.fullmatch(schedule.period)
    if found is None:
        raise ValueError(f"every {schedule.period}: no such period is known here")
    # The server counts days in the time zone in which it was asked for, which it does not tell.
    return When("every", found[1] + _UNITS[found[2]], first=following).times(now, zone)
