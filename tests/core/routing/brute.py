"""Exhaustive search over all bounds: the oracle of the tests, for up to about 8 stops."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import TYPE_CHECKING

from core.routing.result import Result, Status
from core.routing.validate import broken_bounds, leg_length

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

    every = range(problem.n_stops + 1)
    legs = [[leg_length(problem, i, j) for j in every] for i in every]

    @cache
    def best(stops: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        shortest: tuple[float, tuple[int, ...]] = (math.inf, ())
        for order in itertools.permutations(stops):
            path = (0, *order) if problem.open_routes else (0, *order, 0)
            length = math.fsum(legs[i][j] for i, j in itertools.pairwise(path))
            if length < shortest[0] and not broken_bounds(problem, 1, order):
                shortest = (length, order)
        return shortest

    cost = math.inf
    routes: tuple[tuple[int, ...], ...] = ()
    for crew in range(problem.fewest_routes, problem.dispatchers + 1):
        for parts in _partitions(tuple(range(1, problem.n_stops + 1)), crew):
            found = [best(part) for part in parts]
            lengths = [length for length, _ in found]
            total = max(lengths) if problem.objective == "makespan" else math.fsum(lengths)
            if total < cost:
                cost, routes = total, tuple(order for _, order in found)
    if not routes:
        return Result(status=Status.INFEASIBLE, method="brute", reason="no routes meet all bounds")
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
