"""When a flow shall run, in a person's words, and as a server can do it.

A server counts in a time zone of its own. Before 3.2 it knows only periods.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from azkaban_client.flow.loader import cron as quartz

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azkaban_client.models import Schedule

__all__ = ["NeedsCronError", "Timing", "When", "read", "timing"]

_EVERY = re.compile(r"([1-9]\d*)([mhdwM])")
_PERIODS = {"m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month"}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class NeedsCronError(ValueError):
    """Only a server with cron schedules (3.2) can do this."""


@dataclass(frozen=True)
class When:
    """What somebody asks for.

    Attributes
    ----------
    kind
        How it is said.
    text
        What was given, as it was written.
    zone
        The time zone that was named with it.
    """

    kind: Literal["daily", "weekdays", "every", "cron"]
    text: str
    zone: str | None = None

    def __str__(self) -> str:
        words = {
            "daily": f"every day at {self.text}",
            "weekdays": f"Monday to Friday at {self.text}",
            "every": f"every {self.text}",
            "cron": f"cron {self.text}",
        }[self.kind]
        return f"{words}, {self.zone}" if self.zone else words

    @property
    def clock(self) -> time:
        """The time of day."""
        return _clock(self.text)


@dataclass(frozen=True)
class Timing:
    """What a server is told; one of the three.

    Attributes
    ----------
    cron
        A cron expression.
    at
        Every day at this time of the server's clock.
    every
        A period from now on.
    warnings
        What is not quite what was asked for.
    """

    cron: str | None = None
    at: time | None = None
    every: str | None = None
    warnings: tuple[str, ...] = ()

    def is_that_of(self, schedule: Schedule) -> bool:
        """Tell whether a flow's schedule is this one already.

        Examples
        --------
        >>> from azkaban_client.models import Schedule
        >>> old = Schedule(id=1, period="1 day(s)", next="2026-12-01 06:00:00")
        >>> Timing(at=time(6)).is_that_of(old), Timing(at=time(7)).is_that_of(old)
        (True, False)
        """
        if self.cron is not None:
            return schedule.cron is not None and schedule.cron.split() == self.cron.split()
        if schedule.cron is not None:
            return False
        if self.at is not None:
            return schedule.period == "1 day(s)" and f"{self.at:%H:%M:%S}" in (schedule.next or "")
        number, unit = _EVERY.fullmatch(self.every or "").groups()  # type: ignore[union-attr]
        return schedule.period == f"{number} {_PERIODS[unit]}(s)"


def read(given: Mapping[str, str | None], zone: str | None = None) -> When | None:
    """Read the options ``daily``, ``weekdays``, ``every`` and ``cron``, of which one is given.

    Parameters
    ----------
    given
        Their texts; None where not given.
    zone
        A time zone that was named.

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
    asked = {kind: text for kind, text in given.items() if text is not None}
    if len(asked) > 1:
        raise ValueError(f"give one of {', '.join(f'--{kind}' for kind in asked)}")
    if zone is not None:
        _zone(zone)
    if not asked:
        if zone is not None:
            raise ValueError(f"--timezone {zone}: is for --daily and --weekdays")
        return None
    ((kind, text),) = asked.items()
    if kind == "every" and zone is not None:
        raise ValueError(f"--timezone {zone}: a period is the same everywhere; leave it out")
    try:
        if kind == "every":
            _check_period(text)
        elif kind == "cron":
            quartz.check(text)
        else:
            _clock(text)
    except ValueError as error:
        raise ValueError(f"--{kind} {text!r}: {error}") from None
    return When(kind, text, zone)  # type: ignore[arg-type]


def _clock(text: str) -> time:
    found = re.fullmatch(r"(\d{1,2}):(\d\d)", text)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError("expected a time of day, such as 06:00 or 17:30")
    return time(int(found[1]), int(found[2]))


def _check_period(text: str) -> None:
    if not _EVERY.fullmatch(text):
        raise ValueError(
            "expected a number and one of m (minutes) h d w M (months), such as 15m; a server "
            "looks once a minute"
        )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"--timezone {name}: this machine knows no such time zone; expected a name such as "
            "Europe/Berlin"
        ) from None


def timing(
    when: When, server_zone: str | None, *, has_cron: bool, now: datetime | None = None
) -> Timing:
    """Put what is asked for in terms that the server has.

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
    NeedsCronError
        The server has none, and it cannot be done without.
    ValueError
        A cron expression cannot count in another time zone than the server's.
    """
    if when.kind == "every":
        return Timing(every=when.text)
    if when.kind != "daily" and not has_cron:
        raise NeedsCronError(
            f"--{when.kind} {when.text}: a server before 3.2 repeats a flow after a period, and "
            "knows no days of the week: use --daily or --every"
        )
    if when.kind == "cron":
        if when.zone not in (None, server_zone):
            raise ValueError(
                f"--timezone {when.zone}: a cron expression counts in the time zone of the server"
                + (f", {server_zone}" if server_zone else "")
            )
        return Timing(cron=when.text)
    clock, shift, warnings = _on_server(when, server_zone, now or datetime.now(UTC))
    if not has_cron:
        return Timing(at=clock, warnings=warnings)
    days = "?" if when.kind == "daily" else f"{_day(1 + shift)}-{_day(5 + shift)}"
    spec = f"* * {days}" if when.kind == "daily" else f"? * {days}"
    return Timing(cron=f"0 {clock.minute} {clock.hour} {spec}", warnings=warnings)


def _day(number: int) -> str:
    return _DAYS[number % 7]


def _on_server(
    when: When, server_zone: str | None, now: datetime
) -> tuple[time, int, tuple[str, ...]]:
    """Return the time on the server's clock, the days that it is off, and what to say of it."""
    clock = when.clock
    if when.zone is None or when.zone == server_zone:
        return clock, 0, ()
    if server_zone is None:
        raise ValueError(
            f"--timezone {when.zone}: the time zone of this server is not known, and it counts in "
            "its own; write timezone = ... to azk.toml or AZK_TIMEZONE, or leave --timezone out"
        )
    here, there = _zone(when.zone), _zone(server_zone)
    local = datetime.combine(now.astimezone(here).date(), clock, here)
    on_server = local.astimezone(there)
    shift = (on_server.date() - local.date()).days
    year = [now + timedelta(days=7 * week) for week in range(53)]
    apart = {
        day.astimezone(there).replace(tzinfo=None) - day.astimezone(here).replace(tzinfo=None)
        for day in year
    }
    words = (
        f"the server counts in {server_zone}: {when.text} in {when.zone} is {on_server:%H:%M} there"
    )
    if len(apart) > 1:
        words += " now, but not when one of them has changed its clocks: deploy again then"
    return on_server.time(), shift, (words,)
