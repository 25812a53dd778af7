"""Schedules that azk watch keeps beside a real server: nothing twice, and nothing lost."""

from __future__ import annotations

import json
import signal
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from azkaban_client import Client
from azkaban_client.history import LOGICAL_DATE, TRIGGER, executions
from azkaban_client.schedules.book import Book
from tests.commands import Azk
from tests.waiting import eventually

PROJECT = "schedule-tests"
EVERY = timedelta(seconds=3)


@pytest.fixture
def azk(azkaban, tmp_path):
    run = Azk(azkaban, tmp_path, XDG_STATE_HOME=str(tmp_path / "state"))
    run.upload(PROJECT, {"due.job": "type=noop\nshown=${day}\n", "due.properties": "day=\n"})
    return run


class Runs:
    """What was started, by the server's history, and what was missed, by the book."""

    def __init__(self, azkaban, home) -> None:
        self.azkaban, self.home, self._known = azkaban, home, {}

    def started(self) -> dict[str, Counter[datetime]]:
        """How often each date of each schedule was run."""
        found = {"all": Counter(), "none": Counter()}
        auth = (self.azkaban.username, self.azkaban.password)
        with Client(self.azkaban.url, auth=auth, address=self.azkaban.address) as client:
            for one in executions(client, PROJECT, "due"):
                if one.execid not in self._known:
                    self._known[one.execid] = client.execution_options(one.execid)["flowParam"]
        for given in self._known.values():
            name = given[TRIGGER].split()[1].rpartition("/")[2]
            date = datetime.fromisoformat(given[LOGICAL_DATE])
            assert given["day"] == f"{date:%H%M%S}"
            found[name][date] += 1
        return found


def consecutive(dates) -> bool:
    ordered = sorted(dates)
    return all(later - one == EVERY for one, later in pairwise(ordered))


@pytest.mark.faults
def test_due_times_over_which_the_server_or_the_watch_was_killed(
    azk, azkaban, tmp_path, monkeypatch
) -> None:
    runs = Runs(azkaban, tmp_path)
    for name in ("all", "none"):
        when = ("--cron", "0/3 * * * * ?", "--name", name, "--catch-up", name)
        options = ("--prop", "day={date:%H%M%S}", "--concurrency", "concurrent")
        code, _, err = azk("schedule", "add", PROJECT, "due", *when, *options)
        assert code == 0, err
        assert "no azk watch runs for this server" in err
    monkeypatch.setenv("XDG_STATE_HOME", azk.environ["XDG_STATE_HOME"])
    book = Book(azkaban.url)

    def waiting() -> int:
        return max(len(entry.runs) for entry in book.read())

    watch = azk.start("watch")
    eventually(lambda: len(runs.started()["none"]) >= 2, seconds=180)
    assert "no azk watch runs" not in azk("schedule", "list")[2]
    azkaban.kill()
    eventually(lambda: waiting() >= 3)
    azkaban.start()
    eventually(lambda: waiting() <= 1, seconds=180)
    watch.send_signal(signal.SIGKILL)
    watch.communicate()
    left = max(datetime.fromisoformat(entry.since) for entry in book.read())
    eventually(lambda: datetime.now(left.tzinfo) > left + 3 * EVERY)
    before = sum(runs.started()["all"].values())
    watch = azk.start("watch")
    eventually(lambda: len(runs.started()["all"]) >= before + 4, seconds=180)
    for name in ("all", "none"):
        assert azk("schedule", "pause", PROJECT, "due", "--name", name)[0] == 0
    watch.send_signal(signal.SIGINT)
    watch.communicate()

    rows = json.loads(azk("schedule", "list", PROJECT, "--json")[1])
    missed = {
        row["name"]: {datetime.fromisoformat(one["date"]) for one in row["missed"]} for row in rows
    }
    started = runs.started()
    for name in ("all", "none"):
        assert set(started[name].values()) == {1}, "nothing twice"
        assert not started[name].keys() & missed[name]
        assert consecutive(started[name].keys() | missed[name]), "nothing lost"
    assert len(missed["none"]) >= 3
    reasons = {one["reason"] for row in rows if row["name"] == "all" for one in row["missed"]}
    assert reasons <= {"the schedule was paused"}, "but what waited when it was paused"
