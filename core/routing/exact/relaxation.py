"""Linear relaxation of the edge model, tightened by cuts that fractional points break.

Its value is a lower bound, and its reduced costs say which edges no better solution can use: with
good routes known, most edges leave the integer model before it is ever solved (Dantzig, Fulkerson
and Johnson, 1954).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import highspy
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from core.routing.exact.backend import quiet_highs
from core.routing.exact.cuts import Cut, Needs, exceeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["Relaxation", "Solution", "degree", "separate", "upper_bounds"]

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
    top
        Largest value of each edge.
    cuts
        As added.
    """

    def __init__(self, problem: Problem) -> None:
        places = problem.n_stops + 1
        self.tail, self.head = np.triu_indices(places, 1)
        self.cuts: list[Cut] = []
        self._places = places
        self.top = upper_bounds(problem, self.tail, self.head)
        # HiGHS goes on from the last basis when rows are added.
        self._lp = quiet_highs(None)
        cost = problem.distances()[self.tail, self.head]
        none = np.empty(0, dtype=np.int32)
        self._lp.addCols(len(cost), cost, np.zeros(len(cost)), self.top, 0, none, none, np.empty(0))
        for place in range(places):
            edges = np.nonzero((self.tail == place) | (self.head == place))[0]
            least, most = degree(problem, place)
            self._lp.addRow(least, most, len(edges), edges.astype(np.int32), np.ones(len(edges)))

    def add(self, cuts: list[Cut]) -> None:
        """Add rows."""
        for cut in cuts:
            where = np.nonzero(cut.mask(self.tail, self.head, self._places))[0]
            self._lp.addRow(
                -np.inf, cut.limit, len(where), where.astype(np.int32), np.ones(len(where))
            )
            self.cuts.append(cut)

    def solve(self, time_limit: float | None = None) -> Solution | None:
        """Solve the relaxation; return None when it is infeasible or out of time."""
        if time_limit is not None:
            if time_limit <= 0:
                return None
            # HiGHS counts the time of all its runs.
            self._lp.setOptionValue("time_limit", self._lp.getRunTime() + time_limit)
        self._lp.run()
        if self._lp.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        answer = self._lp.getSolution()
        return Solution(
            float(self._lp.getInfo().objective_function_value),
            np.array(answer.col_value),
            np.array(answer.col_dual),
        )

    def tighten(self, solution: Solution) -> list[Cut]:
        """Drop rows with slack, which come back when broken again; return the cuts kept."""
        used = [
            float(solution.x[cut.mask(self.tail, self.head, self._places)].sum())
            for cut in self.cuts
        ]
        loose = np.array([cut.limit for cut in self.cuts]) - np.array(used) >= _BROKEN
        rows = np.nonzero(loose)[0] + self._places
        self._lp.deleteRows(len(rows), rows.astype(np.int32))
        self.cuts = [cut for cut, gone in zip(self.cuts, loose, strict=True) if not gone]
        return self.cuts

    def weights(self, solution: Solution) -> FloatArray:
        """Return the edge values as a symmetric matrix."""
        matrix = np.zeros((self._places, self._places))
        matrix[self.tail, self.head] = solution.x
        return matrix + matrix.T


def upper_bounds(problem: Problem, tail: np.ndarray, head: np.ndarray) -> FloatArray:
    """Return the largest value of each edge: 2 for a dispatcher who goes to one stop and back."""
    top = np.ones(len(tail))
    if problem.min_stops == 1:
        alone = [j for j in range(1, problem.n_stops + 1) if not exceeds(problem, [j])]
        top[(tail == 0) & np.isin(head, alone)] = 2.0
    return top


def degree(problem: Problem, place: int) -> tuple[float, float]:
    """Return the fewest and most edges at a place."""
    if place:
        return 2.0, 2.0
    return 2.0 * problem.fewest_routes, 2.0 * problem.dispatchers


def separate(problem: Problem, weights: FloatArray) -> list[Cut]:
    """Find cuts that a fractional point breaks.

    Sets are grown from every stop by the stop that is tied to them most; when that finds nothing,
    minimum cuts between the depot and every stop decide about subtours exactly.

    Parameters
    ----------
    problem
        Its bounds on stops, load and service count; those on distance and time are looked at in
        integer points only.
    weights
        Shape ``(N + 1, N + 1)``, symmetric: the value of each edge.
    """
    found: dict[frozenset[int], Cut] = {}
    needs = Needs(problem)
    for start in range(1, problem.n_stops + 1):
        for to_depot in (False, True) if problem.min_stops > 1 else (False,):
            cut = _grow(problem, needs, weights, start, to_depot=to_depot)
            if cut is not None:
                found.setdefault(cut.stops, cut)
    if not found:
        for cut in _minimum_cuts(problem, needs, weights):
            found.setdefault(cut.stops, cut)
    return list(found.values())


def _grow(
    problem: Problem, needs: Needs, weights: FloatArray, start: int, *, to_depot: bool
) -> Cut | None:
    least, n = problem.min_stops, problem.n_stops
    tied = weights[start].copy()
    pull = weights[0] if to_depot else np.zeros(n + 1)
    free = np.ones(n + 1, dtype=bool)
    free[[0, start]] = False
    members, inside, depot = [start], 0.0, float(weights[0, start])
    taken = needs.shares[:, start].copy()
    worst, best = _BROKEN, None
    longest = min(n, least - 1) if to_depot else n
    while True:
        size = len(members)
        limit = size - needs.routes(taken)
        if size > 1 and inside - limit > worst:
            worst, best = inside - limit, Cut(frozenset(members), limit)
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
        taken += needs.shares[:, stop]


def _minimum_cuts(problem: Problem, needs: Needs, weights: FloatArray) -> list[Cut]:
    """Find subtour cuts by one maximum flow per stop."""
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
            cuts.append(Cut(stops, len(stops) - needs.of_set(stops)))
    return cuts
