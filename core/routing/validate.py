"""Independent check of routes: plain loops, nothing shared with the solvers."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING

from core.routing.problem import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.problem import Problem

__all__ = ["check", "route_length"]


def check(  # noqa: C901 (a list of checks)
    problem: Problem, routes: Sequence[Sequence[int]], cost: float | None = None
) -> list[str]:
    """List everything that is wrong with `routes`; empty when they solve the problem.

    Parameters
    ----------
    problem
        What was to be solved.
    routes
        Stop indices per dispatcher, the depot left out.
    cost
        The total distance that was claimed; compared when given (relative error 1e-6).

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2)
    >>> check(problem, [[1], [2]], cost=30.0)
    []
    >>> check(problem, [[1], [1]])
    ["stop '1' is visited 2 times", "stop '2' is not visited"]
    """
    visits = Counter(stop for route in routes for stop in route)
    strange = sorted(set(visits) - set(range(1, problem.n_stops + 1)))
    found = [f"{stop!r} is no stop (stops are 1 to {problem.n_stops})" for stop in strange]
    if found:
        return found
    for stop in range(1, problem.n_stops + 1):
        if visits[stop] > 1:
            found.append(f"stop {problem.ids[stop]!r} is visited {visits[stop]} times")
        elif visits[stop] == 0:
            found.append(f"stop {problem.ids[stop]!r} is not visited")
    if len(routes) != problem.dispatchers:
        found.append(f"{len(routes)} routes for {problem.dispatchers} dispatchers")
    for number, route in enumerate(routes, 1):
        size = len(route)
        if size < problem.min_stops:
            found.append(f"dispatcher {number} has {size} stops < min_stops = {problem.min_stops}")
        if problem.max_stops is not None and size > problem.max_stops:
            found.append(f"dispatcher {number} has {size} stops > max_stops = {problem.max_stops}")
    if cost is not None:
        lengths = [route_length(problem, route) for route in routes]
        worth = max(lengths) if problem.objective == "makespan" else math.fsum(lengths)
        if not math.isclose(worth, cost, rel_tol=1e-6, abs_tol=1e-9):
            what = "longest route is" if problem.objective == "makespan" else "routes are"
            found.append(f"cost = {cost!r}, but the {what} {worth!r} long")
    return found


def route_length(problem: Problem, route: Sequence[int]) -> float:
    """Length of one route, depot to depot."""
    path = [0, *route, 0]
    return math.fsum(_leg(problem, a, b) for a, b in itertools.pairwise(path))


def _leg(problem: Problem, a: int, b: int) -> float:
    if problem.matrix is not None:
        return float(problem.matrix[a][b])
    (xa, ya), (xb, yb) = problem.points[a].tolist(), problem.points[b].tolist()
    if problem.metric == "euclidean":
        return math.dist((xa, ya), (xb, yb))
    # Angle between unit vectors by atan2 (the solvers use haversine).
    u, v = _unit(xa, ya), _unit(xb, yb)
    cross = (
        u[1] * v[2] - u[2] * v[1],
        u[2] * v[0] - u[0] * v[2],
        u[0] * v[1] - u[1] * v[0],
    )
    return EARTH_RADIUS_KM * math.atan2(
        math.hypot(*cross), sum(p * q for p, q in zip(u, v, strict=True))
    )


def _unit(lon: float, lat: float) -> tuple[float, float, float]:
    lon, lat = math.radians(lon), math.radians(lat)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
