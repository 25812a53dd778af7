"""When a flow runs: cron expressions, periods, time zones, ends, and what a server can do of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from azkaban_client import when
from azkaban_client.cron import Cron
from azkaban_client.models import Schedule
from azkaban_client.schedules.listing import upcoming
from azkaban_client.when import NeedsWatchError, When
from tests import crons

WINTER = datetime(2026, 11, 30, 12, tzinfo=UTC)  # a Monday
BERLIN = ZoneInfo("Europe/Berlin")


# -- cron ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("expression", "zone", "since", "times"), crons.TIMES)
def test_the_times_of_an_expression(expression, zone, since, times) -> None:
    begin = datetime.fromisoformat(since)
    found = islice(Cron(expression).after(begin, ZoneInfo(zone)), max(1, len(times)))
    assert [f"{one:%Y-%m-%d %H:%M:%S %z}" for one in found] == times


def test_many_times_of_a_day() -> None:
    found = Cron("0 */15 * * * ?").after(datetime(2027, 1, 1, tzinfo=UTC), UTC)
    assert len([*takewhile(lambda one: one.day < 3, found)]) == 191


@pytest.mark.parametrize("expression", crons.REFUSED)
def test_an_expression_that_is_none(expression) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Cron(expression)
    assert len(str(caught.value).splitlines()) == 1


# -- when ------------------------------------------------------------------------------------


def planned(kind, text, zone=None, server=None, *, has_cron=True):
    asked = when.read({kind: text}, zone, now=WINTER)
    return when.timing(asked, server, has_cron=has_cron, now=WINTER)


@pytest.mark.parametrize(
    ("kind", "text", "zone", "server", "cron"),
    [
        ("daily", "06:00", None, None, "0 0 6 * * ?"),
        ("daily", "6:05", None, "Asia/Tokyo", "0 5 6 * * ?"),
        ("daily", "0:00", "UTC", "UTC", "0 0 0 * * ?"),
        ("daily", "23:59", "UTC", "Asia/Kolkata", "0 29 5 * * ?"),
        ("weekdays", "7:30", None, "UTC", "0 30 7 ? * MON-FRI"),
        ("weekdays", "0:30", "Asia/Tokyo", "UTC", "0 30 15 ? * SUN-THU"),
        ("weekdays", "20:00", "America/Bogota", "UTC", "0 0 1 ? * TUE-SAT"),
        ("cron", "0 30 5 ? * MON-FRI", "UTC", "UTC", "0 30 5 ? * MON-FRI"),
    ],
)
def test_a_time_as_cron(kind, text, zone, server, cron) -> None:
    assert planned(kind, text, zone, server).cron == cron
    Cron(cron)


def test_a_time_without_cron() -> None:
    for zone, server, shown in ((None, None, "06:00"), ("Asia/Tokyo", "UTC", "21:00")):
        timing = planned("daily", "06:00", zone, server, has_cron=False)
        assert (f"{timing.at:%H:%M}", timing.cron) == (shown, None)
    assert planned("every", "15m", has_cron=False).every == "15m"
    assert planned("at", "tomorrow 6:00", "UTC", has_cron=False).first == datetime(
        2026, 12, 1, 6, tzinfo=UTC
    )


def test_another_time_zone_is_told() -> None:
    (words,) = planned("daily", "06:00", "Asia/Tokyo", "UTC").warnings
    assert words == "the server counts in UTC: 06:00 in Asia/Tokyo is 21:00 there"
    assert planned("daily", "06:00", "UTC", "UTC").warnings == ()
    (words,) = planned("daily", "06:00", "Europe/Berlin", "Europe/Paris").warnings
    assert words.endswith("is 06:00 there")


@pytest.mark.parametrize(
    ("given", "zone", "until", "server", "has_cron", "words"),
    [
        ({"weekdays": "7:30"}, None, None, None, False, "before 3.2 repeats a flow after a period"),
        ({"cron": "0 0 5 * * ?"}, None, None, None, False, "before 3.2"),
        ({"cron": "0 0 5 * * ?"}, "Asia/Tokyo", None, "UTC", True, "the server counts in UTC"),
        ({"cron": "0 0 5 * * ?"}, "Asia/Tokyo", None, None, True, "counts in a zone of its own"),
        ({"daily": "6:00"}, "Europe/Berlin", None, "UTC", True, "UTC, which changes its clocks"),
        ({"daily": "6:00"}, "Europe/Berlin", None, None, True, "a time zone that is not known"),
        ({"daily": "6:00"}, None, "2027-01-31", None, True, "has no end"),
        ({"every": "1d", "at": "6:00"}, "Europe/Berlin", None, "UTC", True, "days and months in"),
    ],
)
def test_what_a_server_cannot_do_is_for_the_watch(
    given, zone, until, server, has_cron, words
) -> None:
    asked = when.read(given, zone, until, now=WINTER)
    with pytest.raises(NeedsWatchError, match=words):
        when.timing(asked, server, has_cron=has_cron, now=WINTER)


@pytest.mark.parametrize(
    ("given", "zone", "until", "words"),
    [
        ({"daily": "6"}, None, None, "--daily '6': expected a time of day"),
        ({"daily": "24:00"}, None, None, "expected a time of day"),
        ({"daily": "06:60"}, None, None, "expected a time of day"),
        ({"weekdays": "7h"}, None, None, "--weekdays '7h'"),
        ({"every": "15"}, None, None, "--every '15': expected a number and one of m"),
        ({"every": "30s"}, None, None, "once a minute"),
        ({"every": "0m"}, None, None, "expected a number"),
        ({"cron": "0 6 * * *"}, None, None, "--cron '0 6 * * *': 5 fields"),
        ({"cron": "0 0 6 ? * MON-6"}, None, None, "'MON-6': expected two names or two numbers"),
        ({"daily": "6:00", "every": "1d"}, None, None, "give one of --daily, --every"),
        ({"daily": "6:00", "at": "6:00"}, None, None, "give one of --daily, --at"),
        ({"daily": "6:00"}, "Europe/Berln", None, "--timezone Europe/Berln: this machine knows no"),
        ({"daily": "6:00"}, "../../etc/passwd", None, "this machine knows no such"),
        ({}, "UTC", None, "--timezone UTC: is for --daily, --weekdays and the like"),
        ({}, None, "2027-01-01", "--until 2027-01-01: is for --daily"),
        ({"at": "soon"}, None, None, "--at 'soon': expected a time as 2027-01-31T05:30"),
        ({"at": "tomorrow 25:00"}, None, None, "--at 'tomorrow 25:00': expected"),
        ({"at": "2027-01-31"}, None, None, "--at '2027-01-31': expected"),
        ({"at": "2026-11-30T11:59+00:00"}, None, None, "has passed; give a time to come, or --ev"),
        ({"at": "tomorrow 6:00"}, None, "2027-01-01", "--until: --at is once; give --every"),
        ({"daily": "6:00"}, None, "2026-11-29", "--until 2026-11-29: has passed"),
        ({"daily": "6:00"}, None, "someday", "--until 'someday': expected a date"),
    ],
)
def test_a_time_that_cannot_be_read(given, zone, until, words) -> None:
    with pytest.raises(ValueError, match="--") as error:
        when.read(given, zone, until, now=WINTER)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "zone", "found"),
    [
        ("tomorrow 06:00", "UTC", "2026-12-01T06:00+00:00"),
        ("Tomorrow  6:00", "Asia/Tokyo", "2026-12-01T06:00+09:00"),
        ("today 13:00", "Asia/Tokyo", "2026-11-30T13:00+09:00"),  # past there: its own business
        ("13:00", "UTC", "2026-11-30T13:00+00:00"),
        ("11:00", "UTC", "2026-12-01T11:00+00:00"),
        ("monday 13:00", "UTC", "2026-11-30T13:00+00:00"),
        ("monday 11:00", "UTC", "2026-12-07T11:00+00:00"),
        ("in 90m", "UTC", "2026-11-30T13:30+00:00"),
        ("in 1M", "UTC", "2026-12-30T12:00+00:00"),
        ("2027-03-28T02:30", "Europe/Berlin", "2027-03-28T03:30+02:00"),  # it is skipped
        ("2027-10-31T02:30", "Europe/Berlin", "2027-10-31T02:30+02:00"),  # the first of two
        ("2027-10-31T02:30+01:00", "Europe/Berlin", "2027-10-31T02:30+01:00"),
        ("2027-07-01 06:00", "Europe/Berlin", "2027-07-01T06:00+02:00"),
    ],
)
def test_a_moment_as_somebody_says_it(text, zone, found) -> None:
    moment = when.moment(text, ZoneInfo(zone), WINTER)
    assert moment.isoformat() == datetime.fromisoformat(found).isoformat()


def test_a_time_of_this_machine_is_by_its_clock_of_that_day(monkeypatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    asked = when.read({"at": "2027-07-01T06:00"}, now=WINTER)
    assert asked.text == "2027-07-01T06:00:00+02:00"
    monkeypatch.setenv("TZ", "No/Zone")
    assert when.machine_zone().utcoffset(WINTER) is not None


def following(asked, since, count=3):
    found = islice(asked.times(datetime.fromisoformat(since), UTC), count)
    return [f"{one:%m-%d %H:%M}" for one in found]


def test_periods_of_the_calendar_count_by_the_clock_and_hours_do_not() -> None:
    first = datetime(2027, 3, 27, 2, 30, tzinfo=BERLIN)
    daily = When("every", "1d", "Europe/Berlin", first=first)
    assert following(daily, "2027-03-27T02:30+01:00") == [
        "03-28 03:30",
        "03-29 02:30",
        "03-30 02:30",
    ]
    half = When("every", "30m", "Europe/Berlin", first=first)
    assert following(half, "2027-10-31T02:15+02:00", 4) == [
        *("10-31 02:30", "10-31 02:00", "10-31 02:30", "10-31 03:00"),
    ]
    hours = When("every", "24h", "Europe/Berlin", first=first)
    assert following(hours, "2027-03-27T02:30+01:00", 1) == ["03-28 03:30"]
    assert following(hours, "2027-03-28T03:30+02:00", 1) == ["03-29 03:30"]
    months = When("every", "1M", first=datetime(2027, 1, 31, 6, tzinfo=UTC))
    assert following(months, "2027-01-31T06:00+00:00") == [
        "02-28 06:00",
        "03-31 06:00",
        "04-30 06:00",
    ]
    old = When("every", "15m", first=datetime(1999, 1, 1, tzinfo=UTC))
    assert following(old, "2027-01-31T06:07+00:00", 2) == ["01-31 06:15", "01-31 06:30"]
    assert len({*islice(old.times(WINTER, UTC), 500)}) == 500


@pytest.mark.parametrize("text", ["999999M", "999999w"])
def test_a_period_beyond_the_calendar_comes_once(text: str) -> None:
    once = When("every", text, first=datetime(2027, 1, 1, tzinfo=UTC))
    assert following(once, "2026-11-30T12:00+00:00", 9) == ["01-01 00:00"]
    assert following(once, "2027-01-02T00:00+00:00", 9) == []


def test_an_end_is_the_end() -> None:
    asked = when.read({"daily": "6:00"}, "UTC", "2026-12-02", now=WINTER)
    assert following(asked, "2026-11-30T12:00+00:00", 9) == ["12-01 06:00", "12-02 06:00"]
    asked = when.read({"daily": "6:00"}, "UTC", "2026-12-02T05:59", now=WINTER)
    assert following(asked, "2026-11-30T12:00+00:00", 9) == ["12-01 06:00"]
    asked = when.read({"every": "1h"}, "UTC", "in 150m", now=WINTER)
    assert following(replace_first(asked), "2026-11-30T12:00+00:00", 9) == [
        "11-30 13:00",
        "11-30 14:00",
    ]


def replace_first(asked):
    return When(asked.kind, asked.text, asked.zone, WINTER, asked.until)


def test_what_is_written_is_read() -> None:
    for asked in (
        when.read({"daily": "6:00"}, "Europe/Berlin", "2026-12-02", now=WINTER),
        when.read({"every": "1d", "at": "tomorrow 6:00"}, now=WINTER),
        when.read({"at": "tomorrow 6:00"}, "UTC", now=WINTER),
    ):
        assert When.of_plain(json.loads(json.dumps(asked.plain()))) == asked


def test_the_times_of_a_schedule_of_the_server() -> None:
    daily = Schedule(id=1, period="1 day(s)", next="2099-03-28 06:00:00")
    found = [f"{one:%m-%d %H:%M %z}" for one in islice(upcoming(None, daily, "Europe/Berlin"), 2)]
    assert found == ["03-28 06:00 +0100", "03-29 06:00 +0200"]
    once = Schedule(id=1, next="2099-03-28 06:00:00")
    assert len([*upcoming(None, once, "UTC")]) == 1
    with pytest.raises(ValueError, match="no such period"):
        upcoming(None, Schedule(id=1, next="2099-03-28 06:00:00", period="1 fortnight"), None)


@pytest.mark.parametrize(
    ("given", "until"),
    [
        ({"cron": "0 0 0 31 2 ?"}, None),
        ({"cron": "0 0 6 * * ? 2025"}, None),
        ({"cron": "0 0 6 25 12 ?"}, "2026-12-24"),
        ({"daily": "06:00"}, "2026-12-01T05:00"),
        ({"every": "1d", "at": "2026-12-05T06:00"}, "2026-12-04"),
    ],
)
def test_what_never_comes_is_refused(given: dict[str, str], until: str | None) -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    with pytest.raises(ValueError, match="has no time to come"):
        when.read(given, "UTC", until, now=now)


def test_a_leap_day_comes() -> None:
    found = when.read({"cron": "0 0 0 29 2 ?"}, "UTC", now=datetime(2096, 3, 1, tzinfo=UTC))
    assert found is not None
    assert str(next(found.times(datetime(2096, 3, 1, tzinfo=UTC), UTC))) == (
        "2104-02-29 00:00:00+00:00"
    )


@pytest.mark.parametrize(
    "given",
    [{"daily": "٠٦:٠٠"}, {"every": "١٥m", "at": None}, {"cron": "0 ٣٠ 5 ? * MON"}, {"at": "٠٦:٠٠"}],
)
def test_other_digits_are_not_taken(given: dict[str, str | None]) -> None:
    with pytest.raises(ValueError, match="expected"):
        when.read(given, "UTC", now=datetime(2026, 11, 30, 12, tzinfo=UTC))


def test_days_of_the_week_are_shown_by_their_names() -> None:
    """For a crontab, 1-5 is Monday to Friday; for Quartz, Sunday to Thursday."""
    assert str(When("cron", "0 30 5 ? * 1-5")) == "cron 0 30 5 ? * SUN-THU"
    assert str(When("cron", "0 30 5 ? * 1/2,7L 2030")) == "cron 0 30 5 ? * SUN/2,SATL 2030"
    assert str(When("cron", "0 30 5 1-7 * ?")) == "cron 0 30 5 1-7 * ?"
