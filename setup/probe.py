"""Ask a server and the kernel, with the standard library alone.

This file is also copied into the folder of Azkaban, where the generated scripts run it::

    probe.py wait PART PID     until PART is ready; exit 5 when it does not come up
    probe.py answers PART      exit 1 when it does not
    probe.py use [PATH]        where the server is; or ask for PATH within a session
"""

import http.client
import json
import os
import re
import socket
import ssl
import sys
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Target", "listening", "ready", "strangers"]

START_SECONDS = 90.0
_SESSION = "azkaban.browser.session.id"
_LISTEN = "0A"  # the state of a listening socket in the kernel's tables


@dataclass(frozen=True)
class Target:
    """One process of Azkaban, asked by its address, past any proxy.

    Attributes
    ----------
    name
        Of the part.
    pages
        Whether it serves pages, where one can log in; else it is an executor.
    host
        The name by which it is called; a certificate is checked against it.
    ends
        The addresses and ports on which it listens, and nothing else may; the first is asked.
    user, password_file
        Who logs in.
    ca
        File with the certificates that it is checked with; None for plain HTTP.
    activate
        Whether it takes flows only when it is told to (executors of Azkaban 3 and later).
    """

    name: str
    pages: bool
    host: str
    ends: tuple[tuple[str, int], ...]
    user: str
    password_file: str
    ca: str | None = None
    activate: bool = False

    def ask(self, path: str, form: dict[str, str] | None = None, session: str = "") -> bytes:
        """Ask once; empty when there is no good answer."""
        address, port = self.ends[0]
        headers = {"Cookie": f"{_SESSION}={session}"} if session else {}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self.host, port)
        try:
            plain = socket.create_connection((address, port), timeout=10)
            connection.sock = plain
            if self.ca:
                context = ssl.create_default_context(cafile=self.ca)
                connection.sock = context.wrap_socket(plain, server_hostname=self.host)
            body = urllib.parse.urlencode(form) if form else None
            connection.request("POST" if form else "GET", path, body, headers)
            response = connection.getresponse()
            return response.read() if response.status == http.HTTPStatus.OK else b""
        except (OSError, http.client.HTTPException):
            return b""
        finally:
            connection.close()

    def login(self) -> str:
        """Log in and return the session; empty when that fails."""
        password = Path(self.password_file).read_text(encoding="utf-8").strip()
        form = {"action": "login", "username": self.user, "password": password}
        try:
            answer = json.loads(self.ask("/", form) or b"{}")
        except ValueError:
            return ""
        return str(answer.get("session.id") or "")

    def answers(self) -> bool:
        """Tell whether it answers at all."""
        if self.pages:
            return bool(self.ask("/"))
        return b"alive" in self.ask("/executor?action=ping")

    def ready(self) -> bool:
        """Tell whether it can be used: a port that is open is not yet a server."""
        if self.pages:
            return bool(self.login())
        if not self.answers():
            return False
        return not self.activate or b"success" in self.ask("/executor?action=activate")


def ready(target: Target, pid: int) -> bool:
    """Tell whether this very process can be used; another one could have taken its port."""
    return set(target.ends) <= _ends(pid) and target.ready()


def strangers(target: Target, pid: int) -> set[tuple[str, int]]:
    """Find the ends on which a process listens though nobody asked for them."""
    return _ends(pid) - set(target.ends)


def _ends(pid: int) -> set[tuple[str, int]]:
    # Java listens on [::] for 0.0.0.0
    return {("0.0.0.0" if a == "::" else a, port) for a, port in listening(pid)}  # noqa: S104 (a comparison)


def listening(pid: int) -> set[tuple[str, int]]:
    """List the TCP addresses and ports on which a process of this account listens."""
    sockets = set()
    try:
        entries = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it has ended
        return set()
    for entry in entries:
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink()))
        except OSError:  # closed meanwhile
            continue
        if match:
            sockets.add(match[1])
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        path = Path("/proc/net") / table
        if not path.is_file():
            continue
        for line in path.read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTEN and words[9] in sockets:
                address, _, port = words[1].partition(":")
                found.add((_address(address, family), int(port, 16)))
    return found


def _address(text: str, family: int) -> str:
    """Read an address of the kernel's tables: words of four bytes in this machine's order."""
    words = [int(text[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(text), 8)]
    return socket.inet_ntop(family, b"".join(words)).removeprefix("::ffff:")


def _targets() -> dict[str, Target]:
    text = Path(__file__).with_name("parts.json").read_text(encoding="utf-8")
    entries = [{**e, "ends": tuple(map(tuple, e["ends"]))} for e in json.loads(text)]
    return {entry["name"]: Target(**entry) for entry in entries}


def _alive(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())  # a zombie has none
    except OSError:
        return False


def _wait(target: Target, pid: int) -> int:
    deadline = time.monotonic() + START_SECONDS
    while not ready(target, pid):
        if not _alive(pid):
            print(f"{target.name} (pid {pid}) ended while it started", file=sys.stderr)
            return 5
        if time.monotonic() > deadline:
            print(f"{target.name} is not ready after {START_SECONDS:.0f} s", file=sys.stderr)
            return 5
        time.sleep(0.1)
    if strange := strangers(target, pid):
        print(f"{target.name} listens on {sorted(strange)}, nobody asked for it", file=sys.stderr)
        return 5
    return 0


def _use(target: Target, path: str) -> int:
    address, port = target.ends[0]
    if not path:
        scheme = "https" if target.ca else "http"
        print(f"url       {scheme}://{target.host}:{port}\naddress   {address}")
        print(f"user      {target.user}\npassword  in {target.password_file}")
        if target.ca:
            print(f"ca        {target.ca}")
        return 0
    session = target.login()
    answer = target.ask(path, session=session) if session else b""
    if not answer:
        what = (
            f"{path}: the server refused it, or answered nothing; its log may say why"
            if session
            else "no login: see status"
        )
        print(what, file=sys.stderr)
        return 1
    sys.stdout.write(answer.decode("utf-8", "replace") + os.linesep)
    return 0


def main(arguments: list[str]) -> int:
    """Run one command of the generated scripts."""
    command, *rest = arguments
    targets = _targets()
    if command == "wait":
        return _wait(targets[rest[0]], int(rest[1]))
    if command == "answers":
        return 0 if targets[rest[0]].answers() else 1
    pages = next(target for target in targets.values() if target.pages)
    return _use(pages, rest[0] if rest else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
