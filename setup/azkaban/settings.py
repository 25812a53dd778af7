"""What a server was asked to be, and how its name, address and ports are chosen."""

from __future__ import annotations

import getpass
import ipaddress
import json
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from setup.errors import SetupError, UsageError
from setup.layout import write_private
from setup.process import free_port, port_taken

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Part", "Settings", "Wanted", "choose"]

WEB_PORT, EXECUTOR_PORT = 8081, 12321


@dataclass(frozen=True)
class Part:
    """One process of a server.

    Attributes
    ----------
    name
        ``azkaban`` (both in one), ``web`` or ``executor``.
    main
        Its Java class.
    ends
        The addresses and ports on which it listens, and nothing else may.
    """

    name: str
    main: str
    ends: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a call of ``setup up`` asks for; None keeps what there is, or takes the default.

    Attributes
    ----------
    profile
        ``solo`` or ``server``.
    mysql
        Whether the database is MySQL instead of the embedded H2.
    tls
        Whether the pages are served over TLS, and only so.
    port
        TCP port of the web pages.
    listen
        Address to serve instead of this machine's loopback.
    """

    profile: str | None = None
    mysql: bool | None = None
    tls: bool | None = None
    port: int | None = None
    listen: str | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server is.

    Attributes
    ----------
    host
        The name in its URL.
    address
        The only address on which the web pages are served.
    port, executor_port
        TCP ports of the web pages and of the executor.
    user
        The administrator's name.
    profile
        ``solo`` or ``server``.
    database
        ``h2`` or ``mysql``.
    tls
        Whether the pages are served over TLS.
    """

    host: str
    address: str
    port: int
    executor_port: int
    user: str
    profile: str = "solo"
    database: str = "h2"
    tls: bool = False

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read what `write` wrote.

        Raises
        ------
        SetupError
            When it cannot be understood.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise SetupError(
                f"{path} cannot be read ({error}); remove it and run setup up with the options "
                "that you used: projects and history are kept"
            ) from error

    def write(self, path: Path) -> None:
        """Keep the settings for the next start."""
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.tls else "http"

    @property
    def url(self) -> str:
        """Where the client finds it."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def executor_address(self) -> str:
        """Where the executor listens: it serves whoever asks, so never beyond this machine."""
        loopback = ipaddress.ip_address(self.address).is_loopback
        return self.address if loopback else "127.0.0.1"

    @property
    def browser_url(self) -> str:
        """Where a browser on this machine finds it, whatever the host name resolves to."""
        if self.address in addresses(self.host) or not _is_loopback(self.address):
            return self.url
        shown = "localhost" if self.address == "127.0.0.1" else self.address
        return f"{self.scheme}://{shown}:{self.port}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The processes, in the order in which they start."""
        web = (self.address, self.port)
        executor = (self.executor_address, self.executor_port)
        if self.profile == "solo":
            main = "azkaban.webapp.AzkabanSingleServer"
            return (Part("azkaban", main, (web, executor)),)
        return (
            Part("executor", "azkaban.execapp.AzkabanExecutorServer", (executor,)),
            Part("web", "azkaban.webapp.AzkabanWebServer", (web,)),
        )


def choose(wanted: Wanted, old: Settings | None) -> Settings:
    """Settle what a server that does not run will be.

    Parameters
    ----------
    wanted
        What is asked for.
    old
        What it was before, if it was.

    Raises
    ------
    UsageError
        When what is asked for contradicts itself or would leave data behind.
    SetupError
        When a port that was named is taken; a default port gives way to a free one.
    """
    profile = wanted.profile or (old.profile if old else "solo")
    database = _database(wanted, old, profile)
    if wanted.listen or not old:
        host, address = _host_and_address(wanted.listen)
    else:
        host, address = old.host, old.address
    named = wanted.port or (old.port if old else None)
    if named and port_taken(address, named):
        raise SetupError(
            f"port {named} on {address} is taken by another program; "
            "name another with --port, or stop that program"
        )
    port = named or free_port(address, WEB_PORT)
    return Settings(
        host=host,
        address=address,
        port=port,
        executor_port=free_port("127.0.0.1", old.executor_port if old else EXECUTOR_PORT, port),
        user=old.user if old else getpass.getuser(),
        profile=profile,
        database=database,
        tls=wanted.tls if wanted.tls is not None else (old.tls if old else False),
    )


def _database(wanted: Wanted, old: Settings | None, profile: str) -> str:
    default = old.database if old else ("mysql" if profile == "server" else "h2")
    database = {None: default, True: "mysql", False: "h2"}[wanted.mysql]
    if profile == "server" and database == "h2":
        raise UsageError(
            "the profile server needs MySQL: two processes cannot share the embedded database. "
            "Use the profile solo, or another prefix for a server on MySQL"
        )
    if old and old.database != database:
        raise UsageError(
            f"this prefix has its projects and history in {old.database}, which {database} would "
            "not show; use another prefix (--prefix) for a server on the other database"
        )
    return database


def _host_and_address(listen: str | None) -> tuple[str, str]:
    """Choose the name in the URL and the one address behind it.

    Without `listen`: this machine's name, on its loopback address where it resolves to one (some
    systems use 127.0.1.1), else on 127.0.0.1, to which clients then pin the name.
    """
    host = socket.gethostname()
    if listen is None:
        loopback = [a for a in addresses(host) if _is_loopback(a)]
        return host, next((a for a in loopback if ":" not in a), "127.0.0.1")
    try:
        address = str(ipaddress.ip_address(listen))
    except ValueError:
        raise UsageError(
            f"--listen {listen}: expected an IP address of this machine, or 0.0.0.0 for all"
        ) from None
    return (host if _is_loopback(address) else socket.getfqdn()), address


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def addresses(host: str) -> list[str]:
    """List the addresses of a name; none when it does not resolve."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]).partition("%")[0] for entry in found]
