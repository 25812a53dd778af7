"""Show the pages about past runs, and the reports themselves, to a browser on this machine."""

from __future__ import annotations

import mimetypes
import secrets
import shutil
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from azkaban_client.reports import pages, records

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ReportServer"]

# Ours have no scripts. Plots carry their styles with them.
_OURS = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# A report is somebody's page: its scripts may run, but not with this origin, nor ask for anything.
_THEIRS = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:"
)
_SHOWN = ("text/html", "text/plain", "text/csv", "image/png", "image/svg+xml", "application/json")


class ReportServer(ThreadingHTTPServer):
    """Serves one folder of runs on the loopback address alone.

    Other users of this machine reach the loopback address too: every path begins with a secret,
    as the URL does, and requests for another host name (a page that rebinds its name) are refused.

    Parameters
    ----------
    root
        The folder that jobs write to.
    port
        0 for a free one.

    Raises
    ------
    OSError
        The port is taken.
    """

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root
        self.secret = secrets.token_urlsafe(16)
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a reader that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where it is, with the secret; ends with a slash."""
        return f"http://127.0.0.1:{self.server_port}/{self.secret}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def version_string(self) -> str:
        return "azk"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name it has there)
        """Say nothing: requests are the browser's affair."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        try:
            path = urlsplit(self.path).path
        except ValueError:  # "http://[/": any account of this machine may ask
            path = ""
        host = self.headers.get("Host", "")
        own = host in {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        if self.path == "/favicon.ico":  # browsers ask for it beside a page that names none
            self._answer("", HTTPStatus.NO_CONTENT, "text/plain")
            return
        secret, *parts = path.removeprefix("/").split("/")
        known = secrets.compare_digest(secret.encode(), self.server.secret.encode())
        if not own or not known:
            self._answer("Not found\n", status=HTTPStatus.NOT_FOUND, kind="text/plain")
            return
        try:
            self._show([unquote(part) for part in parts])
        except ConnectionError:
            raise
        except (OSError, ValueError):  # not there, closed by a job, or no name of a file
            self._answer("There is no such run or file.\n", HTTPStatus.NOT_FOUND, "text/plain")

    def _show(self, parts: list[str]) -> None:
        root = self.server.root
        match parts:
            case [""]:
                self._answer(pages.index(records.runs(root)))
            case ["flow", project, name]:
                flow = "" if name == "-" else name
                if not (history := records.runs(root, project=project, flow=flow)):
                    raise FileNotFoundError
                self._answer(pages.flow(project, flow, history))
            case ["run", project, execution]:
                history = records.runs(root, project=project)
                run = next((run for run in history if run.execution == execution), None)
                if run is None:
                    raise FileNotFoundError
                alike = [other for other in history if other.flow == run.flow]
                self._answer(pages.summary(run, alike))
            case ["file", *inside] if len(inside) >= 4:
                self._send(root, inside)
            case _:
                raise FileNotFoundError

    def _send(self, root: Path, inside: list[str]) -> None:
        if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in inside):
            raise FileNotFoundError
        path = root.joinpath(*inside)
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            raise FileNotFoundError
        kind = mimetypes.guess_type(path.name)[0] or ""
        shown = kind in _SHOWN
        with path.open("rb") as stream:
            size = path.stat().st_size
            self._head(HTTPStatus.OK, kind if shown else "application/octet-stream", size, _THEIRS)
            if not shown:
                self.send_header("Content-Disposition", "attachment")
            self.end_headers()
            if self.command == "GET":
                shutil.copyfileobj(stream, self.wfile)

    def _answer(
        self, text: str, status: HTTPStatus = HTTPStatus.OK, kind: str = "text/html"
    ) -> None:
        data = text.encode()
        self._head(status, kind, len(data), _OURS)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def _head(self, status: HTTPStatus, kind: str, size: int, policy: str) -> None:
        self.send_response(status)
        text = kind.startswith("text/") or kind == "application/json"
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Content-Length", str(size))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")  # the secret stays here
        self.send_header("Cache-Control", "no-store")
