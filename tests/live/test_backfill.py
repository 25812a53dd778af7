"""azk backfill on a real server: each date once, whatever interrupts it."""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest

from azkaban_client import Client
from azkaban_client.history import LOGICAL_DATE
from tests.commands import Azk

PROJECT = "backfill"
DAYS = ("--from", "2026-11-01", "--to", "2026-11-04", "--prop", "day={date:%d}")


@pytest.fixture(scope="module")
def mended(tmp_path_factory):
    """A file whose existence lets the second day succeed."""
    return tmp_path_factory.mktemp("mended") / "it"


@pytest.fixture(scope="module")
def azk(azkaban, mended, tmp_path_factory):
    run = Azk(azkaban, tmp_path_factory.mktemp("home"))
    files = {
        "days.properties": "day=\nseconds=0\n",
        "day.job": "type=command\ncommand=bash day.sh ${day} ${seconds}\n",
        "day.sh": f'sleep "$2"; test "$1" != 02 || test -e {mended}\n',
    }
    run.upload(PROJECT, files)
    return run


@pytest.fixture
def client(azkaban):
    auth = (azkaban.username, azkaban.password)
    with Client(azkaban.url, auth=auth, address=azkaban.address) as client:
        yield client


def dates(client: Client) -> Counter[str]:
    """How often each logical date was run."""
    return Counter(
        str(client.execution_options(one.execid)["flowParam"][LOGICAL_DATE])[:10]
        for one in client.history(PROJECT, "day", length=100).executions
    )


def test_each_date_runs_once_though_killed_on_the_way(azk, client, mended) -> None:
    killed = azk.start("backfill", PROJECT, "day", *DAYS, "--prop", "seconds=1")
    for line in killed.stderr:
        if "2026-11-02" in line and "running" in line:
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    code, out, err = azk("backfill", PROJECT, "day", *DAYS, "--prop", "seconds=1", "--json")
    assert code == 1, err
    rows = json.loads(out)
    assert [row["status"] for row in rows] == ["SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert [row["properties"]["day"] for row in rows] == ["01", "02", "03", "04"]
    assert "1 of 4 failed" in err
    once = {f"2026-11-0{day}": 1 for day in range(1, 5)}
    assert dates(client) == once

    code, _, err = azk("backfill", PROJECT, "day", *DAYS, "--prop", "seconds=1")
    assert code == 1  # what failed runs again on request alone
    assert dates(client) == once
    mended.touch()
    again = ("backfill", PROJECT, "day", *DAYS, "--prop", "seconds=1", "--retry-failed", "--json")
    code, out, err = azk(*again)
    assert code == 0, err
    assert len(json.loads(out)[1]["executions"]) == 2
    assert dates(client) == once | {"2026-11-02": 2}


def test_what_succeeded_otherwise_can_be_skipped(azk, client) -> None:
    before = dates(client)
    wider = ("--from", "2026-10-31", *DAYS[2:], "--skip-succeeded", "--concurrent", "3", "--json")
    code, out, err = azk("backfill", PROJECT, "day", *wider)
    assert code == 0, err
    assert [row["date"][:10] for row in json.loads(out)] == ["2026-10-31"]
    assert dates(client) == before | {"2026-10-31": 1}


def test_it_stops_after_so_many_failures(azk, client, mended) -> None:
    mended.unlink(missing_ok=True)
    options = ("--order", "newest", "--stop-after", "1", "--prop", "seconds=0.1")
    code, out, err = azk("backfill", PROJECT, "day", *DAYS, *options, "--json")
    assert code == 1
    assert [row["state"] for row in json.loads(out)] == ["ended", "ended", "ended", "due"]
    assert "1 of 4 failed, 1 not started" in err


def test_a_dry_run_starts_nothing(azk, client) -> None:
    before = dates(client)
    options = ("--from", "2027-01-31", "--to", "2027-03-31", "--every", "1M", "--dry-run")
    code, out, _ = azk("backfill", PROJECT, "day", *options, "--prop", "day={date:%d}")
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["day=31", "day=28", "day=31"]
    assert dates(client) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--prop", "day=1"), "no run would know its date"),
        (("--prop", "dya={date}"), "did you mean day?"),
        (("--prop", "logical.date={date}"), "gets its own"),
        (("--prop", "day={date}", "--every", "1x"), "--every '1x': expected a number"),
        (("--prop", "day={date}", "--from", "soon"), "--from 'soon': expected a date"),
        (("--prop", "day={date}", "--from", "2027-01-01"), "2026-11-04 00:00 is before 2027"),
        (("--prop", "day={date}", "--every", "1s"), "more than 100,000 dates"),
        (("--prop", "day={date}", "--timezone", "Berlin/Europe"), "knows no such time zone"),
        (("--prop", "day={date}", "--concurrency", "skip"), "--concurrent N instead"),
    ],
)
def test_what_cannot_be_meant_is_refused(azk, client, options, words) -> None:
    before = dates(client)
    code, out, err = azk("backfill", PROJECT, "day", *DAYS[:4], *options)
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())
    assert dates(client) == before
