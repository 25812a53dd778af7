"""What an attacker can send: bytes as he likes, and from another account of this machine."""

from __future__ import annotations

import os
import re
import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import LiveAzkaban

OTHER_ACCOUNT = 4242
COOKIE = "azkaban.browser.session.id"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    head: str
    body: str

    def headers(self, name: str) -> list[str]:
        """List the values of a header."""
        return re.findall(rf"^{name}: *(.*?)\r?$", self.head, re.MULTILINE | re.IGNORECASE)


class Door:
    """One port of a live server, spoken to over plain sockets."""

    def __init__(self, live: LiveAzkaban, *, executor: bool = False) -> None:
        settings = live.server.settings
        self.host = settings.host
        self.tls = settings.tls and not executor
        self.ca = str(live.layout.ca) if self.tls else None
        self.address = settings.executor_address if executor else settings.address
        self.port = settings.executor_port if executor else settings.port
        self.name = f"{self.address if executor else self.host}:{self.port}"
        self.scheme = "https" if self.tls else "http"

    def plain(self) -> socket.socket:
        """Connect, and say nothing yet."""
        return socket.create_connection((self.address, self.port), timeout=30)

    def connect(self) -> socket.socket:
        """Connect, over TLS where the port wants that."""
        if not self.ca:
            return self.plain()
        context = ssl.create_default_context(cafile=self.ca)
        return context.wrap_socket(self.plain(), server_hostname=self.host)

    def head(self, line: str, **headers: str) -> bytes:
        """Write a request's head; a header of the value "" is left out."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [line, *(f"{k}: {v}" for k, v in {"Host": self.name, **given}.items() if v)]
        return "\r\n".join([*lines, "", ""]).encode()

    def ask(self, line: str, body: bytes = b"", **headers: str) -> Answer:
        """Send one request over a connection of its own, and read the answer."""
        if body:
            headers = {"Content_Length": str(len(body)), **headers}
        with self.connect() as one:
            return exchange(
                one, self.head(f"{line} HTTP/1.1", Connection="close", **headers) + body
            )

    def login(self, user: str, password: str, **headers: str) -> Answer:
        """Log in."""
        form = f"action=login&username={user}&password={password}".encode()
        kind = {"Content_Type": "application/x-www-form-urlencoded"}
        return self.ask("POST /", form, **kind, **headers)

    def session(self, live: LiveAzkaban) -> str:
        """Log in as the administrator and return the session."""
        answer = self.login(live.username, live.password)
        return re.findall(rf"{COOKIE}=([0-9a-f-]+)", answer.head)[0]


def exchange(one: socket.socket, request: bytes) -> Answer:
    """Send a request and read what comes until the other end is done."""
    one.sendall(request)
    return receive(one)


def receive(one: socket.socket) -> Answer:
    """Read an answer, by its stated length where it has one."""
    whole = b""
    while True:
        head, end, body = whole.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
        if end and length and len(body) >= int(length[1]):
            break
        piece = one.recv(1 << 16)
        if not piece:
            break
        whole += piece
    status = int(head.split()[1]) if head else 0
    return Answer(status, head.decode("latin-1"), body.decode("utf-8", "replace"))


def is_open(one: socket.socket) -> bool:
    """Tell whether the server has neither answered nor closed."""
    plain = socket.socket(fileno=os.dup(one.fileno()))
    plain.settimeout(0)
    try:
        return bool(plain.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    finally:
        plain.close()


class Tables:
    """The kernel's tables of connections, as a server sees that was started to look here.

    No second account is at hand in tests, so they say that some sockets are another account's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("tcp", "tcp6"):
            (folder / name).symlink_to(f"/proc/net/{name}")

    @contextmanager
    def owned_by_another(self, one: socket.socket) -> Iterator[None]:
        """Have a socket of ours be another account's."""
        port = f":{one.getsockname()[1]:04X}"
        try:
            for name in ("tcp", "tcp6"):
                lines = Path(f"/proc/net/{name}").read_text().splitlines(keepends=True)
                self._swap(name, "".join(_given_away(line, port) for line in lines))
            yield
        finally:
            for name in ("tcp", "tcp6"):
                self._swap(name, None)

    def _swap(self, name: str, text: str | None) -> None:
        new = self.folder / f"{name}.new"
        if text is None:
            new.symlink_to(f"/proc/net/{name}")
        else:
            new.write_text(text)
        new.rename(self.folder / name)


def _given_away(line: str, port: str) -> str:
    words = line.split()
    if len(words) > 7 and words[1].endswith(port):
        return re.sub(rf"^((?:\s*\S+\s+){{7}}){words[7]}\b", rf"\g<1>{OTHER_ACCOUNT}", line)
    return line
