"""Lower bounds where ways have directions: the assignment problem, then Held and Karp's ascent.

Each stop is left once and reached once. With a price for each of the two, the arcs of K routes cost
no less than the cheapest forest of N - K arcs between stops, in whichever direction is cheaper, and
K arcs out of the depot and K into it, less all prices. That is Held and Karp's bound of the
symmetric problem with two places for each stop (Jonker and Volgenant, 1983). The prices begin as
those of the assignment problem, so the bound is never below it.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from core.routing.assignment import MOST_ASSIGNED, assign

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["directed_bound"]

_ITERATIONS = 500
_PATIENCE = 20  # iterations without a better bound until the step is halved
_MOMENTUM = 0.6  # of the direction before


def directed_bound(
    problem: Problem, cost: float, *, time_limit: float | None = None
) -> float | None:
    """Return a lower bound of the total distance; None if there are too many stops for it.

    Parameters
    ----------
    problem
        Any distances; the bounds on the work of a dispatcher are left out of account.
    cost
        Total distance of known routes: sets the size of the steps; the bound holds whatever it is.
    time_limit
        Seconds of wall time after which no more iterations are made.

    Examples
    --------
    Two loops of two places, which the assignment takes, would cost 4:

    >>> from core.routing import Problem
    >>> ways = [[0, 1, 5, 5], [1, 0, 5, 5], [5, 5, 0, 1], [5, 5, 1, 0]]
    >>> round(directed_bound(Problem(matrix=ways), cost=12.0), 1)
    12.0
    """
    begin = time.monotonic()
    problem = problem.closed()
    matrix, crew = problem.distances(), min(problem.dispatchers, problem.n_stops)
    if len(matrix) + crew - 1 > MOST_ASSIGNED:
        return None
    crews = range(min(crew, _fewest(problem)) if problem.crew == "at_most" else crew, crew + 1)
    prices = _assigned(problem, matrix, crew)
    best, since, scale = -math.inf, 0, 1.0
    direction = np.zeros_like(prices)
    for _ in range(_ITERATIONS):
        value, excess = _value(matrix, prices, crews)
        since = 0 if value > best else since + 1
        best = max(best, value)
        if since == _PATIENCE:
            since, scale = 0, scale / 2
        spent = time.monotonic() - begin
        if not excess.any() or (time_limit is not None and spent > time_limit):
            break
        direction = excess + _MOMENTUM * direction
        size = max(cost * 1.001 - value, 1e-9 * abs(cost)) / float((direction**2).sum())
        prices = prices + scale * size * direction
    return best * (1 - 1e-9)


def _fewest(problem: Problem) -> int:
    """Return how many routes there are at least, by the demands and the number of stops."""
    by_stops = math.ceil(problem.n_stops / problem.most_stops)
    if problem.capacity is None or problem.demands is None:
        return by_stops
    return max(by_stops, math.ceil(float(problem.demands.sum()) / problem.capacity * (1 - 1e-6)))


def _assigned(problem: Problem, matrix: FloatArray, crew: int) -> FloatArray:
    """Return what to add to arcs that leave and that reach each stop, by the assignment problem.

    The depot is there once for each dispatcher.
    """
    places = np.concatenate((np.zeros(crew, dtype=np.intp), np.arange(1, len(matrix))))
    costs = matrix[np.ix_(places, places)].astype(float)
    # Ways between the places of the depot are for those who may stay there.
    costs[:crew, :crew] = 0.0 if problem.crew == "at_most" else np.inf
    _, (rows, columns) = assign(costs)
    return -np.stack((rows[crew:], columns[crew:]))


def _value(matrix: FloatArray, prices: FloatArray, crews: range) -> tuple[float, FloatArray]:
    """Return the value of `prices`, and how many arcs too many leave and reach each stop."""
    leaving, reaching = prices
    n = len(leaving)
    ways = matrix[1:, 1:] + leaving[:, None] + reaching[None, :]
    turned = ways > ways.T
    tail, head, weight = _tree(np.where(turned, ways.T, ways))
    forests = np.concatenate(([0.0], np.cumsum(weight)))
    out, home = matrix[0, 1:] + reaching, matrix[1:, 0] + leaving
    firsts, lasts = np.argsort(out, kind="stable"), np.argsort(home, kind="stable")
    ends = np.cumsum(out[firsts]) + np.cumsum(home[lasts])
    crew = min(crews, key=lambda k: forests[n - k] + ends[k - 1])
    back = turned[tail, head]
    tail, head = np.where(back, head, tail)[: n - crew], np.where(back, tail, head)[: n - crew]
    excess = np.stack(
        (
            np.bincount(np.append(tail, lasts[:crew]), minlength=n),
            np.bincount(np.append(head, firsts[:crew]), minlength=n),
        )
    )
    value = forests[n - crew] + ends[crew - 1] - prices.sum()
    return float(value), np.asarray(excess - 1.0, dtype=np.float64)


def _tree(weight: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
    """Find the cheapest spanning tree (Prim, 1957): ends and weights, cheapest first."""
    n = len(weight)
    nearest = np.zeros(n, dtype=np.intp)
    left = weight[0].copy()
    left[0] = np.inf
    outside = np.ones(n, dtype=np.bool_)
    outside[0] = False
    tail, head, found = (np.zeros(n - 1, dtype) for dtype in (np.intp, np.intp, float))
    for step in range(n - 1):
        place = int(np.argmin(left))
        tail[step], head[step], found[step] = nearest[place], place, left[place]
        outside[place] = False
        left[place] = np.inf
        closer = (weight[place] < left) & outside
        left[closer] = weight[place][closer]
        nearest[closer] = place
    order = np.argsort(found, kind="stable")
    return tail[order], head[order], found[order]
