"""azk project, upload, lint, graph."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from azkaban_client.cli import _env
from azkaban_client.cli._app import (
    App,
    command,
    emit,
    emit_table,
    group,
    json_option,
    local_time,
    note,
    pass_app,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from azkaban_client.client import Client
    from azkaban_client.flow.graph import Graph
    from azkaban_client.flow.lint import Problem
    from azkaban_client.flow.zip import Bundle
    from azkaban_client.models import Upload

__all__ = [
    "COMMANDS",
    "Content",
    "content_options",
    "executable_option",
    "refuse_where_unread",
    "send",
    "stop_on_errors",
]


@dataclass(frozen=True)
class Content:
    """What goes into the zip, and what the linter takes for granted."""

    extra: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    executable: bool = False
    known: tuple[str, ...] = ()
    job_types: tuple[str, ...] = ()
    server_version: str | None = None
    dense_flows: bool = False

    def files(self, folder: Path) -> dict[str, Path]:
        """List the files of a folder that go into the zip."""
        from azkaban_client.flow.collect import files_of

        return files_of(folder, self.extra, include=self.include, exclude=self._exclude(folder))

    def _exclude(self, folder: Path) -> tuple[str, ...]:
        """Leave out what is no part of a project: azk's settings, and what runs have left."""
        ran = any(folder.glob("runs/*/*/*/run.json"))
        return (*self.exclude, "azk.toml", *(["runs/*"] if ran else []))

    def bundle(self, source: Path) -> Bundle:
        """Collect a folder, or read a zip."""
        from azkaban_client.flow.collect import collect
        from azkaban_client.flow.executable import make_executable
        from azkaban_client.flow.zip import Bundle

        if source.is_dir():
            exclude = self._exclude(source)
            bundle = collect(source, self.extra, include=self.include, exclude=exclude)
        elif self.extra or self.include or self.exclude:
            raise click.UsageError(
                "--with, --include and --exclude are for a folder, not for a zip"
            )
        else:
            bundle = Bundle.from_zip(source)
        return make_executable(bundle) if self.executable else bundle

    def problems(self, app: App, bundle: Bundle, source: Path) -> list[Problem]:
        """Lint with the names known from options and settings, and what is on this machine."""
        from azkaban_client.flow.lint import JOB_TYPES, KNOWN, lint
        from azkaban_client.flow.server_properties import parse_version

        version = self.server_version or app.settings["server_version"]
        try:
            parsed = parse_version(version) if version else None
        except ValueError as error:
            raise click.UsageError(f"--server-version {error}") from error
        modules, unmade = _env.installed(app, source)
        return unmade + lint(
            bundle,
            known=(*KNOWN, *app.settings["known"], *self.known),
            job_types=(*JOB_TYPES, *app.settings["job_types"], *self.job_types),
            version=parsed,
            dense_flows=self.dense_flows or app.settings["dense_flows"],
            executable=self.executable,
            modules=modules,
        )


def content_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that make a `Content`."""

    @functools.wraps(function)
    def gather(*args: Any, **options: Any) -> Any:
        content = Content(**{one.name: options.pop(one.name) for one in fields(Content)})
        return function(*args, content=content, **options)

    for option in reversed(_CONTENT_OPTIONS):
        gather = option(gather)
    return gather


def _repeatable(name: str, metavar: str, words: str) -> Callable[..., Any]:
    return click.option(*name.split(), multiple=True, metavar=metavar, help=f"{words} Repeatable.")


executable_option = click.option(
    "--executable", is_flag=True, help="Let jobs make executable what they start from the project."
)
_CONTENT_OPTIONS = (
    _repeatable("--with extra", "[NAME=]PATH", "A folder to add under its own name."),
    _repeatable("--include", "PATTERN", "Take only."),
    _repeatable("--exclude", "PATTERN", "Leave out."),
    executable_option,
    _repeatable("--known", "NAME", "A property that the server defines; * at its end for any."),
    _repeatable("--job-type job_types", "NAME", "A type of job that the server has."),
    click.option(
        "--server-version",
        metavar="VERSION",
        help="Check for this version of Azkaban, such as 2.5; for any by default.",
    ),
    click.option(
        "--dense-flows", is_flag=True, help="The server loads flows with any number of paths."
    ),
)


@group()
def project() -> None:
    """Create, list and delete projects."""


@project.command("create")
@click.argument("name")
@click.argument("description", required=False)
@click.option("--exist-ok", is_flag=True, help="Succeed if the project exists already.")
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
    from azkaban_client.errors import Refused

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
    emit_table(
        as_json,
        projects,
        ["project", "by", "description"],
        [[p.name, p.modified_by or p.created_by, p.description] for p in projects],
    )


@project.command("show")
@click.argument("name")
@json_option
@pass_app
def project_show(app: App, name: str, *, as_json: bool) -> None:
    """Show what the server reports of a project.

    Example:
      azk project show nn
    """
    with app.client() as client:
        found = client.project(name)
    rows: list[list[Any]] = [
        ["id", found.id],
        ["description", found.description],
        ["created by", found.created_by],
        ["created", found.created and local_time(found.created)],
        ["modified by", found.modified_by],
        ["modified", found.modified and f"{found.modified} (time of the server)"],
    ]
    emit(as_json, found, lambda: table(["project", name], [row for row in rows if row[1]]))


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
        _env.forget(name, client.url)
    emit(as_json, {"project": name, "deleted": True, "message": words}, words)


@project.command("flows")
@click.argument("name")
@json_option
@pass_app
def project_flows(app: App, name: str, *, as_json: bool) -> None:
    """List the flows of a project.

    Example:
      azk project flows nn
    """
    with app.client() as client:
        flows = client.flows(name)
    emit(as_json, flows, "\n".join(flows))


@project.command("describe")
@click.argument("name")
@click.argument("description")
@json_option
@pass_app
def project_describe(app: App, name: str, description: str, *, as_json: bool) -> None:
    """Change the description of a project.

    Example:
      azk project describe nn "Neural networks, weekly"
    """
    with app.client() as client:
        client.describe(name, description)
    emit(as_json, {"project": name, "description": description}, f"described {name}")


@project.command("log")
@click.argument("name")
@click.option("--limit", "-n", type=click.IntRange(1), default=20, show_default=True)
@json_option
@pass_app
def project_log(app: App, name: str, *, limit: int, as_json: bool) -> None:
    """List what was done to a project, newest first.

    Example:
      azk project log nn -n 5
    """
    with app.client() as client:
        events = client.project_log(name, size=limit)
    emit_table(
        as_json,
        events,
        ["time", "user", "what", "message"],
        [
            [
                local_time(e.time),
                e.user,
                e.type,
                e.message,
            ]
            for e in events
        ],
    )


@project.command("download")
@click.argument("name")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--version", type=click.IntRange(1), help="The latest by default.")
@click.option("--unpack", is_flag=True, help="TARGET is a new folder for its files.")
@json_option
@pass_app
def project_download(
    app: App, name: str, target: Path, *, version: int | None, unpack: bool, as_json: bool
) -> None:
    """Download the zip of a project (Azkaban 2.6.4 or later).

    Examples
    --------
      azk project download nn nn.zip
      azk project download nn nn-7 --version 7 --unpack
    """
    import tempfile

    from azkaban_client.flow.zip import extract

    with app.client() as client:
        if unpack:
            with tempfile.TemporaryDirectory(prefix="azk-") as folder:
                archive = client.download(name, Path(folder) / "p.zip", version=version)
                files = len(extract(archive, target))
        else:
            client.download(name, target, version=version)
            files = 1
    emit(as_json, {"project": name, "target": str(target), "files": files}, f"wrote {target}")


@command()
@click.argument("name", metavar="PROJECT")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--create", is_flag=True, help="Create the project if it does not exist.")
@click.option("--no-lint", is_flag=True, help="Upload in spite of errors.")
@_env.pack_option
@content_options
@json_option
@pass_app
def upload(
    app: App,
    /,
    name: str,
    source: Path,
    *,
    content: Content,
    as_json: bool,
    **options: bool,
) -> None:
    """Upload a folder or a zip as the new version of a project.

    Examples
    --------
      azk upload nn flows/nn --with jobs --with core --create
      azk upload nn nn.zip

    The files are checked first (azk lint). Patterns: *.csv matches a name at any depth, data/*.csv
    a path in the zip, ** any folders. __pycache__, .git, virtual environments and the like,
    azk.toml, and what runs have left in runs/ are never sent.
    """
    pack, no_lint = options["pack"], options["no_lint"]
    bundle, environment = _env.for_upload(app, source, lambda: content.bundle(source), pack=pack)
    if not no_lint:
        problems = content.problems(app, bundle, source)
        stop_on_errors(problems, "nothing is uploaded (--no-lint to do it anyway)")
    with app.client() as client:
        if not no_lint:
            refuse_where_unread(client, name, bundle)
        if source.is_dir() or content.executable:
            with _env.as_sent(bundle, environment, pack=pack).temporary(f"{name}.zip") as path:
                result = send(client, name, path, create=options["create"])
        else:
            result = send(client, name, source, create=options["create"])
        flows = client.flows(name)
        _env.uploaded(environment, source, name, client.url)
    if not flows:
        note(f"warning: the server finds no flow in {name}", colour="yellow")
    data = {
        "project": name,
        "project_id": result.project_id,
        "version": result.version,
        "files": len(bundle.names),
        "flows": flows,
        "python": str(environment.python) if environment else None,
    }
    version = "of an unknown number" if result.version is None else result.version
    words = f"uploaded {name}, version {version}, {data['files']} files"
    emit(as_json, data, f"{words}, flows: {', '.join(flows) or 'none'}")


def refuse_where_unread(
    client: Client,
    name: str,
    bundle: Bundle,
    words: str = "Nothing is uploaded (--no-lint to do it anyway)",
) -> None:
    """Refuse a project of Flow 2.0 if the server would accept it and find no flow."""
    from azkaban_client.errors import Unsupported
    from azkaban_client.flow.loader import is_flow_2

    if is_flow_2(bundle) and client.capabilities.flow2 is False:
        raise Unsupported(
            f"{name} is Flow 2.0, which needs Azkaban 3.43 or later; this server is "
            f"{client.version}: it would take the project and find no flow. {words}"
        )


def send(client: Client, name: str, path: Path, *, create: bool) -> Upload:
    """Upload a zip; create the project first if it is missing and `--create` was given."""
    from azkaban_client.cli.display import upload_progress
    from azkaban_client.errors import NotFound

    for again in (create, False):
        try:
            with upload_progress(path) as progress:
                return client.upload(name, path, progress=progress)
        except NotFound:
            if not again:
                raise
            client.create_project(name)
    raise AssertionError("unreachable: the second try returns or raises")


def stop_on_errors(problems: Sequence[Problem], words: str) -> None:
    """Show what lint found, and stop if there are errors."""
    for problem in problems:
        note(str(problem), colour="red" if problem.severity == "error" else "yellow")
    count = sum(problem.severity == "error" for problem in problems)
    if count:
        raise click.UsageError(f"{words}: {count} error(s)")


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
    content: Content,
    as_json: bool,
) -> None:
    """Check a project folder or zip; exits 2 if there are errors.

    Examples
    --------
      azk lint flows/nn --with jobs --with core
      azk lint nn.zip --known python --known 'cluster.*'
    """
    problems = content.problems(app, content.bundle(source), source)
    emit(as_json, problems, "\n".join(map(str, problems)))
    bad = [p for p in problems if strict or p.severity == "error"]
    if bad:
        raise click.exceptions.Exit(2)
    if not problems and not as_json:
        note("no problems found")


@command()
@click.argument("source", metavar="FOLDER|ZIP|PROJECT")
@click.argument("flow", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "svg"]),
    default="text",
    show_default=True,
)
@json_option
@pass_app
def graph(app: App, source: str, flow: str | None, *, form: str, as_json: bool) -> None:
    """Draw the flows of a folder or a zip, or a flow of a project on the server.

    Examples
    --------
      azk graph flows/nn
      azk graph flows/nn nn --format svg > nn.svg
      azk graph nn nn --format mermaid
    """
    graphs = _local_graphs(Path(source), flow) if Path(source).exists() else None
    if graphs is None:
        from azkaban_client.flow.graph import Graph

        with app.client() as client:
            names = [flow] if flow else client.flows(source)
            graphs = [Graph.of_flow(client.flow(source, name)) for name in names]
    if form == "svg" and len(graphs) != 1:
        names = [one.name for one in graphs]
        raise click.UsageError(f"--format svg draws one flow: name it ({', '.join(names)})")
    data = [{"flow": one.name, "needs": one.needs} for one in graphs]
    emit(as_json, data, lambda: "\n\n".join(getattr(one, form)() for one in graphs))


def _local_graphs(source: Path, flow: str | None) -> list[Graph]:
    from azkaban_client.errors import NotFound
    from azkaban_client.flow.graph import Graph
    from azkaban_client.flow.loader import load

    found = load(Content().bundle(source))
    stop_on_errors(found.problems, "nothing is drawn")
    roots = found.names
    if flow is not None and flow not in roots:
        raise NotFound(f"there is no flow {flow!r} (flows: {', '.join(roots) or 'none'})")
    try:
        graphs = [Graph.of_project(found, name) for name in ([flow] if flow else roots)]
        for one in graphs:
            one.layers()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return graphs


COMMANDS = (project, upload, lint, graph)
