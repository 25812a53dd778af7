"""Cut one tour into K routes: the best cuts by dynamic programming, work bounds kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import minimum_filter1d

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["split"]


def split(problem: Problem, tour: NDArray[np.intp], *, starts: int = 32) -> list[NDArray[np.intp]]:
    """Cut a tour of the stops into `dispatchers` routes, each within the bounds on stops.

    For a tour opened at a given stop, ``f[k, j]``, the least cost of serving its first j stops with
    k routes, is ``min over i of f[k - 1, i] + length(i + 1 .. j)`` with j - i within the bounds
    (Beasley, 1983). The length separates into a term in i and one in j, so that the minimum is one
    over a sliding window and the whole costs O(N K) (Vidal, 2016).

    Parameters
    ----------
    problem
        Its bounds must be feasible (`Problem.infeasible` is empty).
    tour
        All stops once, in cyclic order, the depot left out.
    starts
        The cut positions depend on where the tour is opened: so many openings are tried, spread
        over one average route.

    Returns
    -------
    list
        Stop indices per dispatcher.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [2, 0], [0, 1], [0, 2]], dispatchers=2)
    >>> sorted(route.tolist() for route in split(problem, np.array([2, 1, 3, 4])))
    [[2, 1], [3, 4]]
    """
    span = min(problem.most_stops, problem.n_stops)
    best_cost, best = np.inf, None
    for offset in np.unique(np.linspace(0, span, num=min(starts, span), endpoint=False, dtype=int)):
        rolled = np.roll(tour, -offset)
        cost, cuts = _split_open(problem, rolled)
        if cost < best_cost:
            best_cost, best = cost, np.split(rolled, cuts)
    if best is None:
        raise ValueError(problem.infeasible() or "tour: no stops")
    return best


def _split_open(problem: Problem, tour: NDArray[np.intp]) -> tuple[float, list[int]]:
    """Split a tour opened at its first stop; cost and the inner cut positions."""
    n, crew = len(tour), problem.dispatchers
    low, high = problem.min_stops, problem.most_stops
    out, home = problem.between(0, tour), problem.between(tour, 0)
    along = np.concatenate(([0.0], np.cumsum(problem.between(tour[:-1], tour[1:]))))
    # Serving stops i .. j - 1 costs ahead[i] + behind[j].
    ahead = np.concatenate((out - along, [np.inf]))
    behind = np.concatenate(([np.inf], along + home))

    table: list[FloatArray] = [np.full(n + 1, np.inf)]
    table[0][0] = 0.0
    for _ in range(crew):
        table.append(behind + _window_minimum(table[-1] + ahead, low, high))

    cuts, end = [], n
    for k in range(crew, 0, -1):
        first, last = max(0, end - high), end - low
        if last < first or not np.isfinite(table[k][end]):
            return float("inf"), []
        candidates = table[k - 1][first : last + 1] + ahead[first : last + 1]
        end = first + int(np.argmin(candidates))
        cuts.append(end)
    return float(table[crew][n]), cuts[-2::-1]


def _window_minimum(values: FloatArray, low: int, high: int) -> FloatArray:
    """``result[j] = min(values[j - high : j - low + 1])``, infinite where that is empty."""
    n, width = len(values), high - low + 1
    # The filter's window of `width` is centred: [c - width // 2, c + (width - 1) // 2].
    padded = np.concatenate((np.full(high, np.inf), values))
    filtered = minimum_filter1d(padded, width, mode="constant", cval=np.inf)
    # Window starting at padded index j is centred at j + width // 2.
    return np.asarray(filtered[width // 2 : width // 2 + n])
