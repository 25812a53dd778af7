"""Divide and conquer, the notes' strategy: one tour, cut into K routes, each improved on its own.

The overall tour with one dispatcher is cut by dynamic programming (`core.routing.split`), so that
the bounds on work hold by construction. Time and memory grow about linearly with N. Parts alone
stay several per cent above what is possible, because a stop never leaves its part: `divide` ends
with a repair across routes, a short ruin-and-recreate search with a fixed number of steps.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import numpy as np

from core.routing._jit import COMPILED
from core.routing.heuristic import improve
from core.routing.result import Result, Status
from core.routing.split import split
from core.routing.tour import greedy_tour, improve_tour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import Problem

__all__ = ["cut_tour", "divide", "improve_route"]

# Length of the repair; without compiled kernels a step takes about seventy times longer.
_STEPS_PER_STOP = 100
_MOST_STEPS = 300_000 if COMPILED else 10_000


def divide(problem: Problem) -> Result:
    """Solve by one tour, split, re-optimisation and repair; the same routes every time.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [2, 0], [0, 1], [0, 2]], dispatchers=2)
    >>> divide(problem).cost
    8.0
    """
    begin = time.monotonic()
    start = cut_tour(problem)
    n = problem.n_stops
    steps = min(_STEPS_PER_STOP * n, max(_MOST_STEPS, n))
    result = improve(problem, start=start, steps=steps)
    return dataclasses.replace(result, method="divide", seconds=time.monotonic() - begin)


def cut_tour(problem: Problem) -> Result:
    """Divide without the repair: one tour, split, parts improved."""
    begin = time.monotonic()
    even = _even(problem)
    tour = improve_tour(even, greedy_tour(even, np.arange(1, problem.n_stops + 1)))
    routes = [improve_route(problem, route) for route in split(problem, tour)]
    return Result(
        status=Status.FEASIBLE,
        cost=problem.cost(routes),
        routes=tuple(tuple(route.tolist()) for route in routes),
        seconds=time.monotonic() - begin,
        method="divide",
    )


def improve_route(problem: Problem, route: NDArray[np.intp]) -> NDArray[np.intp]:
    """Shorten one route (stop indices without the depot); never makes it longer."""
    closed = improve_tour(_even(problem), np.concatenate(([0], route)))
    better = np.roll(closed, -int(np.nonzero(closed == 0)[0][0]))[1:]
    return min(route, better, better[::-1], key=problem.length)


def _even(problem: Problem) -> Problem:
    """Take the mean of both directions, for moves that reverse stretches of a tour."""
    if problem.symmetric:
        return problem
    return problem.replace(matrix=(problem.matrix + problem.matrix.T) / 2)
