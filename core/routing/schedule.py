"""Say when each stop of a route is served: arrival, waiting, service, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.problem import Problem

__all__ = ["Timetable", "timetable"]


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


def timetable(problem: Problem, route: Sequence[int], kind: int = 0) -> Timetable:
    """Schedule a route so that it takes the least time, and with that starts first.

    Parameters
    ----------
    problem
        With or without time windows.
    route
        Stop indices, the depot left out.
    kind
        Which of `Problem.vehicles` drives.

    Examples
    --------
    >>> from core.routing import Problem
    >>> windows = [(0, 100), (30, 40), (0, 100)]
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], speed=60, windows=windows)
    >>> table = timetable(problem, [1, 2])
    >>> table.leaves, table.arrivals, table.ends
    (25.0, (30.0, 35.0), 45.0)
    """
    depot = problem.depot_of(kind)
    path = [depot, *route, *([] if problem.open_routes else [depot])]
    drives = problem.driving_time(path[:-1], path[1:]).tolist()
    served = [0.0 if problem.service is None else float(problem.service[stop]) for stop in route]
    opens, closes = problem.open_hours(kind)
    first, latest = opens, math.inf
    at, spent = first, 0.0
    for stop, drive, service in zip(route, drives, served, strict=False):
        low, high = problem.window(stop)
        spent += drive
        latest = min(latest, high - spent)
        at = max(at + drive, low) + service
        spent += service
    home = 0.0 if problem.open_routes or not route else drives[-1]
    at, spent = at + home, spent + home
    latest = min(latest, closes - spent)
    leaves = max(first, min(latest, at - spent))
    now, arrivals, starts = leaves, [], []
    for stop, drive, service in zip(route, drives, served, strict=False):
        arrivals.append(now + drive)
        starts.append(max(arrivals[-1], problem.window(stop)[0]))
        now = starts[-1] + service
    return Timetable(leaves, tuple(arrivals), tuple(starts), now + home)
