"""azk new."""

from __future__ import annotations

from pathlib import Path

import click

from azkaban_client.cli._app import command, emit, json_option, note
from azkaban_client.new import TEMPLATES

__all__ = ["COMMANDS"]

_TEMPLATES = "; ".join(f"{name}: {words}" for name, words in TEMPLATES.items())


@command()
@click.argument("folder", metavar="[NAME]", required=False, type=click.Path(path_type=Path))
@click.option("--template", type=click.Choice([*TEMPLATES]), help=f"{_TEMPLATES}.")
@click.option(
    "--from",
    "script",
    metavar="SCRIPT",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Make it around a script in Python, whose parameters become properties.",
)
@json_option
def new(folder: Path | None, *, template: str | None, script: Path | None, as_json: bool) -> None:
    """Make the folder of a new project.

    Examples
    --------
      azk new sales
      azk new sales --template etl
      azk new --from fetch.py

    The folder NAME holds a job, its test, its properties and a README. A SCRIPT is copied and not
    changed; its parameters are read from its text (the job kit, argparse, click). Nothing that
    exists is overwritten.
    """
    if script is None and folder is None:
        raise click.UsageError("give a NAME, or a script that exists: --from SCRIPT")
    if script is not None and template is not None:
        raise click.UsageError("--template and --from: give one of them")
    try:
        if script is not None:
            from azkaban_client.new.wrap import name_for, wrap

            folder = folder or Path(name_for(script))
            made = wrap(folder, script)
            parameters, missing, notes = made.parameters, made.missing, made.notes
            files = made.files
        else:
            from azkaban_client.new.create import from_template

            assert folder is not None
            files = from_template(folder, template or "script")
            parameters, missing, notes = (), (), ()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    data = {
        "project": folder.name,
        "folder": str(folder),
        "files": files,
        "parameters": parameters,
        "missing": missing,
        "notes": notes,
    }
    emit(as_json, data, f"made {folder}: {', '.join(files)}")
    if as_json:
        return
    for line in notes:
        note(f"note: {line}", colour="yellow")
    if missing:
        note(f"write a value to {folder}/{folder.name}.properties: {', '.join(missing)}")
    note(f"next: azk dev {folder}")


COMMANDS = (new,)
