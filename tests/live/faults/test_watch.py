"""azk watch when it, its receiver or the server is killed: each thing is told once."""

from __future__ import annotations

import json
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from azkaban_client import Bundle
from tests.commands import Azk
from tests.live.faults.site import eventually

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.faults.site import Site

pytestmark = pytest.mark.faults

RULES = """
every = "1s"
down_after = "1s"
[tell.hook]
webhook_file = "hook"
[[rule]]
project = "watched"
on = ["failed", "server-down"]
tell = ["hook"]
log_lines = 0
"""


class Receiver(ThreadingHTTPServer):
    """Keeps what it is told, by the id of the message; answers when it is let."""

    daemon_threads = True

    def __init__(self) -> None:
        self.told: dict[str, list[str]] = {}
        self.asked = 0
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def events(self) -> list[str]:
        return sorted(event for events in self.told.values() for event in events)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        if self.server.status == 200:
            names = [f"{one['kind']} {one['execid'] or ''}".strip() for one in body["events"]]
            self.server.told[self.headers["X-Azk-Id"]] = names
        self.server.answers.wait(60)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Watch:
    """A real ``azk watch``, which can be killed and started again."""

    def __init__(self, site: Site, folder: Path, receiver: Receiver) -> None:
        self.azk = Azk(site.live, folder)
        (folder / "hook").touch(mode=0o600)
        (folder / "hook").write_text(f"http://127.0.0.1:{receiver.server_port}/")
        (folder / "watch.toml").write_text(RULES)
        self.journals = folder / ".local/state/azk/watch"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it has seen the flow."""
        before = self._written()
        self.process = self.azk.start("watch", "watch.toml")
        if before is None:
            eventually(self._written, "a first round")

    def _written(self) -> int | None:
        found = [one for one in self.journals.glob("*.json") if "watched/bad" in one.read_text()]
        return found[0].stat().st_mtime_ns if found else None

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self.process = None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.answers.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def watch(site: Site, tmp_path: Path, receiver: Receiver) -> Iterator[Watch]:
    made = Watch(site, tmp_path, receiver)
    with site.client() as client:
        client.create_project("watched")
        with Bundle({"bad.job": b"type=command\ncommand=false\n"}).temporary() as path:
            client.upload("watched", path)
    yield made
    if made.process is not None:
        made.kill()
    with site.client() as client:
        client.delete_project("watched")


def _fail(site: Site) -> str:
    with site.client() as client:
        execid = client.execute("watched", "bad", concurrency="concurrent")
        client.wait(execid)
        return f"failed {execid}"


def test_a_watch_that_is_killed_tells_everything_once(
    site: Site, watch: Watch, receiver: Receiver
) -> None:
    watch.start()
    expected = [_fail(site)]
    eventually(lambda: receiver.events == expected, "the first failure")
    watch.kill()
    expected.append(_fail(site))  # while nothing watches
    watch.start()
    eventually(lambda: receiver.events == sorted(expected), "the second failure")
    receiver.answers.clear()
    asked = receiver.asked
    expected.append(_fail(site))
    eventually(lambda: receiver.asked > asked, "a message whose answer does not come")
    watch.kill()
    receiver.answers.set()
    watch.start()
    eventually(lambda: receiver.asked > asked + 1, "the same message again")
    expected.append(_fail(site))
    eventually(lambda: receiver.events == sorted(expected), "one message, by its id")


def test_an_outage_of_the_receiver_loses_nothing(
    site: Site, watch: Watch, receiver: Receiver
) -> None:
    watch.start()
    receiver.status = 503
    expected = [_fail(site)]
    eventually(lambda: receiver.asked, "a message that is refused")
    expected.append(_fail(site))
    receiver.status = 200
    eventually(lambda: receiver.events == sorted(expected), "both failures, each once")


def test_the_servers_death_is_told_once_and_what_happened_around_it(
    site: Site, watch: Watch, receiver: Receiver
) -> None:
    watch.start()
    site.kill("supervisor")
    site.kill("web")
    eventually(lambda: "server-down" in receiver.events, "that the server is down")
    site.recover("supervisor")
    expected = [_fail(site), "server-down", "server-up"]
    eventually(lambda: receiver.events == sorted(expected), "each once")
