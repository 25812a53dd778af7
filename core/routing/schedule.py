"""Say when each stop of a route is served: arrival, waiting, service, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Stint", "Timetable", "timetable"]


@dataclass(frozen=True)
class Timetable:
    """The times of one route, in minutes.

    Attributes
    ----------
    leaves
        When the vehicle leaves its depot: as late as it can without being back later.
    arrivals, starts
        Per stop: when it is there, and when service begins.
    ends
        When it is back; where routes are open, when it leaves the last stop.
    """

    leaves: float
    arrivals: tuple[float, ...]
    starts: tuple[float, ...]
    ends: float

    @property
    def duration(self) -> float:
        """Minutes from leaving to the end."""
        return self.ends - self.leaves

    @property
    def waiting(self) -> float:
        """Minutes of waiting at stops that are not open yet."""
        return math.fsum(
            start - arrival for start, arrival in zip(self.starts, self.arrivals, strict=True)
        )


@dataclass(frozen=True)
class Stint:
    """What there is to do on one route, in minutes.

    Attributes
    ----------
    drives
        To each stop, and home; that is 0 where routes are open.
    windows
        Per stop: from and to when service may begin.
    services
        Per stop.
    hours
        When the vehicle leaves at the earliest, and is back at the latest.
    """

    drives: Sequence[float]
    windows: Sequence[tuple[float, float]]
    services: Sequence[float]
    hours: tuple[float, float]


def timetable(stint: Stint) -> Timetable:
    """Schedule a route so that it takes the least time, and with that starts first.

    Examples
    --------
    >>> table = timetable(Stint([5, 5, 10], [(30, 40), (0, 100)], [0, 0], (0, 100)))
    >>> table.leaves, table.arrivals, table.ends
    (25.0, (30.0, 35.0), 45.0)
    """
    *drives, home = stint.drives
    first, closes = stint.hours
    at, spent, latest = first, 0.0, math.inf
    for drive, (low, high), service in zip(drives, stint.windows, stint.services, strict=True):
        spent += drive
        latest = min(latest, high - spent)
        at = max(at + drive, low) + service
        spent += service
    at, spent = at + home, spent + home
    latest = min(latest, closes - spent)
    now = leaves = max(first, min(latest, at - spent))
    arrivals, starts = [], []
    for drive, (low, _), service in zip(drives, stint.windows, stint.services, strict=True):
        arrivals.append(now + drive)
        starts.append(max(arrivals[-1], low))
        now = starts[-1] + service
    return Timetable(leaves, tuple(arrivals), tuple(starts), now + home)
