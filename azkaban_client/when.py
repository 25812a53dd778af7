"""When a flow shall run, in a person's words, and as a server can do it.

A server counts in a time zone of its own, has one schedule for a flow, and before 3.2 knows only
periods. What it cannot do, `azk watch` does.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from azkaban_client import cron as quartz
from azkaban_client.times import period
from azkaban_client.times import zone as find_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from azkaban_client.times import Period

__all__ = [
    "KINDS",
    "NeedsWatchError",
    "Timing",
    "When",
    "machine_zone",
    "moment",
    "read",
    "timing",
    "zone_named",
]

Kind = Literal["daily", "weekdays", "every", "cron", "at"]
KINDS: tuple[Kind, ...] = ("daily", "weekdays", "every", "cron", "at")
"""The options that say when; ``at`` and ``every`` go together, each other stands alone."""

_SPOKEN = {"today": 0, "tomorrow": 1}
_SPOKEN_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class NeedsWatchError(ValueError):
    """A server cannot do this, but `azk watch` can; says why."""


@dataclass(frozen=True)
class When:
    """What somebody asks for.

    Attributes
    ----------
    kind
        How it is said.
    text
        What was given, as it was written; for ``at``, the time as ISO 8601 writes it.
    zone
        The time zone that was named with it.
    first
        Of a period: its first time.
    until
        Nothing after this time.
    """

    kind: Kind
    text: str
    zone: str | None = None
    first: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        words = {
            "daily": f"every day at {self.text}",
            "weekdays": f"Monday to Friday at {self.text}",
            "every": f"every {self.text}",
            "cron": f"cron {quartz.named(self.text)}",
            "at": f"once at {self.text[:16].replace('T', ' ')}",
        }[self.kind]
        until = f", until {self.until:%Y-%m-%d %H:%M}" if self.until else ""
        return f"{words}, {self.zone}{until}" if self.zone else words + until

    @property
    def clock(self) -> time:
        """The time of day."""
        return _clock(self.text)

    def times(self, since: datetime, zone: tzinfo) -> Iterator[datetime]:
        """Yield the times after another one, the earliest first.

        Parameters
        ----------
        since
            Aware of its time zone.
        zone
            In which to count, where none was named.

        Examples
        --------
        >>> noon = When("weekdays", "12:00", "Europe/Berlin")
        >>> times = noon.times(datetime(2027, 1, 1, 12, tzinfo=UTC), UTC)
        >>> print(next(times), next(times))
        2027-01-04 12:00:00+01:00 2027-01-05 12:00:00+01:00
        """
        # In UTC: two times of one zone are compared by what the clocks show, twice in autumn.
        zone = zone_named(self.zone) if self.zone else zone
        end = self.until.astimezone(UTC) if self.until else None
        for one in self._instants(since.astimezone(UTC), zone):
            if end is not None and one > end:
                return
            yield one.astimezone(zone)

    def _instants(self, since: datetime, zone: tzinfo) -> Iterator[datetime]:
        """Yield the times in UTC."""
        if self.kind == "at":
            only = datetime.fromisoformat(self.text).astimezone(UTC)
            return iter([only] if only > since else [])
        if self.kind == "every":
            return _repeated(period(self.text), (self.first or since).astimezone(zone), since)
        found = quartz.Cron(self.expression).after(since, zone)
        return (one.astimezone(UTC) for one in found)

    @property
    def expression(self) -> str:
        """As cron, in the time zone in which it is meant."""
        if self.kind == "cron":
            return self.text
        days = "* * ?" if self.kind == "daily" else "? * MON-FRI"
        return f"0 {self.clock.minute} {self.clock.hour} {days}"

    def plain(self) -> dict[str, str | None]:
        """Return it for JSON, as `of_plain` reads it."""
        times = {"first": self.first, "until": self.until}
        return {
            "kind": self.kind,
            "text": self.text,
            "zone": self.zone,
            **{name: one.isoformat() if one else None for name, one in times.items()},
        }

    @classmethod
    def of_plain(cls, data: Mapping[str, Any]) -> When:
        """Read what `plain` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            It has not.
        """
        times = {
            name: datetime.fromisoformat(data[name]) if data[name] else None
            for name in ("first", "until")
        }
        if data["kind"] not in KINDS:
            raise ValueError(f"kind = {data['kind']!r}")
        text = _checked(data["kind"], str(data["text"]))
        if data["zone"] is not None:
            zone_named(data["zone"])
        return cls(data["kind"], text, data["zone"], **times)


def _repeated(every: Period, first: datetime, since: datetime) -> Iterator[datetime]:
    """Yield the times of a period that come after another time."""
    number = 0
    if since > first.astimezone(UTC):  # not from the first on: that may be years ago
        try:
            longest = every.after(first, 1).astimezone(UTC) - first.astimezone(UTC)
        except OverflowError:  # it comes once: the second time is after the year 9999
            return
        number = max(0, int((since - first.astimezone(UTC)) / (longest + timedelta(days=3))))
        if every.unit in "smh":
            number = int((since - first.astimezone(UTC)) / longest)
    last = since
    while True:
        try:
            one = every.after(first, number).astimezone(UTC)
        except OverflowError:  # after the year 9999
            return
        if one > last:
            yield one
            last = one
        number += 1


@dataclass(frozen=True)
class Timing:
    """What a server is told; one of the four.

    Attributes
    ----------
    cron
        A cron expression.
    at
        Every day at this time of the server's clock.
    every
        A period, from `first` on, or from now on.
    first
        The first time of a period; the only one without a period.
    warnings
        What is not quite what was asked for.
    """

    cron: str | None = None
    at: time | None = None
    every: str | None = None
    first: datetime | None = None
    warnings: tuple[str, ...] = ()


def read(
    given: Mapping[str, str | None],
    zone: str | None = None,
    until: str | None = None,
    *,
    now: datetime | None = None,
) -> When | None:
    """Read the options ``daily``, ``weekdays``, ``every``, ``cron`` and ``at``.

    Parameters
    ----------
    given
        Their texts; None where not given. One of them, or ``every`` with ``at``.
    zone
        A time zone that was named.
    until
        The end: a time, or a date with all of its day.
    now
        When today is, for tests.

    Returns
    -------
    When or None
        None where none of them is given.

    Raises
    ------
    ValueError
        Several are given, or one cannot be read.

    Examples
    --------
    >>> str(read({"daily": "6:00"}, "Europe/Berlin"))
    'every day at 6:00, Europe/Berlin'
    """
    now = now or datetime.now(UTC)
    asked: dict[str, str] = {kind: text for kind, text in given.items() if text is not None}
    if len(asked) > 1 and set(asked) != {"at", "every"}:
        raise ValueError(f"give one of {', '.join(f'--{kind}' for kind in asked)}")
    local = zone_named(zone) if zone is not None else machine_zone()
    if not asked:
        for option, text in (("timezone", zone), ("until", until)):
            if text is not None:
                raise ValueError(f"--{option} {text}: is for --daily, --weekdays and the like")
        return None
    end = _end(until, local, now)
    first = moment(asked["at"], local, now) if "at" in asked else None
    if "every" in asked:
        found = When("every", _checked("every", asked["every"]), zone, first, end)
        return found if first is None else _coming(found, asked["every"], local, now)
    if first is not None:
        if first <= now:
            raise ValueError(
                f"--at {asked['at']}: has passed; give a time to come, or --every PERIOD"
            )
        if end is not None:
            raise ValueError("--until: --at is once; give --every PERIOD, too")
        return When("at", first.isoformat(), zone)
    ((kind, text),) = asked.items()
    found = When(kind, _checked(kind, text), zone, None, end)  # type: ignore[arg-type]
    return _coming(found, text, local, now)


def _coming(when: When, text: str, zone: tzinfo, now: datetime) -> When:
    """Refuse times that never come, such as 31 February or a first time after the end."""
    if next(when.times(now, zone), None) is None:
        end = f" before {when.until:%Y-%m-%d %H:%M}" if when.until else ""
        raise ValueError(
            f"--{when.kind} {text!r}: has no time to come{end}; nothing would ever run"
        )
    return when


def _checked(kind: str, text: str) -> str:
    checks: dict[str, Callable[[str], object]] = {
        "every": _check_period,
        "cron": quartz.check,
        "at": datetime.fromisoformat,
    }
    try:
        checks.get(kind, _clock)(text)
    except ValueError as error:
        raise ValueError(f"--{kind} {text!r}: {error}") from None
    return text


def _clock(text: str) -> time:
    found = re.fullmatch(r"(\d{1,2}):(\d\d)", text, re.ASCII)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError("expected a time of day, such as 06:00 or 17:30")
    return time(int(found[1]), int(found[2]))


def _check_period(text: str) -> None:
    try:
        seconds = period(text).unit == "s"
    except ValueError:
        seconds = True
    if seconds:
        raise ValueError(
            "expected a number and one of m (minutes) h d w M (months), such as 15m; a server "
            "looks once a minute"
        )


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises
    ------
    ValueError
        This machine knows no such zone.
    """
    return find_zone(name, f"--timezone {name}")


def machine_zone() -> tzinfo:
    """Return the time zone of this machine: ``TZ``, else what ``/etc/localtime`` is, else UTC."""
    try:
        if name := os.environ.get("TZ", "").lstrip(":"):
            return ZoneInfo(name)
        file = Path("/etc/localtime").resolve()
        with file.open("rb") as stream:
            key = re.sub(r".*/zoneinfo/((posix|right)/)?", "", str(file))
            return ZoneInfo.from_file(stream, key=None if key.startswith("/") else key)
    except (KeyError, ValueError, OSError):
        return datetime.now().astimezone().tzinfo or UTC


def moment(text: str, zone: tzinfo, now: datetime) -> datetime:
    """Read a time as somebody says it.

    Parameters
    ----------
    text
        ``2027-01-31T05:30``, with or without an offset; ``tomorrow 06:00``, ``friday 17:30``,
        ``06:00`` (the next one), ``in 2h``.
    zone
        In which it is meant.
    now
        When today is.

    Raises
    ------
    ValueError
        It cannot be read.

    Examples
    --------
    >>> now = datetime(2026, 11, 30, 12, tzinfo=UTC)  # a Monday
    >>> print(moment("tomorrow 06:00", UTC, now), moment("friday 6:30", UTC, now))
    2026-12-01 06:00:00+00:00 2026-12-04 06:30:00+00:00
    """
    words = text.strip().lower().split()
    try:
        if len(words) == 2 and words[0] == "in":
            return period(text.split()[1]).after(now.astimezone(zone), 1).replace(microsecond=0)
        if len(words) == 1 and re.fullmatch(r"\d{1,2}:\d\d", words[0], re.ASCII):
            today = now.astimezone(zone).date()
            found = _at(today, words[0], zone)
            return found if found > now else _at(today + timedelta(1), words[0], zone)
        if len(words) == 2 and words[0] in (*_SPOKEN, *_SPOKEN_DAYS):
            return _on_spoken_day(words[0], words[1], zone, now)
        found = datetime.fromisoformat(text.strip())
        if "T" in text or ":" in text:
            return found if found.tzinfo else _at_wall(found, zone)
    except (ValueError, OverflowError):
        pass
    raise ValueError(
        f"--at {text!r}: expected a time as 2027-01-31T05:30, 'tomorrow 06:00', 'friday 17:30', "
        "06:00 or 'in 2h'"
    )


def _on_spoken_day(word: str, clock: str, zone: tzinfo, now: datetime) -> datetime:
    today = now.astimezone(zone).date()
    if word in _SPOKEN:
        return _at(today + timedelta(_SPOKEN[word]), clock, zone)
    ahead = (_SPOKEN_DAYS.index(word) - today.weekday()) % 7
    found = _at(today + timedelta(ahead), clock, zone)
    return found if found > now else _at(today + timedelta(ahead + 7), clock, zone)


def _at(day: date, clock: str, zone: tzinfo) -> datetime:
    return _at_wall(datetime.combine(day, _clock(clock)), zone)


def _at_wall(wall: datetime, zone: tzinfo) -> datetime:
    """Return a time of the clock; a skipped one is as much later as the clocks skip."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


def _end(text: str | None, zone: tzinfo, now: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            found = moment(text, zone, now)
        except ValueError:
            raise ValueError(
                f"--until {text!r}: expected a date as 2027-01-31, or a time as 2027-01-31T05:30"
            ) from None
    else:
        found = _at_wall(datetime.combine(day, time(23, 59, 59)), zone)
    if found <= now:
        raise ValueError(f"--until {text}: has passed; nothing would ever run")
    return found


def timing(
    when: When, server_zone: str | None, *, has_cron: bool, now: datetime | None = None
) -> Timing:
    """Express the schedule in the server's terms.

    Parameters
    ----------
    when
        What is asked for.
    server_zone
        The server's time zone; None where it is not known.
    has_cron
        Whether the server has cron schedules.
    now
        When today is, for tests.

    Raises
    ------
    NeedsWatchError
        The server cannot do it.
    """
    if when.until is not None:
        raise NeedsWatchError("a server's schedule has no end")
    if when.kind == "at":
        return Timing(first=datetime.fromisoformat(when.text))
    if when.kind == "every":
        return _period_on_server(when)
    if when.kind != "daily" and not has_cron:
        raise NeedsWatchError("a server before 3.2 repeats a flow after a period alone")
    if when.kind == "cron":
        if when.zone not in (None, server_zone):
            raise NeedsWatchError(f"the server counts in {server_zone or 'a zone of its own'}")
        return Timing(cron=when.text)
    clock, shift, warnings = _on_server(when, server_zone, now or datetime.now(UTC))
    if not has_cron:
        return Timing(at=clock, warnings=warnings)
    days = "?" if when.kind == "daily" else f"{_day(1 + shift)}-{_day(5 + shift)}"
    spec = f"* * {days}" if when.kind == "daily" else f"? * {days}"
    return Timing(cron=f"0 {clock.minute} {clock.hour} {spec}", warnings=warnings)


def _period_on_server(when: When) -> Timing:
    """Return the period; the server counts one of days and longer in UTC."""
    every = period(when.text)
    if when.zone is not None and every.unit in "dwM":
        zone = zone_named(when.zone)
        year = [datetime(2027, month, 1, tzinfo=zone) for month in range(1, 13)]
        if any(day.utcoffset() for day in year):
            raise NeedsWatchError("the server counts days and months in UTC")
    return Timing(every=when.text, first=when.first)


def _day(number: int) -> str:
    return quartz.DAYS[number % 7]


def _on_server(
    when: When, server_zone: str | None, now: datetime
) -> tuple[time, int, tuple[str, ...]]:
    """Return the time on the server's clock, the days that it is off, and what to say of it."""
    clock = when.clock
    if when.zone is None or when.zone == server_zone:
        return clock, 0, ()
    if server_zone is None:
        raise NeedsWatchError("the server counts in a time zone that is not known here")
    here, there = zone_named(when.zone), zone_named(server_zone)
    local = datetime.combine(now.astimezone(here).date(), clock, here)
    on_server = local.astimezone(there)
    shift = (on_server.date() - local.date()).days
    year = [now + timedelta(days=7 * week) for week in range(53)]
    apart = {
        day.astimezone(there).replace(tzinfo=None) - day.astimezone(here).replace(tzinfo=None)
        for day in year
    }
    if len(apart) > 1:
        raise NeedsWatchError(
            f"the server counts in {server_zone}, which changes its clocks on other days"
        )
    words = (
        f"the server counts in {server_zone}: {when.text} in {when.zone} is {on_server:%H:%M} there"
    )
    return on_server.time(), shift, (words,)
