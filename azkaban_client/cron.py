"""Quartz cron expressions, as used by Azkaban's schedules and triggers.

No library of Python's reads all of Quartz's (``LW``, ``L-3``, ``1`` for Sunday, years), so this one
does, and is held against Quartz itself by a test.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

__all__ = ["DAYS", "MONTHS", "Cron", "check", "named"]

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("seconds", 0, 59, ()),
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 1, 7, DAYS),
    ("year", 1970, 2199, ()),
)
_SPECIAL = {
    "day of month": re.compile(r"\?|L|LW|L-([1-9]|[12]\d|30)W?|([1-9]|[12]\d|3[01])W"),
    "day of week": re.compile(rf"\?|L|([1-7]|{'|'.join(DAYS)})(L|#[1-5])"),
}
_DAY = timedelta(days=1)
_YEARS = 100  # after so many years without a time, there is none


def named(expression: str) -> str:
    """Write the days of the week by their names: those of crontab have other numbers.

    Examples
    --------
    >>> named("0 30 5 ? * 1-5"), named("0 0 6 ? * 6#3,2/2")
    ('0 30 5 ? * SUN-THU', '0 0 6 ? * FRI#3,MON/2')
    """
    fields = expression.split()
    if len(fields) > 5:
        day = re.compile(r"(?<![#/\w])[1-7](?!\d)")
        fields[5] = day.sub(lambda found: DAYS[int(found[0]) - 1], fields[5])
    return " ".join(fields)


def check(expression: str) -> None:
    """Check an expression.

    Raises
    ------
    ValueError
        It is not valid; names the field.

    Examples
    --------
    >>> check("0 30 5 ? * MON-FRI")
    >>> check("0 30 25 ? * MON-FRI")
    Traceback (most recent call last):
    ...
    ValueError: hours '25': expected numbers from 0 to 23
    """
    fields = expression.upper().split()
    if not expression.isascii():
        raise ValueError("expected plain digits and letters")
    if len(fields) not in (6, 7):
        raise ValueError(
            f"{len(fields)} fields: expected seconds, minutes, hours, day of month, month, day of "
            "week, and perhaps year"
        )
    for text, (name, low, high, words) in zip(fields, _FIELDS, strict=False):
        special = _SPECIAL.get(name)
        items = text.split(",")
        for item in items:
            if special is not None and special.fullmatch(item) and len(items) == 1:
                continue
            if item == "99" and name != "year":
                continue  # Quartz writes '*' like this internally, and accepts it from others
            _check_item(item, name, low, high, words)
    if (fields[3] == "?") == (fields[5] == "?"):
        raise ValueError("one of day of month and day of week is '?', and the other is not")


def _check_item(item: str, name: str, low: int, high: int, words: tuple[str, ...]) -> None:
    """Check ``*``, ``A``, ``A-B``, and each with ``/STEP``."""
    value = "|".join([r"\d+", *words])
    found = re.fullmatch(rf"(?:\*|({value})(?:-({value}))?)(?:/(\d+))?", item)
    if found is None:
        raise ValueError(f"{name} {item!r}: cannot be read")
    for number in found.groups()[:2]:
        if number is not None and number.isdecimal() and not low <= int(number) <= high:
            raise ValueError(f"{name} {item!r}: expected numbers from {low} to {high}")
    first, last = found[1] or "", found[2] or ""
    if first and last and first.isdecimal() != last.isdecimal():
        raise ValueError(f"{name} {item!r}: expected two names or two numbers")
    if name == "year" and first.isdecimal() and last.isdecimal() and int(last) < int(first):
        raise ValueError(f"year {item!r}: it ends before it begins")
    if found[3] is not None and not 1 <= int(found[3]) <= max(high, 1):
        raise ValueError(f"{name} {item!r}: expected a step from 1 to {high}")


class Cron:
    """The times of an expression.

    Parameters
    ----------
    expression
        As Quartz has them.

    Raises
    ------
    ValueError
        It is not valid.

    Examples
    --------
    >>> monthly = Cron("0 0 6 LW * ?")  # the last weekday of each month
    >>> times = monthly.after(datetime(2026, 1, 1, tzinfo=UTC), UTC)
    >>> [f"{next(times):%d %b}" for _ in range(3)]
    ['30 Jan', '27 Feb', '31 Mar']
    """

    def __init__(self, expression: str) -> None:
        check(expression)
        fields = expression.upper().split()
        every = [_values(text, *field) for text, field in zip(fields, _FIELDS, strict=False)]
        seconds, minutes, hours, self._days, self._months, self._weekdays = every[:6]
        self._years = every[6] if len(every) > 6 else None
        self._special_day, self._special_weekday = fields[3], fields[5]
        self._clock = [
            time(hour, minute, second)
            for hour in sorted(hours)
            for minute in sorted(minutes)
            for second in sorted(seconds)
        ]
        self._hourly = len(hours) == 24

    def after(self, since: datetime, zone: tzinfo) -> Iterator[datetime]:
        """Yield the times after another one, in a time zone, the earliest first.

        Parameters
        ----------
        since
            Aware of its time zone.
        zone
            In which the expression counts.

        Notes
        -----
        A time that the clocks skip in spring is moved by what they skip: 02:30 becomes 03:30.
        Of a time that they show twice in autumn, the first is taken; an expression for every hour
        of the day takes both, as an hour without a run would be a hole.
        """
        day = since.astimezone(zone).date() - _DAY
        carried: set[datetime] = set()
        for _ in range(_YEARS * 366):
            carried |= set(self._of_day(day, zone))
            day += _DAY
            midnight = _instant(day, time(0), zone)
            ready = sorted(one for one in carried if one < midnight)
            carried.difference_update(ready)  # a skipped time can move into the next day
            yield from (one.astimezone(zone) for one in ready if one > since)

    def _of_day(self, day: date, zone: tzinfo) -> Iterator[datetime]:
        if self._matches(day):
            for clock in self._clock:
                yield _instant(day, clock, zone)
                if self._hourly:
                    yield _instant(day, clock.replace(fold=1), zone)

    def _matches(self, day: date) -> bool:
        if day.month not in self._months or (self._years and day.year not in self._years):
            return False
        if self._special_weekday == "?":
            return day.day in (self._days or {_special_day(self._special_day, day)})
        weekday = day.isoweekday() % 7 + 1  # Quartz' Sunday is 1
        if self._weekdays:
            return weekday in self._weekdays
        return _is_special_weekday(self._special_weekday, day, weekday)


def _instant(day: date, clock: time, zone: tzinfo) -> datetime:
    """Return a time of the clock in UTC; a skipped one is as much later as the clocks skip."""
    local = datetime.combine(day, clock, zone)
    if local.fold and local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != (
        local.replace(tzinfo=None)
    ):
        local = local.replace(fold=0)  # skipped: read the second way it would be earlier
    return local.astimezone(UTC)


def _values(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> set[int]:
    """Return the numbers of a field; empty if it is no list of numbers."""
    if name in _SPECIAL and _SPECIAL[name].fullmatch(text):
        return set()
    found: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "99"):
            begin, end = low, high
        else:
            begin = _number(first, low, words)
            end = _number(last, low, words) if last else high if step else begin
        if end < begin:  # FRI-MON, 22-4
            end += high - low + 1
        every = range(begin, end + 1, int(step or 1))
        found |= {(one - low) % (high - low + 1) + low for one in every}
    return found


def _number(text: str, low: int, words: tuple[str, ...]) -> int:
    return words.index(text) + low if text in words else int(text)


def _special_day(text: str, day: date) -> int:
    """Return the day of a month that ``L``, ``LW``, ``L-3``, ``L-3W`` or ``15W`` means, or 0."""
    last = calendar.monthrange(day.year, day.month)[1]
    found = re.fullmatch(r"(?:L(?:-(\d+))?|(\d+))(W?)", text)
    if found is None:
        return 0
    number = int(found[2]) if found[2] else last - int(found[1] or 0)
    if not 1 <= number <= last:
        return 0
    if found[3]:
        weekday = day.replace(day=number).isoweekday()
        if weekday == 6:
            number += 2 if number == 1 else -1
        elif weekday == 7:
            number += -2 if number == last else 1
    return number


def _is_special_weekday(text: str, day: date, weekday: int) -> bool:
    """Tell whether a day is what ``L``, ``FRIL``, ``6L`` or ``6#3`` means."""
    found = re.fullmatch(r"(\w*?)(?:(L)|#(\d))", text)
    if found is None:
        return False
    wanted = _number(found[1], 1, DAYS) if found[1] else 7
    if weekday != wanted:
        return False
    if found[3]:
        return (day.day - 1) // 7 + 1 == int(found[3])
    last = calendar.monthrange(day.year, day.month)[1]
    return not found[1] or day.day > last - 7
