"""Say what set-up can do on this kind of machine, before anything is downloaded.

It imports nothing that only some systems have.
"""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from setup.called import called
from setup.errors import SetupError

if TYPE_CHECKING:
    import argparse

    from setup.layout import Layout

__all__ = ["elsewhere", "limits", "require"]

_TRIED = ("x86_64", "amd64")


def elsewhere() -> str:
    """Return a sentence about what works on other systems than Linux; empty on Linux."""
    system: str = sys.platform
    if system == "linux":
        return ""
    kind = {"darwin": "macOS", "win32": "Windows"}.get(system, system)
    return (
        f"on {kind} no servers are set up, which takes Linux; what works here is the client, once "
        "python -m pip install azkaban-jobflow (or a checkout's folder) has installed it: azk "
        "uploads, runs and follows flows on a server elsewhere, checks them (azk lint) and runs "
        "them here (azk run --local), and azkaban_client.job is the kit for jobs"
    )


def limits() -> str:
    """Return a sentence about what differs here from Linux for x86_64; empty there."""
    machine, libc = platform.machine(), platform.libc_ver()[0]
    if machine.lower() in _TRIED and libc == "glibc":
        return ""
    kind = machine if machine.lower() not in _TRIED else f"{machine} without glibc"
    return (
        f"on Linux for {kind}, where this was not tried, set-up makes Azkaban with its embedded "
        "database, the client and the jobs' environment, as far as packages are to be had for it; "
        "MySQL and the Python of Maven Central are for x86_64 with glibc"
    )


def require(layout: Layout, options: argparse.Namespace) -> None:
    """Refuse what is not available for this machine.

    Parameters
    ----------
    layout
        Where it is installed: a MySQL that the user brought stays in use.
    options
        The command with its options.

    Raises
    ------
    SetupError
        With what is possible instead.
    """
    if not (sentence := limits()):
        return
    given = vars(options)
    mysql = given.get("mysql") or given.get("profile") == "server"
    if given.get("command") == "mysql" and given.get("step") in ("init", "start"):
        mysql = not (given.get("tarball") or given.get("basedir"))
    if mysql and not (layout.prefix / "mysql/settings.json").is_file():
        raise SetupError(
            f"{sentence}. A MySQL 5.7 of your own can be used: {called()} mysql init --basedir DIR"
        )
    if given.get("command") == "python" and given.get("source") == "maven":
        raise SetupError(f"{sentence}. Use --from running, --from debian, or an archive")
