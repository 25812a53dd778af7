"""Lower bounds from the depot outwards: so far must so many routes drive, out and back.

Whatever lies farther from the depot than r takes a number of routes, by its demand and the capacity
say, and each of them crosses the circle of radius r twice. Added up over all r that is the radial
bound of Haimovich and Rinnooy Kan (1985), with whole routes in place of their fractions. "Farther"
is by the shortest way there and back, so that distances need not obey the triangle inequality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.routing.bounds import there_and_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.routing.problem import FloatArray, Problem

__all__ = ["Radial", "radial_bound"]

# What sums may exceed a bound by and still meet it, by the validator; no route more is counted.
_TOLERANCE = 1e-6


class Radial(NamedTuple):
    """A bound from the depot outwards.

    Attributes
    ----------
    bound
        No routes are shorter in total.
    away
        Half the least way to each place and back, shape ``(N + 1,)``.
    routes
        Least number of routes.
    """

    bound: float
    away: FloatArray
    routes: int


def radial_bound(problem: Problem) -> Radial:
    """Return a lower bound of the total distance, and what it is made of.

    Examples
    --------
    Two routes must go to the place at 5, one to that at 1:

    >>> from core.routing import Problem
    >>> points = [[0, 0], [3, 4], [3, 4], [1, 0]]
    >>> problem = Problem(points=points, dispatchers=2, demands=[0, 6, 6, 1], capacity=10)
    >>> radial_bound(problem).bound
    20.0
    """
    problem = problem.closed()
    away = there_and_back(problem, problem.matrix) / 2
    order = np.argsort(-away[1:], kind="stable") + 1
    # Stops from the farthest inwards: routes that need to go as far as each of them.
    routes = np.ones(problem.n_stops)
    for amounts, most in _limits(problem):
        carried = np.cumsum(amounts[order])
        routes = np.maximum(routes, np.ceil(carried / (most * (1 + _TOLERANCE))))
    if problem.crew == "fixed":
        # The others stay within, with the least number of stops each.
        within = problem.n_stops - np.arange(1, problem.n_stops + 1)
        routes = np.maximum(routes, problem.dispatchers - within // problem.min_stops)
    gaps = away[order] - np.append(away[order][1:], 0.0)
    return Radial(float(2 * routes @ gaps), away, int(routes[-1]))


def _limits(problem: Problem) -> Iterator[tuple[FloatArray, float]]:
    """Yield what stops take of a route, place by place, and what a route has of it."""
    yield np.ones(problem.n_stops + 1), problem.most_stops
    if problem.capacity is not None:
        yield problem.demands, problem.capacity
    if problem.max_time is not None and problem.service is not None:
        yield problem.service, problem.max_time
