"""The metrics of a watch, for Prometheus: what it has seen, for clients that have the token."""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.errors import AzkabanError
from azkaban_client.files import first_line, write_private
from azkaban_client.models import Status

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from prometheus_client import CollectorRegistry, Counter, Gauge

    from azkaban_client.watch.journal import Seen
    from azkaban_client.watch.look import Event
    from azkaban_client.watch.rules import MetricsRule

__all__ = ["Metrics", "MetricsError"]

_FLOW = ("project", "flow")
_MOST_AT_ONCE = 8  # requests: whoever is on the machine can connect


class MetricsError(AzkabanError):
    """The metrics cannot be served: the message names the address or file and the fix."""


class Metrics:
    """What a watch has seen, as metrics.

    Parameters
    ----------
    rule
        Where they are served, and of which flows.
    """

    def __init__(self, rule: MetricsRule) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise MetricsError(
                "[metrics] needs prometheus-client: pip install 'azkaban-jobflow[metrics]'"
            ) from error
        # When each was made: as many series again.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.rule = rule
        self.registry: CollectorRegistry = prometheus.CollectorRegistry()

        def gauge(name: str, text: str, labels: Sequence[str] = _FLOW) -> Gauge:
            return prometheus.Gauge(name, text, labels, registry=self.registry)

        def counter(name: str, text: str, labels: Sequence[str] = _FLOW) -> Counter:
            return prometheus.Counter(name, text, labels, registry=self.registry)

        self.up = gauge("azkaban_up", "1 if the server answers.", ())
        self.database = gauge("azkaban_database_up", "1 if the server could read histories.", ())
        self.ended = counter("azkaban_executions", "Executions that ended.", (*_FLOW, "status"))
        self.seconds = prometheus.Summary(
            "azkaban_execution_seconds", "How long they took.", _FLOW, registry=self.registry
        )
        self.success = gauge("azkaban_last_success_timestamp_seconds", "End of the last success.")
        self.running = gauge("azkaban_executions_running", "Executions that run.")
        self.queued = gauge("azkaban_executions_queued", "Executions that wait for their start.")
        self.late = gauge("azkaban_schedules_late", "1 if a scheduled run is due and not made.")
        self.missed = counter("azkaban_schedules_missed", "Scheduled runs that were not made.")
        self.round = gauge("azk_watch_round_timestamp_seconds", "End of the last whole round.", ())
        self.requests = counter("azk_watch_requests", "Requests to the server.", ())
        self.pending = gauge("azk_watch_pending", "Messages and starts to be delivered.", ())
        self._known: set[tuple[str, str]] = set()
        self._server: _Server | None = None

    def count(self, event: Event) -> None:
        """Count what happened."""
        if not self.rule.covers(event.project, event.flow):
            return
        flow = (event.project, event.flow)
        if event.kind == "missed":
            self.missed.labels(*flow).inc()
        elif event.kind in ("succeeded", "failed"):
            self.ended.labels(*flow, event.status).inc()
            if event.seconds is not None:
                self.seconds.labels(*flow).observe(event.seconds)
            if event.status == Status.SUCCEEDED.value and event.end:
                self.success.labels(*flow).set(datetime.fromisoformat(event.end).timestamp())

    def seen(self, *, whole: bool) -> None:
        """Tell that a round came to its end.

        Parameters
        ----------
        whole
            Every flow could be looked at.
        """
        self.up.set(1)
        self.database.set(1)
        if whole:
            self.round.set_to_current_time()

    def lost(self, *, answers: bool) -> None:
        """Tell that a round was broken off.

        Parameters
        ----------
        answers
            The server answers, if only to say that it could not do what was asked.
        """
        self.up.set(int(answers))
        self.database.set(0 if answers else float("nan"))

    def tell(self, flow: tuple[str, str], seen: Seen, *, late: bool) -> None:
        """Tell the present state of a flow.

        Parameters
        ----------
        flow
            Its project and its name.
        seen
            What is known of it.
        late
            A scheduled run is due and not made.
        """
        if self.rule.covers(*flow):
            self.queued.labels(*flow).set(seen.waiting)
            self.running.labels(*flow).set(len(seen.going) - seen.waiting)
            self.late.labels(*flow).set(late)
            self._known.add(flow)

    def forget(self, flows: Container[tuple[str, str]]) -> None:
        """Forget the state of all flows but these: the others were deleted."""
        for flow in [flow for flow in self._known if flow not in flows]:
            for one in (self.queued, self.running, self.late):
                with suppress(KeyError):
                    one.remove(*flow)
            self._known.discard(flow)

    def serve(self) -> str:
        """Begin to serve, in threads, and return the address.

        Raises
        ------
        MetricsError
            The port is taken, or the token can be neither read nor made.
        """
        host, _, port = self.rule.listen.rpartition(":")
        token = self._token()
        try:
            self._server = _Server((host.strip("[]"), int(port)), self.registry, token)
        except OSError as error:
            raise MetricsError(f"[metrics] listen = {self.rule.listen}: {error}") from error
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://{self.rule.listen}/metrics"

    def close(self) -> None:
        """End serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _token(self) -> str:
        path = Path(self.rule.token_file)
        try:
            if not path.exists():
                write_private(path, f"{secrets.token_urlsafe(32)}\n")
            return first_line(path).strip()
        except (OSError, ValueError) as error:
            raise MetricsError(f"[metrics] token_file: {path}: {error}") from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], registry: Any, token: str) -> None:
        self.registry, self.expected = registry, f"Bearer {token}".encode()
        self.free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        if ":" in address[0]:
            import socket

            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client has gone away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def version_string(self) -> str:
        return "azk"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name it has there)
        """Say nothing: Prometheus asks every few seconds."""

    def do_GET(self) -> None:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        if not secrets.compare_digest(given, self.server.expected):
            self._answer(HTTPStatus.UNAUTHORIZED, b"The token is missing or wrong.\n", "text/plain")
        elif self.path.partition("?")[0] != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, b"There is /metrics alone.\n", "text/plain")
        else:
            self._answer(HTTPStatus.OK, generate_latest(self.server.registry), CONTENT_TYPE_LATEST)

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
