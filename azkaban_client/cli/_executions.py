"""azk run, follow, status, logs, history, running."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from azkaban_client.cli import _env
from azkaban_client.cli._app import (
    App,
    addresses,
    command,
    emit,
    json_option,
    local_time,
    note,
    pass_app,
    print_json,
    runs_folder,
    runs_option,
    seconds,
    table,
    warn_without_mail,
)
from azkaban_client.cli._following import (
    Following,
    follow_options,
    follow_to_end,
    raw_option,
    show_result,
)
from azkaban_client.cli._projects import Content, executable_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from azkaban_client.flow.overrides import FlowOnServer, Overridable
    from azkaban_client.flow.zip import Bundle
    from azkaban_client.models import Execution, ExecutionSummary
    from azkaban_client.options import ExecutionOptions
    from azkaban_client.resume import Resume

__all__ = [
    "COMMANDS",
    "downstream_option",
    "execution_options",
    "parse_props",
    "refuse_unknown_props",
    "run_here",
    "start_option",
    "tell_plan",
    "upstream_option",
]


def parse_props(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read ``KEY=VALUE`` options."""
    props: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise click.UsageError(f"--prop {pair!r}: expected KEY=VALUE")
        props[key.strip()] = value
    return props


def execution_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that executions and schedules share; the command gets them as `chosen`."""

    @functools.wraps(function)
    def gather(*args: Any, **options: Any) -> Any:
        chosen: ExecutionOptions = {
            "properties": parse_props(options.pop("props")),
            "disabled": options.pop("disable"),
            "only": options.pop("only") or None,
            "success_emails": options.pop("success_email") or None,
            "failure_emails": options.pop("failure_email") or None,
            "concurrency": options.pop("concurrency"),
            "pipeline_level": options.pop("pipeline_level"),
            "on_failure": options.pop("on_failure"),
            "notify": options.pop("notify"),
        }
        return function(*args, chosen=chosen, **options)

    for option in reversed(_EXECUTION_OPTIONS):
        gather = option(gather)
    return gather


def refuse_unknown_props(there: FlowOnServer, chosen: ExecutionOptions, *, any_prop: bool) -> None:
    """Refuse properties that no job of a flow on the server uses."""
    properties = chosen["properties"]
    if properties and not any_prop:
        _refuse_unknown(there.properties, properties)


_EXECUTION_OPTIONS = (
    click.option(
        "--prop", "props", multiple=True, metavar="KEY=VALUE", help="Set a property. Repeatable."
    ),
    click.option(
        "--any-prop", is_flag=True, help="Send properties that no job uses, as far as can be seen."
    ),
    click.option(
        "--concurrency",
        type=click.Choice(["skip", "concurrent", "pipeline"]),
        default="skip",
        show_default=True,
        help="What to do when the flow is running.",
    ),
    click.option(
        "--pipeline-level",
        type=click.IntRange(1, 2),
        default=1,
        show_default=True,
        help="How far a pipelined execution keeps behind.",
    ),
    click.option(
        "--on-failure",
        type=click.Choice(["finish-running", "cancel-all", "finish-possible"]),
        default="finish-running",
        show_default=True,
        help="What to do when a job fails.",
    ),
    click.option("--disable", multiple=True, metavar="JOB", help="Leave a job out. Repeatable."),
    click.option("--only", multiple=True, metavar="JOB", help="Leave all others out. Repeatable."),
    *(
        click.option(
            f"--{end}-email",
            multiple=True,
            metavar="ADDRESS",
            callback=addresses,
            help=f"Tell of {end}.",
        )
        for end in ("success", "failure")
    ),
    click.option(
        "--notify",
        type=click.Choice(["first", "last", "both", "never"]),
        help="Of which failures to tell.",
    ),
)


start_option = click.option(
    "--from", "start", multiple=True, metavar="JOB", help="Run this job and all after it."
)
downstream_option = click.option(
    "--with-downstream", "downstream", is_flag=True, help="With --only: and all after it."
)
upstream_option = click.option(
    "--upstream", is_flag=True, help="Also the jobs whose outputs cannot be had."
)


@command()
@click.argument("project")
@click.argument("flow")
@execution_options
@start_option
@downstream_option
@upstream_option
@runs_option
@click.option("--follow", "-f", is_flag=True, help="Follow it to its end and exit by its result.")
@click.option("--local", is_flag=True, help="Run it on this machine; PROJECT is a folder or zip.")
@click.option(
    "--with",
    "extra",
    multiple=True,
    metavar="[NAME=]PATH",
    help="With --local: a folder to add under its own name. Repeatable.",
)
@executable_option
@follow_options
@json_option
@pass_app
def run(
    app: App,
    /,
    project: str,
    flow: str,
    *,
    chosen: ExecutionOptions,
    following: Following,
    as_json: bool,
    **flags: Any,
) -> None:
    """Start a flow.

    Examples
    --------
      azk run nn nn --follow
      azk run nn nn --prop epochs=50 --prop seed=3 --follow --logs
      azk run nn nn --only nn_load --concurrency concurrent
      azk run nn nn --from nn_train

    Jobs that --only and --from leave out give the outputs that they had in the last execution in
    which all succeeded. A --prop that no job of the flow uses is refused: most often it is
    misspelt.
    """
    from azkaban_client.flow.overrides import FlowOnServer

    content = Content(extra=flags["extra"], executable=flags["executable"])
    any_prop = flags["any_prop"]
    if flags["local"]:
        _refuse_without_server()
        source = Path(project)
        if not source.exists():
            raise click.UsageError(f"--local runs a folder or a zip: {source} does not exist")
        run_here(
            content.bundle(source), source, flow, chosen, any_prop=any_prop,
            following=following, as_json=as_json,
        )  # fmt: skip
        return
    if content != Content():
        raise click.UsageError("--with and --executable are for --local; azk upload has them too")
    with app.client() as client:
        there = FlowOnServer(client, project, flow)
        refuse_unknown_props(there, chosen, any_prop=any_prop)
        if chosen["only"] or flags["start"]:
            flags["runs"] = runs_folder(app, flags["runs"])
            chosen = _part(there, chosen, flags)
        warn_without_mail(app, chosen["success_emails"], chosen["failure_emails"])
        execid = client.execute(project, flow, **chosen)
        if flags["follow"] or following.logs or following.wait is not None:
            note(f"started {project}/{flow} as execution {execid}")
            follow_to_end(client, execid, following, as_json=as_json)
            return
    emit(as_json, {"execid": execid, "project": project, "flow": flow}, str(execid))
    if not as_json:
        note(f"started {project}/{flow} as execution {execid}: azk follow {execid}")


def _part(there: FlowOnServer, chosen: ExecutionOptions, flags: dict[str, Any]) -> ExecutionOptions:
    """Choose the jobs of a part of a flow, and the outputs that they get of the others."""
    from azkaban_client.resume import Selection, choose

    upstream = flags["upstream"]
    selection = Selection(
        start=flags["start"],
        only=chosen["only"] or (),
        downstream=flags["downstream"],
        upstream=upstream,
        bare=not upstream,
    )
    latest, plan = choose(there, selection, disabled=chosen["disabled"], runs=flags["runs"])
    tell_plan(plan, "" if latest is None else f" of execution {latest}")
    return {
        **chosen,
        "only": plan.jobs,
        "properties": {**plan.properties, **(chosen["properties"] or {})},
    }


def tell_plan(plan: Resume, source: str = "") -> None:
    note(f"runs: {', '.join(plan.jobs)}")
    for job, why in plan.reasons.items():
        note(f"  {job} succeeded and runs again: {why}")
    if plan.kept:
        note(f"kept: {', '.join(plan.kept)}")
    if plan.properties:
        note(f"with their outputs{source}: {', '.join(sorted(plan.properties))}")
    if plan.unknown:
        note(
            f"without the outputs of {', '.join(plan.unknown)}, which nobody can tell (--upstream)"
        )


_FOR_A_SERVER = (
    "start",
    "downstream",
    "upstream",
    "runs",
    "concurrency",
    "pipeline_level",
    "on_failure",
    "success_email",
    "failure_email",
    "notify",
    "wait",
)


_NAMES = {"start": "--from", "downstream": "--with-downstream"}


def _refuse_without_server() -> None:
    """Refuse options that a run on this machine would ignore."""
    context = click.get_current_context()
    for name in _FOR_A_SERVER:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = _NAMES.get(name, f"--{name.replace('_', '-')}")
            raise click.UsageError(f"{option} is for a server: it means nothing with --local")


def run_here(
    bundle: Bundle,
    source: Path,
    flow: str,
    chosen: ExecutionOptions,
    *,
    following: Following,
    any_prop: bool = False,
    as_json: bool,
) -> None:
    """Run a flow on this machine, show how it goes and how it ended, and exit by it."""
    from azkaban_client.cli import display
    from azkaban_client.flow import local
    from azkaban_client.flow.interpreter import as_word
    from azkaban_client.flow.loader import load
    from azkaban_client.flow.overrides import overridable_here

    project = load(bundle)
    properties = chosen.get("properties") or {}
    if properties and not any_prop and flow in project.flows:
        from azkaban_client.flow.form import form_of

        known = overridable_here(project, flow).declared(form_of(project, flow, bundle))
        _refuse_unknown(known, properties)
    server = {"output.dir": str(Path("runs").absolute())}
    if source.is_dir() and (environment := _env.ensure(source)):
        server["python"] = as_word(environment.python)
    server |= _env.of_server()
    events = local.run(
        bundle,
        flow,
        properties=properties,
        disabled=chosen.get("disabled", ()),
        only=chosen.get("only"),
        server=server,
        name=source.resolve().stem,
    )
    tails = display.Tails(events)
    logs = following.logs and not as_json
    execution = display.show(iter(tails), logs=logs, raw=following.raw)
    show_result(
        execution,
        as_json=as_json,
        failed_logs=None if logs else lambda: tails.print_failed(execution),
    )


def _refuse_unknown(known: Overridable, properties: Mapping[str, str]) -> None:
    if refusals := known.refusals(properties):
        lines = "\n".join(f"--prop {line}" for line in refusals)
        raise click.UsageError(f"{lines}\n(--any-prop to send them anyway)")


@command()
@click.argument("execid", type=int)
@follow_options
@json_option
@pass_app
def follow(app: App, execid: int, *, following: Following, as_json: bool) -> None:
    """Follow an execution to its end and exit by its result.

    Examples
    --------
      azk follow 42
      azk follow 42 --logs --wait 600

    Ctrl-C detaches; the execution goes on.
    """
    with app.client() as client:
        follow_to_end(client, execid, following, as_json=as_json)


@command()
@click.argument("execid", type=int)
@json_option
@pass_app
def status(app: App, execid: int, *, as_json: bool) -> None:
    """Show the state of an execution and of its jobs; exits 0 whatever it is.

    Examples
    --------
      azk status 42
      azk status 42 --json | jq .status
    """
    with app.client() as client:
        execution: Execution = client.execution(execid)
    if as_json:
        print_json(execution)
        return
    from azkaban_client.cli import display

    display.print_result(execution)
    statuses = {job.status.value for job in execution.walk()}
    if execution.status.value == "PAUSED" and "RUNNING" in statuses:
        note(
            "paused: Azkaban 4.0 tells no end of a job before azk resume, so that a job which "
            "shows as RUNNING may have ended (azk logs shows it)"
        )


@command()
@click.argument("execid", type=int)
@click.argument("job", required=False)
@click.option("--attempt", type=click.IntRange(0), help="Of a job that was retried, from 0.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the execution has ended.")
@raw_option
@json_option
@pass_app
def logs(
    app: App, /, execid: int, job: str | None, *, attempt: int | None, as_json: bool, **flags: bool
) -> None:
    """Print the log of a job, or of the flow, byte for byte.

    Examples
    --------
      azk logs 42
      azk logs 42 nn_train > train.log
      azk logs 42 nn_train --follow

    With --follow and no JOB, the logs of all jobs. On a terminal control codes are shown as text
    (^[ and the like) unless --raw is given; a file or a pipe gets every byte.
    """
    from azkaban_client.cli import display

    follow, raw = flags["follow"], flags["raw"]
    if as_json and follow:
        raise click.UsageError("--json is for a log as it stands, without --follow")
    with app.client() as client:
        if as_json:
            text = "".join(client.log(execid, job, attempt=attempt))
            print_json({"execid": execid, "job": job, "attempt": attempt, "log": text})
        elif follow:
            display.tail(client, execid, job, attempt, raw=raw)
        else:
            for piece in client.log(execid, job, attempt=attempt):
                display.write_log(piece, raw=raw)


@command()
@click.argument("project")
@click.argument("flow")
@click.option("--limit", "-n", type=click.IntRange(1), default=20, show_default=True)
@click.option("--skip", type=click.IntRange(0), default=0, help="Leave out the newest so many.")
@json_option
@pass_app
def history(app: App, project: str, flow: str, *, limit: int, skip: int, as_json: bool) -> None:
    """List executions of a flow, newest first; the attempts of a run stand together.

    Examples
    --------
      azk history nn nn
      azk history nn nn -n 1 --json | jq '.[0].execid'

    An execution that azk retry or the console made is an attempt of the first: "retry of" and, with
    --json, retry_of name it.
    """
    from azkaban_client.attempts import with_retries

    with app.client() as client:
        page = client.history(project, flow, offset=skip, length=limit)
        executions = with_retries(client, page.executions)
    emit(as_json, executions, lambda: _history_table(executions))


def _history_table(executions: Sequence[ExecutionSummary]) -> str:
    from azkaban_client.attempts import together

    rows = [
        [
            one.execid,
            one.status,
            one.user,
            local_time(one.start),
            seconds(one.duration),
            one.retry_of or "",
        ]
        for run in together(executions)
        for one in run
    ]
    return table(["execid", "status", "user", "start", "seconds", "retry of"], rows)


@command()
@click.argument("project")
@click.argument("flow", required=False)
@json_option
@pass_app
def running(app: App, project: str, flow: str | None, *, as_json: bool) -> None:
    """List the running executions of a project, or of one flow.

    Examples
    --------
      azk running nn
      azk running nn nn --json
    """
    with app.client() as client:
        found = {flow: client.running(project, flow)} if flow else client.running_all(project)
    rows = [[execid, name] for name, execids in found.items() for execid in execids]
    data = [{"execid": execid, "flow": name} for execid, name in rows]
    emit(as_json, data, lambda: table(["execid", "flow"], rows))


COMMANDS = (run, follow, status, logs, history, running)
