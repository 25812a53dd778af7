"""Share what the readers of route files need: text from bytes, numbers from cells, their error."""

from __future__ import annotations

import codecs
import math
import re

__all__ = ["FormatError", "decode", "number"]

# The longer mark first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# What float() takes besides is no number in a file: 1_000, nan, infinity, digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class FormatError(ValueError):
    """Text that is not what it should be: source, line, value and what was expected."""


def decode(data: bytes, source: str = "stops") -> str:
    """Turn a file's bytes into text: UTF-8, or UTF-16 as spreadsheets save it.

    Parameters
    ----------
    data
        The whole file. Without a mark at the front it is UTF-8, or UTF-16 if every other of its
        first bytes is zero.
    source
        How error messages call it.

    Raises
    ------
    FormatError
        Bytes that are no such text; the message has the line.

    Examples
    --------
    >>> decode("id,x,y".encode("utf-16"))
    'id,x,y'
    >>> decode("1,Köln".encode("latin-1"), "stops.csv")
    Traceback (most recent call last):
        ...
    core.routing.reading.FormatError: stops.csv, line 1: not UTF-8 text (save the file as UTF-8)
    """
    coding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not coding:
        first = data[:64]
        odd, even = first[1::2], first[::2]
        if len(first) >= 4 and not any(odd) and all(even):
            coding = "utf-16-le"
        elif len(first) >= 4 and not any(even) and all(odd):
            coding = "utf-16-be"
    try:
        text = data.decode(coding or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FormatError(
            f"{source}, line {line}: not UTF-8 text (save the file as UTF-8)"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise FormatError(f"{source}, line {line}: not text (it has a zero byte)")
    return text


def number(text: str) -> float:
    """Read a finite number.

    Raises
    ------
    ValueError
        Anything else.

    Examples
    --------
    >>> number("2.5e3")
    2500.0
    """
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r}: expected a finite number")
    return value
