"""Read the format of Solomon's instances, and of Gehring and Homberger's."""

from __future__ import annotations

import re
from typing import Any

from core.routing.problem import Problem
from core.routing.reading import FormatError, number

__all__ = ["is_solomon", "parse_solomon"]

_COLUMNS = ("CUST NO.", "XCOORD.", "YCOORD.", "DEMAND", "READY TIME", "DUE DATE", "SERVICE TIME")


_VEHICLE = re.compile(r"\s*VEHICLE\s*", re.IGNORECASE)
_HEADINGS = re.compile(r"^\s*VEHICLE\s*\n\s*NUMBER\s+CAPACITY\s*$", re.MULTILINE | re.IGNORECASE)
_OTHER = re.compile(r"\s*(NUMBER|CUST)", re.IGNORECASE)


def is_solomon(text: str) -> bool:
    """Tell whether a text has the headings of the format."""
    return bool(_HEADINGS.search(text))


def _given(line: str) -> bool:
    """Tell whether a line has numbers, and is no heading."""
    return bool(line.strip()) and not _OTHER.match(line)


def _numbers(line: int, text: str, source: str) -> tuple[int, list[float]]:
    try:
        return line, [number(word) for word in text.split()]
    except ValueError as error:
        raise FormatError(f"{source}, line {line}: {error}") from None


def parse_solomon(text: str, source: str = "problem.txt") -> Problem:
    r"""Read vehicles and customers; customer 0 is the depot, and a unit of distance takes a minute.

    Parameters
    ----------
    text
        The sections VEHICLE (number and capacity) and CUSTOMER (seven columns).
    source
        How error messages call it.

    Returns
    -------
    Problem
        For at most so many dispatchers as there are vehicles. Distances are not rounded.

    Raises
    ------
    FormatError
        Names the line, the value and what was expected.

    Examples
    --------
    >>> text = "T\n\nVEHICLE\nNUMBER CAPACITY\n 2 10\n\nCUSTOMER\nCUST NO. XCOORD. YCOORD. DEMAND "
    >>> text += "READY TIME DUE DATE SERVICE TIME\n\n0 0 0 0 0 90 0\n1 3 4 5 20 30 10\n"
    >>> problem = parse_solomon(text)
    >>> problem.dispatchers, problem.windows.tolist()
    (2, [[0.0, 90.0], [20.0, 30.0]])
    """
    lines = list(enumerate(text.splitlines(), 1))
    heading = next((at for at, (_, line) in enumerate(lines) if _VEHICLE.fullmatch(line)), -1)
    rows = [_numbers(line, words, source) for line, words in lines[heading + 1 :] if _given(words)]
    if not rows or len(rows[0][1]) != 2:
        raise FormatError(f"{source}: VEHICLE: expected a line with NUMBER and CAPACITY")
    (line, (count, capacity)), *customers = rows
    if count < 1 or count != int(count):
        raise FormatError(f"{source}, line {line}: NUMBER = {count:g}: expected an integer >= 1")
    for line, row in customers:
        if len(row) != len(_COLUMNS):
            raise FormatError(
                f"{source}, line {line}: {len(row)} columns: expected {', '.join(_COLUMNS)}"
            )
    ids = [f"{row[0]:g}" for _, row in customers]
    if ids[:1] != ["0"]:
        raise FormatError(f"{source}: CUSTOMER: expected the depot, 0, first")
    columns: dict[str, Any] = {
        "points": [row[1:3] for _, row in customers],
        "demands": [row[3] for _, row in customers],
        "windows": [row[4:6] for _, row in customers],
        # The depot's service time is that of no stop.
        "service": [0.0, *(row[6] for _, row in customers[1:])],
    }
    try:
        return Problem(
            ids=tuple(ids), dispatchers=int(count), crew="at_most", capacity=capacity, speed=60.0,
            **columns,
        )  # fmt: skip
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from None
