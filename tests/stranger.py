"""Another account of this machine, which listens on a port where somebody expects a server.

Where the tests run as root, it is a real second account. Elsewhere the listener is this account's,
and whoever connects to it must be told to be another: see `disguised`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self

from azkaban_client import owners

if TYPE_CHECKING:
    import pytest

REAL = os.geteuid() == 0
UID = 54321 if REAL else os.geteuid()  # whose the listener is
PLAYED = 4242  # who this account says to be where there is no other

_HELLO = (  # of mysqld 5.7, without TLS: version, id, challenge, what it can do, challenge, method
    b"\x0a5.7.29\0*\0\0\0abcdefgh\0\xff\xf7\x2d\x02\0\x0f\0\x15"
    + bytes(10)
    + b"ijklmnopqrst\0mysql_native_password\0"
)
GREETING = len(_HELLO).to_bytes(3, "little") + b"\0" + _HELLO

_CODE = """
import os, select, socket, sys
account, greeting, mode = int(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.argv[3]
if account != os.geteuid():
    os.setgroups([]); os.setgid(account); os.setuid(account)
listener = socket.create_server((sys.argv[4], 0), backlog=20, dualstack_ipv6=sys.argv[4] == "::",
                                family=socket.AF_INET6 if ":" in sys.argv[4] else socket.AF_INET)
print(listener.getsockname()[1], flush=True)
heard, peers, count = b"", [], 0
def take(peer):
    global heard
    try:
        data = peer.recv(65536)
    except ConnectionResetError:
        data = b""
    heard += data
    peers.remove(peer)
    peer.close()
while True:
    watched = [sys.stdin, *peers] + [listener] * (mode == "accepts")
    ready, _, _ = select.select(watched, [], [])
    if sys.stdin in ready:
        break
    for peer in [p for p in peers if p in ready]:
        take(peer)
    if listener in ready:
        peers.append(listener.accept()[0])
        count += 1
        peers[-1].sendall(greeting)
listener.setblocking(False)
while True:
    try:
        peers.append(listener.accept()[0])
        count += 1
    except BlockingIOError:
        break
for peer in list(peers):
    peer.settimeout(30)  # whoever connected has ended, or says something
    take(peer)
print(count, heard.hex())
"""


class Stranger:
    """A process that listens, notes what it is told, and then hangs up.

    Parameters
    ----------
    uid
        Whose it is.
    greeting
        What it says first.
    accepts
        Whether it accepts connections, or leaves them waiting.
    address
        Where it listens.
    """

    def __init__(
        self,
        uid: int = UID,
        *,
        greeting: bytes = b"",
        accepts: bool = True,
        address: str = "127.0.0.1",
    ) -> None:
        mode = "accepts" if accepts else "waits"
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, str(uid), greeting.hex(), mode, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.communicate("")

    def heard(self) -> tuple[int, bytes]:
        """End it; return how many connections there were, and all that came."""
        told, _ = self._process.communicate("")
        count, _, text = told.partition(" ")
        return int(count), bytes.fromhex(text)


def disguised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process be another account than a stranger's."""
    if not REAL:
        as_another(monkeypatch)


def as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process be another account than that of its own listeners, root's included."""
    monkeypatch.setattr(owners, "os", SimpleNamespace(geteuid=lambda: PLAYED))
    monkeypatch.setattr(owners, "_ROOT", PLAYED)
