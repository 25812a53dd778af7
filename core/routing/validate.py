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

__all__ = ["broken_bounds", "check", "leg_length", "route_duration", "route_length"]


# Relative: what a sum of distances may exceed a bound by.
_TOLERANCE = 1e-6

_UNITS = {"stops": "stops", "distance": "distance", "time": "minutes"}


def check(
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
    crew = problem.dispatchers
    if len(routes) > crew or (problem.crew == "fixed" and len(routes) < crew):
        most = "at most " if problem.crew == "at_most" else ""
        found.append(f"{len(routes)} routes for {most}{crew} dispatchers")
    for number, route in enumerate(routes, 1):
        found += broken_bounds(problem, number, route)
    if cost is not None:
        lengths = [route_length(problem, route) for route in routes]
        worth = max(lengths) if problem.objective == "makespan" else math.fsum(lengths)
        if not math.isclose(worth, cost, rel_tol=1e-6, abs_tol=_on_globe(problem)):
            what = "longest route is" if problem.objective == "makespan" else "routes are"
            found.append(f"cost = {cost!r}, but the {what} {worth!r} long")
    return found


def broken_bounds(problem: Problem, number: int, route: Sequence[int]) -> list[str]:
    """List every bound that the route breaks."""
    work = {"stops": float(len(route))}
    if problem.min_distance is not None or problem.max_distance is not None:
        work["distance"] = route_length(problem, route)
    if problem.min_time is not None or problem.max_time is not None:
        work["time"] = route_duration(problem, route)
    found = []
    for what, amount in work.items():
        least, most = getattr(problem, f"min_{what}"), getattr(problem, f"max_{what}")
        who = f"dispatcher {number} has {amount:.9g} {_UNITS[what]}"
        if least is not None and amount < least - _TOLERANCE * abs(least):
            found.append(f"{who} < min_{what} = {least:.9g}")
        if most is not None and amount > most + _TOLERANCE * abs(most):
            found.append(f"{who} > max_{what} = {most:.9g}")
    if problem.capacity is not None:
        load = math.fsum(float(problem.demands[stop]) for stop in route)
        if load > problem.capacity * (1 + _TOLERANCE):
            found.append(
                f"dispatcher {number} has load {load:.9g} > capacity = {problem.capacity:.9g}"
            )
    return found


def route_duration(problem: Problem, route: Sequence[int]) -> float:
    """Return the minutes of one route: driving, and service at its stops."""
    path = _path(problem, route)
    served = 0.0
    if problem.service is not None:
        served = math.fsum(float(problem.service[stop]) for stop in route)
    if problem.times is not None:
        return served + math.fsum(float(problem.times[a][b]) for a, b in itertools.pairwise(path))
    if problem.speed is None:
        return served
    return served + route_length(problem, route) * 60.0 / problem.speed


def route_length(problem: Problem, route: Sequence[int]) -> float:
    """Return the length of one route, depot to depot; to its last stop where routes are open."""
    path = _path(problem, route)
    return math.fsum(leg_length(problem, a, b) for a, b in itertools.pairwise(path))


def _path(problem: Problem, route: Sequence[int]) -> list[int]:
    return [0, *route] if problem.open_routes else [0, *route, 0]


def leg_length(problem: Problem, a: int, b: int) -> float:
    """Return the distance from one place to another."""
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


def _on_globe(problem: Problem) -> float:
    """Return what rounding may add up to between places that all but coincide on the globe."""
    return 1e-9 if problem.matrix is None and problem.metric == "great_circle" else 0.0


def _unit(lon: float, lat: float) -> tuple[float, float, float]:
    lon, lat = math.radians(lon), math.radians(lat)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
