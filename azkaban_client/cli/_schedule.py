"""azk schedule."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli._app import (
    App,
    emit,
    emit_table,
    group,
    json_option,
    note,
    pass_app,
    table,
    warn_without_mail,
)
from azkaban_client.cli._executions import execution_options, refuse_unknown_props

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from azkaban_client.client import Client
    from azkaban_client.options import ExecutionOptions
    from azkaban_client.schedules.book import Book, CatchUp
    from azkaban_client.schedules.listing import Listed
    from azkaban_client.when import When

__all__ = ["COMMANDS", "WHEN", "beside", "read_when", "tell_keeper", "when_options"]

WHEN = ("daily", "weekdays", "every", "cron", "at")
"""The options that say when, as `azkaban_client.when.KINDS`."""

_WHEN_OPTIONS = (
    click.option("--daily", metavar="HH:MM", help="Run it every day at this time."),
    click.option("--weekdays", metavar="HH:MM", help="Monday to Friday at this time."),
    click.option("--every", metavar="PERIOD", help="Again and again: 15m, 2h, 1d, 1w, 1M."),
    click.option("--cron", metavar="EXPRESSION", help="Quartz cron, as '0 30 5 ? * MON-FRI'."),
    click.option("--at", metavar="TIME", help="Once, or from then on --every: 'tomorrow 06:00'."),
    click.option("--timezone", metavar="ZONE", help="Of the times; the server's by default."),
    click.option("--until", metavar="DATE", help="Nothing after this day, or this time."),
    click.option(
        "--catch-up",
        type=click.Choice(["none", "last", "all"]),
        help="What becomes of runs that are missed.",
    ),
)


def when_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say when, to `azk schedule add` and `azk deploy`."""
    for option in reversed(_WHEN_OPTIONS):
        function = option(function)
    return function


def beside(kept: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a project and the options that are given, which come first.

    Any option that says when stands for all of them.
    """
    given = {key: value for key, value in options.items() if value}
    if any(kind in given for kind in WHEN):
        kept = {key: value for key, value in kept.items() if key not in WHEN}
    return {**kept, **given}


def read_when(given: dict[str, Any]) -> When | None:
    """Read the options of `when_options`; raise a `ValueError` for what is invalid."""
    from azkaban_client.schedules.book import CATCH_UP
    from azkaban_client.when import read

    found = read(
        {kind: given.get(kind) for kind in WHEN}, given.get("timezone"), given.get("until")
    )
    if catch_up := given.get("catch_up"):
        if catch_up not in CATCH_UP:  # as azk.toml may have it
            raise ValueError(f"catch_up = {catch_up!r}: expected none, last or all")
        if found is None:
            raise ValueError(f"--catch-up {catch_up}: is for --daily, --weekdays and the like")
    return found


def tell_keeper(book: Book, reason: str) -> str | None:
    """Say that `azk watch` keeps a schedule; return a warning if none runs."""
    note(f"kept by azk watch, which must be running at its times: {reason}")
    if book.is_watched():
        return None
    return "no azk watch runs for this server and account, so that nothing is started: azk watch"


def _book(client: Client) -> Book:
    from azkaban_client.schedules.book import Book

    return Book(client.url)


_name_option = click.option(
    "--name", default="", metavar="NAME", help="One of several schedules of the flow."
)


@group()
def schedule() -> None:
    """Run flows on a schedule."""


@schedule.command("add")
@click.argument("project")
@click.argument("flow")
@when_options
@_name_option
@execution_options
@json_option
@pass_app
def schedule_add(
    app: App,
    /,
    project: str,
    flow: str,
    *,
    chosen: ExecutionOptions,
    any_prop: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Schedule a flow, in place of its schedule of the same name.

    Examples
    --------
      azk schedule add nn nn --daily 06:00
      azk schedule add nn nn --cron "0 30 5 ? * MON-FRI" --timezone Europe/Berlin --catch-up last
      azk schedule add nn nn --at 'tomorrow 06:00' --every 1d --until 2027-01-31
      azk schedule add nn nn --name noon --daily 12:00 --prop epochs=50

    The server keeps the schedule if it can. What it cannot do (several schedules of a flow, time
    zones, an end, catching up; before Azkaban 3.2 also --cron and --weekdays) azk watch does,
    which must be running then. See docs/how-to/schedules.md.
    """
    from azkaban_client.flow.overrides import FlowOnServer
    from azkaban_client.schedules import listing, place

    try:
        when = read_when(given)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if when is None:
        raise click.UsageError("say when: --daily, --weekdays, --every, --cron or --at")
    catch_up: CatchUp = given["catch_up"] or "none"
    wanted = place.Wanted(project, flow, when, _checked_name(given["name"]), catch_up, chosen)
    zone = app.settings["timezone"]
    with app.client() as client:
        refuse_unknown_props(FlowOnServer(client, project, flow), chosen, any_prop=any_prop)
        warn_without_mail(app, chosen["success_emails"], chosen["failure_emails"])
        book = _book(client)
        try:
            decided = place.decide(client, wanted, zone)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        made = place.make(client, book, wanted, decided, zone)
        of_server = client.schedule_of(project, flow) if made.kept_by == "server" else None
        added = listing.shown(made, of_server)
    for line in decided.timing.warnings if decided.timing else ():
        note(f"warning: {line}", colour="yellow")
    if decided.timing is None and (words := tell_keeper(book, decided.reason)):
        note(f"warning: {words}", colour="yellow")
    emit(as_json, added, f"{made}: {added.when}; next at {_next(added)}")


def _checked_name(name: str) -> str:
    if name and (len(name) > 64 or "/" in name or not name.isprintable()):
        raise click.UsageError(f"--name {name!r}: expected a short name without /")
    return name


def _next(one: Listed) -> str:
    of_server = " (time of the server)" if one.id is not None else ""
    return f"{one.next or 'no time to come'}{of_server if one.next else ''}"


@schedule.command("list")
@click.argument("project", required=False)
@json_option
@pass_app
def schedule_list(app: App, project: str | None, *, as_json: bool) -> None:
    """List schedules: those of the server, and those that azk watch keeps for this account.

    Examples
    --------
      azk schedule list
      azk schedule list nn --json

    Times are those of the server, in its time zone, unless they have an offset. A run that was
    never made is shown as missed, as far as azk watch has seen.
    """
    from azkaban_client.schedules.listing import listed

    with app.client() as client:
        book = _book(client)
        found = listed(client, book, project)
        if project and not found:
            client.project_id(project)  # which says so if there is none
    emit_table(
        as_json,
        found,
        ["id", "project", "flow", "name", "when", "next", "kept by", "missed"],
        [
            [
                *(one.id, one.project, one.flow, one.name, one.when),
                *(_state(one), one.kept_by, _missed(one)),
            ]
            for one in found
        ],
    )
    of_watch = [one for one in found if one.kept_by == "watch" and not one.paused and not one.ended]
    if of_watch and not book.is_watched():
        note(
            f"warning: no azk watch runs for this server and account: {len(of_watch)} of these "
            "start nothing until one does",
            colour="yellow",
        )


def _state(one: Listed) -> str | None:
    return "paused" if one.paused else "ended" if one.ended else one.next


def _missed(one: Listed) -> str:
    if not one.missed:
        return ""
    last = one.missed[-1]
    words = f"{last.date} ({last.reason})"
    return words if len(one.missed) == 1 else f"{len(one.missed)}, last {words}"


@schedule.command("next")
@click.argument("project")
@click.argument("flow")
@_name_option
@click.option("-n", "count", type=click.IntRange(1, 1000), default=10, show_default=True)
@json_option
@pass_app
def schedule_next(
    app: App, project: str, flow: str, *, name: str, count: int, as_json: bool
) -> None:
    """Show the next times of a schedule, in the time zone in which it counts.

    Examples
    --------
      azk schedule next nn nn
      azk schedule next nn nn --name noon -n 30
    """
    from azkaban_client.errors import NotFound
    from azkaban_client.schedules import listing, place

    with app.client() as client:
        of_server = None if name else client.schedule_of(project, flow)
        entry = None
        if of_server is None or any(one.server_id == of_server.id for one in _book(client).read()):
            entry = place.find(_book(client), project, flow, name)
    if entry is None and of_server is None:
        raise NotFound(f"flow {flow!r} of project {project!r} is not scheduled")
    times: list[datetime] = []
    if entry is None or not entry.paused:
        times = list(islice(listing.upcoming(entry, of_server, app.settings["timezone"]), count))
    else:
        note(f"{entry} is paused: azk schedule resume")
    rows = [[f"{one:%a %Y-%m-%d %H:%M:%S %z}"] for one in times]
    emit(as_json, times, lambda: table(["next"], rows))


@schedule.command("pause")
@click.argument("project")
@click.argument("flow")
@_name_option
@json_option
@pass_app
def schedule_pause(app: App, project: str, flow: str, *, name: str, as_json: bool) -> None:
    """Pause a schedule that was made here: it starts nothing until it is resumed.

    Examples
    --------
      azk schedule pause nn nn
      azk schedule pause nn nn --name noon

    A schedule of the server's is taken off it, and remembered with its options and time limits.
    """
    from azkaban_client.schedules import listing, place

    with app.client() as client:
        paused = place.pause(client, _book(client), project, flow, name=name)
    emit(as_json, listing.shown(paused, None), f"{paused} is paused")


@schedule.command("resume")
@click.argument("project")
@click.argument("flow")
@_name_option
@json_option
@pass_app
def schedule_resume(app: App, project: str, flow: str, *, name: str, as_json: bool) -> None:
    """Resume a paused schedule; what came due meanwhile is not made up for.

    Example:
      azk schedule resume nn nn
    """
    from azkaban_client.schedules import listing, place

    with app.client() as client:
        book = _book(client)
        zone = app.settings["timezone"]
        resumed = place.resume(client, book, project, flow, name=name, server_zone=zone)
        of_server = client.schedule_of(project, flow) if resumed.kept_by == "server" else None
    one = listing.shown(resumed, of_server)
    if one.kept_by == "watch" and not book.is_watched():
        note(f"warning: {resumed} is kept by azk watch, and none runs", colour="yellow")
    emit(as_json, one, f"{resumed}: next at {_next(one)}")


@schedule.command("remove")
@click.argument("project")
@click.argument("flow")
@_name_option
@json_option
@pass_app
def schedule_remove(app: App, project: str, flow: str, *, name: str, as_json: bool) -> None:
    """Remove a schedule of a flow.

    Examples
    --------
      azk schedule remove nn nn
      azk schedule remove nn nn --name noon
    """
    from azkaban_client.schedules import place

    with app.client() as client:
        place.remove(client, _book(client), project, flow, name=name)
    data = {"project": project, "flow": flow, "name": name, "removed": True}
    emit(as_json, data, f"{'/'.join(filter(None, (project, flow, name)))} is no longer scheduled")


COMMANDS = (schedule,)
