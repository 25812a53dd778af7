"""azk export."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli._app import App, command, json_option, note, pass_app
from azkaban_client.cli._dev import of_project
from azkaban_client.cli._import import show_losses
from azkaban_client.cli._projects import Content, content_options, stop_on_errors
from azkaban_client.cli._schedule import WHEN, beside, when_options
from azkaban_client.errors import InvalidProject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azkaban_client.chronos import Chronos
    from azkaban_client.flow.export import Export, Options
    from azkaban_client.when import When

__all__ = ["COMMANDS"]

_TARGETS = ("luigi", "airflow", "chronos", "cron")
_BESIDE = ("at", "until", "catch_up")  # of which other schedulers are not told


@command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("flow", required=False)
@click.option(
    "--to", "target", type=click.Choice(_TARGETS), required=True, help="The other scheduler."
)
@click.option(
    "--output", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="Where to write; here, FLOW-TARGET or the project's name, by default.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Write nothing unless all of it is exact; exit 2.")
@when_options
@click.option(
    "--concurrency", type=click.Choice(["skip", "concurrent", "pipeline"]), default="skip",
    help="While the flow runs already.",
)  # fmt: skip
@click.option(
    "--on-failure", type=click.Choice(["finish-running", "cancel-all", "finish-possible"]),
    default="finish-running", help="When a job fails.",
)  # fmt: skip
@click.option("--python", default="python3", metavar="PATH", help="Starts the jobs there.")
@click.option("--url", metavar="URL", help="Of your Chronos, to which the jobs are posted.")
@content_options
@json_option
@pass_app
def export(
    app: App,
    /,
    folder: Path,
    flow: str | None,
    *,
    target: Any,
    output: Path | None,
    content: Content,
    **options: Any,
) -> None:
    """Write a flow for another scheduler.

    Examples
    --------
      azk export sales --to airflow
      azk export sales sales --to cron --daily 06:00 --strict
      azk export flows/nn nn --with jobs --with core --to luigi --output nn-luigi
      azk export sales --to chronos --url http://chronos.example:4400

    The folder DIR holds the other scheduler's file, the project, and one program that gives a job
    what Azkaban gives it, and needs no more than a Python. A table tells what is exact, what is
    approximated, and what is lost. The options, or the [deploy] of FOLDER/azk.toml, tell what the
    files of a flow do not: when it runs, and how.
    """
    from azkaban_client.flow.export import export as make

    chronos = _chronos(target, options["url"])
    content, table = _kept(folder, content)
    bundle = content.bundle(folder)
    stop_on_errors(content.problems(app, bundle, folder), "it is not exported")
    project = str(table.get("project", folder.resolve().name))
    flow = flow or table.get("flow")
    target_folder = (output or Path(f"{flow or project}-{target}")).absolute()
    chosen = _options(options, table, target_folder)
    made = make(bundle, target, project=project, flow=flow, options=chosen)
    if options["strict"] and not made.is_exact:
        _show(made, None, as_json=options["as_json"])
        raise click.UsageError("not all of it is exact: nothing is written")
    _write(made, project, target_folder)
    _show(made, target_folder, as_json=options["as_json"])
    if chronos:
        _post(chronos, made, target_folder)


def _chronos(target: str, url: str | None) -> Chronos | None:
    """Connect to the Chronos that was named; a bad URL is refused before anything is written."""
    from azkaban_client.chronos import Chronos

    if url is None:
        return None
    if target != "chronos":
        raise click.UsageError(f"--url is for --to chronos, not for --to {target}")
    try:
        return Chronos(url)
    except ValueError as error:
        raise click.UsageError(f"--url {error}") from None


def _post(chronos: Chronos, made: Export, folder: Path) -> None:
    from azkaban_client.flow.export.program import NAME

    program = str(folder / NAME)

    def own(command: str) -> bool:
        try:
            words = shlex.split(command)
        except ValueError:  # somebody else's, with a quote that is not closed
            return False
        return words[1:2] == [program] and words[3:4] == [made.flow]

    posted = chronos.post(json.loads((folder / made.start).read_text("utf-8")), own=own)
    note(f"{chronos.url}: {len(posted.new)} new jobs, {len(posted.replaced)} replaced")
    if posted.left:
        names = ", ".join(posted.left)
        note(f"warning: still there, of an earlier export: {names}", colour="yellow")


def _kept(folder: Path, content: Content) -> tuple[Content, Mapping[str, Any]]:
    from azkaban_client.config import ConfigError
    from azkaban_client.deploy import table

    try:
        kept = table.read(folder)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    return of_project(folder, content, kept), kept


def _options(given: Mapping[str, Any], table: Mapping[str, Any], folder: Path) -> Options:
    from azkaban_client.flow.export import Options

    times = beside(table, given)
    kinds = {kind: times.get(kind) for kind in WHEN if kind not in _BESIDE}
    lost = ((name, str(times.get(name, "none"))) for name in _BESIDE)
    return Options(
        schedule=_when(kinds, times.get("timezone")),
        beside=tuple((name, text) for name, text in lost if text != "none"),
        concurrency=given["concurrency"],
        on_failure=given["on_failure"],
        python=given["python"],
        home=str(folder),
    )


def _when(texts: Mapping[str, str | None], zone: str | None) -> When | None:
    from azkaban_client import when

    try:
        return when.read(texts, zone)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _write(made: Export, project: str, folder: Path) -> None:
    """Write an export, or replace an earlier one but keep what its runs have left."""
    from azkaban_client.flow.export.program import NAME
    from azkaban_client.flow.zip import unpack

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (folder / NAME).is_file():
            raise InvalidProject(f"{folder}: is there already, and is no export: name another")
        shutil.rmtree(folder / project, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    unpack(made.bundle, folder)


def _show(made: Export, folder: Path | None, *, as_json: bool) -> None:
    data = {
        "flow": made.flow,
        "folder": None if folder is None else str(folder),
        "file": made.start,
        "exact": made.is_exact,
        "features": list(made.losses),
    }
    show_losses(as_json, data, made.losses)
    if folder is not None and not as_json:
        note(f"wrote {folder / made.start}")


COMMANDS = (export,)
