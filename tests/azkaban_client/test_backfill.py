"""Logical dates and the ledger of a backfill; the runs themselves are in tests/live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azkaban_client.backfill.dates import cron_dates, fill, logical_dates, moment
from azkaban_client.backfill.ledger import Entry, Ledger, LedgerError
from azkaban_client.backfill.work import Plan, Worker
from azkaban_client.errors import BadAnswer, NetworkError, ServerFault, WrongAccount
from azkaban_client.models import Execution, ExecutionPage, ExecutionSummary, Status
from azkaban_client.times import period

BERLIN = ZoneInfo("Europe/Berlin")


def test_days_are_those_of_the_calendar_and_hours_are_exact() -> None:
    first, last = moment("2026-10-24T06:00", BERLIN), moment("2026-10-26T06:00", BERLIN)
    assert [date.hour for date in logical_dates(first, last, period("1d"))] == [6, 6, 6]
    hours = logical_dates(first, last, period("1h"))
    assert len(hours) == 24 * 2 + 1 + 1  # the clocks go back, and both ends count
    assert len({date.astimezone(UTC) for date in hours}) == len(hours)


def test_a_time_that_the_clocks_leave_out_is_shown_as_what_follows() -> None:
    first, last = moment("2026-03-28T02:30", BERLIN), moment("2026-03-30T02:30", BERLIN)
    dates = logical_dates(first, last, period("1d"))
    assert [f"{date:%d %H:%M}" for date in dates] == ["28 02:30", "29 03:30", "30 02:30"]


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 (a zone follows)
    st.integers(1, 40),
    st.sampled_from("mhdwM"),
    st.sampled_from([UTC, BERLIN, ZoneInfo("America/St_Johns"), ZoneInfo("Pacific/Apia")]),
)
def test_dates_grow_and_end_in_time(start, count, unit, zone) -> None:
    first = start.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    last = first + timedelta(days=3)
    every = period(f"{count}{unit}")
    dates = logical_dates(first, last, every)
    instants = [date.timestamp() for date in dates]
    assert instants == sorted(set(instants))
    assert dates[0] == first
    assert dates[-1] <= last < every.after(first, len(dates))


def test_dates_by_cron_count_in_the_zone_of_the_dates() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first, last = moment("2027-03-26T06:00", berlin), moment("2027-03-29T06:00", berlin)
    dates = cron_dates(first, last, "0 0 6 ? * MON-FRI")
    assert [f"{date:%d %H %z} {end:%d}" for date, end in dates] == [
        "26 06 +0100 29",
        "29 06 +0200 30",
    ]
    last_one = cron_dates(first, last, "0 0 6 29 3 ? 2027")
    assert [date == end for date, end in last_one] == [True]
    for expression, words in (
        ("0 0 6 ? * SAT#5", "has no time from"),
        ("0 6 * * *", "--cron '0 6 [*] [*] [*]': 5 fields"),
        ("* * * * * ?", "more than 100,000 dates"),
    ):
        with pytest.raises(ValueError, match=words):
            cron_dates(first, last + timedelta(2 if "5" in words else 0), expression)


def test_only_the_two_names_are_filled_in() -> None:
    date, end = moment("2026-11-01", UTC), moment("2026-11-02", UTC)
    assert fill("{x} {date} {{date:%d}} {} ${day}", date, end) == (
        "{x} 2026-11-01T00:00:00+00:00 {01} {} ${day}"
    )


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Ledger("http://a:1", "p", "f")


def test_a_ledger_is_private_and_read_as_it_was_written(ledger) -> None:
    entry = ledger.take(Entry("2026-11-01", {"day": "1"}))
    entry.executions.append(7)
    ledger.save()
    assert ledger.path.stat().st_mode & 0o077 == 0
    with ledger.alone():
        assert ledger.take(Entry("2026-11-01", {"day": "1"})).executions == [7]
        assert not ledger.take(Entry("2026-11-01", {"day": "2"})).executions


def test_two_at_once_are_refused(ledger) -> None:
    with ledger.alone(), pytest.raises(LedgerError, match="p/f is running"), ledger.alone():
        pass


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"entries": 3}', b'{"entries": [{}]}', b"\xff\xfe\x00"]
)
def test_a_damaged_ledger_is_named_and_kept(ledger, content) -> None:
    ledger.path.parent.mkdir(parents=True)
    ledger.path.write_bytes(content)
    with pytest.raises(LedgerError, match="move the file away"), ledger.alone():
        pass
    assert ledger.path.read_bytes() == content


@pytest.mark.parametrize(
    "given",
    [
        ["--from", "9999-12-31", "--to", "9999-12-31"],
        ["--from", "2026-12-31", "--to", "2026-12-31", "--every", "999999w"],
        ["--from", "2026-12-31", "--to", "2026-12-31", "--every", "999999M"],
        ["--from", "0001-01-01", "--to", "0001-01-02", "--timezone", "Europe/Berlin"],
    ],
)
def test_dates_that_no_calendar_has_are_refused(azk, given) -> None:
    result = azk("--url", "http://localhost:1", "backfill", "p", "f", *given)
    assert (result.code, "year" in result.err) == (2, True)


class Restarting:
    """A server that is out of reach for some calls, and does at once what it is asked for."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.started: list[str] = []

    def history(self, *_: object, **__: object) -> ExecutionPage:
        if self.errors:
            raise self.errors.pop(0)
        return ExecutionPage(total=0, offset=0, executions=())

    def execute(self, *_: object, properties: dict[str, str], **__: object) -> int:
        self.started.append(properties["logical.date"])
        return len(self.started)

    def execution(self, execid: int) -> Execution:
        return Execution(execid=execid, project="p", flow="f", status=Status.SUCCEEDED, jobs=())


def worker(server: Restarting, ledger: Ledger, dates: list[str]) -> Worker:
    made = Worker(server, ledger, Plan("p", "f", [Entry(one, {}) for one in dates], {}), poll=0.001)
    made.prepare()
    return made


def test_a_server_that_restarts_before_a_start_is_waited_for(ledger) -> None:
    server = Restarting(NetworkError("refused"), NetworkError("refused"))
    made = worker(server, ledger, ["2026-11-01", "2026-11-02"])
    list(made.run())
    assert server.started == ["2026-11-01", "2026-11-02"]
    assert all(entry.succeeded for entry in made.entries)


NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RUNNING = ExecutionSummary(
    execid=7, flow="f", user="me", status=Status.RUNNING, submitted=NOW, start=NOW, end=None
)


class Slow(Restarting):
    """A server that comes to a start late, after it has answered others."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def history(self, *_: object, **__: object) -> ExecutionPage:
        self.looks -= 1
        runs = () if self.looks > 0 else (RUNNING,)
        return ExecutionPage(total=len(runs), offset=0, executions=runs)

    def execution_options(self, _execid: int) -> dict[str, dict[str, str]]:
        return {"flowParam": {"logical.date": "2026-11-01"}}


def test_a_start_that_arrives_late_is_found(ledger) -> None:
    ledger.take(Entry("2026-11-01", {})).state = "starting"
    server = Slow(looks=3)
    made = worker(server, ledger, ["2026-11-01"])
    list(made.run())
    assert (server.started, made.entries[0].executions) == ([], [7])


@pytest.mark.parametrize("error", [ServerFault("HTTP 502"), BadAnswer("no JSON")])
def test_a_start_without_a_plain_answer_is_looked_for(ledger, monkeypatch, error) -> None:
    monkeypatch.setattr("azkaban_client.backfill.work.IN_FLIGHT", 0.0)
    server = Restarting()
    made = worker(server, ledger, ["2026-11-01"])

    def fail(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(server, "execute", fail)
    with pytest.raises(type(error)):
        list(made.run())
    assert made.entries[0].state == "starting"
    again = Slow(looks=1)
    list(worker(again, ledger, ["2026-11-01"]).run())
    assert again.started == []


def test_what_waiting_does_not_mend_ends_it_at_once(ledger) -> None:
    made = worker(Restarting(WrongAccount("of another account")), ledger, ["2026-11-01"])
    with pytest.raises(WrongAccount):
        list(made.run())
    assert made.entries[0].state == "due"
