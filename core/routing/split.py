"""Cut one tour into K routes: the best cuts by dynamic programming, work bounds kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from core.routing.bounds import SLACK, contradiction

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["split"]

# By how much bounds on distance, time and load may be exceeded where no cuts meet them: a search
# can repair a little everywhere, but hardly one route with everything.
_EXCESS = (0.0, 0.05, 0.2, 1.0, math.inf)


def split(problem: Problem, tour: NDArray[np.intp], *, starts: int = 32) -> list[NDArray[np.intp]]:
    """Cut a tour of the stops into a route for each dispatcher (or fewer), within the bounds.

    For a tour opened at a given stop, ``f[k, j]``, the least cost of serving its first j stops with
    k routes, is ``min over i of f[k - 1, i] + length(i + 1 .. j)`` with j - i within the bounds
    (Beasley, 1983). The length separates into a term in i and one in j, so that the minimum is one
    over a sliding window and the whole costs O(N K) (Vidal, 2016). Bounds on distance, time and
    load narrow the windows: under the triangle inequality a longer stretch never takes less.

    Where no cuts meet all bounds, those on distance, time and load are loosened until some do.

    Parameters
    ----------
    problem
        Its bounds on stops must be feasible (`core.routing.bounds.contradiction`).
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
    tries = np.unique(np.linspace(0, span, num=min(starts, span), endpoint=False, dtype=int))
    for excess in (math.inf,) if problem.only_stops else _EXCESS:
        best_cost, best = np.inf, None
        for offset in tries:
            rolled = np.roll(tour, -offset)
            cost, cuts = _split_open(problem, rolled, excess)
            if cost < best_cost:
                best_cost, best = cost, np.split(rolled, cuts)
        if best is not None:
            return best
    raise ValueError(contradiction(problem) or "tour: no stops")


def _split_open(problem: Problem, tour: NDArray[np.intp], excess: float) -> tuple[float, list[int]]:
    """Split a tour opened at its first stop; return the cost and the inner cut positions.

    Bounds on distance, time and load may be exceeded by a share.
    """
    n, crew = len(tour), min(problem.dispatchers, len(tour))
    # Serving stops i .. j - 1 costs ahead[i] + behind[j].
    ahead, behind = _stretches(problem.between, tour)
    first, last = _windows(problem, tour, ahead, behind, excess)
    low, high, fewest = problem.min_stops, problem.most_stops, problem.fewest_routes
    # Row k: where its values begin, and f[k, j] for the j that k routes can end at.
    table = [(0, np.zeros(1))]
    for k in range(1, crew + 1):
        begin, values = table[-1]
        values = values + ahead[begin : begin + len(values)]
        left = max(0, fewest - k)
        start = max(k * low, n - left * high if left or k == fewest == crew else 0)
        stop = max(start, min(n - left * low, k * high))
        here = slice(start, stop + 1)
        edge = len(values) - 1
        minima = _window_minima(
            values, np.maximum(first[here] - begin, 0), np.minimum(last[here] - begin, edge)
        )
        table.append((start, behind[here] + minima))

    finals = [_value(row, n) for row in table[fewest:]]
    used = fewest + int(np.argmin(finals))
    cost = finals[used - fewest]
    if not np.isfinite(cost):
        return float("inf"), []
    cuts, end = [], n
    for k in range(used, 0, -1):
        begin, values = table[k - 1]
        left, right = max(first[end], begin), min(last[end], begin + len(values) - 1) + 1
        choices = values[left - begin : right - begin] + ahead[left:right]
        end = int(left + np.argmin(choices))
        cuts.append(end)
    return cost, cuts[-2::-1]


def _value(row: tuple[int, FloatArray], j: int) -> float:
    begin, values = row
    return float(values[j - begin]) if begin <= j < begin + len(values) else float("inf")


def _stretches(
    legs: Callable[[ArrayLike, ArrayLike], FloatArray], tour: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Return two terms of the length of a route of stops i .. j - 1: ``ahead[i] + behind[j]``."""
    along = np.concatenate(([0.0], np.cumsum(legs(tour[:-1], tour[1:]))))
    return (
        np.concatenate((legs(0, tour) - along, [np.inf])),
        np.concatenate(([np.inf], along + legs(tour, 0))),
    )


def _windows(
    problem: Problem,
    tour: NDArray[np.intp],
    ahead: FloatArray,
    behind: FloatArray,
    excess: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and last start of a route that ends before each position."""
    n = len(tour)
    ends = np.arange(n + 1)
    first, last = np.maximum(0, ends - problem.most_stops), ends - problem.min_stops
    if math.isinf(excess):
        return first, last

    def narrow(
        ahead: FloatArray, behind: FloatArray, least: float | None, most: float | None
    ) -> None:
        least = None if least is None else least / (1 + excess)
        most = None if most is None else most * (1 + excess)
        _narrow(first, last, ahead, behind, least, most)

    if problem.max_distance is not None or problem.min_distance is not None:
        narrow(ahead, behind, problem.min_distance, problem.max_distance)
    if problem.timed:
        out, home = _stretches(problem.driving_time, tour)
        if problem.service is not None:
            served = np.concatenate(([0.0], np.cumsum(problem.service[tour])))
            out, home = out - served, home + served
        narrow(out, home, problem.min_time, problem.max_time)
    if problem.capacity is not None:
        loaded = np.concatenate(([0.0], np.cumsum(problem.demands[tour])))
        narrow(-loaded, loaded, None, problem.capacity)
    return first, last


def _narrow(
    first: NDArray[np.intp],
    last: NDArray[np.intp],
    ahead: FloatArray,
    behind: FloatArray,
    least: float | None,
    most: float | None,
) -> None:
    """Narrow windows to the starts where ``least <= ahead[i] + behind[j] <= most``.

    ``ahead`` falls along the tour where the triangle inequality holds; elsewhere its envelopes keep
    windows whole, narrower than they need be.
    """
    n = len(ahead) - 1
    if most is not None:
        falling = -np.maximum.accumulate(ahead[:n][::-1])[::-1]
        bound = -(most * (1 + SLACK) - behind)
        np.maximum(first, np.searchsorted(falling, bound, side="left"), out=first)
    if least is not None:
        falling = -np.minimum.accumulate(ahead[:n])
        bound = -(least * (1 - SLACK) - behind)
        np.minimum(last, np.searchsorted(falling, bound, side="right") - 1, out=last)


def _window_minima(
    values: FloatArray, first: NDArray[np.intp], last: NDArray[np.intp]
) -> FloatArray:
    """Return ``min(values[first[j] : last[j] + 1])`` for each j, infinite where that is empty.

    Two overlapping windows whose width is a power of 2 cover any window.
    """
    width = last - first + 1
    result = np.full(len(first), np.inf)
    level, minima = 0, values
    todo = width > 0
    while todo.any():
        fits = todo & (width < 2 << level)
        start, end = first[fits], last[fits] - (1 << level) + 1
        result[fits] = np.minimum(minima[start], minima[end])
        todo &= ~fits
        half = 1 << level
        if len(minima) <= half:
            break
        minima = np.minimum(minima[:-half], minima[half:])
        level += 1
    return result
