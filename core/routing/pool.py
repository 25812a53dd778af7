"""Choose the cheapest routes among all that a search has passed through.

A search drops most of the good routes that it finds, because others beside them were bad. Which of
them serve every stop once at the least cost is a set partitioning problem (Rochat and Taillard,
1995), and with short routes HiGHS solves it in a moment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np

from core.routing.exact.backend import quiet_highs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.routing.problem import FloatArray, Problem

__all__ = ["Pool"]

_ROOM = 150_000  # stops on all routes of the pool: with more HiGHS would take too long
_POWER = 16  # of lengths, where the longest route counts: others hardly do
_SAME = 1e-9  # relative: costs closer than this are the same


class Pool:
    """Routes that keep all bounds: for each set of stops the best order that was seen.

    Parameters
    ----------
    problem
        What the routes are of. Their costs add up, or the longest one counts.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [3, 4], [3, 4], [-3, 4], [-3, 4]], dispatchers=2)
    >>> pool = Pool(problem)
    >>> pool.add([(10.0, (1, 2)), (10.0, (3, 4)), (16.0, (1, 3)), (16.0, (2, 4))])
    >>> sorted(pool.choose([(1, 3), (2, 4)], seconds=1))
    [(1, 2), (3, 4)]
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._routes: dict[frozenset[int], tuple[float, tuple[int, ...]]] = {}
        self._stops = 0

    def add(self, routes: Iterable[tuple[float, tuple[int, ...]]]) -> None:
        """Add routes with their costs; when room is short, those that came first go."""
        for found in routes:
            key = frozenset(found[1])
            known = self._routes.get(key)
            if known is None:
                self._stops += len(key)
            if known is None or found < known:
                self._routes[key] = found
        while self._stops > _ROOM:
            first = next(iter(self._routes))
            self._stops -= len(first)
            del self._routes[first]

    def choose(
        self, start: Sequence[tuple[int, ...]], seconds: float
    ) -> list[tuple[int, ...]] | None:
        """Find the routes that serve every stop at the least cost; None if none beat `start`.

        Parameters
        ----------
        start
            Routes of the pool that serve every stop.
        seconds
            Wall time.
        """
        longest = self._problem.objective == "makespan"
        most = self._problem.cost(start)
        routes = list(self._routes.values())
        if longest:
            # Any choice among those that are shorter is better, and short ones best.
            routes = [(cost, route) for cost, route in routes if cost < most * (1 - _SAME)]
        costs = np.array([cost for cost, _ in routes])
        known = {frozenset(route) for route in start}
        values = np.array([frozenset(route) in known for _, route in routes], dtype=float)
        solver = self._model((costs / most) ** _POWER if longest else costs, routes)
        _stop_after(solver, seconds)
        if values.sum() == len(start):
            solution = highspy.HighsSolution()
            solution.col_value = values
            solver.setSolution(solution)
        solver.solve()
        found = np.array(solver.getSolution().col_value)
        chosen = [routes[i][1] for i in np.nonzero(found > 0.5)[0]]
        if sum(map(len, chosen)) != self._problem.n_stops:
            return None  # time was up before there was any
        return chosen if self._problem.cost(chosen) < most * (1 - _SAME) else None

    def _model(self, costs: FloatArray, routes: Sequence[tuple[float, tuple[int, ...]]]) -> Any:
        """Make a model of the choice: row 0 counts the routes, row i who serves stop i."""
        n, crew = self._problem.n_stops, self._problem.dispatchers
        rows = [np.array([0, *sorted(route)]) for _, route in routes]
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_, lp.col_cost_ = len(routes), n + 1, costs
        lp.col_lower_, lp.col_upper_ = np.zeros(len(routes)), np.ones(len(routes))
        once = np.ones(n)
        lp.row_lower_ = np.array([0 if self._problem.crew == "at_most" else crew, *once])
        lp.row_upper_ = np.array([crew, *once])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.cumsum([0, *map(len, rows)])
        lp.a_matrix_.index_ = np.concatenate([np.zeros(0, dtype=int), *rows])
        lp.a_matrix_.value_ = np.ones(sum(map(len, rows)))
        lp.integrality_ = [highspy.HighsVarType.kInteger] * len(routes)
        solver = quiet_highs(None)
        solver.passModel(lp)
        return solver


def _stop_after(solver: Any, seconds: float) -> None:
    """Have HiGHS stop by the clock of the search, which need not be that of HiGHS."""
    begin = time.monotonic()

    def look(event: highspy.HighsCallbackEvent) -> None:
        event.interrupt(time.monotonic() - begin > seconds)

    solver.cbSimplexInterrupt += look
    solver.cbMipInterrupt += look
