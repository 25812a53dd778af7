"""azk backfill."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

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
from azkaban_client.cli._executions import execution_options, refuse_unknown_props

if TYPE_CHECKING:
    from datetime import datetime

    from azkaban_client.backfill.ledger import Entry
    from azkaban_client.backfill.work import Plan, Worker
    from azkaban_client.client import Client
    from azkaban_client.flow.overrides import FlowOnServer
    from azkaban_client.options import ExecutionOptions

__all__ = ["COMMANDS"]

_WORDS = {"due": "due", "starting": "asked for", "running": "running"}


@command()
@click.argument("project")
@click.argument("flow")
@click.option("--from", "first", required=True, metavar="DATE", help="The first logical date.")
@click.option("--to", "last", required=True, metavar="DATE", help="The last one, included.")
@click.option("--every", default="1d", show_default=True, metavar="PERIOD", help="30m, 2h, 1w, 1M.")
@click.option("--cron", metavar="EXPRESSION", help="The dates, by Quartz, in place of --every.")
@click.option("--timezone", metavar="ZONE", help="Of the dates, as Europe/Berlin; UTC by default.")
@click.option(
    "--concurrent",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="How many may run at once.",
)
@click.option("--order", type=click.Choice(["oldest", "newest"]), default="oldest", help="First.")
@click.option("--stop-after", type=click.IntRange(1), metavar="N", help="Stop after N failures.")
@click.option("--retry-failed", is_flag=True, help="Run again what failed in an earlier call.")
@click.option("--skip-succeeded", is_flag=True, help="Skip dates that any run has succeeded for.")
@click.option("--again", is_flag=True, help="Run again what has succeeded, too.")
@click.option("--dry-run", is_flag=True, help="Show what would be run.")
@execution_options
@json_option
@pass_app
def backfill(
    app: App,
    /,
    project: str,
    flow: str,
    *,
    chosen: ExecutionOptions,
    as_json: bool,
    **given: Any,
) -> None:
    """Run a flow once for each date of a range.

    Examples
    --------
      azk backfill sales daily --from 2026-11-01 --to 2026-11-30 --prop 'day={date:%Y-%m-%d}'
      azk backfill sales daily --from 2026-11-01 --to 2026-11-30 --prop 'day={date:%Y-%m-%d}' --retry-failed
      azk backfill sales daily --from 2026-11-01 --to 2026-11-30 --cron "0 0 6 ? * MON-FRI" --timezone Europe/Berlin --prop 'day={date:%F}'
      azk backfill sales hourly --from 2026-11-01 --to 2026-11-02 --every 1h --concurrent 4 --prop 'from={date}' --prop 'to={end}' --dry-run

    {date} is the logical date, {end} the next one; both take a format of strftime after a colon.
    Each run also has its date as the property logical.date. The same command goes on where an
    earlier one was interrupted, and runs nothing twice. Ctrl-C stops starting; what runs goes on.
    """  # noqa: E501 (a command to copy is one line)
    from azkaban_client.flow.overrides import FlowOnServer

    made = _plan(project, flow, chosen, given)
    with app.client() as client:
        there = FlowOnServer(client, project, flow)
        _refuse_equal_runs(there, chosen)
        refuse_unknown_props(there, chosen, any_prop=given["any_prop"])
        worker = _worker(client, made, given)
        with worker.ledger.alone():
            worker.prepare(
                failed=given["retry_failed"],
                succeeded=given["again"],
                elsewhere=not given["skip_succeeded"],
            )
            if not given["dry_run"]:
                _work(worker)
    emit(as_json, [_row(entry) for entry in worker.entries], lambda: _table(worker.entries))
    if not given["dry_run"]:
        _end(worker)


def _worker(client: Client, made: Plan, given: dict[str, Any]) -> Worker:
    from azkaban_client.backfill.ledger import Ledger
    from azkaban_client.backfill.work import Worker

    ledger = Ledger(client.url, made.project, made.flow)
    return Worker(
        client, ledger, made, concurrent=given["concurrent"], stop_after=given["stop_after"]
    )


def _plan(project: str, flow: str, chosen: ExecutionOptions, given: dict[str, Any]) -> Plan:
    from azkaban_client.backfill.dates import moment
    from azkaban_client.backfill.work import plan

    context = click.get_current_context()
    if context.get_parameter_source("concurrency") is not ParameterSource.DEFAULT:
        raise click.UsageError("--concurrency: a backfill has --concurrent N instead")
    name = given["timezone"]
    zone = UTC if name is None else time_zone(name, f"--timezone {name!r}")
    times: dict[str, datetime] = {}
    for option in ("first", "last"):
        try:
            times[option] = moment(given[option], zone)
        except ValueError as error:
            name = "--from" if option == "first" else "--to"
            raise click.UsageError(f"{name} {error}") from None
    try:
        dates = _dates(times["first"], times["last"], given["every"], given["cron"])
        if given["order"] == "newest":
            dates.reverse()
        return plan(project, flow, dates, chosen)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OverflowError:
        raise click.UsageError("a date or the one after it is not in the years 1 to 9999") from None


def _dates(
    first: datetime, last: datetime, every: str, cron: str | None
) -> list[tuple[datetime, datetime]]:
    """Return the logical dates, each with the next one."""
    from azkaban_client.backfill.dates import cron_dates, logical_dates
    from azkaban_client.times import period

    context = click.get_current_context()
    if cron is not None:
        if context.get_parameter_source("every") is not ParameterSource.DEFAULT:
            raise click.UsageError("give --every or --cron")
        return cron_dates(first, last, cron)
    try:
        step = period(every)
    except ValueError as error:
        raise click.UsageError(f"--every {error}") from None
    return [(date, step.after(date, 1)) for date in logical_dates(first, last, step)]


def _refuse_equal_runs(there: FlowOnServer, chosen: ExecutionOptions) -> None:
    """Refuse a backfill whose runs would not know which date they are for."""
    from azkaban_client.backfill.dates import names_date
    from azkaban_client.history import LOGICAL_DATE

    if any(map(names_date, (chosen["properties"] or {}).values())):
        return
    if LOGICAL_DATE not in there.properties.defaults:
        raise click.UsageError(
            "no run would know its date: give --prop 'NAME={date:%Y-%m-%d}' with a property of "
            f"the flow, or use ${{{LOGICAL_DATE}}} in it"
        )


def _work(worker: Worker) -> None:
    """Run the backfill and show each change: a bar on a terminal, lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failures]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    try:
        with bar:
            task = bar.add_task("backfill", total=len(worker.entries), failures="")
            for entry in worker.run():
                bar.console.print(_line(entry), style=_STYLE.get(_state(entry)), highlight=False)
                done = sum(one.state == "ended" for one in worker.entries)
                failures = f"{worker.failures} failed" if worker.failures else ""
                bar.update(task, completed=done, failures=failures)
    except KeyboardInterrupt:
        going = [str(one.executions[-1]) for one in worker.entries if one.state == "running"]
        note(f"\ninterrupted: {f'{_list(going)} goes on' if going else 'nothing is running'}")
        note("the same command goes on from here")
        raise click.exceptions.Exit(130) from None


_STYLE = {"SUCCEEDED": "green", "running": "cyan"}


def _list(execids: list[str]) -> str:
    return f"execution {', '.join(execids)}"


def _state(entry: Entry) -> str:
    return entry.status or _WORDS.get(entry.state, entry.state)


def _line(entry: Entry) -> str:
    execid = f" (execution {entry.executions[-1]})" if entry.executions else ""
    return f"{entry.date}: {_state(entry)}{execid}"


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "date": entry.date,
        "state": entry.state,
        "status": entry.status,
        "executions": entry.executions,
        "properties": entry.properties,
    }


def _table(entries: list[Entry]) -> str:
    rows = [
        [
            entry.date,
            _state(entry),
            " ".join(map(str, entry.executions)),
            " ".join(f"{name}={value}" for name, value in entry.properties.items()),
        ]
        for entry in entries
    ]
    return table(["date", "state", "executions", "properties"], rows)


def _end(worker: Worker) -> None:
    """Exit according to the result, and say what can be done."""
    failed = [entry for entry in worker.entries if entry.failed]
    due = [entry for entry in worker.entries if entry.state == "due"]
    if not failed:
        return
    words = f"{len(failed)} of {len(worker.entries)} failed"
    if due:
        words += f", {len(due)} not started (--stop-after {worker.stop_after})"
    note(f"{words}: the same command with --retry-failed runs them again", colour="red")
    raise click.exceptions.Exit(1)


COMMANDS = (backfill,)
