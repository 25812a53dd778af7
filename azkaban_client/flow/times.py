"""Say when a flow runs in the terms of Quartz, of cron and of Chronos."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from azkaban_client import cron as quartz
from azkaban_client.cron import DAYS, MONTHS
from azkaban_client.times import period

if TYPE_CHECKING:
    from datetime import date

    from azkaban_client.times import Period
    from azkaban_client.when import When

__all__ = ["LostError", "iso_repeat", "to_cron", "to_quartz"]

_PRESETS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
_LENGTHS = {"m": "PT{}M", "h": "PT{}H", "d": "P{}D", "w": "P{}W", "M": "P{}M"}


class LostError(ValueError):
    """The other scheduler cannot express such a time."""


def to_cron(when: When, *, dialect: str = "cron") -> str:
    """Return the five fields of cron.

    Parameters
    ----------
    dialect
        ``airflow`` knows ``#`` and ``L`` as well.

    Raises
    ------
    LostError
        Cron has no words for it; names the field.

    Examples
    --------
    >>> from azkaban_client.when import When
    >>> to_cron(When("cron", "0 30 6 ? * MON-FRI"))
    '30 6 * * MON-FRI'
    >>> to_cron(When("cron", "0 0 6 ? * 2#1"), dialect="airflow")
    '0 6 * * MON#1'
    >>> to_cron(When("every", "15m"))
    '*/15 * * * *'
    """
    if when.kind == "every":
        return _every(when.text)
    if when.kind == "at":
        raise LostError(f"{when}: cron starts a flow again and again")
    quartz.check(when.expression)
    seconds, minute, hour, day, month, weekday, *year = when.expression.upper().split()
    if seconds != "0":
        raise LostError(f"seconds {seconds!r}: cron counts in minutes")
    if year and year[0] != "*":
        raise LostError(f"year {year[0]!r}: cron has no years")
    return " ".join(
        (
            _field(minute, "minutes", 59),
            _field(hour, "hours", 23),
            _day(day, dialect),
            _field(month, "month", 12),
            _weekday(weekday, dialect),
        )
    )


def _period(text: str) -> Period:
    try:
        found: Period | None = period(text)
    except ValueError:
        found = None
    if found is None or found.unit == "s":
        raise LostError(f"every {text!r}: cannot be read")
    return found


def _every(text: str) -> str:
    every = _period(text)
    number, unit = every.count, every.unit
    if number == 1:
        return {"m": "* * * * *", "h": "0 * * * *", "d": "0 0 * * *", "w": "0 0 * * 0"}.get(
            unit, "0 0 1 * *"
        )
    if unit == "m" and 60 % number == 0:
        return f"*/{number} * * * *"
    if unit == "h" and 24 % number == 0:
        return f"0 */{number} * * *"
    if unit == "M" and 12 % number == 0:
        return f"0 0 1 */{number} *"
    raise LostError(f"every {text}: cron's fields begin anew each hour, day, month and year")


def _field(text: str, name: str, high: int) -> str:
    """Copy a field; Quartz reads ``A/STEP`` as from A on, which cron writes as a range."""
    items = []
    for item in map(_without_names, text.split(",")):
        found = re.fullmatch(r"(\w+)/(\d+)", item)
        if found:
            items.append(f"{found[1]}-{high}/{found[2]}")
        elif re.fullmatch(r"(\d+)-(\d+)(/\d+)?", item) and _backwards(item):
            first, last, *step = re.split(r"[-/]", item)
            if step:
                raise LostError(f"{name} {item!r}: cron has no steps over the end of the range")
            low = 1 if name in ("month", "day of month") else 0
            items += [f"{first}-{high}", f"{low}-{last}"]
        else:
            items.append("*" if item == "99" else item)
    return ",".join(items)


def _without_names(item: str) -> str:
    """Write the months of a range as numbers: cron takes a name where it stands alone."""
    if "-" not in item and "/" not in item:
        return item
    return re.sub("[A-Z]{3}", lambda found: str(MONTHS.index(found[0]) + 1), item)


def _backwards(item: str) -> bool:
    first, last, *_ = map(int, re.split(r"[-/]", item))
    return last < first


def _day(text: str, dialect: str) -> str:
    if text == "?":
        return "*"
    if text == "L" and dialect == "airflow":
        return "L"
    if "L" in text or "W" in text:
        raise LostError(f"day of month {text!r}: cron has no L and no W")
    return _field(text, "day of month", 31)


def _weekday(text: str, dialect: str) -> str:
    """Write days by their names: Quartz counts from Sunday, 1, cron from Sunday, 0."""
    if text in ("?", "*", "99"):
        return "*"
    named = re.sub(r"(?<![#/\d])([1-7])", lambda found: DAYS[int(found[1]) - 1], text)
    if "#" in named:
        if dialect != "airflow":
            raise LostError(f"day of week {text!r}: cron has no #")
        return named
    if "L" in named:
        if named == "L":
            return "SAT"
        if dialect != "airflow":
            raise LostError(f"day of week {text!r}: cron has no L")
        return f"L{DAYS.index(named[:3])}"
    return ",".join(days for item in named.split(",") for days in _days(item))


def _days(item: str) -> list[str]:
    """Write a range over the end of the week, and steps, as single days."""
    found = re.fullmatch(r"(\w{3})-(\w{3})(/\d+)?", item)
    if found is None:
        start, _, step = item.partition("/")
        first = 0 if start == "*" else DAYS.index(start)
        return list(DAYS[first :: int(step)]) if step else [start]
    first, last = DAYS.index(found[1]), DAYS.index(found[2])
    if found[3] is None and first <= last:
        return [item]
    days = DAYS[first : last + 1] if first <= last else (*DAYS[first:], *DAYS[: last + 1])
    return list(days[:: int((found[3] or "/1")[1:])])


def iso_repeat(when: When, since: date) -> str:
    """Return the repeating interval of ISO 8601 that Chronos takes.

    Parameters
    ----------
    since
        It begins in the week or the month of this day: Chronos goes on from the next time that has
        not passed, but takes no beginning that lies more than a year back.

    Raises
    ------
    LostError
        It has no words for it.

    Examples
    --------
    >>> from datetime import date
    >>> from azkaban_client.when import When
    >>> day = date(2026, 11, 30)
    >>> iso_repeat(When("cron", "0 30 6 ? * SUN"), day), iso_repeat(When("every", "15m"), day)
    ('R/2026-12-06T06:30:00Z/P1W', 'R/2026-11-30T00:00:00Z/PT15M')
    """
    if when.kind == "every":
        every = _period(when.text)
        return f"R/{since}T00:00:00Z/{_LENGTHS[every.unit].format(every.count)}"
    minute, hour, day, month, weekday = to_cron(when).split()
    begin, length = since, "P1D"
    if month != "*" or not minute.isdecimal():
        found = re.fullmatch(r"\*/(\d+)", minute)
        if found and (hour, day, month, weekday) == ("*",) * 4 and 60 % int(found[1]) == 0:
            return f"R/{begin}T00:00:00Z/PT{found[1]}M"
        raise LostError(f"{when}: Chronos repeats after one length of time")
    if weekday in DAYS and day == "*":
        monday = since - timedelta(days=since.weekday())
        begin = monday + timedelta(days=(DAYS.index(weekday) - 1) % 7)
        length = "P1W"
    elif day.isdecimal() and weekday == "*" and int(day) <= 28:
        begin, length = since.replace(day=int(day)), "P1M"
    elif (day, weekday) != ("*", "*"):
        raise LostError(f"{when}: Chronos repeats after one length of time")
    if hour == "*" and length == "P1D":
        return f"R/{begin}T00:{int(minute):02}:00Z/PT1H"
    if not hour.isdecimal():
        raise LostError(f"{when}: Chronos repeats after one length of time")
    return f"R/{begin}T{int(hour):02}:{int(minute):02}:00Z/{length}"


def to_quartz(when: str) -> str:
    """Return the six fields of Quartz for the five of cron, or for a name such as ``@daily``.

    Raises
    ------
    ValueError
        Quartz has no words for it.

    Examples
    --------
    >>> to_quartz("*/15 6-8 * * 1-5"), to_quartz("@monthly")
    ('0 */15 6-8 ? * MON-FRI', '0 0 0 1 * ?')
    >>> to_quartz("0 6 * * 0-7")
    '0 0 6 ? * SUN-SAT'
    """
    fields = _PRESETS.get(when.lower(), when).split()
    if len(fields) != 5:
        raise ValueError("Azkaban starts flows at times, not with the machine")
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        raise ValueError("Quartz has no day of month or day of week, whichever comes first")
    named = "?" if weekday == "*" else _named_days(weekday)
    month = month.upper()
    found = f"0 {minute} {hour} {'?' if named != '?' else day} {month} {named}"
    quartz.check(found)
    return found


def _named_days(text: str) -> str:
    """Name the days, of which cron has Sunday twice: 0 and 7."""

    def name(found: re.Match[str]) -> str:
        number = int(found[0])
        if number > 7:
            raise ValueError(f"day of week {number}: expected 0 to 7")
        return DAYS[number % 7]

    # From Sunday to Sunday would be one day, where cron means all.
    return re.sub(r"(?<!/)\b\d+", name, re.sub(r"\b0-7\b", "0-6", text)).upper()
