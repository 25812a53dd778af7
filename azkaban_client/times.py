"""Durations: read as people write them, and written for files and for people.

It needs nothing but the standard library, and travels with the job kit.
"""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["duration", "in_words", "plain"]

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
