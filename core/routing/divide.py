"""Divide and conquer: improve routes in separate parts, then repair the whole.

Parts are neighbouring routes, which other machines may improve. Because no stop leaves its part,
the repair is a short search over all routes, with a fixed number of steps.
"""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.routing._jit import COMPILED
from core.routing.bounds import contradiction
from core.routing.heuristic import improve
from core.routing.result import NoRoutesError, Result, Status
from core.routing.start import cut_tour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from core.routing.problem import Problem

__all__ = ["divide", "divide_parts", "group_routes", "improve_part", "subproblem"]


# Length of the repair; without compiled kernels a step takes about seventy times longer.
_STEPS_PER_STOP = 100
_MOST_STEPS = 300_000 if COMPILED else 10_000


def divide(problem: Problem) -> Result:
    """Solve by one tour, split, re-optimisation and repair; the same routes every time.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [2, 0], [0, 1], [0, 2]], dispatchers=2)
    >>> divide(problem).cost
    8.0
    """
    begin = time.monotonic()
    start = cut_tour(problem)
    n = problem.n_stops
    steps = min(_STEPS_PER_STOP * n, max(_MOST_STEPS, n))
    result = improve(problem, start=start, steps=steps)
    return dataclasses.replace(result, method="divide", seconds=time.monotonic() - begin)


def divide_parts(
    problem: Problem,
    *,
    parts: int,
    steps_per_stop: int = 100,
    repair_per_stop: int = 10,
    seed: int = 0,
    share: Callable[..., Iterable[Result]] = map,
) -> Result:
    """Solve by one tour, cut into routes, parts improved on their own, and a repair of the whole.

    The number of steps is fixed, so the routes depend on the seed and the number of parts alone.

    Parameters
    ----------
    problem
        With coordinates: parts are sectors around the depot.
    parts
        Number of parts, 1 or more.
    steps_per_stop, repair_per_stop
        Ruin-and-recreate steps for each stop: in the parts, and in the repair of the whole.
    seed
        Seed of the random numbers; each part has its own.
    share
        Improves the parts: a ``map`` that may distribute its calls over machines.

    Raises
    ------
    ValueError
        Without coordinates, or when a number is less than 1.
    NoRoutesError
        When no routes were found that meet the bounds.

    Examples
    --------
    >>> from core.routing import Problem
    >>> points = np.random.default_rng(1).uniform(0, 10, (41, 2))
    >>> problem = Problem(points=points, dispatchers=4, min_stops=5)
    >>> result = divide_parts(problem, parts=2, steps_per_stop=5)
    >>> result.cost <= cut_tour(problem).cost, len(result.routes)
    (True, 4)
    """
    begin = time.monotonic()
    numbers = {"parts": parts, "steps_per_stop": steps_per_stop, "repair_per_stop": repair_per_stop}
    for name, value in numbers.items():
        if value < 1:
            raise ValueError(f"{name} = {value}: expected an integer >= 1")
    if problem.points is None:
        raise ValueError("parts are sectors of a map: coordinates are needed")
    if reason := contradiction(problem):
        return Result(status=Status.INFEASIBLE, method="divide", reason=reason)
    problem = problem.closed()
    start = cut_tour(problem)
    groups = group_routes(problem, start.routes, parts)
    chosen = [[start.routes[own] for own in group] for group in groups]
    problems = [subproblem(problem, routes) for routes in chosen]
    steps = [steps_per_stop * part.n_stops for part, _ in problems]
    seeds = [int(n) for n in np.random.SeedSequence(seed).generate_state(len(problems))]
    work = partial(improve_part, time_limit=None)
    found = list(share(work, *zip(*problems, strict=True), steps, seeds))
    routes = []
    for old, result in zip(chosen, found, strict=True):
        places = [0, *(stop for route in old for stop in route)]  # as `subproblem` numbers them
        routes += [tuple(places[stop] for stop in route) for route in result.routes]
    whole = Result(status=Status.FEASIBLE, cost=problem.cost(routes), routes=tuple(routes))
    result = improve(problem, start=whole, steps=repair_per_stop * problem.n_stops, seed=seed)
    return dataclasses.replace(result, method="divide", seconds=time.monotonic() - begin)


def improve_part(
    problem: Problem,
    routes: Sequence[Sequence[int]],
    steps: int | None,
    seed: int,
    *,
    time_limit: float | None,
) -> Result:
    """Improve the routes of a part, or leave them as they were.

    Bounds that this part alone cannot meet may be met when stops can move between parts.

    Parameters
    ----------
    problem, routes
        As `subproblem` makes them.
    steps, seed, time_limit
        As for `core.routing.heuristic.improve`.
    """
    start = Result(
        status=Status.FEASIBLE,
        cost=problem.cost(routes),
        routes=tuple(tuple(route) for route in routes),
    )
    try:
        return improve(problem, start=start, steps=steps, time_limit=time_limit, seed=seed)
    except NoRoutesError as error:
        return dataclasses.replace(start, reason=str(error))


def group_routes(problem: Problem, routes: Sequence[Sequence[int]], parts: int) -> list[list[int]]:
    """Group routes into at most `parts` sectors around the depot with about as many stops each.

    Parameters
    ----------
    problem
        With coordinates.
    routes
        Stop indices per dispatcher.
    parts
        Number of groups, 1 or more; there are fewer where there are fewer routes.

    Returns
    -------
    list
        Numbers of routes per group, from 0.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], dispatchers=4)
    >>> group_routes(problem, [[1], [3], [2], [4]], 2)
    [[3, 0], [2, 1]]
    """
    centres = np.array([problem.points[list(route)].mean(axis=0) for route in routes])
    offset = centres - problem.points[0]
    order = np.argsort(np.arctan2(offset[:, 1], offset[:, 0]), kind="stable")
    sizes = np.array([len(routes[number]) for number in order])
    middle = np.cumsum(sizes) - sizes / 2
    group = np.minimum(parts - 1, (middle * parts / sizes.sum()).astype(int))
    return [order[group == part].tolist() for part in np.unique(group)]


def subproblem(
    problem: Problem, routes: Sequence[Sequence[int]]
) -> tuple[Problem, list[list[int]]]:
    """Make the problem of some routes alone, and the routes in its numbering.

    Stop i of the subproblem has the same id as in the whole.

    Parameters
    ----------
    problem
        The whole; its bounds hold for each route.
    routes
        One or more of its routes.
    """
    places = np.array([0, *(stop for route in routes for stop in route)])
    index = {int(place): i for i, place in enumerate(places)}
    part = problem.replace(
        points=None if problem.points is None else problem.points[places],
        matrix=None if problem.matrix is None else problem.matrix[np.ix_(places, places)],
        times=None if problem.times is None else problem.times[np.ix_(places, places)],
        service=None if problem.service is None else problem.service[places],
        demands=None if problem.demands is None else problem.demands[places],
        ids=tuple(problem.ids[place] for place in places),
        dispatchers=len(routes),
    )
    return part, [[index[stop] for stop in route] for route in routes]
