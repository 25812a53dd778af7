"""Lower bounds for any number of stops: Held and Karp's ascent (1970, 1971) for several routes.

Take the edges of any routes: those between stops are a forest, of N - k edges when k dispatchers
drive, and 2 k more are at the depot. Without the rule that a stop has two edges, the cheapest such
set is found greedily; prices on the stops (Lagrange multipliers) bring that rule back: with any
prices the value is a lower bound, and subgradient steps raise it. With one dispatcher it is the
1-tree bound; in the limit it is the linear relaxation with all subtour cuts.

Bounds on the work of a dispatcher count by the radial bound (`core.routing.radial`): all edges
together cover no less of the way outwards than it says. One more price brings that rule in.

The ascent looks at near neighbours only. The bound that is handed back holds for all edges: see
`_Ascent.proved`.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from core.routing.geometry import neighbours
from core.routing.radial import radial_bound

if TYPE_CHECKING:
    from core.routing.problem import FloatArray, Problem

__all__ = ["ascent_bound"]

_COMPLETE = 400  # all edges up to so many stops
_NEAR, _MANY = 8, 64  # neighbours during the ascent, and for the bound that is handed back
_MOST_EDGES = 2_000_000  # fewer neighbours where these would be more: memory
_ITERATIONS = 150
_PATIENCE = 8  # iterations without a better bound until the step is halved
_MOMENTUM = 0.3  # of the direction before (Volgenant and Jonker, 1982)
_CLAMPS = (0.0, 99.0, 99.9, 100.0)


def ascent_bound(
    problem: Problem,
    cost: float,
    *,
    time_limit: float | None = None,
    iterations: int = _ITERATIONS,
) -> float:
    """Return a lower bound of the objective.

    Parameters
    ----------
    problem
        Any distances; of asymmetric ones the smaller direction counts. For the longest route the
        bound is the mean of all K, or the farthest stop there and back.
    cost
        Total distance of known routes: sets the size of the steps; the bound holds whatever it is.
    time_limit
        Seconds of wall time after which no more iterations are made.
    iterations
        Largest number of them.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [3, 0], [3, 4], [-3, 0], [-3, 4]], dispatchers=2)
    >>> round(ascent_bound(problem, cost=24.0), 3)
    24.0
    """
    begin = time.monotonic()
    problem = problem.closed()
    ascent = _Ascent(problem, complete=problem.n_stops <= _COMPLETE)
    prices = np.zeros(problem.n_stops + 1)
    # The last price is that of the radial bound: in units that let it keep pace with the others.
    unit = abs(cost) / math.sqrt(problem.n_stops) or 1.0
    best, best_prices, since, scale = -math.inf, prices, 0, 1.0
    direction = np.zeros(len(prices))
    for step in range(iterations):
        value, excess = ascent.value(prices[:-1], share=prices[-1] / unit)
        excess[-1] /= unit
        if value > best:
            best, best_prices, since = value, prices, 0
        else:
            since += 1
            if since >= _PATIENCE:
                since, scale = 0, scale / 2
        spent = time.monotonic() - begin
        if not excess.any() or (time_limit is not None and spent > time_limit):
            break
        direction = excess + (_MOMENTUM * direction if step else 0.0)
        size = scale * max(cost * 1.001 - value, 1e-9 * abs(cost)) / float(direction @ direction)
        prices = prices + size * direction
        prices[-1] = min(max(prices[-1], 0.0), unit)
    if not ascent.complete:
        degree = max(_NEAR, min(_MANY, _MOST_EDGES // problem.n_stops))
        best = _Ascent(problem, complete=False, degree=degree).proved(
            best_prices[:-1], best_prices[-1] / unit
        )
    best = max(best, ascent.radial.bound)
    if problem.objective == "makespan":
        best = max(best / problem.dispatchers, 2 * float(ascent.radial.away.max()))
    # Rounding must not put the bound above the optimum.
    return best * (1 - 1e-9)


class _Ascent:
    """The relaxed problem for given prices.

    Parameters
    ----------
    problem
        What is bounded.
    complete
        With all edges; otherwise those to the nearest `degree` stops.
    """

    def __init__(self, problem: Problem, *, complete: bool, degree: int = _NEAR) -> None:
        n = problem.n_stops
        stops = np.arange(1, n + 1)
        self.complete = complete or degree >= n - 1
        if self.complete:
            tail, head = np.triu_indices(n, 1)
        else:
            near = neighbours(problem, degree, stops)
            tail, head = np.repeat(np.arange(n), near.shape[1]), near.ravel()
            tail, head = np.minimum(tail, head), np.maximum(tail, head)
            both = np.sort(tail * n + head)  # for millions, `np.unique` takes many times longer
            tail, head = np.divmod(both[np.append(True, both[1:] > both[:-1])], n)
            reach = _shorter(problem, stops, stops[near[:, -1]])
        self._tail, self._head = tail, head
        self._length = _shorter(problem, stops[tail], stops[head])
        self._reach = np.full(n, np.inf) if self.complete else reach
        self._out, self._home = problem.between(0, stops), problem.between(stops, 0)
        self._n = n
        alone = problem.min_stops == 1  # a stop may be the only one of its route
        top = min(problem.dispatchers, n if alone else n // 2)
        self._distinct = not alone and np.array_equal(self._out, self._home)
        self.radial = radial_bound(problem)
        self._crews = np.arange(min(self.radial.routes, top), top + 1)
        self._cover(problem)

    def _cover(self, problem: Problem) -> None:
        """Tell what each edge covers of the way outwards, where both its directions do the same."""
        away, inner = self.radial.away[1:], problem.matrix
        self._covered, self._out_away, self._home_away = self.radial.bound, away, away
        if inner is None or np.array_equal(inner, inner.T):
            pass
        elif not self._home.any() and np.array_equal(inner[1:, 1:], inner[1:, 1:].T):
            away = 2 * away  # open routes: each way is driven once
            self._out_away, self._home_away = away, np.zeros_like(away)
        else:
            away = np.zeros_like(away)
            self._covered, self._out_away, self._home_away = 0.0, away, away
        self._outwards = np.abs(away[self._tail] - away[self._head])

    def value(
        self, prices: FloatArray, highest: float = math.inf, *, share: float = 0.0
    ) -> tuple[float, FloatArray]:
        """Return the cheapest edges' cost under `prices`, and how many too many each stop has.

        The last number is by how much these edges miss the radial bound, of which a `share` (0 to
        1) is added, while edges cost that share of their way outwards less. Edges between stops
        count for at most `highest`.
        """
        n = self._n
        length = self._length - share * self._outwards
        weight = np.minimum(length + prices[self._tail] + prices[self._head], highest)
        chosen, weight = self._tree(weight)
        missing = n - 1 - len(chosen)
        if missing:  # edges that are not in the graph join what is left, at the highest weight
            weight = np.concatenate((weight, np.full(missing, highest)))
        forests = np.concatenate(([0.0], np.cumsum(weight)))[n - self._crews]
        out = self._out - share * self._out_away + prices
        home = self._home - share * self._home_away + prices
        firsts, lasts = np.argsort(out, kind="stable"), np.argsort(home, kind="stable")
        if self._distinct:  # and both ways alike: the cheapest ends go out and home in turn
            firsts, lasts = firsts[::2], firsts[1::2]
        at_depot = np.cumsum(out[firsts])[self._crews - 1] + np.cumsum(home[lasts])[self._crews - 1]
        totals = forests + at_depot
        pick = int(np.argmin(totals))
        crew = int(self._crews[pick])
        chosen, firsts, lasts = chosen[: n - crew], firsts[:crew], lasts[:crew]
        ends = np.concatenate((self._tail[chosen], self._head[chosen], firsts, lasts))
        excess = np.bincount(ends, minlength=n).astype(float)
        covered = float(
            self._outwards[chosen].sum()
            + self._out_away[firsts].sum()
            + self._home_away[lasts].sum()
        )
        missed = self._covered - covered
        if (share <= 0.0 and missed < 0.0) or (share >= 1.0 and missed > 0.0):
            missed = 0.0  # the share cannot follow
        value = float(totals[pick] - 2 * prices.sum() + share * self._covered)
        return value, np.append(excess - 2, missed)

    def _tree(self, weight: FloatArray) -> tuple[np.ndarray, FloatArray]:
        """Find the cheapest spanning tree (or forest): its edges and weights, cheapest first."""
        # Stored zeros would be dropped: shift all weights, which changes no comparison. The number
        # of the edge rides along as rank, so that weights come back exactly.
        rank = np.empty(len(weight))
        order = np.argsort(weight, kind="stable")
        rank[order] = np.arange(1, len(weight) + 1)
        graph = csr_array((rank, (self._tail, self._head)), shape=(self._n, self._n))
        ranks = np.sort(minimum_spanning_tree(graph).data).astype(np.intp)
        chosen = order[ranks - 1]
        return chosen, weight[chosen]

    def proved(self, prices: FloatArray, share: float = 0.0) -> float:
        """Return a bound that holds for all edges, not only those of the graph.

        An edge that is missing is longer than the reach of both its ends, and so has a weight of
        ``reach_i / 2 + price_i + reach_j / 2 + price_j`` or more: never below twice the least such
        term. Counting every heavier edge as if it weighed that much can only lower the value, and
        leaves no missing edge that would lower it further. Raising the lowest prices first, to keep
        that limit high, may pay: several levels are tried.
        """
        if self.complete:
            return self.value(prices, share=share)[0]
        # An edge is as long as its way outwards at least: this much of it is left.
        reach = (1 - share) * self._reach
        length = self._length - share * self._outwards
        weight = length + prices[self._tail] + prices[self._head]
        heavy = self._tree(weight)[1]
        found = []
        for level in _CLAMPS:
            floor = (np.percentile(heavy, level) - reach) / 2 if level else -np.inf
            raised = np.maximum(prices, floor)
            limit = 2 * float((raised + reach / 2).min())
            found.append(self.value(raised, limit, share=share)[0])
        return max(found)


def _shorter(problem: Problem, start: np.ndarray, end: np.ndarray) -> FloatArray:
    lengths = problem.between(start, end)
    return lengths if problem.matrix is None else np.minimum(lengths, problem.between(end, start))
