"""Servers on loopback sockets: one scripted, one that replays a real 4.0.0, one that simulates."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

from azkaban_client import Client
from azkaban_client.cli import main
from azkaban_client.cli.schema import SCHEMAS, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(__file__).parent / "data"
RECORDINGS = DATA / "azkaban-4.0.0-responses.json"
LOGIN_PAGE = '<html><head><title>Login</title></head><form id="login-form"></form></html>'


@dataclass
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    fields: dict[str, str]
    query: dict[str, str]
    headers: Any
    body: bytes
    peer: tuple[str, int]

    @property
    def action(self) -> str:
        return self.fields.get("ajax") or self.fields.get("action") or ""


@dataclass
class Answer:
    status: int = 200
    body: str | bytes = "{}"
    headers: list[tuple[str, str]] = field(default_factory=list)
    cut_after: int | None = None  # send so many bytes of the body, then cut the connection


def error_page(words: str) -> Answer:
    """Jetty's page for an exception, with a Java stack."""
    return Answer(
        500,
        f"<html><head><title>Error 500 {words}</title></head><body><h2>HTTP ERROR 500</h2>\n"
        f"<p>Problem accessing /executor. Reason:\n<pre>    {words}</pre></p><h3>Caused by:</h3>"
        f"<pre>javax.servlet.ServletException: {words}\n\tat azkaban.webapp.Foo.bar(Foo.java:1)\n"
        f"Caused by: azkaban.executor.ExecutorManagerException: {words}\n\t... 7 more\n</pre>"
        "</body></html>",
    )


class ScriptedServer:
    """Answers each request with what a function returns; None cuts the connection."""

    def __init__(
        self, reply: Callable[[Asked], Answer | None], port: int = 0, *, tls: bool = False
    ) -> None:
        self.asked: list[Asked] = []
        self.connections: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                outer.connections.append(self.connection)

            def answer(self) -> None:
                asked = _asked(self)
                outer.asked.append(asked)
                reply_now = outer.reply(asked)
                if reply_now is None:
                    self.close_connection = True
                    return
                data = reply_now.body
                data = data.encode() if isinstance(data, str) else data
                self.send_response(reply_now.status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in reply_now.headers:
                    self.send_header(name, value)
                self.end_headers()
                if reply_now.cut_after is not None:
                    self.wfile.write(data[: reply_now.cut_after])
                    self.close_connection = True
                    return
                self.wfile.write(data)

            do_GET = do_POST = answer  # noqa: N815 (the library's names)

            def log_message(self, *args: object) -> None:
                pass

        self.reply = reply
        self._httpd = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._httpd.daemon_threads = True
        # A client that has gone away is part of the tests: no traceback for it.
        self._httpd.handle_error = lambda *_: None
        self.port = self._httpd.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.names: list[str] = []  # that clients asked for by SNI
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(DATA / "server.pem")
            context.sni_callback = lambda _socket, name, _context: self.names.append(name)
            self._httpd.socket = context.wrap_socket(self._httpd.socket, server_side=True)
            self.url = f"https://azkaban.test:{self.port}"
        self._thread = threading.Thread(
            target=self._httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop as a process that is killed: open connections are cut."""
        self._httpd.shutdown()
        self._httpd.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def actions(self) -> list[str]:
        return [asked.action for asked in self.asked]


def _asked(handler: BaseHTTPRequestHandler) -> Asked:
    parts = urlsplit(handler.path)
    length = int(handler.headers.get("Content-Length") or 0)
    body = handler.rfile.read(length)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    kind = handler.headers.get("Content-Type", "")
    if kind.startswith("multipart/"):
        message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        form = {
            str(part.get_param("name", header="content-disposition")): (
                part.get_filename() or part.get_payload(decode=True).decode()
            )
            for part in message.get_payload()
        }
    else:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return Asked(
        handler.command,
        parts.path,
        {**query, **form},
        query,
        handler.headers,
        body,
        handler.client_address,
    )


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Start scripted servers that end with the test."""
    started: list[ScriptedServer] = []

    def start(
        reply: Callable[[Asked], Answer | None], port: int = 0, *, tls: bool = False
    ) -> ScriptedServer:
        started.append(ScriptedServer(reply, port, tls=tls))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def ca_cert() -> str:
    """Path of the CA that signed the certificate of scripted servers with TLS."""
    return str(DATA / "ca.pem")


@pytest.fixture
def answer() -> type[Answer]:
    """Make an answer of a scripted server."""
    return Answer


@pytest.fixture
def fault() -> Callable[[str], Answer]:
    """Make a Jetty error page."""
    return error_page


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Make clients that are closed after the test."""
    clients: list[Client] = []

    def make(url: str, **options: Any) -> Client:
        defaults = {"auth": ("azkaban", "azkaban"), "timeout": 5.0}
        clients.append(Client(url, **{**defaults, **options}))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def check_answer(args: tuple[str, ...], out: str) -> None:
    """Hold an answer against its schema in docs/reference/json.md."""
    words = " ".join(args)
    command = max((name for name in SCHEMAS if f"{name} " in f"{words} "), key=len)
    jsonschema.validate(json.loads(out), schema_of(command))


@pytest.fixture
def azk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Run `azk` in this process, in an empty home."""
    for name in [name for name in os.environ if name.startswith("AZK_")]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> Result:
        with pytest.raises(SystemExit) as stop:
            main(list(args))
        captured = capfd.readouterr()
        if "--json" in args and captured.out:
            check_answer(args, captured.out)
        return Result(int(stop.value.code or 0), captured.out, captured.err)

    return run


# -- a real 4.0.0, replayed ------------------------------------------------------------------


def _recorded_fields(request: dict[str, Any]) -> dict[str, str]:
    fields = {**(request["query"] or {}), **(request.get("form") or {})}
    return {k: str(v) for k, v in fields.items() if k != "session.id"}


def _recorded_answer(entry: dict[str, Any]) -> Answer:
    body = entry["body"]
    if body.startswith("(an HTML page"):
        body = LOGIN_PAGE
    elif body.startswith("(HTML error page) Error 500 "):
        return error_page(body.removeprefix("(HTML error page) Error 500 "))
    elif body.endswith("bytes of zip)"):
        body = "PK\x05\x06" + "\0" * 18
    headers = [(k, v) for k, v in entry["headers"].items() if k != "Content-Length"]
    return Answer(entry["status"], body, headers)


class Recorded:
    """Replays the recorded answers of a 4.0.0 by name of the recording, or by what is asked."""

    def __init__(self) -> None:
        entries = json.loads(RECORDINGS.read_text())
        self.entries = {entry["name"]: entry for entry in entries}
        self.queue: deque[str] = deque()
        self.replayed: list[str] = []
        self.asked: list[Asked] = []

    def play(self, *names: str) -> None:
        """Answer the next requests, logins aside, with these recordings."""
        self.queue.extend(names)

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if asked.action == "login":
            good = asked.fields.get("password") == "azkaban" and not asked.query
            name = "login" if good else "login refused"
        elif self.queue:
            name = self.queue.popleft()
        else:
            name = self._find(asked)
        self.replayed.append(name)
        return _recorded_answer(self.entries[name])

    def _find(self, asked: Asked) -> str:
        ignored = {"session.id", "failureAction", "concurrentOption", "file"}
        wanted = {k: v for k, v in asked.fields.items() if k not in ignored}
        for name, entry in self.entries.items():
            if name.startswith("bad session"):
                continue  # asked for like any other; only played on request
            fields = _recorded_fields(entry["request"])
            fields = {k: v for k, v in fields.items() if k not in ignored}
            if entry["request"]["path"] == asked.path and fields == wanted:
                return name
        raise AssertionError(f"nothing recorded for {asked.method} {asked.path} {asked.fields}")


@pytest.fixture
def recorded(
    serve: Callable[..., ScriptedServer], connect: Callable[..., Client]
) -> tuple[Recorded, Client]:
    """A client of a replayed 4.0.0."""
    replay = Recorded()
    return replay, connect(serve(replay).url)


# -- a simulated server for whole runs -------------------------------------------------------


@dataclass
class SimJob:
    """A job that runs from `start` to `end`, in numbers of state requests, and logs `log`."""

    name: str
    log: bytes
    start: int
    end: int
    status: str = "SUCCEEDED"
    needs: tuple[str, ...] = ()
    rotate_at: int | None = None


class Simulation:
    """One execution whose clock is the number of times that its state was asked for.

    It shows both windows of HTTP 500: a log asked for before its job starts, and any log asked
    for within `filing` requests after the end.
    """

    def __init__(self, *jobs: SimJob, filing: int = 3, escape: bool = False) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.clock = 0
        self.filing = filing
        self.escape = escape
        self.sessions = {"s0"}
        self.logins = 0
        self.faults: deque[Callable[[Asked], Answer | None]] = deque()

    @property
    def over(self) -> bool:
        return all(self.clock >= job.end for job in self.jobs.values())

    def __call__(self, asked: Asked) -> Answer | None:
        if asked.action == "login":
            self.logins += 1
            self.sessions = {f"s{self.logins}"}
            return Answer(body=json.dumps({"status": "success", "session.id": f"s{self.logins}"}))
        cookie = re.search(r"session\.id=(\w+)", asked.headers.get("Cookie") or "")
        if not cookie or cookie[1] not in self.sessions:
            return Answer(body='{"error": "session"}')
        if self.faults:
            return self.faults.popleft()(asked)
        if asked.action == "fetchexecflow":
            self.clock += 1
            return Answer(body=json.dumps(self._state()))
        if asked.action == "fetchExecJobLogs":
            return self._log(asked)
        return Answer(body="{}")

    def _state(self) -> dict[str, Any]:
        nodes = []
        for job in self.jobs.values():
            status = "READY"
            if self.clock >= job.end:
                status = job.status
            elif self.clock >= job.start:
                status = "RUNNING"
            nodes.append(
                {
                    "id": job.name,
                    "nestedId": job.name,
                    "status": status,
                    "type": "command",
                    "in": list(job.needs),
                    "attempt": 0,
                    "startTime": 1000 if self.clock >= job.start else -1,
                    "endTime": 2000 if self.clock >= job.end else -1,
                }
            )
        failed = any(job.status != "SUCCEEDED" for job in self.jobs.values())
        return {
            "execid": 7,
            "project": "p",
            "flow": "f",
            "flowId": "f",
            "status": ("FAILED" if failed else "SUCCEEDED") if self.over else "RUNNING",
            "nodes": nodes,
            "startTime": 1000,
            "endTime": 2000 if self.over else -1,
        }

    def _log(self, asked: Asked) -> Answer:
        job = self.jobs[asked.fields["jobId"]]
        data = job.log
        if self.over:
            if self.filing > 0:
                self.filing -= 1
                return error_page("Running flow 7 not found.")
        elif self.clock < job.start:
            return error_page("Job log file doesn't exist.")
        elif self.clock < job.end:
            done = (self.clock - job.start + 1) / (job.end - job.start + 1)
            data = data[: int(len(data) * done)]
        if job.rotate_at is not None and not self.over:
            data = data[job.rotate_at :] if len(data) > job.rotate_at else data
        return self._piece(data, asked)

    def _piece(self, data: bytes, asked: Asked) -> Answer:
        offset, length = int(asked.fields["offset"]), int(asked.fields["length"])
        piece = data[offset : offset + length]
        text = piece.decode("utf-8", "ignore")  # cut at whole characters, as the server does
        size = len(text.encode())
        if self.escape:
            text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            text = text.replace('"', "&quot;")
        return Answer(body=json.dumps({"offset": offset, "length": size, "data": text}))


@pytest.fixture
def sim_job() -> type[SimJob]:
    """Make a job of a simulated execution."""
    return SimJob


@pytest.fixture
def simulate(
    serve: Callable[..., ScriptedServer], connect: Callable[..., Client]
) -> Callable[..., tuple[Simulation, Client, ScriptedServer]]:
    """Serve a simulated execution (number 7)."""

    def start(*jobs: SimJob, **options: Any) -> tuple[Simulation, Client, ScriptedServer]:
        simulation = Simulation(*jobs, **options)
        server = serve(simulation)
        return simulation, connect(server.url), server

    return start


@pytest.fixture(autouse=True)
def _quick_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Follow at full speed: simulated executions count questions, not seconds."""
    monkeypatch.setattr("azkaban_client.follow._FASTEST", 0.005)
    monkeypatch.setattr("azkaban_client.follow._SLOWEST", 0.02)
    monkeypatch.setattr("azkaban_client.follow._LOG_EVERY", 0.0)
    monkeypatch.setattr("azkaban_client.follow._RATE", 1e9)
    monkeypatch.setattr("azkaban_client.follow._RETRY", 0.01)
    monkeypatch.setattr("azkaban_client.follow._LAST_LINE_GRACE", 0.1)


@pytest.fixture
def server(
    recorded: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, azk: Callable[..., Result]
) -> Recorded:
    """A replayed 4.0.0, with the settings that lead to it."""
    (tmp_path / "password").write_text("azkaban\n")
    monkeypatch.setenv("AZK_URL", recorded[1].url)
    monkeypatch.setenv("AZK_USER", "azkaban")
    monkeypatch.setenv("AZK_PASSWORD_FILE", str(tmp_path / "password"))
    replayed: Recorded = recorded[0]
    return replayed
