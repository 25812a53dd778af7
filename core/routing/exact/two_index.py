"""Undirected edge model with lazily added cuts: no index for the dispatcher, no symmetry.

Variables are ``x_e`` in {0, 1} for edges between stops and ``x_0j`` in {0, 1, 2} for edges at the
depot (2: out and straight back), with

    x(delta(j)) = 2 for every stop j,    x(delta(0)) = 2 K   (at most 2 K where K may be less)

(Laporte and Nobert, 1980). What is missing (`core.routing.exact.cuts`) is added only where a
solution breaks it: first to the linear relaxation, whose reduced costs then rule out edges, and
after that to the integer model, until its optimum breaks nothing. SCIP, where it is installed, adds
them while it branches (`core.routing.exact.scip`) and solves one model instead of many.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import pulp

from core.routing.exact.backend import End, run
from core.routing.exact.cuts import Cut, Edge, find_cuts
from core.routing.exact.relaxation import Relaxation, degree, separate, upper_bounds
from core.routing.exact.units import restored, scaled, scaled_result
from core.routing.result import INTERRUPTED, NoRoutesError, Result, Status, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.routing.choices import Solver
    from core.routing.exact.backend import Answer
    from core.routing.problem import Problem

__all__ = ["NO_ROUTES", "build", "refusal", "solve_two_index", "trace_edges"]

NO_ROUTES = "no routes meet all bounds"

# Relative: costs closer than this are the same.
_PROOF = 1e-7


def trace_edges(problem: Problem, edges: dict[Edge, int]) -> tuple[tuple[int, ...], ...]:
    """Turn the edges of valid routes into sequences of stops."""
    near: dict[int, list[int]] = {i: [] for i in range(problem.n_stops + 1)}
    for (i, j), count in edges.items():
        for _ in range(count):
            near[i].append(j)
            near[j].append(i)
    routes = []
    while near[0]:
        route, place = [], near[0].pop()
        near[place].remove(0)
        while place != 0:
            route.append(place)
            onward = near[place].pop()
            near[onward].remove(place)
            place = onward
        routes.append(tuple(route))
    return tuple(routes)


def build(
    problem: Problem, edges: Iterable[Edge] | None = None, cuts: Iterable[Cut] = ()
) -> tuple[pulp.LpProblem, dict[Edge, pulp.LpVariable]]:
    """Write the model with the cuts known so far.

    Parameters
    ----------
    problem
        Symmetric distances.
    edges
        Those that may be used; all by default.
    cuts
        Constraints to begin with.
    """
    places = range(problem.n_stops + 1)
    if edges is None:
        edges = [(i, j) for i in places for j in places[i + 1 :]]
    edges = list(edges)
    tail, head = np.array(edges, dtype=np.intp).reshape(-1, 2).T
    tops, costs = upper_bounds(problem, tail, head), problem.between(tail, head)
    model = pulp.LpProblem("Edges", pulp.LpMinimize)
    x = {}
    at: list[list[pulp.LpVariable]] = [[] for _ in places]
    for (i, j), top in zip(edges, tops.tolist(), strict=True):
        x[i, j] = model.add_variable(f"x_{i}_{j}", 0, top, cat=pulp.LpInteger)
        at[i].append(x[i, j])
        at[j].append(x[i, j])
    model += pulp.lpSum(cost * var for cost, var in zip(costs.tolist(), x.values(), strict=True))
    for place in places:
        least, most = degree(problem, place)
        if least == most:
            model += pulp.lpSum(at[place]) == most, f"degree_{place}"
        else:
            model += pulp.lpSum(at[place]) >= least, f"least_{place}"
            model += pulp.lpSum(at[place]) <= most, f"most_{place}"
    for cut in cuts:
        add_cut(model, x, cut)
    return model, x


def add_cut(model: pulp.LpProblem, x: dict[Edge, pulp.LpVariable], cut: Cut) -> None:
    """Add one cut to the model."""
    edges = list(x)
    tail, head = np.array(edges, dtype=np.intp).reshape(-1, 2).T
    chosen = np.nonzero(cut.mask(tail, head, int(head.max(initial=0)) + 1))[0]
    if len(chosen):
        model += pulp.lpSum(x[edges[at]] for at in chosen.tolist()) <= cut.limit


def solve_two_index(
    problem: Problem,
    *,
    solver: Solver = "cbc",
    time_limit: float | None = None,
    known: Result | None = None,
) -> Result:
    """Solve to proved optimality by adding cuts until none is broken.

    Parameters
    ----------
    problem
        Symmetric distances and driving times; least distance or time is not bounded.
    solver
        What solves the integer models.
    time_limit
        Seconds of wall time.
    known
        A feasible result, returned with the bound when the time is up; the better it is, the more
        edges are ruled out.

    Raises
    ------
    ValueError
        The problem is not one for this model; the message says why.
    NoRoutesError
        Time is up, and neither the search nor `known` has routes.
    """
    if reason := refusal(problem):
        raise ValueError(f"{reason}: use model='three-index'")
    problem, unit = scaled(problem)
    search = _Search(problem, solver, time_limit, scaled_result(known, unit))
    try:
        status, reason = search.run()
    except KeyboardInterrupt:
        if not search.routes:
            raise
        status, reason = Status.FEASIBLE, INTERRUPTED
    if status is Status.FEASIBLE and not search.routes:
        raise NoRoutesError("within the time limit")
    found = math.isfinite(search.cost)
    result = Result(
        status=status,
        cost=search.cost if found else None,
        lower_bound=search.bound if found and math.isfinite(search.bound) else None,
        routes=search.routes,
        seconds=time.monotonic() - search.begin,
        method="two-index",
        reason=reason,
        trace=tuple(search.trace),
    )
    return restored(result, unit)


def refusal(problem: Problem) -> str:
    """Say why the edge model does not support a problem; empty if it does."""
    if not problem.symmetric:
        return "matrix is not symmetric" if problem.times is None else "times is not symmetric"
    if problem.objective != "distance":
        return f"objective = {problem.objective!r}"
    for name in ("min_distance", "min_time"):
        if getattr(problem, name):
            return f"{name} = {getattr(problem, name):g}"
    return ""


class _Search:
    """Best routes and best bound so far."""

    def __init__(
        self, problem: Problem, solver: Solver, time_limit: float | None, known: Result | None
    ) -> None:
        self.begin = time.monotonic()
        self.routes = known.routes if known else ()
        self.cost = known.cost if known and known.cost is not None else math.inf
        self.bound = -math.inf
        self.trace: list[Step] = []
        self._problem, self._solver, self._time_limit = problem, solver, time_limit

    def run(self) -> tuple[Status, str]:
        """Relax, rule out edges, then cut and solve again until it is proved."""
        relaxation = Relaxation(self._problem)
        edges = self._relax(relaxation)
        if self._solver == "scip" and not self._proved():
            return self._branch_and_cut(edges, relaxation.cuts)
        model, x = build(self._problem, edges, relaxation.cuts)
        while not self._proved():
            found = run(
                model,
                solver=self._solver,  # type: ignore[arg-type]  # SCIP has gone its own way
                time_limit=self._left(),
                start=self._start(x),
            )
            if found.end is End.INFEASIBLE:
                if not self.routes:
                    return Status.INFEASIBLE, NO_ROUTES
                # Only edges that a better solution could use were left.
                self.bound = self.cost
                break
            if found.bound is not None:
                self._raise_bound(found.bound)
            cuts = self._learn(x, found)
            for cut in cuts:
                add_cut(model, x, cut)
            self._note()
            if found.end is End.LIMIT and not self._proved():
                return Status.FEASIBLE, "stopped by the time limit"
        self.bound = self.cost
        self._note()
        return Status.OPTIMAL, ""

    def _branch_and_cut(self, edges: list[Edge], cuts: list[Cut]) -> tuple[Status, str]:
        """Hand over to SCIP, which proves it or runs out of time."""
        from core.routing.exact.scip import branch_and_cut

        x = self._known_edges() if self.routes else None
        found = branch_and_cut(self._problem, edges, cuts, time_limit=self._left(), known=x)
        if found.edges is not None:
            self._take(found.edges)
        if found.end is End.INFEASIBLE and not self.routes:
            return Status.INFEASIBLE, NO_ROUTES
        if found.end is not End.LIMIT:
            self.bound = self.cost
            self._note()
            return Status.OPTIMAL, ""
        if found.bound is not None:
            self._raise_bound(found.bound)
        self._note()
        return Status.FEASIBLE, INTERRUPTED if found.interrupted else "stopped by the time limit"

    def _known_edges(self) -> dict[Edge, int]:
        edges: dict[Edge, int] = {}
        for route in self.routes:
            for i, j in itertools.pairwise((0, *route, 0)):
                edge = (min(i, j), max(i, j))
                edges[edge] = edges.get(edge, 0) + 1
        return edges

    def _start(self, x: dict[Edge, pulp.LpVariable]) -> dict[str, float] | None:
        """Return the values of the variables for the best routes known."""
        known = self._known_edges()
        if not known or any(edge not in x for edge in known):
            return None
        return {x[edge].name: float(count) for edge, count in known.items()}

    def _relax(self, relaxation: Relaxation) -> list[Edge]:
        """Tighten the relaxation; return the edges that a better solution can use."""
        keep = np.ones(len(relaxation.tail), dtype=bool)
        while True:
            left = self._left()
            solution = relaxation.solve(left)
            if solution is None:
                break
            self._raise_bound(solution.bound)
            self._note()
            if math.isfinite(self.cost):
                keep &= solution.bound + solution.reduced <= self.cost * (1 + _PROOF)
            cuts = separate(self._problem, relaxation.weights(solution))
            if not cuts or self._proved() or (left is not None and left <= 0):
                relaxation.tighten(solution)
                break
            relaxation.add(cuts)
        tails, heads = relaxation.tail[keep].tolist(), relaxation.head[keep].tolist()
        return list(zip(tails, heads, strict=True))

    def _learn(self, x: dict[Edge, pulp.LpVariable], found: Answer) -> list[Cut]:
        """Return the cuts that the solver's point breaks.

        If there are none, the point is a better solution or as good.
        """
        if found.objective is None:
            return []
        values = {edge: round(found.values[var.name]) for edge, var in x.items()}
        edges = {edge: count for edge, count in values.items() if count > 0}
        cuts = find_cuts(self._problem, edges)
        if not cuts:
            self._take(edges)
            if found.end is End.OPTIMAL:
                self.bound = self.cost
        return cuts

    def _take(self, edges: dict[Edge, int]) -> None:
        """Keep the routes that these edges make, if they are better."""
        routes = trace_edges(self._problem, edges)
        cost = math.fsum(self._problem.length(route) for route in routes)
        if cost < self.cost:
            self.cost, self.routes = cost, routes

    def _raise_bound(self, bound: float) -> None:
        # Solutions with edges that were ruled out cost no less than the routes known.
        self.bound = max(self.bound, min(bound, self.cost))

    def _proved(self) -> bool:
        return self.bound >= self.cost - _PROOF * self.cost

    def _left(self) -> float | None:
        if self._time_limit is None:
            return None
        return self._time_limit - (time.monotonic() - self.begin)

    def _note(self) -> None:
        cost = self.cost if math.isfinite(self.cost) else None
        bound = self.bound if math.isfinite(self.bound) else None
        self.trace.append(Step(time.monotonic() - self.begin, cost, bound))
