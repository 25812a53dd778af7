"""Update a prefix to this release: environment, server, console, agent, tables, scripts, unit.

Projects, history, schedules, passwords and settings stay. The earlier state is saved in
``<prefix>/backups``. It is restored if the new release does not start, or on request.

The work is done by the Python that was called, because the environment changes meanwhile; only what
uses MySQL, or starts servers, runs inside the environment (`inside`). A restored server is
started by its own script, which belongs to the earlier release.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from setup import environment, release
from setup import java as javas
from setup.azkaban import Server, busy
from setup.bundle import product
from setup.called import called, speaker
from setup.errors import ServerError, SetupError, UsageError
from setup.layout import CHECKOUT, LOCK, Layout
from setup.life import servers, service, supervise
from setup.life.process import Process
from setup.life.saved import Contents, Saved, earlier, place, read
from setup.messages import confirmed, say, step
from setup.mysql import Server as MySQL
from setup.python import layers

if TYPE_CHECKING:
    import argparse

    from setup.commands import Commands

__all__ = ["add_commands", "back", "inside", "update"]

SUPERVISOR_SECONDS = 120.0

# Not saved of a server, because it is made again, only grows, or is saved elsewhere.
_LEFT_OUT = {
    "azkaban": {"backups", "executions", "logs", "program.new", "program.old", "temp"},
    "mysql": {"backups", "lib", "mysql_data", "mysql_data.old", "mysql_files", "program"}
    | {"restore", ".lock", ".restore.lock"},
}
_FILES = ("azk.toml", "tls")


def add_commands(commands: Commands) -> None:
    """Add ``update`` to the commands of setup."""
    text = "Bring servers and environment to this release; go back when that fails."
    parser = commands.add("update", _update, text, unprivileged=True)
    executions = busy.add_options(parser)
    text = "restore the state before the last update"
    executions.add_argument("--back", action="store_true", help=text)
    parser.add_argument("--yes", action="store_true", help="do not ask (--back)")
    text = "auto, private, or the path of a java (default: as before)"
    parser.add_argument("--java", default="", metavar="WHICH", help=text)


def _update(layout: Layout, options: argparse.Namespace) -> int:
    if options.back:
        return 0 if back(layout, yes=options.yes) else 1
    update(layout, java=options.java, wait=options.wait, force=options.force)
    return 0


def update(layout: Layout, *, java: str = "", wait: bool = False, force: bool = False) -> None:
    """Update a prefix to this release, and restore it if that fails.

    Parameters
    ----------
    layout
        The prefix; its servers may run, and run afterwards if they did.
    java
        Which Java runs the server: see `setup.java.ensure`; empty for the one that was kept.
    wait
        Whether to wait for executions to end.
    force
        Whether to end executions that run.

    Raises
    ------
    UsageError
        When there is nothing to update, or executions run; nothing was changed.
    ServerError
        When the new release did not start; the earlier one is restored and runs.
    """
    if not layout.exists():
        raise UsageError(f"{layout.prefix}: no installation there; run {called()} up")
    layout.require_private()
    release.refuse_newer(layout)
    product.move_under(layout, sys.argv[1:])
    with layout.locked():
        Server(layout).mixed.refuse()
        if java:
            javas.ensure(layout, java)  # before anything is stopped
        running = _have_it_idle(layout, wait=wait, force=force)
        if _finish_interrupted(layout):
            running = _have_it_idle(layout, wait=wait, force=force)
        old, new = release.made_by(layout), release.current()
        saved = _save(layout, old.version, running)
        release.mixed(layout).set(saved.folder)
        try:
            # The first release had one layer with everything in it.
            needed = ("jobs", *["mysql"] * MySQL(layout).installed) if not old.format else ()
            layers.ensure(layout, *needed)
            _inside(layout, "finish", saved, java)
            release.record(layout)
        except BaseException as error:
            say(f"the update failed: going back to release {old.version}")
            _bring_back(layout, saved)
            shutil.rmtree(saved.folder)
            if not isinstance(error, SetupError):
                raise
            raise ServerError(
                f"the update from {old.version} to {new.version} failed and was undone; the "
                f"earlier state is restored, with its projects, history and schedules. {error}"
            ) from error
        release.mixed(layout).clear()
        for folder in _backups(layout).glob("update-*"):  # one way back is enough
            if folder != saved.folder:
                shutil.rmtree(folder)
        if service.installed(layout):
            service.install(layout)
    origin = f" from {old.checkout}" if old.checkout not in ("", new.checkout) else ""
    say(f"{layout.prefix} is at release {new.version}; it was at {old.version}{origin}")
    say(f"the earlier state is in {saved.folder}; {called()} update --back restores it")


def back(layout: Layout, *, yes: bool) -> bool:
    """Restore the state before the last update; what happened since is lost.

    Parameters
    ----------
    layout
        The prefix.
    yes
        Do not ask.

    Returns
    -------
    bool
        False if the user declined.
    """
    layout.require_private()
    saved = read(release.mixed(layout).folder) or next(earlier(_backups(layout), "update-"), None)
    if saved is None:
        raise UsageError(f"{layout.prefix}: there was no update that could be undone")
    if not confirmed(f"what happened since the update ({saved.folder.name})", yes=yes):
        return False
    with layout.locked():
        _have_it_idle(layout, wait=False, force=True)
        release.mixed(layout).set(saved.folder)
        _bring_back(layout, saved)
        shutil.rmtree(saved.folder)
    made = release.made_by(layout)
    say(f"{layout.prefix} is at release {made.version} again; go on with that one's commands")
    return True


def inside(what: str, prefix: str, cache: str, folder: str, choice: str) -> int:
    """Do a part of the work that needs the environment's packages; return an exit code.

    Parameters
    ----------
    what
        ``finish`` or ``undo``.
    prefix, cache
        Those of the layout.
    folder
        That of `setup.life.saved.Saved`.
    choice
        Which Java; empty for the one that was kept.
    """
    layout, saved = Layout(Path(prefix), Path(cache)), read(Path(folder))
    try:
        if saved and what == "finish":
            _finish(layout, saved, choice)
        elif saved:
            saved.restore_database(layout)
            MySQL(layout).stop()
    except SetupError as error:
        say(f"{speaker()}: {error}")
        return error.code
    return 0


# The steps


def _have_it_idle(layout: Layout, *, wait: bool, force: bool) -> tuple[bool, bool]:
    """Stop Azkaban when no execution runs; return whether it and MySQL ran."""
    server, database = Server(layout), MySQL(layout)
    found = busy.settle(server, wait=wait, force=force)
    running = bool(server.running()), bool(database.installed and database.process())
    if supervisor := Process.read(supervise.pid_file(layout.prefix)):
        with step("stopping the supervisor") as shown:
            supervisor.stop(patience=SUPERVISOR_SECONDS)
            shown.done("stopped, with the servers that it kept up")
        if not service.installed(layout):
            say(f"start it again afterwards: {called()} supervise")
    server.stop()
    if found:
        say(f"ended by --force: {busy.listed(found)}")
    return running


def _save(layout: Layout, version: str, running: tuple[bool, bool]) -> Saved:
    """Save what an update changes; start again what ran if that fails."""
    saved = Saved(place(_backups(layout), "update-"), version, *running, java=javas.kept(layout))
    try:
        _contents(layout).save(saved, "saving what is there")
    except BaseException:
        _start(layout, saved)
        raise
    return saved


def _inside(layout: Layout, what: str, saved: Saved, java: str = "") -> None:
    """Call `inside` in the environment."""
    code = (  # it names commands as this process does
        f"import sys; sys.argv[0] = {sys.argv[0]!r}; from setup.life.update import inside; "
        "sys.exit(inside(*sys.argv[1:]))"
    )
    command = [str(layout.python), "-c", code, what, str(layout.prefix), str(layout.cache)]
    environ = layers.variables(layout)
    command += [str(saved.folder), java]
    if subprocess.run(command, cwd=CHECKOUT, env=environ, check=False).returncode:
        raise ServerError("The cause is shown above")


def _finish(layout: Layout, saved: Saved, choice: str) -> None:
    """Save the database, then start everything with this release."""
    server, database = Server(layout), MySQL(layout)
    if database.installed:
        saved.save_database(layout)
        database.stop()  # the next start writes its settings again
    if server.installed:
        server.up(javas.ensure(layout, choice))
    elif saved.mysql:
        database.ensure()
    if server.installed and not saved.azkaban:  # it was started to see that it does
        servers.stop(layout)
        if saved.mysql:
            database.ensure()


def _bring_back(layout: Layout, saved: Saved) -> None:
    """Restore everything that was saved; can be repeated if it is interrupted."""
    Server(layout).stop()
    if saved.database.is_file():
        _inside(layout, "undo", saved)
    with step("bringing back") as shown:
        _contents(layout).restore(saved.folder)
        if saved.java:
            javas.keep_choice(layout, saved.java)
        shown.done(f"release {saved.version}")
    release.mixed(layout).clear()
    _start(layout, saved)


def _start(layout: Layout, saved: Saved) -> None:
    """Start what ran, as it was."""
    if not (saved.azkaban or saved.mysql):
        return
    start = layout.azkaban / "start" if saved.azkaban else layout.prefix / "mysql/start"
    # The script is the earlier release's: this one would update the program to itself again.
    if not start.is_file() or not _runs(start):
        raise ServerError(f"the earlier state is restored, but {start} does not start it")


def _runs(script: Path) -> bool:
    lock = int(os.environ[LOCK].partition(":")[2])  # this update goes on while the script runs
    command, environ = [str(script)], environment.program()
    return not subprocess.run(command, env=environ, pass_fds=[lock], check=False).returncode


def _finish_interrupted(layout: Layout) -> bool:
    """Go back first if an update was interrupted; return False if nothing was to be undone."""
    mark = release.mixed(layout)
    if not mark.interrupted:
        return False
    saved = read(mark.folder)
    if saved is None:  # this release makes whatever it needs again
        say(
            "an earlier update was interrupted, and the state before it is not there any more "
            f"({mark.folder or 'it was not recorded'}): going on from what is there"
        )
        return False
    say("an earlier update was interrupted: going back first")
    _bring_back(layout, saved)
    return True


def _backups(layout: Layout) -> Path:
    return layout.prefix / "backups"


def _contents(layout: Layout) -> Contents:
    return Contents(layout.prefix, ("env", *_LEFT_OUT, *_FILES, layout.marker.name), _LEFT_OUT)
