"""``setup azkaban ...``: the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup import java
from setup.azkaban import busy, upgrade
from setup.azkaban.options import server_options, wanted
from setup.azkaban.server import Server
from setup.called import called
from setup.commands import Needs
from setup.errors import UsageError
from setup.life import supervise
from setup.life.process import Process
from setup.life.status import show
from setup.messages import confirmed, say
from setup.paths import expanded

if TYPE_CHECKING:
    import argparse

    from setup.azkaban.settings import Settings
    from setup.commands import Commands
    from setup.layout import Layout

__all__ = ["add_commands"]

_EPILOG = """\
examples:
  python3 -m setup azkaban start                      made first where there is none
  python3 -m setup azkaban install --distribution azkaban-solo-server-4.0.0.tar.gz
  python3 -m setup azkaban start --profile server --executors 2 --distribution build/*.tar.gz
  python3 -m setup azkaban use '/manager?ajax=fetchprojectflows&project=NAME'
  python3 -m setup azkaban upgrade --distribution azkaban-solo-server-4.1.0.tar.gz
"""


def add_commands(commands: Commands) -> None:
    """Add ``azkaban`` to the commands of setup."""
    text = "Azkaban alone: install, start, stop, restart, status, use, upgrade, rollback."
    azkaban = commands.group("azkaban", text, _EPILOG)
    options = server_options()
    needs = Needs.ENVIRONMENT
    text = "Install program and settings; start nothing."
    azkaban.add("install", _install, text, options, needs=needs, locked=True, unprivileged=True)
    text = "Install it if needed, start it, and wait until a login works."
    azkaban.add("start", _start, text, options, needs=needs, locked=True, unprivileged=True)
    text = "Stop it and the programs of its jobs; a database keeps running."
    azkaban.add("stop", _stop, text, needs=Needs.INSTALLATION)
    text = "Stop it, and start it with the given options."
    azkaban.add("restart", _restart, text, options, needs=needs, locked=True, unprivileged=True)
    text = "Show each of its processes; exit 1 when one does not answer."
    status = azkaban.add("status", _status, text, needs=Needs.IF_THERE)
    status.add_argument("--json", action="store_true", help="machine-readable")
    text = "Show where it is and who logs in; or call its API in a session."
    use = azkaban.add("use", _use, text, needs=Needs.INSTALLATION)
    use.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="such as '/manager?ajax=fetchprojectflows&project=NAME'",
    )
    text = "Replace the program; keep projects, history, schedules; go back when that fails."
    upgraded = azkaban.add("upgrade", _upgrade, text, needs=needs, locked=True, unprivileged=True)
    upgraded.add_argument(
        "--distribution",
        nargs="+",
        default=[],
        metavar="FILE-or-DIR",
        help="the new one (default: the stock program of this checkout)",
    )
    upgraded.add_argument(
        "--java", metavar="WHICH", help="auto, private, or the path of a java (default: as before)"
    )
    busy.add_options(upgraded)
    text = "Take over the database of another Azkaban from a plain mysqldump."
    taken = azkaban.add("adopt", _adopt, text, needs=needs, locked=True, unprivileged=True)
    taken.add_argument("file", metavar="FILE", help="what mysqldump wrote, plain or gzip")
    taken.add_argument("--database", default="", metavar="NAME", help="which, if it holds several")
    taken.add_argument("--replace", action="store_true", help="replace databases that have rows")
    text = "Restore the state before the last upgrade; what happened since is lost."
    back = azkaban.add("rollback", _rollback, text, needs=needs, locked=True, unprivileged=True)
    back.add_argument("--yes", action="store_true", help="do not ask")
    busy.add_options(back)


def _install(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    asked = wanted(options)
    server.install(java.ensure(layout, options.java), asked, options.distribution)
    say(f"Azkaban {server.version} is set up in {server.home}; run {called()} azkaban start")
    return 0


def _start(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    asked = wanted(options)
    settings = server.up(java.ensure(layout, options.java), asked, options.distribution)
    tell(server, settings)
    return 0


def tell(server: Server, settings: Settings) -> None:
    """Say how to log in."""
    say(f"log in as {settings.user}, the password is in {server.password_file}")
    say(f"for azk: export AZK_CONFIG={server.layout.client_config}")


def _stop(layout: Layout, _options: argparse.Namespace) -> int:
    if supervisor := Process.read(supervise.pid_file(layout.prefix)):
        raise UsageError(
            f"a supervisor (pid {supervisor.pid}) would start it again; {called()} stop ends both"
        )
    if not Server(layout).stop():
        say("Azkaban is not running")
    return 0


def _restart(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    if not server.installed:
        raise UsageError(f"{server.home}: there is no Azkaban; run {called()} azkaban start")
    asked = wanted(options)
    tell(server, server.restart(java.ensure(layout, options.java), asked, options.distribution))
    return 0


def _status(layout: Layout, options: argparse.Namespace) -> int:
    return show(Server(layout).statuses(), as_json=options.json)


def _use(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    if not server.installed:
        raise UsageError(f"{server.home}: Azkaban was never started; run {called()} azkaban start")
    settings = server.settings
    endpoint = server.endpoint(settings, next(part for part in settings.parts if part.pages))
    if not options.path:
        print(f"url       {settings.url}\naddress   {endpoint.ends[0][0]}")
        print(f"user      {endpoint.user}\npassword  in {endpoint.password_file}")
        if endpoint.ca:
            print(f"ca        {endpoint.ca}")
        return 0
    session = endpoint.login()
    answer = endpoint.ask(options.path, session=session) if session else b""
    if answer:
        print(answer.decode("utf-8", "replace"))
        return 0
    what = "the server refused it, or answered nothing; its log may say why"
    say(f"{options.path}: {what}" if session else f"no login: see {called()} azkaban status")
    return 1


def _upgrade(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    found = java.ensure(layout, options.java)
    if server.installed:
        busy.settle(server, wait=options.wait, force=options.force)
    tell(server, upgrade.upgrade(server, found, options.distribution))
    return 0


def _adopt(layout: Layout, options: argparse.Namespace) -> int:
    from setup.azkaban.adopt import adopt

    path = expanded(options.file).absolute()
    adopt(Server(layout), path, options.database, replace=options.replace)
    return 0


def _rollback(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    saved = upgrade.latest(server)
    what = f"what happened since the upgrade from Azkaban {saved.version} ({saved.folder.name})"
    if not confirmed(what, yes=options.yes):
        return 1
    busy.settle(server, wait=options.wait, force=options.force)
    tell(server, upgrade.rollback(server, saved))
    return 0
