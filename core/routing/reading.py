"""Share what the readers of route files need: text from bytes, numbers from cells, their error."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from typing import Any

__all__ = ["FormatError", "cells_of", "clock", "decode", "json_object", "json_value", "number"]

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

_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d))?", re.ASCII)


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


def clock(text: str) -> float:
    """Read a time: minutes, or hours and minutes (and seconds) with colons.

    Raises
    ------
    ValueError
        Anything else, or less than 0.

    Examples
    --------
    >>> clock("8:30"), clock("510")
    (510.0, 510.0)
    """
    if found := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return hours * 60.0 + minutes + seconds / 60.0
    try:
        value = number(text)
    except ValueError:
        value = -1.0
    if value < 0:
        raise ValueError(f"{text!r}: expected minutes >= 0, or HH:MM")
    return value


def cells_of(text: str, source: str, delimiter: str) -> list[tuple[int, list[str]]]:
    r"""Read the rows of CSV that have any cell, each with the number of its last line.

    Raises
    ------
    FormatError
        What no CSV has, such as a cell of 200,000 letters.

    Examples
    --------
    >>> cells_of("id;x\n\n a ; 1\n", "stops.csv", ";")
    [(1, ['id', 'x']), (3, ['a', '1'])]
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        found = [(rows.line_num, [cell.strip() for cell in row]) for row in rows]
    except csv.Error as error:
        raise FormatError(f"{source}, line {rows.line_num}: {error}") from None
    return [(line, row) for line, row in found if any(row)]


def json_value(text: str, source: str) -> Any:
    """Read JSON; FormatError for anything else."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(f"{source}, line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise FormatError(f"{source}: not JSON: nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise FormatError(f"{source}: not JSON: {error}") from None


def json_object(text: str, source: str) -> dict[str, Any]:
    """Read a JSON object; FormatError for anything else."""
    record = json_value(text, source)
    if not isinstance(record, dict):
        raise FormatError(
            f"{source}: expected a GeoJSON FeatureCollection or an object with places"
        )
    return record
