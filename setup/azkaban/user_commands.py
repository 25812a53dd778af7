"""``setup users ...``: the command line."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup.azkaban.accept import users_file
from setup.azkaban.passwords import chosen, hashed, is_hash, password_options
from setup.azkaban.server import Server
from setup.azkaban.users import OWN, User, Users
from setup.called import called
from setup.commands import Needs
from setup.errors import UsageError
from setup.messages import say, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from setup.commands import Commands
    from setup.layout import Layout

__all__ = ["add_commands"]

_EPILOG = """\
examples:
  python3 -m setup users add ada                      asks for the password, twice
  python3 -m setup users add ben --role read --generate ben.password
  python3 -m setup users passwd ada --password-file new.txt
  python3 -m setup users list

roles: user (what it makes and what is shared with it; default), read (sees every project), admin
(may do everything), or one that azkaban-users.xml defines
"""


def add_commands(commands: Commands) -> None:
    """Add ``users`` to the commands of setup."""
    text = "Who may log in to Azkaban: add, passwd, remove, list."
    users = commands.group("users", text, _EPILOG)
    needs = Needs.INSTALLATION
    text = "Add a user, who can log in at once."
    added = users.add("add", _add, text, needs=needs)
    added.add_argument("name", metavar="NAME", help="as it is typed to log in")
    for option, target, what in (
        ("--role", "roles", "user, read, admin or one of the file; again for several"),
        ("--group", "groups", "to which projects can give permissions; again for several"),
        ("--proxy", "proxies", "whose name its projects may use (user.to.proxy)"),
    ):
        added.add_argument(
            option, dest=target, action="append", default=[], metavar="NAME", help=what
        )
    password_options(added)
    text = "Give a user another password; its sessions end."
    changed = users.add("passwd", _passwd, text, needs=needs)
    changed.add_argument("name", metavar="NAME")
    password_options(changed)
    text = "Remove a user; its sessions end, its projects stay."
    removed = users.add("remove", _remove, text, needs=needs)
    removed.add_argument("name", metavar="NAME")
    shown = users.add("list", _list, "Show the users.", needs=needs)
    shown.add_argument("--json", action="store_true", help="machine-readable")


def _opened(server: Server) -> Users:
    """Read the users of a server.

    Raises
    ------
    UsageError
        When there is no server yet, or it asks somebody else for its users.
    """
    if not server.installed:
        raise UsageError(f"{server.home}: Azkaban was never started; run {called()} up first")
    path = users_file(server.layout)
    if path is None:
        own = server.home / "conf" / "local.properties"
        raise UsageError(f"{own}: user.manager.class keeps the users elsewhere")
    if not server.program.current:  # its user manager may not know what is written here
        raise UsageError(
            f"the server in {server.home} is of another release; run {called()} update first"
        )
    return Users(path)


@contextmanager
def _changed(server: Server) -> Iterator[Users]:
    """Give the users to somebody who changes them, and write them; never while one is asked."""
    with server.layout.locked():
        users = _opened(server)
        yield users
        users.write()


def _add(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    users = _opened(server)
    roles = tuple(dict.fromkeys(options.roles))
    if roles == (OWN,) and OWN not in users.roles:
        roles = ()  # which is the same
    new = User(options.name, "", roles, tuple(options.groups), tuple(options.proxies))
    users.require_new(new)  # before anybody thinks of a password
    with chosen(options, new.name) as password, _changed(server) as users:
        users.add(new, hashed(password))
    role = f"the role {', '.join(roles)}" if roles else "no role: its own and shared projects"
    say(f"{new.name} can log in, with {role}")
    return 0


def _passwd(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    _opened(server).get(options.name)
    with chosen(options, options.name) as password, _changed(server) as users:
        users.set_password(options.name, hashed(password))
        if options.name == server.settings.user:  # set-up and azk log in with it
            write_private(server.password_file, f"{password}\n")
    say(f"{options.name} has a new password; open sessions have ended")
    return 0


def _remove(layout: Layout, options: argparse.Namespace) -> int:
    server = Server(layout)
    with _changed(server) as users:
        if options.name == server.settings.user:
            raise UsageError(f"{options.name}: set-up and azk log in as this user")
        users.remove(options.name)
    say(
        f"{options.name} can no longer log in; open sessions have ended. Projects, permissions and "
        "schedules stay: whoever gets this name next has them"
    )
    return 0


def _list(layout: Layout, options: argparse.Namespace) -> int:
    users = _opened(Server(layout))
    if options.json:
        found = [
            {
                "name": user.name,
                "roles": user.roles,
                "groups": user.groups,
                "proxies": user.proxies,
                "admin": user.name in users.admins,
                "password": _kept(user),
            }
            for user in users.all
        ]
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    rows = [
        [
            user.name,
            ", ".join(user.roles) or OWN,
            ", ".join(user.groups) or None,
            ", ".join(user.proxies) or None,
            _kept(user),
        ]
        for user in users.all
    ]
    table(["user", "roles", "groups", "proxies", "password"], rows)
    return 0


def _kept(user: User) -> str:
    return "hashed" if is_hash(user.password) else "plain text"
