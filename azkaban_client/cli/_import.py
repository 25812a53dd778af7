"""azk import, convert."""

from __future__ import annotations

import shlex
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli._app import App, command, emit, emit_table, json_option, note, pass_app
from azkaban_client.cli._projects import Content, content_options, stop_on_errors
from azkaban_client.errors import InvalidProject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azkaban_client.flow.losses import Loss
    from azkaban_client.flow.zip import Bundle
    from azkaban_client.when import When

__all__ = ["COMMANDS", "show_losses"]

_SOURCES = ("cron", "airflow", "luigi", "oozie")
_strict = click.option("--strict", is_flag=True, help="Write nothing unless all of it is exact.")


@command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--from", "source", type=click.Choice(_SOURCES), required=True, help="Whose file it is."
)
@click.option(
    "--output", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="The new project's folder; here, with the file's name, by default.",
)  # fmt: skip
@_strict
@json_option
def import_(file: Path, *, source: Any, output: Path | None, strict: bool, as_json: bool) -> None:
    """Read a file of another scheduler and write a project.

    Examples
    --------
      crontab -l > mine.crontab; azk import mine.crontab --from cron
      azk import sales_dag.py --from airflow --output sales
      azk import workflow.xml --from oozie

    The file is read and not run. A table tells what is exact, what is approximated, and what is
    lost; a job that does nothing stands for what Azkaban cannot run.
    """
    from azkaban_client.files import read_text
    from azkaban_client.flow.imports import read
    from azkaban_client.flow.losses import is_exact
    from azkaban_client.flow.zip import Bundle
    from azkaban_client.new.wrap import name_for

    name = name_for(Path(file.name.partition(".")[0] or "imported"))
    try:
        text = read_text(file)
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file}: not UTF-8: {error}") from None
    except ValueError as error:
        raise click.UsageError(f"{file}: {error}") from None
    made = read(text, source, name=name)
    # A crontab in a file "crontab" has the place of the folder.
    folder = output or Path(f"{name}-project" if name == file.name else name)
    written = _write(Bundle(dict(made.files)), folder, made.losses, strict=strict)
    commands = [_schedule(folder.resolve().name, flow, one) for flow, one in made.schedules.items()]
    data = {
        "folder": str(folder) if written else None,
        "flows": made.flows,
        "schedules": commands,
        "exact": is_exact(made.losses),
        "features": list(made.losses),
    }
    show_losses(as_json, data, made.losses)
    _finish(folder, written=written)
    if not as_json:
        for line in commands:
            note(f"then: {line}")


def _schedule(project: str, flow: str, when: When) -> str:
    zone = f" --timezone {shlex.quote(when.zone)}" if when.zone else ""
    return f"azk schedule add {shlex.join([project, flow])} --cron '{when.expression}'{zone}"


@command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--output", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="The new folder; FOLDER-2 here by default.",
)  # fmt: skip
@_strict
@content_options
@json_option
@pass_app
def convert(
    app: App, /, folder: Path, *, output: Path | None, content: Content, strict: bool, as_json: bool
) -> None:
    """Write the flows of a project in Flow 1.0 as Flow 2.0.

    Examples
    --------
      azk convert sales
      azk convert sales --output sales-2 --strict

    The folder itself stays as it is. Flow 2.0 needs Azkaban 3.43 or later.
    """
    from azkaban_client.flow.convert import to_flow_2
    from azkaban_client.flow.losses import is_exact
    from azkaban_client.flow.zip import Bundle

    bundle = content.bundle(folder)
    stop_on_errors(content.problems(app, bundle, folder), "it is not converted")
    name = folder.resolve().name
    made = to_flow_2(bundle, name)
    target = output or Path(f"{name}-2")
    # What only the zip has, as the job kit, goes into the zip of the new folder as well.
    files = {
        file: place
        for file, place in made.bundle.files.items()
        if file not in bundle.files or isinstance(place, Path)
    }
    written = _write(Bundle(files), target, made.losses, strict=strict)
    data = {
        "folder": str(target) if written else None,
        "flows": made.flows,
        "exact": is_exact(made.losses),
        "features": list(made.losses),
    }
    show_losses(as_json, data, made.losses)
    _finish(target, written=written)


def _write(bundle: Bundle, folder: Path, losses: Sequence[Loss], *, strict: bool) -> bool:
    """Write a new folder, unless it is to be exact and is not; tell whether."""
    from azkaban_client.flow.losses import is_exact
    from azkaban_client.flow.zip import unpack

    if strict and not is_exact(losses):
        return False
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidProject(f"{folder}: is there already: name another folder by --output")
    folder.mkdir(parents=True, exist_ok=True)
    unpack(bundle, folder)
    return True


def _finish(folder: Path, *, written: bool) -> None:
    if not written:
        raise click.UsageError("not all of it is exact: nothing is written")
    note(f"wrote {folder}; next: azk lint {folder}")


def show_losses(as_json: bool, data: Any, losses: Sequence[Loss]) -> None:  # noqa: FBT001
    """Print what becomes of each feature."""
    from azkaban_client.flow.losses import Loss

    if not losses:
        emit(as_json, data, "all of it is exact")
        return
    header = [one.name for one in fields(Loss)]
    emit_table(as_json, data, header, [[*asdict(loss).values()] for loss in losses])


COMMANDS = (import_, convert)
