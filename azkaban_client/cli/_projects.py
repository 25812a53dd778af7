"""azk project, upload, lint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli._app import App, command, emit, group, json_option, note, pass_app, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from azkaban_client.lint import Problem
    from azkaban_client.zip import Bundle

__all__ = ["COMMANDS"]


def content_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what goes into the zip."""
    for option in (
        click.option(
            "--known",
            multiple=True,
            metavar="NAME",
            help="A property that the server defines; * at its end for any rest. Repeatable.",
        ),
        click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out. Repeatable."),
        click.option("--include", multiple=True, metavar="PATTERN", help="Take only. Repeatable."),
        click.option(
            "--with",
            "extra",
            multiple=True,
            metavar="[NAME=]PATH",
            help="A folder to add under its own name. Repeatable.",
        ),
    ):
        function = option(function)
    return function


def load_bundle(
    source: Path, extra: tuple[str, ...], include: tuple[str, ...], exclude: tuple[str, ...]
) -> Bundle:
    """Collect a folder, or read a zip."""
    from azkaban_client.zip import Bundle, collect  # noqa: PLC0415 (start time)

    if source.is_dir():
        return collect(source, extra, include=include, exclude=exclude)
    if extra or include or exclude:
        raise click.UsageError("--with, --include and --exclude are for a folder, not for a zip")
    return Bundle.from_zip(source)


def find_problems(app: App, bundle: Bundle, known: tuple[str, ...]) -> list[Problem]:
    """Lint with the names known from options and settings."""
    from azkaban_client.lint import KNOWN, lint  # noqa: PLC0415 (start time)

    return lint(bundle, known=(*KNOWN, *app.settings["known"], *known))


@group()
def project() -> None:
    """Create, list and delete projects."""


@project.command("create")
@click.argument("name")
@click.argument("description", required=False)
@click.option("--exist-ok", is_flag=True, help="Be content if it exists.")
@json_option
@pass_app
def project_create(
    app: App, name: str, description: str | None, *, exist_ok: bool, as_json: bool
) -> None:
    """Create an empty project.

    Examples
    --------
      azk project create nn "Neural networks"
      azk project create nn --exist-ok
    """
    from azkaban_client.errors import Refused  # noqa: PLC0415 (start time)

    created = True
    with app.client() as client:
        try:
            client.create_project(name, description)
        except Refused as error:
            if not exist_ok or "already exists" not in error.message:
                raise
            created = False
    words = f"created project {name}" if created else f"project {name} exists"
    emit(as_json, {"project": name, "created": created}, words)


@project.command("list")
@click.option("--mine", is_flag=True, help="Only those that you have a permission of your own on.")
@json_option
@pass_app
def project_list(app: App, *, mine: bool, as_json: bool) -> None:
    """List projects.

    Examples
    --------
      azk project list
      azk project list --mine --json
    """
    with app.client() as client:
        projects = client.projects(mine=mine)
    emit(
        as_json,
        projects,
        lambda: table(
            ["project", "by", "description"],
            [[p.name, p.modified_by or p.created_by, p.description] for p in projects],
        ),
    )


@project.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_app
def project_delete(app: App, name: str, *, yes: bool, as_json: bool) -> None:
    """Delete a project with all its versions.

    Example:
      azk project delete nn --yes
    """
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"deleting project {name} needs --yes without a terminal")
        click.confirm(f"Delete project {name} and all its versions?", abort=True, err=True)
    with app.client() as client:
        words = client.delete_project(name)
    emit(as_json, {"project": name, "deleted": True, "message": words}, words)


@command()
@click.argument("name", metavar="PROJECT")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--create", is_flag=True, help="Create the project if it does not exist.")
@click.option("--no-lint", is_flag=True, help="Upload in spite of errors.")
@content_options
@json_option
@pass_app
def upload(
    app: App,
    name: str,
    source: Path,
    *,
    create: bool,
    no_lint: bool,
    extra: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    known: tuple[str, ...],
    as_json: bool,
) -> None:
    """Upload a folder or a zip as the new version of a project.

    Examples
    --------
      azk upload nn flows/nn --with jobs --with core --create
      azk upload nn nn.zip

    The files are checked first (azk lint). Patterns: *.csv matches a name at any depth, data/*.csv
    a path in the zip, ** any folders. __pycache__, .git and the like are always left out.
    """
    from azkaban_client.errors import NotFound  # noqa: PLC0415 (start time)

    bundle = load_bundle(source, extra, include, exclude)
    if not no_lint:
        _stop_on_errors(find_problems(app, bundle, known))
    with app.client() as client:

        def send(path: Path) -> Any:
            from azkaban_client.cli.display import upload_progress  # noqa: PLC0415 (start time)

            with upload_progress(path) as progress:
                return client.upload(name, path, progress=progress)

        def send_or_create(path: Path) -> Any:
            try:
                return send(path)
            except NotFound:
                if not create:
                    raise
                client.create_project(name)
                return send(path)

        if source.is_dir():
            with bundle.temporary(f"{name}.zip") as path:
                result = send_or_create(path)
        else:
            result = send_or_create(source)
    data = {
        "project": name,
        "project_id": result.project_id,
        "version": result.version,
        "files": len(bundle.names),
    }
    emit(as_json, data, f"uploaded {name}, version {result.version}, {data['files']} files")


def _stop_on_errors(problems: list[Problem]) -> None:
    for problem in problems:
        note(str(problem), colour="red" if problem.severity == "error" else "yellow")
    count = sum(problem.severity == "error" for problem in problems)
    if count:
        raise click.UsageError(f"nothing is uploaded: {count} error(s) (--no-lint to do it anyway)")


@command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@content_options
@json_option
@pass_app
def lint(
    app: App,
    source: Path,
    *,
    strict: bool,
    extra: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    known: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check a project folder or zip; exits 2 if there are errors.

    Examples
    --------
      azk lint flows/nn --with jobs --with core
      azk lint nn.zip --known python --known 'cluster.*'
    """
    problems = find_problems(app, load_bundle(source, extra, include, exclude), known)
    emit(as_json, problems, "\n".join(map(str, problems)))
    bad = [p for p in problems if strict or p.severity == "error"]
    if bad:
        raise click.exceptions.Exit(2)
    if not problems and not as_json:
        note("no problems found")


COMMANDS = (project, upload, lint)
