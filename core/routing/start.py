"""Make initial routes: cut one tour of all stops into K routes, and improve each separately.

The tour with one dispatcher is cut by dynamic programming (`core.routing.split`), so that the
bounds on work hold by construction. Time and memory grow about linearly with N. The routes are
several per cent longer than necessary, because no stop leaves its route afterwards.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from core.routing.bounds import keeps_to
from core.routing.result import Result, Status
from core.routing.split import split
from core.routing.tour import greedy_tour, improve_tour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import Problem

__all__ = ["cut_tour"]

# Openings of the tour that are tried, and stops in all of them: the more routes, the less the
# choice of an opening brings (0.04% with a hundred), and each takes as long as a tour's search.
_OPENINGS, _FEWEST, _OPENED = 32, 4, 3_200_000


def cut_tour(problem: Problem) -> Result:
    """Cut one tour of all stops into routes, and improve each on its own.

    Parameters
    ----------
    problem
        Its bounds on stops must be feasible (`core.routing.bounds.contradiction`); those that no
        cuts can meet are left out of account.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [2, 0], [0, 1], [0, 2]], dispatchers=2)
    >>> cut_tour(problem).cost
    8.0
    """
    keeps_to(problem, "divide")
    begin = time.monotonic()
    problem = problem.closed()
    even = _even(problem)
    tour = improve_tour(even, greedy_tour(even, np.arange(1, problem.n_stops + 1)))
    openings = max(_FEWEST, min(_OPENINGS, _OPENED // problem.n_stops))
    cut = split(problem, tour, starts=openings)
    routes = [_improve_route(problem, even, route) for route in cut]
    return Result(
        status=Status.FEASIBLE,
        cost=problem.cost(routes),
        routes=tuple(tuple(route.tolist()) for route in routes),
        seconds=time.monotonic() - begin,
        method="divide",
    )


def _improve_route(problem: Problem, even: Problem, route: NDArray[np.intp]) -> NDArray[np.intp]:
    """Shorten one route (stop indices without the depot); never make it longer."""
    closed = improve_tour(even, np.concatenate(([0], route)))
    better = np.roll(closed, -int(np.nonzero(closed == 0)[0][0]))[1:]
    return min(route, better, better[::-1], key=problem.length)


def _even(problem: Problem) -> Problem:
    """Take the mean of both directions, for moves that reverse stretches of a tour."""
    if problem.symmetric or problem.matrix is None:  # only its times are asymmetric
        return problem
    return problem.replace(matrix=(problem.matrix + problem.matrix.T) / 2)
