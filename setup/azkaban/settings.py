"""Choose and keep a server's settings: its name, address, ports and so on."""

from __future__ import annotations

import ipaddress
import json
import socket
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from azkaban_client import owners
from azkaban_client.files import write_private
from setup import environment, hosts
from setup.azkaban import timezone
from setup.called import called
from setup.errors import SetupError, UsageError
from setup.life.process import free_port, port_taken
from setup.messages import say

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["Mail", "Part", "Settings", "Wanted", "choose"]

WEB_PORT, EXECUTOR_PORT = 8081, 12321

# An upload is held in memory several times: with 256 MB one of 6 MB fails.
HEAPS = {"azkaban": "1g", "web": "1g", "executor": "512m"}
LEAST_HEAP_MB = 512
MOST_EXECUTORS = 16


@dataclass(frozen=True)
class Part:
    """One process of a server.

    Attributes
    ----------
    name
        ``azkaban`` (both in one), ``web``, ``executor``, ``executor-2`` and so on.
    kind
        ``azkaban``, ``web`` or ``executor``.
    ends
        The only addresses and ports on which it may listen.
    """

    name: str
    kind: str
    ends: tuple[tuple[str, int], ...]

    @property
    def pages(self) -> bool:
        """Whether it serves the web pages."""
        return self.kind != "executor"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """How the server sends mail.

    Attributes
    ----------
    host, port
        The mail server.
    sender
        The address in ``From``.
    user
        Who logs in there; empty for nobody.
    tls
        Whether the connection must be encrypted (STARTTLS) and the certificate fit.
    """

    host: str
    port: int
    sender: str
    user: str = ""
    tls: bool = True


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a call of ``setup up`` asks for; None keeps the present value, or takes the default.

    Attributes
    ----------
    profile
        ``solo`` or ``server``.
    mysql
        Whether the database is MySQL instead of the embedded H2.
    tls
        Whether the pages are served over TLS only.
    port
        TCP port of the web pages.
    listen
        Address to serve instead of this machine's loopback.
    host
        The name in its URL instead of this machine's.
    executors
        How many executors there are (profile server, Azkaban 3 and later).
    heap
        Most memory for the objects of each Java process, such as ``1g``.
    timezone
        Name of the time zone of schedules and logs.
    mail
        How the server sends mail.
    mail_password
        Password of the account at the mail server.
    mail_test
        Where a test mail is sent.
    """

    profile: str | None = None
    mysql: bool | None = None
    tls: bool | None = None
    port: int | None = None
    listen: str | None = None
    host: str | None = None
    executors: int | None = None
    heap: str | None = None
    timezone: str | None = None
    mail: Mail | None = None
    mail_password: str | None = field(default=None, repr=False)
    mail_test: str = ""


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
    more_executors
        Ports of the executors beside the first.
    heap
        Most memory for each Java process; empty for what suits its kind.
    timezone
        Time zone of schedules and logs.
    mail
        How it sends mail, if it does.
    settled
        Whether the ports were named or have been used: then they are kept, and not changed for
        free ones.
    """

    host: str
    address: str
    port: int
    executor_port: int
    user: str
    profile: str = "solo"
    database: str = "h2"
    tls: bool = False
    more_executors: tuple[int, ...] = ()
    heap: str = ""
    timezone: str = ""
    mail: Mail | None = None
    settled: bool = False

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read what `write` wrote.

        Raises
        ------
        SetupError
            When it cannot be understood.
        """
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            mail = Mail(**saved["mail"]) if saved.get("mail") else None
            more = tuple(saved.get("more_executors", ()))
            return cls(**{**saved, "mail": mail, "more_executors": more})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise SetupError(
                f"{path} cannot be read ({error}); remove it and run {called()} up with the "
                "options that you used: projects and history are kept"
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
        """Where the executor listens: it serves anybody, so never beyond this machine."""
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
            return (Part("azkaban", "azkaban", (web, executor)),)
        more = tuple(
            Part(f"executor-{number}", "executor", ((self.executor_address, port),))
            for number, port in enumerate(self.more_executors, 2)
        )
        return (Part("executor", "executor", (executor,)), *more, Part("web", "web", (web,)))

    def heap_of(self, kind: str) -> str:
        """Tell the most memory that a kind of process may take for its objects."""
        return self.heap or HEAPS[kind]


def choose(wanted: Wanted, old: Settings | None, ours: Collection[int] = frozenset()) -> Settings:
    """Choose the settings of a server that does not run, or is stopped before they are used.

    Parameters
    ----------
    wanted
        What is asked for.
    old
        What it was before, if it was.
    ours
        Ports that are taken now, but only by the server itself.

    Raises
    ------
    UsageError
        When the options contradict each other or would leave data behind.
    SetupError
        When a port that was named is taken; a default port gives way to a free one.
    """
    profile = wanted.profile or (old.profile if old else "solo")
    database = _database(wanted, old, profile)
    tls = _kept(wanted.tls, old.tls if old else None, default=False)
    host, address = _place(wanted, old, tls=tls)
    settled = wanted.port is not None or (old is not None and old.settled)
    named = wanted.port or (old.port if old and settled else None)
    if named and named not in ours and port_taken(address, named):
        raise SetupError(
            f"port {named} on {address} is taken by {owners.taken_by(address, named)}; "
            "name another with --port, or stop that program"
        )
    port = named or _free(address, old.port if old else WEB_PORT, ours)
    count = wanted.executors or (len(old.more_executors) + 1 if old and not wanted.profile else 1)
    if count > 1 and profile == "solo":
        raise UsageError(
            f"--executors {count}: the profile solo is one process; use --profile server"
        )
    return Settings(
        host=host,
        address=address,
        port=port,
        user=old.user if old else environment.user(),
        profile=profile,
        database=database,
        tls=tls,
        heap=_kept(wanted.heap, old.heap if old else None, default=""),
        timezone=_timezone(wanted, old),
        mail=wanted.mail or (old.mail if old else None),
        settled=settled,
        **_executor_ports(count, port, old, ours),
    )


T = TypeVar("T")


def _kept(asked: T | None, before: T | None, *, default: T) -> T:
    """Return the value asked for, else the earlier one, else the default."""
    if asked is not None:
        return asked
    return default if before is None else before


def _free(address: str, preferred: int, ours: Collection[int], *avoid: int) -> int:
    """Choose a port that is free, or will be."""
    if preferred in ours and preferred not in avoid:
        return preferred
    return free_port(address, preferred, *avoid)


def _executor_ports(
    count: int, web_port: int, old: Settings | None, ours: Collection[int]
) -> dict[str, Any]:
    """Choose the executors' ports: the earlier ones if they are free."""
    before = (old.executor_port, *old.more_executors) if old else ()
    ports: list[int] = []
    for number in range(count):
        preferred = before[number] if number < len(before) else EXECUTOR_PORT + number
        ports.append(_free("127.0.0.1", preferred, ours, web_port, *ports))
    return {"executor_port": ports[0], "more_executors": tuple(ports[1:])}


def _timezone(wanted: Wanted, old: Settings | None) -> str:
    """Choose the time zone; one that an earlier release saved unchecked is checked now."""
    if wanted.timezone or not (old and old.timezone):
        return wanted.timezone or timezone.of_machine()
    try:
        return timezone.resolve(old.timezone)
    except ValueError as error:
        raise UsageError(f"the time zone of this server, {error}, with --timezone") from None


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


def _place(wanted: Wanted, old: Settings | None, *, tls: bool) -> tuple[str, str]:
    """Choose the name in the URL, one that clients can use, and the one address behind it.

    Without `--listen`: the name's loopback address where it resolves to one (some systems use
    127.0.1.1), else 127.0.0.1, to which clients then pin the name.
    """
    if wanted.listen is not None:
        address = _address(wanted.listen)
        host = socket.gethostname() if _is_loopback(address) else socket.getfqdn()
    elif old:
        host, address = old.host, old.address
    else:
        host, address = socket.gethostname(), ""
    host = wanted.host or host
    if not host.isascii() or host.endswith("."):
        host = hosts.normalised(host)
    reason = "it is IPv6, name a host name" if ":" in host else hosts.trouble(host, tls=tls)
    if reason and wanted.host:
        raise UsageError(f"--host {wanted.host}: {reason}")
    if reason:
        if address and not _is_loopback(address):
            raise UsageError(
                f"this machine is called {host!r}: {reason}. Give the name by "
                "which clients reach it, with --host NAME"
            )
        say(f"this machine is called {host!r}: {reason}. The server is called localhost; "
            "--host NAME gives it another name")  # fmt: skip
        host, address = "localhost", address if wanted.listen else ""
    if not address:
        loopback = [a for a in addresses(host) if _is_loopback(a)]
        address = next((a for a in loopback if ":" not in a), "127.0.0.1")
    return host, address


def _address(listen: str) -> str:
    try:
        found = ipaddress.ip_address(listen)
    except ValueError:
        raise UsageError(
            f"--listen {listen}: expected an IP address of this machine, or 0.0.0.0 for all"
        ) from None
    family = socket.AF_INET6 if found.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.bind((str(found), 0))
    except OSError as error:
        raise UsageError(
            f"--listen {listen}: this machine does not have that address ({error.strerror})"
        ) from None
    return str(found)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def addresses(host: str) -> list[str]:
    """List the addresses of a name; none when it does not resolve."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]).partition("%")[0] for entry in found]
