"""Ask a server and the kernel about its state, with only the standard library."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import sys
import time
import urllib.parse
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from azkaban_client import owners

__all__ = [
    "Endpoint",
    "Watch",
    "cause",
    "halted",
    "listening",
    "printed",
    "ready",
    "strangers",
]

START_SECONDS = 90.0
ANSWER_SECONDS = 10.0
IDLE_SECONDS = 40.0  # without any work, then nothing is to be expected; names may take 30 s
_DUMP_SECONDS = 8.0  # without any work, then Java is asked what it does
_LOOK_SECONDS = 1.0
_IDLE_TICKS, _IDLE_BYTES = 2, 1 << 18  # of processor time and of the disk, in a look
_SESSION = "azkaban.browser.session.id"
_LISTEN = "0A"  # the state of a listening socket in the kernel's tables


@dataclass(frozen=True)
class Endpoint:
    """One process of Azkaban, reached by its address and never through a proxy.

    Attributes
    ----------
    name
        Name of the part.
    pages
        Whether it serves pages, where one can log in; else it is an executor.
    host
        The name by which it is called; a certificate is checked against it.
    ends
        The only addresses and ports on which it may listen; requests go to the first.
    user, password_file
        Who logs in.
    ca
        File with the certificates that it is checked with; None for plain HTTP.
    activate
        Whether it accepts flows only after it is told to (executors of Azkaban 3 and later).
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
        """Ask once; return an empty answer if there is no good one."""
        address, port = self.ends[0]
        headers = {"Cookie": f"{_SESSION}={session}"} if session else {}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self.host, port)
        try:
            plain = socket.create_connection((address, port), timeout=ANSWER_SECONDS)
            connection.sock = plain
            if owners.refusal(plain):  # it is ours, or nothing is said to it
                return b""
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
        return str(self._answer().get("session.id") or "")

    def refusal(self) -> str:
        """Say why a server that answers refuses the login; empty if it does not refuse it."""
        if not self.pages:
            return ""
        words = self._answer().get("error", "")
        return (
            f"it refuses the login of {self.user} with the password in {self.password_file} "
            f"({words}): see conf/azkaban-users.xml and conf/local.properties"
            if words
            else ""
        )

    def _answer(self) -> "dict[str, object]":
        """Log in and return the answer; empty if it cannot be read."""
        password = Path(self.password_file).read_text(encoding="utf-8").strip()
        form = {"action": "login", "username": self.user, "password": password}
        try:
            found = json.loads(self.ask("/", form) or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

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


def ready(endpoint: Endpoint, pid: int) -> bool:
    """Tell whether this process itself can be used; another one could have taken its port."""
    return set(endpoint.ends) <= _ends(pid) and endpoint.ready()


def strangers(endpoint: Endpoint, pid: int) -> set[tuple[str, int]]:
    """Find the ends on which a process listens though nobody asked for them."""
    return _ends(pid) - set(endpoint.ends)


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


# After these words of Java nothing more is to be expected, though its process may go on.
_FATAL = re.compile(
    r"""^(?:
    Exception\ in\ thread\ "main"\ (?P<main>.*)
    | (?P<vm>Error\ occurred\ during\ initialization\ of\ VM\n.*)
    | (?P<error>Error:\ .*)
    | \#\ (?P<crash>(?:A\ fatal\ error|There\ is\ insufficient\ memory).*)
    | (?P<memory>.*java\.lang\.OutOfMemoryError.*)
    )$""",
    re.MULTILINE | re.VERBOSE,
)
_HOPELESS = ("main", "crash", "memory")
_CAUSE = re.compile(r"^Caused by: (.*)$", re.MULTILINE)
_DUMP = "Full thread dump"
_MAIN = re.compile(
    r'^"main" #\d.*\n(?:   java\.lang\.Thread\.State: .*\n)?((?:\t.*\n)*)', re.MULTILINE
)


def cause(output: Path, *, ended: bool = True) -> str:
    """Find the cause of a failure in a Java's output; empty if it names none.

    Parameters
    ----------
    output
        The file.
    ended
        Whether its process has ended; otherwise only fatal causes count.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "out")
    ...     _ = path.write_text('Exception in thread "main" java.lang.Error: no')
    ...     cause(path)
    'java.lang.Error: no'
    """
    text = printed(output)
    matches = _FATAL.finditer(text)
    found = next((m for m in matches if ended or m.lastgroup in _HOPELESS), None)
    if not found:
        return ""
    words = next(group for group in found.groups() if group)
    causes = _CAUSE.findall(text, found.end())
    shown = [words.strip(), *(each for each in causes[-1:] if each not in words)]
    return " ".join(": ".join(shown).split())


def printed(output: Path) -> str:
    """Read a Java's output up to the dump of its threads."""
    return _content(output).partition(_DUMP)[0]


def _content(output: Path) -> str:
    try:
        return output.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class Watch:
    """A process that is starting: whether it can still come up, and what it waits for.

    Parameters
    ----------
    pid
        The process.
    output
        What it prints, if it is a Java.
    logs
        Files that grow while it works.
    """

    def __init__(self, pid: int, output: "Path | None", *logs: Path) -> None:
        self.pid = pid
        self.idle = 0.0
        self._output = output
        self._files = [*([output] if output else []), *logs]
        self._looked = time.monotonic()
        self._seen = self._state()
        self._dumped = -1

    def look(self) -> bool:
        """Look at the process once a second; return False between two looks."""
        now = time.monotonic()
        spent = now - self._looked
        if spent < _LOOK_SECONDS:
            return False
        before, self._seen, self._looked = self._seen, self._state(), now
        ticks, moved, sizes = self._seen
        quiet = sizes == before[2] or self._dumped >= 0
        quiet = quiet and ticks - before[0] <= _IDLE_TICKS * spent
        quiet = quiet and moved - before[1] <= _IDLE_BYTES * spent
        self.idle = self.idle + spent if quiet else 0.0
        if self._output and self.idle > _DUMP_SECONDS and self._dumped < 0:
            self._dumped = len(_content(self._output))
            with suppress(OSError):
                os.kill(self.pid, signal.SIGQUIT)  # Java prints what its threads do
        return True

    def trouble(self, *, waits: bool = False) -> str:
        """Say why it will not come up; empty while it still may.

        Parameters
        ----------
        waits
            Whether it may have to wait for another process that is busy.
        """
        if self._output and (words := cause(self._output, ended=False)):
            return words
        if self.idle and (words := halted(self.pid)):
            return words
        if self._dumped >= 0 and self._output:
            dump = _content(self._output)[self._dumped :]
            if "JNI global ref" in dump and not _MAIN.search(dump):
                return "its main thread has ended, without a word of why"
        return self.stuck() if self.idle > IDLE_SECONDS and not waits else ""

    def stuck(self) -> str:
        """Say how long it has done nothing, and where it waits."""
        text = f"it has done nothing for {self.idle:.0f} s"
        dump = _content(self._output)[self._dumped :] if self._output and self._dumped >= 0 else ""
        if found := _MAIN.search(dump):
            frames = [line.strip() for line in found[1].splitlines() if line.startswith("\tat ")]
            own = next((frame for frame in frames if "azkaban" in frame), "")
            text += ", it waits " + ", ".join(dict.fromkeys(filter(None, [*frames[:1], own])))
        return text

    def _state(self) -> "tuple[int, int, list[int]]":
        sizes = [file.stat().st_size if file.is_file() else -1 for file in self._files]
        return _ticks(self.pid), _moved(self.pid), sizes


def _ticks(pid: int) -> int:
    return sum(map(int, _stat(pid)[11:13]))


def halted(pid: int) -> str:
    """Say that a process was stopped by a signal; empty when it was not."""
    if _stat(pid)[:1] != ["T"]:
        return ""
    return f"it was stopped by a signal; kill -CONT {pid} lets it go on"


def _stat(pid: int) -> list[str]:
    """Read ``/proc/PID/stat`` behind the name; empty when there is no such process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _moved(pid: int) -> int:
    """Count the bytes that a process read from and wrote to disks."""
    with suppress(OSError, ValueError):
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
        values = dict(line.split(": ") for line in lines)
        return int(values["read_bytes"]) + int(values["write_bytes"])
    return 0
