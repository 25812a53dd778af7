"""Undirected edge model with lazily added cuts: no index for the dispatcher, no symmetry.

Variables are ``x_e`` in {0, 1} for edges between stops and ``x_0j`` in {0, 1, 2} for edges at the
depot (2: out and straight back), with

    x(delta(j)) = 2 for every stop j,    x(delta(0)) = 2 K

(Laporte and Nobert, 1980). What is missing is added only where a solution breaks it. With
E(S) the edges within a set S of stops and U, L the most and fewest stops of a dispatcher:

- ``x(E(S)) <= |S| - ceil(|S| / U)``: S needs that many routes (no subtour, no route above U);
- ``x(E(S)) + x(0, S) <= |S|`` for |S| < L: no whole route fits within S (no route below L).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulp

from core.routing.exact.backend import End, run
from core.routing.result import Result, Status, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.routing.exact.backend import Solver
    from core.routing.problem import Problem

__all__ = ["Cut", "Edge", "find_cuts", "solve_two_index", "trace_edges"]

Edge = tuple[int, int]
"""A pair of places, the smaller first."""

# Solvers call a value integral within 1e-6 or so; far below one edge, far above rounding.
_INTEGRAL = 1e-4
_PROOF = 1e-7


@dataclass(frozen=True)
class Cut:
    """``x(E(stops)) [+ x(0, stops)] <= limit``."""

    stops: frozenset[int]
    limit: int
    with_depot: bool = False


def find_cuts(problem: Problem, edges: dict[Edge, int]) -> list[Cut]:
    """List the cuts that an integer point breaks; none when it is a set of valid routes.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [5, 0], [6, 0], [5, 1]])
    >>> find_cuts(problem, {(0, 1): 2, (2, 3): 1, (3, 4): 1, (2, 4): 1})
    [Cut(stops=frozenset({2, 3, 4}), limit=2, with_depot=False)]
    """
    most, least = problem.most_stops, problem.min_stops
    cuts = []
    for stops in _parts(problem.n_stops, edges):
        size = len(stops)
        inside = sum(count for (i, j), count in edges.items() if i in stops and j in stops)
        limit = size - math.ceil(size / most)
        if inside > limit:
            cuts.append(Cut(stops, limit))
        elif size < least:
            cuts.append(Cut(stops, size, with_depot=True))
    return cuts


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


def _parts(n_stops: int, edges: Iterable[Edge]) -> list[frozenset[int]]:
    """Find the connected parts of the graph on the stops alone."""
    parent = list(range(n_stops + 1))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in edges:
        if i != 0:
            parent[root(i)] = root(j)
    groups: dict[int, set[int]] = {}
    for stop in range(1, n_stops + 1):
        groups.setdefault(root(stop), set()).add(stop)
    return [frozenset(group) for group in groups.values()]


def build(problem: Problem) -> tuple[pulp.LpProblem, dict[Edge, pulp.LpVariable]]:
    """Write the model without its lazy cuts."""
    distance = problem.distances().tolist()
    n = problem.n_stops
    model = pulp.LpProblem("Edges", pulp.LpMinimize)
    x = {}
    for i in range(n + 1):
        for j in range(i + 1, n + 1):
            top = 2 if i == 0 and problem.min_stops == 1 else 1
            x[i, j] = model.add_variable(f"x_{i}_{j}", 0, top, cat=pulp.LpInteger)
    model += pulp.lpSum(distance[i][j] * var for (i, j), var in x.items())
    for place in range(n + 1):
        degree = 2 if place else 2 * problem.dispatchers
        at = [x[min(place, other), max(place, other)] for other in range(n + 1) if other != place]
        model += pulp.lpSum(at) == degree, f"degree_{place}"
    return model, x


def add_cut(model: pulp.LpProblem, x: dict[Edge, pulp.LpVariable], cut: Cut) -> None:
    """Add one cut to the model."""
    stops = sorted(cut.stops)
    left = [x[i, j] for n, i in enumerate(stops) for j in stops[n + 1 :]]
    if cut.with_depot:
        left += [x[0, j] for j in stops]
    model += pulp.lpSum(left) <= cut.limit


def solve_two_index(  # noqa: C901, PLR0912 (one loop: relax, bound, cut)
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
        Symmetric distances.
    solver
        What solves each relaxation.
    time_limit
        Seconds of wall time.
    known
        A feasible result: handed back with the bound when time is up, and ends the search as soon
        as the bound reaches its cost.

    Raises
    ------
    ValueError
        The distances are not symmetric.
    """
    if not problem.symmetric:
        raise ValueError("matrix is not symmetric: use model='three-index'")
    begin = time.monotonic()
    model, x = build(problem)
    best = known if known and known.routes else None
    bound: float | None = None
    trace: list[Step] = []

    def answer(status: Status, reason: str = "") -> Result:
        return Result(
            status=status,
            cost=best.cost if best else None,
            lower_bound=bound,
            routes=best.routes if best else (),
            seconds=time.monotonic() - begin,
            method="two-index",
            reason=reason,
            trace=tuple(trace),
        )

    while True:
        left = None if time_limit is None else time_limit - (time.monotonic() - begin)
        try:
            found = run(model, solver=solver, time_limit=left)
        except KeyboardInterrupt:
            if best is None:
                raise
            return answer(Status.FEASIBLE, "interrupted")
        if found.end is End.INFEASIBLE:
            return answer(Status.INFEASIBLE, "no routes meet all bounds")
        if found.bound is not None:
            bound = max(found.bound, bound if bound is not None else -math.inf)
        trace.append(Step(time.monotonic() - begin, best.cost if best else None, bound))
        if best and best.cost is not None and bound is not None and _meets(bound, best.cost):
            bound = best.cost
            return answer(Status.OPTIMAL)
        if found.objective is not None:
            edges = {
                edge: round(found.values[var.name])
                for edge, var in x.items()
                if found.values[var.name] > 1 - _INTEGRAL
            }
            cuts = find_cuts(problem, edges)
            if not cuts:
                routes = trace_edges(problem, edges)
                cost = math.fsum(problem.length(route) for route in routes)
                if best is None or best.cost is None or cost < best.cost:
                    best = Result(status=Status.FEASIBLE, cost=cost, routes=routes)
                if found.end is End.OPTIMAL:
                    bound = best.cost
                    return answer(Status.OPTIMAL)
            for cut in cuts:
                add_cut(model, x, cut)
        if found.end is End.LIMIT:
            if best is None:
                raise TimeoutError(
                    f"no routes within time_limit = {time_limit:g} s: allow more time, "
                    "or use method='divide'"
                )
            return answer(Status.FEASIBLE, f"stopped by the time limit of {time_limit:g} s")


def _meets(bound: float, cost: float) -> bool:
    return bound >= cost - _PROOF * max(1.0, abs(cost))
