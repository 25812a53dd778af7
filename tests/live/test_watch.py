"""azk watch beside a real server: nothing is told twice, and nothing is lost."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from azkaban_client import Bundle, Client
from azkaban_client.files import write_private
from azkaban_client.history import LOGICAL_DATE, TRIGGER
from azkaban_client.schedules.book import Book, Entry, Run
from azkaban_client.schedules.scheduler import Scheduler
from azkaban_client.watch.journal import Journal
from azkaban_client.watch.rules import read
from azkaban_client.watch.watcher import Watcher
from azkaban_client.when import When

PROJECT = "watch-tests"
FILES = {
    "watched.properties": "code=0\n",
    "watched.job": "type=command\ncommand=bash watched.sh ${code}\n",
    "next.job": "type=noop\n",
    "watched.sh": "echo because of this; sleep 0.5; exit $1\n",
}
RULES = """
[tell.hook]
webhook_file = "hook"
[[rule]]
project = "watch-*"
flow = "watched"
on = ["failed", "recovered", "server-down"]
tell = ["hook"]
"""


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.working:
            self.server.told.append(json.loads(body))
        self.send_response(200 if self.server.working else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver():
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.told, server.working = [], True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def client(azkaban):
    auth = (azkaban.username, azkaban.password)
    with Client(azkaban.url, auth=auth, address=azkaban.address) as client:
        client.create_project(PROJECT)
        with Bundle({k: v.encode() for k, v in FILES.items()}).temporary() as path:
            client.upload(PROJECT, path)
        yield client
        client.delete_project(PROJECT)


def test_what_happens_is_told_once_also_what_happened_meanwhile(
    client, receiver, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    write_private(tmp_path / "hook", f"http://127.0.0.1:{receiver.server_port}/")
    rules = tmp_path / "watch.toml"
    rules.write_text(RULES)

    @contextmanager
    def watching():
        """A watch that was started anew: it knows what its journal says."""
        watcher = Watcher(client, read(rules), Journal(client.url, rules), lambda _: None)
        watcher.round()
        watcher.deliver()
        yield watcher

    def run(code: int) -> int:
        execid = client.execute(PROJECT, "watched", properties={"code": str(code)})
        client.wait(execid)
        return execid

    def told():
        return [
            (event["kind"], event["execid"]) for one in receiver.told for event in one["events"]
        ]

    run(1)  # before anybody watches
    with watching():
        assert told() == []
    failed = run(2)  # while nothing watches
    receiver.working = False
    with watching() as watcher:
        assert [one.tries for one in watcher.journal.pending] == [1]
    receiver.working = True
    with watching() as watcher:
        assert told() == []  # it waits before it tries again
        for one in watcher.journal.pending:
            one.after = 0
        watcher.deliver()
        assert told() == [("failed", failed)]
        log = [["watched", ["because of this"]]]
        assert receiver.told[0]["events"][0]["logs"] == log
        good = run(0)
        watcher.round()
        watcher.deliver()
        watcher.deliver()
    with watching():
        pass
    assert told() == [("failed", failed), ("recovered", good)]


def test_a_flow_and_a_file_start_another_flow_once(client, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    rules = tmp_path / "watch.toml"
    rules.write_text(
        f"""
        [[rule]]
        flow = "watched"
        project = "{PROJECT}"
        on = ["succeeded"]
        run = "{PROJECT}/next"
        [[rule]]
        file = "in/*.csv"
        settled = "1s"
        run = "{PROJECT}/next"
        """
    )
    journal = Journal(client.url, rules)
    watcher = Watcher(client, read(rules), journal, lambda _: None)
    watcher.round()
    execid = client.execute(PROJECT, "watched")
    client.wait(execid)
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "a.csv"
    file.write_text("1")
    time.sleep(1.1)
    watcher.round()
    assert len(journal.pending) == 2
    again = Journal(client.url, rules)  # as it would be after a crash on the way
    watcher.deliver()
    for one in again.pending:
        one.tries = 1
    again.save()
    Watcher(client, read(rules), Journal(client.url, rules), lambda _: None).deliver()
    execids = [one.execid for one in client.history(PROJECT, "next").executions]
    assert all(client.wait(one).succeeded for one in execids)
    started = [client.execution_options(one)["flowParam"] for one in execids]
    assert len(started) == 2
    assert {one.get("trigger.execution") for one in started} == {str(execid), None}
    assert {one["trigger.file"] for one in started} == {"", str(file)}


def test_a_server_that_is_down_is_told_and_that_it_is_back(
    client, receiver, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    write_private(tmp_path / "hook", f"http://127.0.0.1:{receiver.server_port}/")
    rules = tmp_path / "watch.toml"
    rules.write_text('down_after = "1s"\n' + RULES)
    found = read(rules)
    gone = Client("http://127.0.0.1:9", auth=("a", "b"), timeout=2)
    watcher = Watcher(gone, found, Journal(gone.url, rules), lambda _: None)
    watcher.round()
    watcher._lost_since -= 2
    watcher.round()
    watcher.round()
    watcher.deliver()
    watcher.client = client
    watcher.round()
    watcher.deliver()
    kinds = [event["kind"] for one in receiver.told for event in one["events"]]
    assert kinds == ["server-down", "server-up"]


def test_a_run_of_a_schedule_is_started_once_and_has_its_date(
    client, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    book = Book(client.url)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    daily = When("daily", "6:00", "UTC")
    with book.changing() as entries:
        entries.append(
            Entry(PROJECT, "next", "n", daily, catch_up="last", since=yesterday.isoformat())
        )

    def look() -> list[dict[str, str]]:
        """What was started, after a scheduler that was started anew has looked."""
        with closing(Scheduler(client, book, lambda _: None)) as scheduler:
            assert scheduler.tick() == []
        assert book.read()[0].runs == []
        found = [client.wait(one.execid) for one in client.history(PROJECT, "next").executions]
        return [client.execution_options(one.execid)["flowParam"] for one in found]

    (given,) = look()
    date = datetime.fromisoformat(given[LOGICAL_DATE])
    assert (date.hour, date > yesterday) == (6, True)
    assert given[TRIGGER] == f"schedule {PROJECT}/next/n {given[LOGICAL_DATE]}"
    with book.changing() as entries:  # as if the watch had died before it had the answer
        entries[0].runs = [Run(given[LOGICAL_DATE], tried=1.0)]
    assert look() == [given]
