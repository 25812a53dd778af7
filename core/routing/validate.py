"""Independent check of routes: plain loops, nothing shared with the solvers."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from core.routing.problem import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.problem import Problem

__all__ = ["broken_bounds", "check", "leg_length", "route_duration", "route_length"]


# Relative: what a sum of distances may exceed a bound by.
_TOLERANCE = 1e-6

_UNITS = {"stops": "stops", "distance": "distance", "time": "minutes"}


def check(
    problem: Problem,
    routes: Sequence[Sequence[int]],
    cost: float | None = None,
    kinds: Sequence[int] = (),
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
    kinds
        For each route the index of the `Problem.vehicles` that drives it; the first if left out.

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
        elif visits[stop] == 0 and not _optional(problem, stop):
            found.append(f"stop {problem.ids[stop]!r} is not visited")
    crew = problem.dispatchers
    if len(routes) > crew or (problem.crew == "fixed" and len(routes) < crew):
        most = "at most " if problem.crew == "at_most" else ""
        found.append(f"{len(routes)} routes for {most}{crew} dispatchers")
    if kinds and len(kinds) != len(routes):
        return [*found, f"{len(kinds)} vehicles for {len(routes)} routes"]
    driving = list(kinds) or [0] * len(routes)
    found += _too_many(problem, driving)
    for number, (route, kind) in enumerate(zip(routes, driving, strict=True), 1):
        found += broken_bounds(problem, number, route, kind)
    if cost is not None:
        found += _wrong_cost(problem, routes, cost, driving)
    return found


def _optional(problem: Problem, stop: int) -> bool:
    """Tell whether a stop may be left out: for a prize, or as it belongs to such a stop."""
    if problem.prizes is None:
        return False
    if problem.origins is not None:
        for other in range(1, problem.n_stops + 1):
            if int(problem.origins[other]) == stop:
                return not math.isnan(problem.prizes[other])
    return not math.isnan(problem.prizes[stop])


def _too_many(problem: Problem, kinds: Sequence[int]) -> list[str]:
    """Say of which kind of vehicle more drive than there are."""
    if not problem.fleet:
        return []
    driving = Counter(kinds)
    return [
        f"{driving[kind]} vehicles {vehicle.name!r} drive: there are {vehicle.count}"
        for kind, vehicle in enumerate(problem.fleet)
        if driving[kind] > vehicle.count
    ]


def _wrong_cost(
    problem: Problem, routes: Sequence[Sequence[int]], cost: float, kinds: Sequence[int]
) -> list[str]:
    """Compare a claimed cost with that of the routes."""
    lengths = [
        route_length(problem, route, kind) for route, kind in zip(routes, kinds, strict=True)
    ]
    if problem.objective == "makespan":
        worth, what = max(lengths), "longest route is"
    else:
        terms = list(lengths)
        if problem.fleet:
            trips = zip(routes, kinds, lengths, strict=True)
            terms = [_vehicle_cost(problem, *trip) for trip in trips]
        if problem.prizes is not None:
            visited = {stop for route in routes for stop in route}
            prizes = [float(problem.prizes[stop]) for stop in range(1, problem.n_stops + 1)]
            terms += [
                prize
                for stop, prize in enumerate(prizes, 1)
                if stop not in visited and not math.isnan(prize)
            ]
        terms += [
            (problem.balance_price or 0.0) / 2 * _balanced_work(problem, route, kind) ** 2
            for route, kind in zip(routes, kinds, strict=True)
        ]
        worth, what = math.fsum(terms), "routes are"
    if math.isclose(worth, cost, rel_tol=1e-6, abs_tol=_on_globe(problem)):
        return []
    if problem.fleet or problem.prizes is not None:
        return [f"cost = {cost!r}, but routes and stops left out cost {worth!r}"]
    if problem.balance is not None:
        return [f"cost = {cost!r}, but routes and the price of unequal work are {worth!r}"]
    return [f"cost = {cost!r}, but the {what} {worth!r} long"]


def _vehicle_cost(problem: Problem, route: Sequence[int], kind: int, length: float) -> float:
    """Return what a vehicle costs on a route: as such, by its distance, hours and overtime."""
    vehicle = problem.fleet[kind]
    minutes, over = route_duration(problem, route, kind), 0.0
    most = _limit(problem, "max_time", kind)
    if most is not None and minutes > most:
        over = minutes - most
    terms = (vehicle.fixed_cost, vehicle.distance_cost * length)
    return math.fsum((*terms, vehicle.hour_cost * minutes / 60, vehicle.overtime_cost * over / 60))


def _balanced_work(problem: Problem, route: Sequence[int], kind: int) -> float:
    """Return how much a route has of what is balanced; 0 if nothing is."""
    if problem.balance == "stops":
        return float(len(route))
    if problem.balance == "distance":
        return route_length(problem, route, kind)
    return route_duration(problem, route, kind) if problem.balance == "time" else 0.0


def broken_bounds(problem: Problem, number: int, route: Sequence[int], kind: int = 0) -> list[str]:
    """List every bound that the route breaks."""
    limits = {f"max_{what}": _limit(problem, f"max_{what}", kind) for what in ("distance", "time")}
    limits["max_stops"] = problem.max_stops
    if problem.fleet and limits["max_time"] is not None:
        limits["max_time"] += problem.fleet[kind].max_overtime
    work = {"stops": float(len(route))}
    if problem.min_distance is not None or limits["max_distance"] is not None:
        work["distance"] = route_length(problem, route, kind)
    if problem.min_time is not None or limits["max_time"] is not None:
        work["time"] = route_duration(problem, route, kind)
    found = []
    for what, amount in work.items():
        least, most = getattr(problem, f"min_{what}"), limits[f"max_{what}"]
        who = f"dispatcher {number} has {amount:.9g} {_UNITS[what]}"
        if least is not None and amount < least - _TOLERANCE * abs(least):
            found.append(f"{who} < min_{what} = {least:.9g}")
        if most is not None and amount > most + _TOLERANCE * abs(most):
            found.append(f"{who} > max_{what} = {most:.9g}")
    found += _wrong_order(problem, number, route)
    capacity = _limit(problem, "capacity", kind)
    if capacity is not None:
        load = _largest_load(problem, route)
        if load > capacity * (1 + _TOLERANCE):
            found.append(f"dispatcher {number} has load {load:.9g} > capacity = {capacity:.9g}")
    return found + _too_late(problem, number, route, kind)


def _limit(problem: Problem, name: str, kind: int) -> float | None:
    """Return what the vehicle's own limit is, else everybody's."""
    own = getattr(problem.fleet[kind], name) if problem.fleet else None
    limit = getattr(problem, name) if own is None else own
    return None if limit is None else float(limit)


def _amount(values: Any, stop: int) -> float:
    return 0.0 if values is None else float(values[stop])


def _largest_load(problem: Problem, route: Sequence[int]) -> float:
    """Return the most that is on board at any time of a route."""
    from_depot, most = [], 0.0
    loaded_at: dict[int, float] = {}
    for stop in route:
        origin = 0 if problem.origins is None else int(problem.origins[stop])
        if origin:
            loaded_at[origin] = _amount(problem.demands, stop)
        else:
            from_depot.append(_amount(problem.demands, stop))
    on_board = most = math.fsum(from_depot)
    for stop in route:
        on_board -= _amount(problem.demands, stop)
        on_board += _amount(problem.pickups, stop) + loaded_at.get(stop, 0.0)
        most = max(most, on_board)
    return most


def _wrong_order(problem: Problem, number: int, route: Sequence[int]) -> list[str]:
    """Say which stops come before what they have to come after."""
    found = []
    for at, stop in enumerate(route):
        name = problem.ids[stop]
        origin = 0 if problem.origins is None else int(problem.origins[stop])
        if origin and origin not in route[:at]:
            found.append(
                f"dispatcher {number} visits {name!r}, but not before that "
                f"{problem.ids[origin]!r}, where its demand is loaded"
            )
        fetched = [earlier for earlier in route[:at] if _amount(problem.pickups, earlier) > 0]
        if problem.backhauls and fetched and _amount(problem.demands, stop) > 0:
            found.append(
                f"dispatcher {number} delivers at {name!r} after the pickup at "
                f"{problem.ids[fetched[0]]!r}"
            )
    if problem.origins is not None:
        for stop in range(1, problem.n_stops + 1):
            origin = int(problem.origins[stop])
            if origin in route and stop not in route:
                found.append(
                    f"dispatcher {number} loads at {problem.ids[origin]!r} and does not visit "
                    f"{problem.ids[stop]!r}"
                )
    return found


def _hours(problem: Problem, kind: int) -> tuple[float, float]:
    """Return when a vehicle may leave and must be back."""
    start, end = 0.0, math.inf
    if problem.windows is not None:
        start = float(problem.windows[_depot(problem, kind)][0])
        end = float(problem.windows[_end(problem, kind)][1])
    if problem.fleet:
        own_start, own_end = problem.fleet[kind].shift_start, problem.fleet[kind].shift_end
        start = start if own_start is None else max(start, own_start)
        end = end if own_end is None else min(end, own_end)
    return start, end


def _drive(problem: Problem, route: Sequence[int], kind: int, leaving: float) -> list[float]:
    """Return when service begins at each stop, and when the vehicle is back, or done."""
    times, now, before = [], leaving, _depot(problem, kind)
    for stop in route:
        now += _minutes(problem, before, stop)
        if problem.windows is not None:
            now = max(now, float(problem.windows[stop][0]))
        times.append(now)
        now += _amount(problem.service, stop)
        before = stop
    if route and not problem.open_routes:
        now += _minutes(problem, before, _end(problem, kind))
    return [*times, now]


def _minutes(problem: Problem, a: int, b: int) -> float:
    """Return the driving time from one place to another."""
    if problem.times is not None:
        return float(problem.times[a][b])
    if problem.speed is None:
        return 0.0
    return leg_length(problem, a, b) * 60.0 / problem.speed


def _timed(problem: Problem) -> bool:
    shifts = [v.shift_start is not None or v.shift_end is not None for v in problem.fleet]
    return problem.windows is not None or any(shifts)


def _too_late(problem: Problem, number: int, route: Sequence[int], kind: int) -> list[str]:
    """Say where service begins too late even if the vehicle leaves as early as it may."""
    if not _timed(problem):
        return []
    start, end = _hours(problem, kind)
    *begins, back = _drive(problem, route, kind, start)
    found = []
    for stop, begin in zip(route, begins, strict=True):
        latest = math.inf if problem.windows is None else float(problem.windows[stop][1])
        if begin > latest + _TOLERANCE * max(1.0, latest):
            found.append(
                f"dispatcher {number} is at {problem.ids[stop]!r} at {begin:.9g} > {latest:.9g}, "
                "the end of its window"
            )
    if back > end + _TOLERANCE * max(1.0, end):
        found.append(f"dispatcher {number} ends at {back:.9g} > {end:.9g}, the end of the shift")
    return found


def _shortest_duration(problem: Problem, route: Sequence[int], kind: int) -> float:
    """Return the least minutes of a route with windows: by the best of the times to leave.

    Leaving later shortens a route until there is nothing to wait for any more, at one of the stops.
    """
    start, _ = _hours(problem, kind)
    leaving, spent, before = [start], 0.0, _depot(problem, kind)
    latest = math.inf
    for stop in route:
        spent += _minutes(problem, before, stop)
        low, high = (0.0, math.inf)
        if problem.windows is not None:
            low, high = (float(time) for time in problem.windows[stop])
        leaving.append(low - spent)
        latest = min(latest, high - spent)
        leaving.append(high - spent)
        spent += _amount(problem.service, stop)
        before = stop
    return min(
        _drive(problem, route, kind, time)[-1] - time
        for time in leaving
        if time == start or start <= time <= latest
    )


def route_duration(problem: Problem, route: Sequence[int], kind: int = 0) -> float:
    """Return the minutes of one route: driving, service, and waiting that no later start avoids."""
    if _timed(problem):
        return _shortest_duration(problem, route, kind)
    path = _path(problem, route, kind)
    served = 0.0
    if problem.service is not None:
        served = math.fsum(float(problem.service[stop]) for stop in route)
    if problem.times is not None:
        return served + math.fsum(float(problem.times[a][b]) for a, b in itertools.pairwise(path))
    if problem.speed is None:
        return served
    return served + route_length(problem, route, kind) * 60.0 / problem.speed


def route_length(problem: Problem, route: Sequence[int], kind: int = 0) -> float:
    """Return the length of one route, depot to depot; to its last stop where routes are open."""
    path = _path(problem, route, kind)
    return math.fsum(leg_length(problem, a, b) for a, b in itertools.pairwise(path))


def _depot(problem: Problem, kind: int) -> int:
    """Return the place where a vehicle starts."""
    depot = problem.fleet[kind].depot if problem.fleet else ""
    return list(problem.ids).index(depot) if depot else 0


def _end(problem: Problem, kind: int) -> int:
    """Return the place where a vehicle ends."""
    depot = problem.fleet[kind].end_depot if problem.fleet else ""
    return list(problem.ids).index(depot) if depot else _depot(problem, kind)


def _path(problem: Problem, route: Sequence[int], kind: int) -> list[int]:
    depot = _depot(problem, kind)
    return [depot, *route] if problem.open_routes else [depot, *route, _end(problem, kind)]


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
