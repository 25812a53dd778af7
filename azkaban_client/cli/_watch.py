"""azk watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from azkaban_client.cli._app import (
    App,
    command,
    emit,
    json_option,
    note,
    pass_app,
    table,
    time_zone,
)

if TYPE_CHECKING:
    from azkaban_client.watch.rules import Rules

__all__ = ["COMMANDS"]

_RULES = "watch.toml"


@command()
@click.argument("rules", type=click.Path(path_type=Path), default=_RULES)
@click.option("--check", is_flag=True, help="Only read the rules, and show them.")
@click.option("--test", metavar="CHANNEL", help="Only send a test message to this channel.")
@click.option("--once", is_flag=True, help="One round, for cron.")
@json_option
@pass_app
def watch(
    app: App, /, rules: Path, *, check: bool, test: str | None, once: bool, as_json: bool
) -> None:
    """Tell people what happens on a server, and start the runs of schedules that it cannot keep.

    Examples
    --------
      azk watch --check
      azk watch --test team
      azk watch
      azk watch watch.toml --once

    RULES is a file (watch.toml by default), see docs/how-to/watch.md; schedules
    (docs/how-to/schedules.md) need none. What happens while nothing watches is told afterwards,
    once. It runs beside any Azkaban from 2.5 to 4.0 until it is interrupted.
    """
    from azkaban_client.watch.rules import Rules, read

    if str(rules) == _RULES and not rules.exists() and not check and test is None:
        found = Rules({}, ())  # for schedules alone, if there are any
    else:
        found = read(rules)
    if check:
        emit(as_json, _plain(found), lambda: _table(found))
        return
    if test is not None:
        _test(app.url, found, test)
        emit(as_json, {"channel": test, "sent": True}, f"{test} was told")
        return
    if as_json and not once:
        raise click.UsageError("--json is for --check, --test and --once")
    events = _watch(app, rules, found, once=once)
    if as_json:
        emit(as_json, {"told": events}, "")


def _watch(app: App, path: Path, rules: Rules, *, once: bool) -> list[str]:
    from contextlib import ExitStack

    from azkaban_client.files import alone
    from azkaban_client.schedules.book import Book
    from azkaban_client.schedules.scheduler import Scheduler
    from azkaban_client.watch.journal import Journal
    from azkaban_client.watch.metrics import Metrics
    from azkaban_client.watch.watcher import Watcher

    events: list[str] = []

    def say(line: str) -> None:
        events.append(line)
        note(line)

    name = app.settings["timezone"]
    zone = time_zone(name, f"timezone = {name!r}") if name else None
    with app.client() as client:
        book = Book(client.url)
        if not path.exists() and not book.read():
            raise click.UsageError(
                f"{path}: no such file, and azk schedule made nothing that would have to be kept"
            )
        journal = Journal(client.url, path)
        with alone(journal.path.with_suffix(".lock")) as free, ExitStack() as closing:
            if not free:
                raise click.UsageError(f"another azk watch uses {path}: end it first")
            metrics = Metrics(rules.metrics) if rules.metrics and not once else None
            if metrics is not None:
                note(f"metrics at {metrics.serve()}, for the token in {metrics.rule.token_file}")
                closing.callback(metrics.close)
            scheduler = Scheduler(client, book, say)
            closing.callback(scheduler.close)
            watcher = Watcher(
                client, rules, journal, say, zone=zone, metrics=metrics, scheduler=scheduler
            )
            if once:
                watcher.start_due()
                watcher.round()
                watcher.deliver()
            else:
                by = path if path.exists() else "the schedules that were made here"
                note(f"watching {client.url} by {by}; Ctrl-C ends it")
                watcher.run()
    return events


def _test(url: str, rules: Rules, name: str) -> None:
    from azkaban_client.watch.look import Event
    from azkaban_client.watch.tell import message, send

    if name not in rules.channels:
        known = ", ".join(rules.channels) or "none"
        raise click.UsageError(f"--test {name}: there is no [tell.{name}] (there are: {known})")
    event = Event("succeeded", "test", "test", status="SUCCEEDED").plain()
    send(rules.channels[name], message(url, [event], "test"))


def _plain(rules: Rules) -> list[dict[str, object]]:
    return [
        {"project": one.project, "flow": one.flow, "on": one.on, "tell": one.tell}
        for one in rules.rules
    ]


def _table(rules: Rules) -> str:
    rows = [[one.project, one.flow, " ".join(one.on), " ".join(one.tell)] for one in rules.rules]
    return table(["project", "flow", "on", "tell"], rows)


COMMANDS = (watch,)
