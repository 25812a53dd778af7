"""Check Quartz cron expressions, as used by Azkaban's schedules and triggers."""

from __future__ import annotations

import re

__all__ = ["check"]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("seconds", 0, 59, ()),
    ("minutes", 0, 59, ()),
    ("hours", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _DAYS),
    ("year", 1970, 2199, ()),
)
_SPECIAL = {
    "day of month": re.compile(r"\?|L|LW|L-([1-9]|[12]\d|30)W?|([1-9]|[12]\d|3[01])W"),
    "day of week": re.compile(rf"\?|L|([1-7]|{'|'.join(_DAYS)})(L|#[1-5])"),
}


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
    if name == "year" and first.isdecimal() and last.isdecimal() and int(last) < int(first):
        raise ValueError(f"year {item!r}: it ends before it begins")
    if found[3] is not None and not 1 <= int(found[3]) <= max(high, 1):
        raise ValueError(f"{name} {item!r}: expected a step from 1 to {high}")
