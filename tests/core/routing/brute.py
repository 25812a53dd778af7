"""Exhaustive search over all bounds: the oracle of the tests, for up to about 8 stops."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import TYPE_CHECKING

from core.routing.fleet import Vehicle
from core.routing.result import Result, Status
from core.routing.validate import broken_bounds, leg_length, route_duration, route_length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.routing.problem import Problem

__all__ = ["LIMIT", "brute_force"]

LIMIT = 9


def brute_force(problem: Problem) -> Result:
    """Try every partition of the stops into routes and every order of each route.

    Raises
    ------
    ValueError
        More than `LIMIT` stops: 10 would already take minutes.
    """
    if problem.n_stops > LIMIT:
        raise ValueError(f"points has {problem.n_stops} stops: brute force takes at most {LIMIT}")

    every = range(problem.n_places)
    legs = [[leg_length(problem, i, j) for j in every] for i in every]
    vehicles = problem.fleet or (Vehicle(count=problem.dispatchers),)
    depots = [problem.ids.index(v.depot) if v.depot else 0 for v in vehicles]
    ends = [
        problem.ids.index(v.end_depot) if v.end_depot else start
        for v, start in zip(vehicles, depots, strict=True)
    ]

    @cache
    def best(stops: tuple[int, ...], kind: int) -> tuple[float, tuple[int, ...]]:
        shortest: tuple[float, tuple[int, ...]] = (math.inf, ())
        depot, vehicle = depots[kind], vehicles[kind]
        for order in itertools.permutations(stops):
            path = (depot, *order) if problem.open_routes else (depot, *order, ends[kind])
            length = math.fsum(legs[i][j] for i, j in itertools.pairwise(path))
            cost = vehicle.fixed_cost + vehicle.distance_cost * length
            cost += _priced_work(problem, vehicle, order, kind)
            if cost < shortest[0] and not broken_bounds(problem, 1, order, kind):
                shortest = (cost, order)
        return shortest

    cost = math.inf
    routes: tuple[tuple[int, ...], ...] | None = None
    chosen: tuple[int, ...] = ()
    for missed, parts in _choices(problem):
        for kinds in _crews(vehicles, len(parts)):
            found = [best(part, kind) for part, kind in zip(parts, kinds, strict=True)]
            costs = [worth for worth, _ in found]
            total = max(costs) if problem.objective == "makespan" else math.fsum(costs) + missed
            if total < cost:
                cost, routes, chosen = total, tuple(order for _, order in found), kinds
    if routes is None:
        return Result(status=Status.INFEASIBLE, method="brute", reason="no routes meet all bounds")
    return Result(
        status=Status.OPTIMAL, cost=cost, lower_bound=cost, routes=routes, method="brute",
        kinds=chosen,
    )  # fmt: skip


def _priced_work(problem: Problem, vehicle: Vehicle, order: tuple[int, ...], kind: int) -> float:
    """Return the price of a route's hours, overtime and share of the work."""
    minutes, cost = route_duration(problem, order, kind), 0.0
    over = minutes - (vehicle.max_time or problem.max_time or math.inf)
    cost += (vehicle.hour_cost * minutes + vehicle.overtime_cost * max(0.0, over)) / 60
    if problem.balance:
        distance = route_length(problem, order, kind)
        work = {"stops": len(order), "distance": distance, "time": minutes}[problem.balance]
        cost += problem.balance_price / 2 * work**2
    return cost


def _choices(problem: Problem) -> Iterator[tuple[float, tuple[tuple[int, ...], ...]]]:
    """Every choice of optional stops and every partition of those visited, with what is missed."""
    stops = tuple(range(1, problem.n_stops + 1))
    prizes = {}
    if problem.prizes is not None:
        prizes = {s: float(problem.prizes[s]) for s in stops if not math.isnan(problem.prizes[s])}
    for size in range(len(prizes) + 1):
        for left_out in itertools.combinations(prizes, size):
            # Goods of a stop that is left out need not be loaded, either.
            gone = set(left_out)
            if problem.origins is not None:
                gone |= {int(problem.origins[s]) for s in left_out}
            visited = tuple(s for s in stops if s not in gone)
            least = problem.fewest_routes if visited else 0
            for crew in range(least, problem.dispatchers + 1):
                for parts in _partitions(visited, crew):
                    yield math.fsum(prizes[s] for s in left_out), parts


def _crews(vehicles: tuple[Vehicle, ...], routes: int) -> Iterator[tuple[int, ...]]:
    """Every way to give each route a kind of vehicle."""
    for kinds in itertools.product(range(len(vehicles)), repeat=routes):
        if all(kinds.count(kind) <= v.count for kind, v in enumerate(vehicles)):
            yield kinds


def _partitions(stops: tuple[int, ...], parts: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Every way to put `stops` into exactly `parts` non-empty unordered groups."""
    if parts == 0:
        if not stops:
            yield ()
        return
    if len(stops) < parts:
        return
    first, rest = stops[0], stops[1:]
    for size in range(len(rest) - parts + 2):
        for mates in itertools.combinations(rest, size):
            left = tuple(stop for stop in rest if stop not in mates)
            for others in _partitions(left, parts - 1):
                yield ((first, *mates), *others)
