"""azk cancel, pause, resume, retry: what changes an execution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli._app import (
    App,
    command,
    emit,
    json_option,
    note,
    pass_app,
    runs_folder,
    runs_option,
)
from azkaban_client.cli._executions import (
    downstream_option,
    parse_props,
    start_option,
    tell_plan,
    upstream_option,
)
from azkaban_client.cli._following import Following, follow_options, follow_to_end

if TYPE_CHECKING:
    from azkaban_client.client import Client
    from azkaban_client.resume import Resume

__all__ = ["COMMANDS"]


@command()
@click.argument("execid", type=int, required=False)
@click.option("--project", help="All running executions of this project instead.")
@click.option("--flow", help="Of the project's flow.")
@json_option
@pass_app
def cancel(
    app: App, execid: int | None, *, project: str | None, flow: str | None, as_json: bool
) -> None:
    """Kill a running execution, or all of a project.

    Examples
    --------
      azk cancel 42
      azk cancel --project nn
    """
    if (execid is None) == (project is None) or (flow and not project):
        raise click.UsageError("give either EXECID, or --project (and --flow)")
    with app.client() as client:
        if execid is not None:
            client.cancel(execid)
            killed: tuple[int, ...] = (execid,)
        else:
            killed = client.cancel_all(str(project), flow)
    text = "\n".join(f"execution {one} is being killed" for one in killed) or "nothing is running"
    emit(as_json, [{"execid": one, "cancelled": True} for one in killed], text)


@command()
@click.argument("execid", type=int)
@json_option
@pass_app
def pause(app: App, execid: int, *, as_json: bool) -> None:
    """Start no more jobs of an execution; the running ones end.

    Example:
      azk pause 42
    """
    with app.client() as client:
        client.pause(execid)
    emit(as_json, {"execid": execid, "paused": True}, f"execution {execid} is paused")


@command()
@click.argument("execid", type=int)
@json_option
@pass_app
def resume(app: App, execid: int, *, as_json: bool) -> None:
    """Resume a paused execution.

    Example:
      azk resume 42
    """
    with app.client() as client:
        client.resume(execid)
    emit(as_json, {"execid": execid, "resumed": True}, f"execution {execid} goes on")


@command()
@click.argument("execid", type=int)
@start_option
@click.option("--only", multiple=True, metavar="JOB", help="This job alone. Repeatable.")
@downstream_option
@upstream_option
@click.option("--without-outputs", "bare", is_flag=True, help="Go on where they cannot be had.")
@runs_option
@click.option("--prop", "props", multiple=True, metavar="KEY=VALUE", help="Change a property.")
@click.option("--dry-run", is_flag=True, help="Show what would run.")
@click.option("--follow", "-f", is_flag=True, help="Follow it to its end and exit by its result.")
@follow_options
@json_option
@pass_app
def retry(app: App, /, execid: int, *, following: Following, as_json: bool, **given: Any) -> None:
    """Run again what failed in an execution; what succeeded is kept, with its outputs.

    Examples
    --------
      azk retry 42
      azk retry 42 --follow
      azk retry 42 --from train --prop epochs=50 --dry-run
      azk retry 42 --only report

    Of an execution that has ended, the jobs that did not succeed run in a new one, with the same
    properties and options. Of one that goes on, its failed jobs run again within it. Outputs that
    the server does not tell are read from the jobs' records in DIR.
    """
    from azkaban_client.resume import Selection, retry

    names = ("start", "only", "downstream", "upstream", "bare")
    selection = Selection(**{name: given[name] for name in names})
    properties = parse_props(given["props"])
    plan: Resume | None = None
    with app.client() as client:
        new: int | None
        if not client.execution(execid).finished:
            if properties or given["dry_run"] or selection != Selection():
                raise click.UsageError(
                    f"execution {execid} goes on: only its failed jobs can run again, without "
                    "options, until it has ended"
                )
            client.retry_failed(execid)
            new = execid
        else:
            new, plan = retry(
                client,
                execid,
                selection,
                properties=properties,
                runs=runs_folder(app, given["runs"]),
                dry_run=given["dry_run"],
            )
            tell_plan(plan)
        if new is not None and (given["follow"] or following.logs or following.wait is not None):
            note(f"execution {new} goes on with {execid}")
            _follow_retry(client, new, plan, following, as_json=as_json)
            return
    data = {
        "execid": new,
        "retry_of": execid,
        "jobs": plan.jobs if plan else None,
        "kept": plan.kept if plan else None,
        "outputs": plan.properties if plan else None,
    }
    words = f"failed jobs of {execid} run again" if plan is None else str(new or "")
    emit(as_json, data, words)


def _follow_retry(
    client: Client, execid: int, plan: Resume | None, following: Following, *, as_json: bool
) -> None:
    """Follow a retry; one that left out a job which it was for has not succeeded."""
    from azkaban_client.resume import not_run

    follow_to_end(client, execid, following, as_json=as_json)
    left = not_run(plan, client.execution(execid)) if plan else []
    if left:
        note(f"execution {execid} succeeded without {', '.join(left)}", colour="red")
        raise click.exceptions.Exit(1)


COMMANDS = (cancel, pause, resume, retry)
