"""azk env: the environments of projects, and what other commands make of them."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from azkaban_client.cli._app import (
    App,
    emit,
    group,
    json_option,
    local_time,
    note,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from azkaban_client.environments import Environment
    from azkaban_client.flow.lint import Problem
    from azkaban_client.flow.zip import Bundle

__all__ = [
    "COMMANDS",
    "as_sent",
    "ensure",
    "for_upload",
    "forget",
    "installed",
    "is_here",
    "of_server",
    "pack_option",
    "uploaded",
]

pack_option = click.option(
    "--pack", is_flag=True, help="Send the project's packages along, for executors elsewhere."
)
_LONGEST_DAYS = 36_500  # a calendar cannot count back for ever


def ensure(folder: Path, *, upgrade: bool = False) -> Environment | None:
    """Make a project's environment, and say what goes on; None if it asks for no packages."""
    from azkaban_client import environments
    from azkaban_client.config import ConfigError

    try:
        return environments.ensure(folder, upgrade=upgrade, say=note)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def installed(app: App, source: Path) -> tuple[dict[str, frozenset[str]] | None, list[Problem]]:
    """Tell the linter what a project's Python, or the server's, can import; None if elsewhere."""
    from azkaban_client import environments
    from azkaban_client.environments import store
    from azkaban_client.flow.lint.context import OF_SERVER
    from azkaban_client.flow.loader.problem import Problem

    if not source.is_dir() or not environments.asks(source):
        if not is_here(app):
            return None, []
        of_server = store.modules_of_server()
        return ({} if of_server is None else {OF_SERVER: of_server}), []
    environment = environments.find(source)
    if environment is None:
        words = f"the environment with these packages is not made yet: azk env build {source}"
        name = "requirements.txt"
        return None, [Problem(name, None, "no-environment", words, "warning")]
    return dict.fromkeys(("${python}", str(environment.python)), environment.modules), []


def is_here(app: App) -> bool:
    """Tell whether the server's jobs can use what is here: on this machine, as this account."""
    import socket
    from urllib.parse import urlsplit

    from azkaban_client import owners

    account = app.settings["server_account"]
    if account and not _is_own(account):
        return False
    url = app.settings["url"]
    name = app.settings["address"] or (urlsplit(url).hostname if url else None)
    if not name:
        return False
    try:
        entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(owners.is_here(str(entry[4][0])) for entry in entries)


def of_server() -> dict[str, str]:
    """Return what a server of set-up here defines for all jobs, for runs without it."""
    from azkaban_client.environments import store
    from azkaban_client.flow.interpreter import as_word

    home = store.prefix()
    submit = home / "spark" / "submit" if home else None
    return {"spark.submit": as_word(submit)} if submit and submit.is_file() else {}


def _is_own(account: str) -> bool:
    """Tell whether an account, by name or number, is the one that runs this."""
    from azkaban_client import owners

    try:
        return hasattr(os, "geteuid") and owners.uid_of(account) == os.geteuid()
    except ValueError:
        return False


def for_upload(
    app: App,
    folder: Path,
    collect: Callable[[], Bundle],
    *,
    pack: bool = False,
    make: bool = True,
) -> tuple[Bundle, Environment | None]:
    """Make a project's environment and let its jobs use it, where they run on this machine.

    Its files are collected afterwards, with the lock that this may have written. With `pack` the
    environment is made as well, and `as_sent` adds it.
    """
    from azkaban_client import environments
    from azkaban_client.flow.interpreter import with_python

    if not folder.is_dir() or not environments.asks(folder):
        if pack:
            raise click.UsageError(f"--pack: {folder} asks for no packages of its own")
        return collect(), None
    if not pack and not is_here(app):
        note(
            f"warning: {app.url} is on another machine, or of another account: its jobs need the "
            f"packages of {folder} where they run; the environment here is not used (--pack sends "
            "it along)",
            colour="yellow",
        )
        return collect(), None
    environment = ensure(folder) if make else environments.find(folder)
    if environment is None or pack:
        return collect(), environment
    return with_python(collect(), environment.python), environment


def as_sent(bundle: Bundle, environment: Environment | None, *, pack: bool) -> Bundle:
    """Add what lint need not see: what the console shows of parameters, and packed packages."""
    from azkaban_client import environments
    from azkaban_client.flow.form import with_form
    from azkaban_client.flow.loader import load

    bundle = with_form(bundle)
    if not pack or environment is None:
        return bundle
    flows = load(bundle).flows.values()
    for job in (job for flow in flows for job in flow.jobs.values()):
        if job.get("working.dir") is not None:
            note(
                f"warning: {job.own.name}: {job.name} works in another folder (working.dir), where "
                "${python} does not find the packages that are sent",
                colour="yellow",
            )
    return environments.with_packed(bundle, environments.pack(environment, say=note))


def uploaded(environment: Environment | None, folder: Path, project: str, url: str) -> None:
    """Note that the latest version of a project on a server uses an environment."""
    from azkaban_client import environments

    if environment is not None:
        environments.record_use(environment, folder, project=project, url=url)


def forget(project: str, url: str) -> None:
    """Note that a project was deleted from a server."""
    from azkaban_client import environments

    environments.forget(project, url)


@group()
def env() -> None:
    """Make, list and delete the environments of projects: their own packages.

    Examples
    --------
      azk env build sales
      azk env list
    """


@env.command("build")
@click.argument(
    "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path()
)
@click.option("--upgrade", is_flag=True, help="Choose versions again: the newest that fit.")
@json_option
def build(folder: Path, *, upgrade: bool, as_json: bool) -> None:
    """Make the environment of a project; prints its interpreter.

    Examples
    --------
      azk env build sales
      azk env build sales --upgrade

    Its packages are in FOLDER/requirements.txt. The versions that are chosen are kept beside it, in
    requirements.lock: commit it. The same lock and the same Python give the same environment, which
    is made once. A file .python-version may name another Python. azk run --local and azk upload to
    a server on this machine make the environment as well, and the project's jobs run in it as
    ${python}.
    """
    from azkaban_client.environments import lock

    environment = ensure(folder, upgrade=upgrade)
    if environment is None:
        lock.read(folder)  # says what is missing
        raise AssertionError("unreachable: there is nothing to read")
    data = {
        "folder": str(environment.folder),
        "python": str(environment.python),
        "version": environment.version,
        "packages": environment.packages,
    }
    emit(as_json, data, str(environment.python))


@env.command("pack")
@click.argument(
    "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path()
)
@json_option
def pack_(folder: Path, *, as_json: bool) -> None:
    """Pack the environment of a project for another machine; prints the archive.

    Examples
    --------
      azk env pack sales
      azk deploy sales --pack

    The archive holds Python as well, and runs on Linux with the same processor and no older glibc.
    With --pack, azk deploy and azk upload send it in the project's zip. The first job on an
    executor unpacks it, to ~/.cache/azk/environments of the account that runs the jobs or to the
    folder that AZK_ENVIRONMENTS names; later ones find it there.
    """
    from azkaban_client import environments
    from azkaban_client.environments import lock

    environment = ensure(folder)
    if environment is None:
        lock.read(folder)  # says what is missing
        raise AssertionError("unreachable: there is nothing to read")
    archive = environments.pack(environment, say=note)
    data = {"archive": str(archive), "bytes": archive.stat().st_size, "python": environment.version}
    emit(as_json, data, str(archive))


@env.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List environments, those that were used last first.

    Examples
    --------
      azk env list
      azk env list --json
    """
    from azkaban_client import environments

    every = environments.environments()
    data = [
        {
            "folder": str(one.folder),
            "python": str(one.python),
            "version": one.version,
            "packages": one.packages,
            "bytes": one.size(),
            "made": one.made,
            "used": one.used,
            "uses": one.uses(),
        }
        for one in every
    ]
    header = ["environment", "python", "packages", "MB", "used", "by"]
    emit(as_json, data, lambda: table(header, [_row(one) for one in every]))
    if not every and not as_json:
        note("there are no environments: azk env build FOLDER makes one")


def _row(one: Environment) -> list[object]:
    names = dict.fromkeys(use.project or Path(use.folder).name for use in one.uses())
    size = f"{one.size() / 1e6:.0f}"
    return [one.name, one.version, len(one.packages), size, local_time(one.used), ", ".join(names)]


@env.command("prune")
@click.option(
    "--days",
    type=click.FloatRange(0),
    default=30,
    show_default=True,
    help="Keep what was used within this time.",
)
@click.option("--dry-run", is_flag=True, help="Delete nothing, only say what would be.")
@json_option
def prune(*, days: float, dry_run: bool, as_json: bool) -> None:
    """Delete environments that no project uses any more.

    Examples
    --------
      azk env prune --dry-run
      azk env prune --days 7

    The environment of the latest version of each project that was uploaded stays, however old it
    is. azk env build prunes as well.
    """
    from azkaban_client import environments

    unused = timedelta(days=min(_LONGEST_DAYS, days))  # in this order, "nan" is the first
    gone = environments.prune(unused=unused, dry=dry_run)
    data = [{"folder": str(path), "deleted": not dry_run} for path in gone]
    words = "would be deleted" if dry_run else "deleted"
    text = "\n".join(f"{path} {words}" for path in gone) or "every environment is in use"
    emit(as_json, data, text)


COMMANDS = (env,)
