"""Upgrade an Azkaban with its projects, history and schedules, and go back if that fails."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup.azkaban import program, schema
from setup.called import called
from setup.errors import ServerError, SetupError, UsageError
from setup.life.process import refuse_root
from setup.messages import say, step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from setup.azkaban.distribution import Distribution
    from setup.azkaban.program import Program
    from setup.azkaban.server import Server
    from setup.azkaban.settings import Settings
    from setup.java import Java
    from setup.mysql import Server as MySQL

__all__ = ["Backup", "latest", "rollback", "upgrade"]

# What a backup holds beside the program and the database of MySQL; all within <prefix>/azkaban.
_KEPT = ("settings.json", "admin.password", "mail.password", "conf", "plugins", "projects", "h2")


@dataclass(frozen=True)
class Backup:
    """What was saved before an upgrade.

    Attributes
    ----------
    folder
        Its place; ``backup.json`` in it appears when it is complete.
    version
        Version of the Azkaban that was saved.
    """

    folder: Path
    version: str

    @property
    def program(self) -> Path:
        """The earlier program."""
        return self.folder / "program"

    @property
    def dump(self) -> Path:
        """The dump of MySQL, where that is the database."""
        return self.folder / "mysql.sql.gz"


def upgrade(server: Server, java: Java, sources: Sequence[str] = ()) -> Settings:
    """Replace the program, keep everything else, and go back if the new one does not start.

    Parameters
    ----------
    server
        An installed one; it may run, and runs afterwards.
    java
        Runs it.
    sources
        The new distribution; none for the stock program of this checkout.

    Raises
    ------
    UsageError
        When there is nothing to upgrade, or Azkaban has no way to the new version; nothing was
        changed.
    ServerError
        When the new server did not start; the earlier one is restored and runs.
    """
    refuse_root()
    server.refuse_half_done()
    if not server.installed:
        raise UsageError(
            f"{server.home}: there is no Azkaban to upgrade; run {called()} azkaban start"
        )
    old, settings = server.program, server.settings
    with step("new program") as shown:
        new_place = _make(server, java, sources, settings, shown.update)
        new = program.Program.read(new_place)
        if new is None:
            raise ServerError(f"{new_place}: the new program is not complete")
        shown.done(f"Azkaban {new.version}, {len(new.jars)} jars")
    try:
        definitions = (program.folder(server.layout) / "sql", new_place / "sql")
        schema.require_way(old, new, *definitions, settings.database)
        schema.require_executors(new, settings)
    except UsageError:
        shutil.rmtree(new_place)
        raise
    server.stop()
    saved = _back_up(server, settings, old)
    try:
        server.half_done.touch()
        program.place(server.layout, new_place, kept=saved.program)
        if settings.database == "mysql":
            schema.update(_mysql(server), program.folder(server.layout) / "sql", new.version)
        server.half_done.unlink()
        settings = server.up(java)
    except BaseException as error:
        say(f"the new server did not come up: going back to {old.version}")
        _bring_back(server, saved)
        server.up(java)
        if not isinstance(error, SetupError):
            raise
        raise ServerError(
            f"the upgrade from {old.version} to {new.version} failed and was undone; the earlier "
            f"server runs again with its projects, history and schedules. What the new one said:\n"
            f"{error}"
        ) from error
    say(f"the earlier state is in {saved.folder}; {called()} azkaban rollback restores it")
    return settings


def rollback(server: Server, java: Java, saved: Backup) -> Settings:
    """Restore the state before the last upgrade; what happened since is lost.

    Parameters
    ----------
    server
        An installed one; it runs afterwards.
    java
        Runs it.
    saved
        What `latest` found.
    """
    refuse_root()
    server.stop()
    _bring_back(server, saved)
    settings = server.up(java)
    shutil.rmtree(saved.folder)
    return settings


def latest(server: Server) -> Backup:
    """Find the last backup that is complete.

    Raises
    ------
    UsageError
        When there is none.
    """
    for folder in sorted((server.home / "backups").glob("*"), reverse=True):
        record = folder / "backup.json"
        if record.is_file() and (folder / "program").is_dir():
            return Backup(folder, str(json.loads(record.read_text())["version"]))
    raise UsageError(f"{server.home}: there was no upgrade that could be undone")


def _make(
    server: Server,
    java: Java,
    sources: Sequence[str],
    settings: Settings,
    update: Callable[[str], None],
) -> Path:
    if not sources:
        return program.make(server.layout, java, update)

    def accept(found: Distribution) -> None:
        found.require(settings.profile, settings.database)

    return program.make_from(server.layout, sources, java, update, accept)


def _mysql(server: Server) -> MySQL:
    from setup import mysql

    return mysql.Server(server.layout)


def _back_up(server: Server, settings: Settings, old: Program) -> Backup:
    folder = server.home / "backups" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    folder.mkdir(parents=True, mode=0o700)
    saved = Backup(folder, old.version)
    with step("backup of Azkaban") as shown:
        for name in _KEPT:
            path = server.home / name
            if path.is_dir():
                shutil.copytree(path, folder / name, symlinks=True)
            elif path.is_file():
                shutil.copy2(path, folder / name)
        shown.done(str(folder))
    if settings.database == "mysql":
        from setup.mysql import dump

        database = _mysql(server)
        database.ensure()
        dump.backup(database, saved.dump)
    write_private(folder / "backup.json", json.dumps({"version": old.version}) + "\n")
    return saved


def _bring_back(server: Server, saved: Backup) -> None:
    """Restore everything from the backup; can be repeated if it is interrupted."""
    server.stop()
    server.half_done.touch()
    with step("bringing back") as shown:
        if saved.program.is_dir():
            place = program.folder(server.layout)
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(saved.program, place, symlinks=True)
        for name in _KEPT:
            source, target = saved.folder / name, server.home / name
            if source.is_dir():
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target, symlinks=True)
            elif source.is_file():
                shutil.copy2(source, target)
        shown.done(f"Azkaban {saved.version}")
    if saved.dump.is_file():
        from setup.mysql.restore import restore

        database = _mysql(server)
        database.ensure()
        restore(database, saved.dump, replace=True)
    server.half_done.unlink()
