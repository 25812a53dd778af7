"""Make, pause and remove schedules: on the server where it can keep them, else for `azk watch`."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from azkaban_client.backfill.dates import names_date
from azkaban_client.errors import NotFound, Refused
from azkaban_client.history import LOGICAL_DATE, TRIGGER
from azkaban_client.models import Sla
from azkaban_client.schedules.book import Entry
from azkaban_client.when import NeedsWatchError, Timing, machine_zone, timing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.client import Client
    from azkaban_client.models import Schedule
    from azkaban_client.options import ExecutionOptions
    from azkaban_client.schedules.book import Book, CatchUp
    from azkaban_client.when import When

__all__ = [
    "Place",
    "Wanted",
    "decide",
    "find",
    "is_made",
    "make",
    "pause",
    "remove",
    "resume",
    "sla_of",
]

log = logging.getLogger("azkaban_client")


@dataclass(frozen=True)
class Wanted:
    """A schedule that somebody asks for.

    Attributes
    ----------
    project, flow
        The flow.
    when
        Its times.
    name
        Tells it from other schedules of the flow.
    catch_up
        What becomes of runs that are missed.
    options
        Those of each execution.
    """

    project: str
    flow: str
    when: When
    name: str = ""
    catch_up: CatchUp = "none"
    options: ExecutionOptions = field(default_factory=dict)  # type: ignore[assignment]


@dataclass(frozen=True)
class Place:
    """Where a schedule is kept.

    Attributes
    ----------
    timing
        What the server is told; None where `azk watch` keeps it.
    reason
        Why the server does not.
    """

    timing: Timing | None
    reason: str = ""


def decide(client: Client, wanted: Wanted, server_zone: str | None) -> Place:
    """Decide who keeps a schedule: the server, if it can do what is asked for.

    Raises
    ------
    ValueError
        A property is one that `azk watch` gives each run.
    """
    properties = wanted.options.get("properties") or {}
    for name in (LOGICAL_DATE, TRIGGER):
        if name in properties:
            raise ValueError(f"{name}: each run gets its own; leave it out")
    if wanted.name:
        return Place(None, "a server has one schedule of a flow, without a name")
    if wanted.catch_up != "none":
        return Place(None, "a server does not make up for missed runs")
    if any(map(names_date, properties.values())):
        return Place(None, "a server does not know the date that a run is for")
    try:
        has_cron = client.capabilities.cron is not False
        return Place(timing(wanted.when, server_zone, has_cron=has_cron))
    except NeedsWatchError as error:
        return Place(None, str(error))


def is_made(
    wanted: Wanted, place: Place | None, entry: Entry | None, schedule: Schedule | None
) -> bool:
    """Tell whether a schedule is there already, as it is asked for.

    Parameters
    ----------
    wanted, place
        The schedule, and what `decide` said of it.
    entry, schedule
        What is known of it here, and what the server has.
    """
    if place is None or entry is None or entry.paused or entry.options != _options(wanted):
        return False
    when = replace(entry.when, first=wanted.when.first)  # a period without one begins at once
    if wanted.when.first is not None:
        when = entry.when
    if (when, entry.catch_up) != (wanted.when, wanted.catch_up):
        return False
    if place.timing is None:
        return entry.kept_by == "watch" and schedule is None
    return entry.kept_by == "server" and schedule is not None and entry.server_id == schedule.id


def _options(wanted: Wanted) -> dict[str, Any]:
    """Return the options as the book keeps them: as JSON has them."""
    given = {key: value for key, value in wanted.options.items() if value not in (None, ())}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}


def make(
    client: Client, book: Book, wanted: Wanted, place: Place, server_zone: str | None
) -> Entry:
    """Make a schedule, or replace the one of the same flow and name and keep its time limits.

    What becomes of limits that it cannot have is logged before the old schedule is gone.

    Parameters
    ----------
    client
        Connected to the server.
    book
        Of this server.
    wanted, place
        The schedule, and what `decide` said of it.
    server_zone
        The server's time zone, if it is known.
    """
    when, now = wanted.when, datetime.now(UTC).replace(microsecond=0)
    if when.kind == "every" and when.first is None:
        when = replace(when, first=now + timedelta(minutes=1))
    entry = Entry(
        wanted.project,
        wanted.flow,
        wanted.name,
        when,
        zone=server_zone or getattr(machine_zone(), "key", None),
        options=_options(wanted),
        catch_up=wanted.catch_up,
        since=now.isoformat(),
    )
    limits = _limits_before(client, book, wanted)
    if place.timing is None:
        client.check_options(wanted.project, wanted.flow, **wanted.options)
        if limits and not client.capabilities.sla_settings:
            log.warning(
                "%s loses its time limits: azk watch can set them from Azkaban 4.0 on alone. A "
                'rule of azk watch can tell of long runs: on = ["long"]',
                entry,
            )
        else:
            entry.limits = limits
    else:
        entry.kept_by = "server"
        entry.server_id = _to_server(client, wanted, place.timing).id
        if limits:
            _set_limits(client, entry.server_id, limits)
    try:
        with book.changing() as entries:
            entries[:] = [one for one in entries if str(one) != str(entry)]
            entries.append(entry)
    except OSError as error:
        if entry.kept_by == "watch":
            raise
        log.warning("the schedule is made, but what it starts with is not kept here: %s", error)
    if place.timing is None and not wanted.name:  # last: a crash on the way loses no schedule
        _off_server(client, wanted.project, wanted.flow)
    return entry


def _limits_before(client: Client, book: Book, wanted: Wanted) -> dict[str, Any] | None:
    """Return the time limits of the schedule that is replaced, but for jobs that are gone."""
    old = None if wanted.name else client.schedule_of(wanted.project, wanted.flow)
    about = (wanted.project, wanted.flow, wanted.name)
    entry = next((one for one in book.read() if one.is_of(*about)), None)
    kept = _limits_of(client, old.id) if old else entry.limits if entry else None
    if kept is None:
        return None
    limits = _of_jobs(client, wanted.project, wanted.flow, kept["limits"])
    for one in kept["limits"]:
        if one not in limits:
            log.warning("the time limit of %s is gone with that job", one["job"])
    return {**kept, "limits": limits} if limits else None


def _of_jobs(
    client: Client, project: str, flow: str, limits: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the limits of the whole flow, and of jobs that it has."""
    if all(one["job"] is None for one in limits):
        return limits
    jobs = {None, *(node.id for node in client.flow(project, flow).walk())}
    return [one for one in limits if one["job"] in jobs]


def sla_of(client: Client, entry: Entry) -> dict[str, Any]:
    """Return the options of `Client.execute` that give a run the time limits of its schedule."""
    if entry.limits is None:
        return {}
    limits = _of_jobs(client, entry.project, entry.flow, entry.limits["limits"])
    return {"sla": _sla(limits), "sla_emails": entry.limits["emails"]} if limits else {}


def _off_server(client: Client, project: str, flow: str) -> None:
    if old := client.schedule_of(project, flow):
        client.remove_schedule(old.id)


def _to_server(client: Client, wanted: Wanted, timing: Timing) -> Schedule:
    project, flow, options = wanted.project, wanted.flow, wanted.options
    if timing.cron is not None:
        return client.schedule_cron(project, flow, timing.cron, **options)
    if timing.at is not None:
        return client.schedule_daily(project, flow, timing.at, **options)
    first = timing.first or datetime.now(UTC) + timedelta(minutes=1)
    return client.schedule(project, flow, at=first, every=timing.every, **options)


def find(book: Book, project: str, flow: str, name: str) -> Entry | None:
    """Return a schedule that was made here, or None.

    Raises
    ------
    NotFound
        There is none of this name, but others of the flow.
    """
    of_flow = [one for one in book.read() if one.is_of(project, flow)]
    found = next((one for one in of_flow if one.name == name), None)
    if found is None and (name or of_flow):
        names = ", ".join(repr(one.name) if one.name else "one without a name" for one in of_flow)
        raise NotFound(
            f"flow {flow!r} of project {project!r} has no schedule "
            + (f"named {name!r}" if name else "without a name")
            + f" (made here: {names or 'none'}): --name NAME",
            ids={"project": project, "flow": flow},
        )
    return found


def pause(client: Client, book: Book, project: str, flow: str, *, name: str = "") -> Entry:
    """Pause a schedule; one of the server's is taken off it and remembered here.

    Raises
    ------
    NotFound
        There is none.
    Refused
        It was not made here, and the server does not tell what it starts the flow with.
    """
    entry = find(book, project, flow, name)
    if entry is not None and entry.paused:
        return entry
    old = None if name else client.schedule_of(project, flow)
    if entry is None or entry.kept_by == "server":
        if old is None:
            raise NotFound(
                f"flow {flow!r} of project {project!r} is not scheduled",
                ids={"project": project, "flow": flow},
            )
        if entry is None or entry.server_id != old.id:
            raise Refused(
                f"schedule {old.id} of {project}/{flow} was not made by azk on this machine, and "
                "servers do not tell all that they start a flow with: make it anew with azk "
                "schedule add, which then can pause it",
                ids={"project": project, "flow": flow},
            )
    limits = _limits_of(client, old.id) if old and entry.kept_by == "server" else entry.limits
    with _changed(book, entry) as found:
        found.paused, found.limits = True, limits
        for run in [one for one in found.runs if not one.tried]:
            found.runs.remove(run)
            found.miss(run.date, "the schedule was paused")
    if found.kept_by == "server":  # remembered first: a crash in between loses nothing
        _off_server(client, project, flow)
    return found


@contextmanager
def _changed(book: Book, entry: Entry) -> Iterator[Entry]:
    with book.changing() as entries:
        found = next((one for one in entries if str(one) == str(entry)), None)
        if found is None:
            raise NotFound(f"{entry}: somebody has just removed this schedule")
        yield found


def _limits_of(client: Client, schedule_id: int) -> dict[str, Any] | None:
    limits, emails = client.sla(schedule_id)
    if not limits:
        return None
    return {
        "limits": [{**asdict(one), "within": one.within.total_seconds()} for one in limits],
        "emails": emails,
    }


def _set_limits(client: Client, schedule_id: int, kept: dict[str, Any]) -> None:
    client.set_sla(schedule_id, _sla(kept["limits"]), kept["emails"])


def _sla(limits: list[dict[str, Any]]) -> list[Sla]:
    return [Sla(**{**one, "within": timedelta(seconds=one["within"])}) for one in limits]


def resume(
    client: Client,
    book: Book,
    project: str,
    flow: str,
    *,
    name: str = "",
    server_zone: str | None = None,
) -> Entry:
    """Resume a paused schedule, without making up for times that have passed.

    Raises
    ------
    NotFound
        There is none that is paused.
    """
    entry = find(book, project, flow, name)
    if entry is None or not entry.paused:
        raise NotFound(
            f"no schedule of {project}/{flow} is paused", ids={"project": project, "flow": flow}
        )
    now = datetime.now(UTC)
    if next(entry.times(now), None) is None:
        raise Refused(f"{entry} has no time to come ({entry.when}): make it anew, or remove it")
    made = None
    if entry.kept_by == "server":
        options: Any = entry.options
        wanted = Wanted(project, flow, entry.when, name, entry.catch_up, options)
        place = decide(client, wanted, server_zone)
        if place.timing is None:
            raise Refused(f"{entry}: {place.reason}: make it anew with azk schedule add")
        timing = place.timing
        if timing.every:  # on from where it would be
            timing = Timing(every=timing.every, first=next(entry.times(now)))
        made = _to_server(client, wanted, timing)
        if entry.limits:
            _set_limits(client, made.id, entry.limits)
    with _changed(book, entry) as found:
        found.paused, found.since = False, now.isoformat()
        found.server_id = made.id if made else None
        if made:
            found.limits = None  # the server has them
    return found


def remove(client: Client, book: Book, project: str, flow: str, *, name: str = "") -> None:
    """Remove a schedule.

    Raises
    ------
    NotFound
        There is none.
    """
    entry = None
    old = None if name else client.schedule_of(project, flow)
    if old is None:
        entry = find(book, project, flow, name)
        if entry is None:
            raise NotFound(
                f"flow {flow!r} of project {project!r} is not scheduled",
                ids={"project": project, "flow": flow},
            )
    else:
        client.remove_schedule(old.id)
    if any(one.is_of(project, flow, name) for one in book.read()):
        with book.changing() as entries:
            entries[:] = [one for one in entries if not one.is_of(project, flow, name)]
