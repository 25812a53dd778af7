"""Exhaustive search: the oracle of the tests, for up to about 8 stops."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import TYPE_CHECKING

from core.routing.result import Result, Status
from core.routing.validate import route_length

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

    @cache
    def best(stops: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        orders = itertools.permutations(stops)
        return min((route_length(problem, order), order) for order in orders)

    high = problem.max_stops or problem.n_stops
    cost = math.inf
    routes: tuple[tuple[int, ...], ...] = ()
    for parts in _partitions(tuple(range(1, problem.n_stops + 1)), problem.dispatchers):
        if any(not problem.min_stops <= len(part) <= high for part in parts):
            continue
        found = [best(part) for part in parts]
        lengths = [length for length, _ in found]
        total = max(lengths) if problem.objective == "makespan" else math.fsum(lengths)
        if total < cost:
            cost, routes = total, tuple(order for _, order in found)
    if not routes:
        return Result(status=Status.INFEASIBLE, method="brute", reason=problem.infeasible())
    return Result(status=Status.OPTIMAL, cost=cost, lower_bound=cost, routes=routes, method="brute")


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
