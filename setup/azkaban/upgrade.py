"""Upgrade an Azkaban with its projects, history and schedules, and go back if that fails."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from setup import java as javas
from setup.azkaban import program, schema
from setup.azkaban.accept import accept
from setup.azkaban.settings import Wanted
from setup.called import called
from setup.errors import ServerError, SetupError, UsageError
from setup.life.process import refuse_root
from setup.life.saved import Contents, Saved, earlier, place, read
from setup.messages import say, step
from setup.mysql import Server as MySQL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from setup.azkaban.distribution import Distribution
    from setup.azkaban.program import Program
    from setup.azkaban.server import Server
    from setup.azkaban.settings import Settings
    from setup.java import Java

__all__ = ["latest", "rollback", "upgrade"]

# What a backup holds beside the program and the database of MySQL; all within <prefix>/azkaban.
_KEPT = ("settings.json", "admin.password", "mail.password", "conf", "plugins", "projects", "h2")


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
    _undo_interrupted(server)
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
        accept(server.layout, java, settings, Wanted())
        saved = _save(server, settings, old)
    except BaseException:
        shutil.rmtree(new_place)
        raise
    try:
        server.mixed.set(saved.folder)
        program.place(server.layout, new_place, kept=saved.folder / "program")
        if settings.database == "mysql":
            sql = program.folder(server.layout) / "sql"
            schema.update(MySQL(server.layout), sql, new.version)
        server.mixed.clear()
        settings = server.up(java)
    except BaseException as error:
        say(f"the new server did not come up: going back to {old.version}")
        _bring_back(server, saved)
        server.up(javas.ensure(server.layout))
        shutil.rmtree(saved.folder)
        if not isinstance(error, SetupError):
            raise
        raise ServerError(
            f"the upgrade from {old.version} to {new.version} failed and was undone; the earlier "
            f"server runs again with its projects, history and schedules. What the new one said:\n"
            f"{error}"
        ) from error
    say(f"the earlier state is in {saved.folder}; {called()} azkaban rollback restores it")
    return settings


def rollback(server: Server, saved: Saved) -> Settings:
    """Restore the state before the last upgrade; what happened since is lost.

    Parameters
    ----------
    server
        An installed one; it runs afterwards, with the Java that it had.
    saved
        What `latest` found.
    """
    refuse_root()
    javas.ensure(server.layout, saved.java or None)  # before anything is stopped
    server.stop()
    _bring_back(server, saved)
    settings = server.up(javas.ensure(server.layout))
    shutil.rmtree(saved.folder)
    return settings


def latest(server: Server) -> Saved:
    """Find the backup of an upgrade that was interrupted, or the last one that is complete.

    Raises
    ------
    UsageError
        When there is none.
    """
    if saved := read(server.mixed.folder):
        return saved
    for saved in earlier(_backups(server)):
        if (saved.folder / "program").is_dir():
            return saved
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


def _save(server: Server, settings: Settings, old: Program) -> Saved:
    """Stop the server and save all but the program, which moves there; start it if that fails."""
    java = javas.kept(server.layout)
    saved = Saved(place(_backups(server)), old.version, java=java)
    ran = server.running()
    server.stop()
    try:
        database = server.layout if settings.database == "mysql" else None
        _contents(server).save(saved, "backup of Azkaban", database=database)
    except BaseException:
        if ran:
            server.up(javas.ensure(server.layout))
        raise
    return saved


def _undo_interrupted(server: Server) -> None:
    """Go back first if an upgrade was interrupted."""
    if not server.mixed.interrupted:
        return
    saved = read(server.mixed.folder)
    if saved is None:  # an earlier backup is of another time: nobody asked for that one
        raise ServerError(
            f"{server.mixed.file}: an upgrade was interrupted, and the state before it is not "
            f"there any more ({server.mixed.folder or 'it was not recorded'}); {called()} azkaban "
            "rollback goes back to that before an earlier upgrade, if there is one, and asks first"
        )
    say("an earlier upgrade was interrupted: going back first")
    _bring_back(server, saved)
    shutil.rmtree(saved.folder)


def _bring_back(server: Server, saved: Saved) -> None:
    """Restore everything from the backup; can be repeated if it is interrupted."""
    server.stop()
    server.mixed.set(saved.folder)
    with step("bringing back") as shown:
        _contents(server, "program").restore(saved.folder)
        shown.done(f"Azkaban {saved.version}")
    if saved.database.is_file():
        saved.restore_database(server.layout)
    if saved.java:
        javas.keep_choice(server.layout, saved.java)
    server.mixed.clear()


def _contents(server: Server, *others: str) -> Contents:
    return Contents(server.home, (*others, *_KEPT))


def _backups(server: Server) -> Path:
    return server.home / "backups"
