"""Logical dates: the times that runs are for, which need not be those at which they start."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from azkaban_client.cron import Cron

if TYPE_CHECKING:
    from datetime import tzinfo

    from azkaban_client.times import Period

__all__ = [
    "MOST",
    "cron_dates",
    "fill",
    "logical_dates",
    "moment",
    "names_date",
]

MOST = 100_000
"""More dates than this are taken for a slip of the keyboard."""

_PLACE = re.compile(r"\{(date|end)(?::([^{}]*))?\}")


def logical_dates(first: datetime, last: datetime, every: Period) -> list[datetime]:
    """List the dates from the first to the last, both included.

    Parameters
    ----------
    first, last
        Aware of their time zone.
    every
        From one date to the next.

    Raises
    ------
    ValueError
        The last is before the first, or there are more than `MOST`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from azkaban_client.times import period
    >>> first, last = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 15, tzinfo=UTC)
    >>> [f"{date:%d.%m.}" for date in logical_dates(first, last, period("1w"))]
    ['01.11.', '08.11.', '15.11.']
    """
    if last < first:
        raise ValueError(f"{last:%Y-%m-%d %H:%M} is before {first:%Y-%m-%d %H:%M}")
    dates: list[datetime] = []
    # Each date is counted from the first, so that 31 January, 28 February is followed by 31 March.
    while (date := every.after(first, len(dates))) <= last:
        if len(dates) == MOST:
            raise ValueError(f"more than {MOST:,} dates: expected fewer")
        dates.append(date)
    return dates


def cron_dates(first: datetime, last: datetime, expression: str) -> list[tuple[datetime, datetime]]:
    """List the dates of a Quartz expression from the first to the last, each with the next one.

    Parameters
    ----------
    first, last
        Aware of their time zone, which is that of the expression.
    expression
        As a schedule has it.

    Raises
    ------
    ValueError
        The expression is none, it has no such date, or there are more than `MOST`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> first, last = datetime(2026, 11, 6, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC)
    >>> [f"{date:%d.} {end:%d.}" for date, end in cron_dates(first, last, "0 0 6 ? * MON-FRI")]
    ['06. 09.', '09. 10.']
    """
    if last < first:
        raise ValueError(f"{last:%Y-%m-%d %H:%M} is before {first:%Y-%m-%d %H:%M}")
    assert first.tzinfo is not None
    try:
        times = Cron(expression).after(first - timedelta(microseconds=1), first.tzinfo)
    except ValueError as error:
        raise ValueError(f"--cron {expression!r}: {error}") from None
    end = last.astimezone(UTC)
    dates: list[datetime] = []
    for date in times:
        dates.append(date)
        if date.astimezone(UTC) > end:
            break
        if len(dates) > MOST:
            raise ValueError(f"more than {MOST:,} dates: expected fewer")
    found = [
        (date, following)
        for date, following in zip(dates, [*dates[1:], *dates[-1:]], strict=True)
        if date.astimezone(UTC) <= end
    ]
    if not found:
        raise ValueError(f"--cron {expression!r}: has no time from {first} to {last}")
    return found


def fill(template: str, date: datetime, end: datetime) -> str:
    """Fill ``{date}`` and ``{end}`` into a text; both take a format after a colon.

    Parameters
    ----------
    template
        Other braces stay as they are. Without a format a time is written as ISO 8601 does.
    date, end
        A logical date, and the next one.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> date, end = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    >>> fill("sales/{date:%Y/%m/%d}", date, end)
    'sales/2026/11/01'
    >>> fill('{"until": "{end}"}', date, end)
    '{"until": "2026-11-02T00:00:00+00:00"}'
    """
    times = {"date": date, "end": end}

    def written(found: re.Match[str]) -> str:
        time, form = times[found[1]], found[2]
        return time.strftime(form) if form else time.isoformat()

    return _PLACE.sub(written, template)


def names_date(template: str) -> bool:
    """Tell whether a text differs from one date to the next."""
    return bool(_PLACE.search(template))


def moment(text: str, zone: tzinfo) -> datetime:
    """Read a date, or a time, in a time zone.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> from datetime import UTC
    >>> print(moment("2026-11-30", UTC))
    2026-11-30 00:00:00+00:00
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r}: expected a date as 2026-11-30 or 2026-11-30T06:00") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)
