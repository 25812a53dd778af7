"""Durations, periods and time zones: read as people write them, and written for people.

It needs nothing but the standard library, and travels with the job kit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

__all__ = ["Period", "duration", "in_words", "period", "plain", "zone"]

_EXACT = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhd])\s*", re.ASCII)


def duration(text: str) -> timedelta:
    """Read a duration: a number and one of ``ms s m h d``, or several of them.

    Raises
    ------
    ValueError
        It is none, or longer than a million years.

    Examples
    --------
    >>> duration("1h30m") == duration("90m") == duration("1.5h")
    True
    """
    if not text or _LENGTH.sub("", text):
        raise ValueError(text)
    parts = [(float(size), _UNITS[unit]) for size, unit in _LENGTH.findall(text)]
    try:
        return sum((timedelta(**{unit: size}) for size, unit in parts), timedelta())
    except OverflowError:
        raise ValueError(text) from None


def plain(value: timedelta) -> str:
    """Write a duration as `duration` reads it.

    Examples
    --------
    >>> plain(timedelta(minutes=90)), plain(timedelta())
    ('1h30m', '0s')
    """
    left, texts = round(value.total_seconds() * 1000), []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        if left >= size:
            texts.append(f"{left // size}{unit}")
            left %= size
    return "".join(texts) or "0s"


def in_words(value: timedelta | float | None) -> str:
    """Write a duration as a person would; empty for None.

    Examples
    --------
    >>> in_words(0.84), in_words(75), in_words(None)
    ('0.8 s', '1 min 15 s', '')
    """
    if value is None:
        return ""
    seconds = value if isinstance(value, (int, float)) else value.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True)
class Period:
    """The time from one logical date to the next.

    Attributes
    ----------
    count, unit
        As in ``2h``: seconds, minutes and hours (``s m h``) are exact; days, weeks and months
        (``d w M``) are those of the calendar, which a change of the clocks makes longer or shorter.
    """

    count: int
    unit: str

    def after(self, start: datetime, number: int) -> datetime:
        """Return the date that is so many periods after another.

        Raises
        ------
        OverflowError
            It is after the year 9999.

        Examples
        --------
        >>> from datetime import UTC, datetime
        >>> print(period("1M").after(datetime(2027, 1, 31, tzinfo=UTC), 1))
        2027-02-28 00:00:00+00:00
        """
        count = self.count * number
        if self.unit in _EXACT:
            return (start.astimezone(UTC) + count * _EXACT[self.unit]).astimezone(start.tzinfo)
        wall = start.replace(tzinfo=None)
        if self.unit == "M":
            year, month = divmod(wall.year * 12 + wall.month - 1 + count, 12)
            if year > MAXYEAR:
                raise OverflowError(f"year {year}")
            import calendar  # jobs load this module, and use no periods

            last = calendar.monthrange(year, month + 1)[1]
            wall = wall.replace(year=year, month=month + 1, day=min(wall.day, last))
        else:
            wall += timedelta(days=count * (7 if self.unit == "w" else 1))
        # A time that the clocks leave out becomes the one that they show instead.
        return wall.replace(tzinfo=start.tzinfo).astimezone(UTC).astimezone(start.tzinfo)


def period(text: str) -> Period:
    """Read a period such as ``1d``.

    Raises
    ------
    ValueError
        It is not a number and one of ``s m h d w M``.
    """
    found = re.fullmatch(r"([1-9]\d{0,5})([smhdwM])", text, re.ASCII)
    if found is None:
        raise ValueError(f"{text!r}: expected a number and one of s m h d w M, such as 1d")
    return Period(int(found[1]), found[2])


def zone(name: str, said: str) -> ZoneInfo:
    """Return a time zone.

    Parameters
    ----------
    name
        Such as ``Europe/Berlin``.
    said
        What the message says was given.

    Raises
    ------
    ValueError
        This machine knows no such zone.
    """
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"{said}: this machine knows no such time zone; expected a name such as Europe/Berlin"
        ) from None
