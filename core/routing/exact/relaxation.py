"""Linear relaxation of the edge model, tightened by cuts that fractional points break.

Its value is a lower bound, and its reduced costs say which edges no better solution can use: with
good routes known, most edges leave the integer model before it is ever solved (Dantzig, Fulkerson
and Johnson, 1954).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from core.routing.exact.cuts import Cut

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["Relaxation", "Solution", "separate"]

_BROKEN = 1e-3  # cuts broken by less are not worth a row
_ZERO = 1e-9
_FLOW_SCALE = 1_000_000  # scipy's maximum flow wants integers


@dataclass(frozen=True)
class Solution:
    """A solved relaxation.

    Attributes
    ----------
    bound
        Its value.
    x, reduced
        Value and reduced cost of each edge.
    """

    bound: float
    x: FloatArray
    reduced: FloatArray


class Relaxation:
    """Edge variables, degree rows, and the cuts added so far.

    Parameters
    ----------
    problem
        Symmetric distances.

    Attributes
    ----------
    tail, head
        Places of each edge, ``tail < head``.
    cuts
        As added.
    """

    def __init__(self, problem: Problem) -> None:
        places = problem.n_stops + 1
        self.tail, self.head = np.triu_indices(places, 1)
        self.cuts: list[Cut] = []
        self._places = places
        self._cost = problem.distances()[self.tail, self.head]
        edges = np.arange(len(self.tail))
        ends = np.concatenate((self.tail, self.head))
        ones = np.ones(len(ends))
        self._degrees = csr_array(
            (ones, (ends, np.concatenate((edges, edges)))), shape=(places, len(edges))
        )
        self._degree = np.full(places, 2.0)
        self._degree[0] = 2.0 * problem.dispatchers
        self._top = np.ones(len(edges))
        if problem.min_stops == 1:
            self._top[self.tail == 0] = 2.0
        self._rows: list[csr_array] = []

    def add(self, cuts: list[Cut]) -> None:
        """Add rows."""
        for cut in cuts:
            inside = np.zeros(self._places, dtype=bool)
            inside[sorted(cut.stops)] = True
            chosen = inside[self.tail] & inside[self.head]
            if cut.with_depot:
                chosen |= (self.tail == 0) & inside[self.head]
            where = np.nonzero(chosen)[0]
            row = csr_array(
                (np.ones(len(where)), where, [0, len(where)]), shape=(1, len(self.tail))
            )
            self._rows.append(row)
            self.cuts.append(cut)

    def solve(self, time_limit: float | None = None) -> Solution | None:
        """Minimise; None when infeasible or out of time."""
        answer = linprog(
            self._cost,
            A_ub=vstack(self._rows, format="csr") if self._rows else None,
            b_ub=[cut.limit for cut in self.cuts] or None,
            A_eq=self._degrees,
            b_eq=self._degree,
            bounds=np.column_stack((np.zeros_like(self._top), self._top)),
            method="highs",
            options={} if time_limit is None else {"time_limit": max(0.01, time_limit)},
        )
        if answer.status != 0:
            return None
        reduced = answer.lower.marginals + answer.upper.marginals
        return Solution(float(answer.fun), answer.x, reduced)

    def tighten(self, solution: Solution) -> list[Cut]:
        """Drop rows with slack; they come back when they are broken again. Returns those kept."""
        weights = self.weights(solution)
        keep = [_slack(weights, cut) < _BROKEN for cut in self.cuts]
        self._rows = [row for row, kept in zip(self._rows, keep, strict=True) if kept]
        self.cuts = [cut for cut, kept in zip(self.cuts, keep, strict=True) if kept]
        return self.cuts

    def weights(self, solution: Solution) -> FloatArray:
        """Edge values as a symmetric matrix."""
        matrix = np.zeros((self._places, self._places))
        matrix[self.tail, self.head] = solution.x
        return matrix + matrix.T


def _slack(weights: FloatArray, cut: Cut) -> float:
    stops = np.array(sorted(cut.stops))
    inside = float(weights[np.ix_(stops, stops)].sum()) / 2
    return cut.limit - inside - (float(weights[0, stops].sum()) if cut.with_depot else 0.0)


def separate(problem: Problem, weights: FloatArray) -> list[Cut]:
    """Find cuts that a fractional point breaks.

    Sets are grown from every stop by the stop that is tied to them most; when that finds nothing,
    minimum cuts between the depot and every stop decide about subtours exactly.

    Parameters
    ----------
    problem
        Its bounds on stops.
    weights
        Shape ``(N + 1, N + 1)``, symmetric: the value of each edge.
    """
    found: dict[frozenset[int], Cut] = {}
    for start in range(1, problem.n_stops + 1):
        for to_depot in (False, True) if problem.min_stops > 1 else (False,):
            cut = _grow(problem, weights, start, to_depot=to_depot)
            if cut is not None:
                found.setdefault(cut.stops, cut)
    if not found:
        for cut in _minimum_cuts(problem, weights):
            found.setdefault(cut.stops, cut)
    return list(found.values())


def _grow(problem: Problem, weights: FloatArray, start: int, *, to_depot: bool) -> Cut | None:
    most, least, n = problem.most_stops, problem.min_stops, problem.n_stops
    tied = weights[start].copy()
    pull = weights[0] if to_depot else np.zeros(n + 1)
    free = np.ones(n + 1, dtype=bool)
    free[[0, start]] = False
    members, inside, depot = [start], 0.0, float(weights[0, start])
    worst, best = _BROKEN, None
    longest = min(n, least - 1) if to_depot else n
    while True:
        size = len(members)
        excess = inside - (size - math.ceil(size / most))
        if size > 1 and excess > worst:
            worst, best = excess, Cut(frozenset(members), size - math.ceil(size / most))
        if size < least and inside + depot - size > worst:
            worst, best = inside + depot - size, Cut(frozenset(members), size, with_depot=True)
        if size >= longest:
            return best
        stop = int(np.argmax(np.where(free, tied + pull, -1.0)))
        if tied[stop] <= _ZERO:
            return best
        members.append(stop)
        free[stop] = False
        inside += float(tied[stop])
        depot += float(weights[0, stop])
        tied += weights[stop]


def _minimum_cuts(problem: Problem, weights: FloatArray) -> list[Cut]:
    """Subtour cuts by one maximum flow per stop."""
    flows = csr_array(np.rint(weights * _FLOW_SCALE).astype(np.int32))
    cuts = []
    settled: NDArray[np.bool_] = np.zeros(problem.n_stops + 1, dtype=bool)
    for stop in range(1, problem.n_stops + 1):
        if settled[stop]:
            continue
        flow = maximum_flow(flows, stop, 0)
        if flow.flow_value >= (2 - _BROKEN) * _FLOW_SCALE:
            continue
        residual = csr_array(flows - flow.flow)
        residual.data[residual.data < 0] = 0
        residual.eliminate_zeros()
        side = breadth_first_order(residual, stop, return_predecessors=False)
        settled[side] = True
        stops = frozenset(int(place) for place in side)
        if 0 not in stops and len(stops) > 1:
            cuts.append(Cut(stops, len(stops) - math.ceil(len(stops) / problem.most_stops)))
    return cuts
