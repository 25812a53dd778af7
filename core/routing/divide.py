"""Divide and conquer: improve routes in separate parts, in rounds whose parts overlap.

Parts are neighbouring routes, which other machines may improve. No stop leaves its part, so the
next round draws the parts anew, with borders elsewhere, and repairs what lay on the borders. No
step is taken on the whole, which for many stops would be too long for one process, and slow: the
memory of a part is near, that of the whole is not.
"""

from __future__ import annotations

import dataclasses
import math
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.routing._jit import COMPILED
from core.routing.heuristic import LONG_ROUTE, improve
from core.routing.result import INTERRUPTED, NoRoutesError, Result, Status, Step
from core.routing.start import cut_tour, kick_routes, may_shorten
from core.routing.validate import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from core.routing.problem import Problem

__all__ = [
    "ROUNDS",
    "divide",
    "group_routes",
    "improve_long",
    "improve_part",
    "improve_parts",
    "routes_are_long",
    "subproblem",
]

ROUNDS = 4
"""How often parts are drawn, if nothing else is said."""

# Multiples of the golden section, modulo 1, keep apart: no two rounds have the same borders.
_TURN = (math.sqrt(5) - 1) / 2

# Share of the time for kicks in the end; before, parts are drawn so often where stops are many.
_ROUTES_SHARE = 0.3
_TIMED_ROUNDS = 3

# Length of the repair; without compiled kernels a step takes about seventy times longer.
_STEPS_PER_STOP = 100
_MOST_STEPS = 300_000 if COMPILED else 10_000
# With more stops, parts of about so many come further in the same time.
_WHOLE, _PART = 50_000, 10_000
_STEPS_IN_PARTS = 6 if COMPILED else 1


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
    if n > _WHOLE and problem.points is not None:
        result = improve_parts(
            problem, start=start, parts=n // _PART, steps_per_stop=_STEPS_IN_PARTS
        )
    else:
        steps = min(_STEPS_PER_STOP * n, max(_MOST_STEPS, n))
        result = improve(problem, start=start, steps=steps)
    return dataclasses.replace(result, method="divide", seconds=time.monotonic() - begin)


def improve_parts(
    problem: Problem,
    *,
    start: Result,
    parts: int,
    rounds: int = ROUNDS,
    steps_per_stop: int = 100,
    seed: int = 0,
    share: Callable[..., Iterable[Result]] = map,
) -> Result:
    """Improve routes in separate parts, drawn anew in each round.

    The number of steps is fixed, so the routes depend on the seed, the number of parts and that of
    rounds alone. The rounds share one cooling: the first begins hot, the last ends cold. Each
    leaves a part as it was unless it finds better routes, so no round makes the plan worse.

    Parameters
    ----------
    problem
        With coordinates: parts are sectors around the depot.
    start
        Routes to start from, which meet the bounds on stops.
    parts
        Number of parts, 1 or more.
    rounds
        How often the parts are drawn, 1 or more; a single part is drawn once.
    steps_per_stop
        Ruin-and-recreate steps for each stop, in all rounds together.
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
    >>> result = improve_parts(problem, start=cut_tour(problem), parts=2, steps_per_stop=5)
    >>> [step.cost for step in result.trace] == sorted(
    ...     (step.cost for step in result.trace), reverse=True)
    True
    """
    for name, value in {
        "parts": parts, "rounds": rounds, "steps_per_stop": steps_per_stop
    }.items():  # fmt: skip
        if value < 1:
            raise ValueError(f"{name} = {value}: expected an integer >= 1")
    if problem.points is None:
        raise ValueError("parts are sectors of a map: coordinates are needed")
    return _in_rounds(problem, start, _Plan(parts, rounds, seed, steps_per_stop, share=share))


class _Plan(NamedTuple):
    """How routes are improved in parts: see `improve_parts`; by steps, or for so many seconds."""

    parts: int
    rounds: int
    seed: int
    steps_per_stop: int | None = None
    seconds: float | None = None
    share: Callable[..., Iterable[Result]] = map


def _in_rounds(problem: Problem, start: Result, plan: _Plan) -> Result:
    begin = time.monotonic()
    problem, routes = problem.closed(), start.routes
    parts, rounds, seed = plan.parts, plan.rounds, plan.seed
    rounds = 1 if min(parts, len(routes)) == 1 else rounds
    trace, interrupted = [Step(0.0, start.cost, None)], False
    for number in range(rounds):
        chosen = [
            [routes[own] for own in group]
            for group in group_routes(problem, routes, parts, turn=number * _TURN % 1.0)
        ]
        spare = _shared_out(problem.dispatchers - len(routes), len(chosen))
        problems = [subproblem(problem, own, more) for own, more in zip(chosen, spare, strict=True)]
        draws = np.random.SeedSequence((seed, number)).generate_state(len(problems))
        steps: list[int | None] = [None] * len(problems)
        if plan.steps_per_stop is not None:
            steps = [max(1, plan.steps_per_stop * part.n_stops // rounds) for part, _ in problems]
        limit = None if plan.seconds is None else plan.seconds / rounds / len(problems)
        work = partial(improve_part, time_limit=limit, cooled=number / rounds)
        found = iter(plan.share(work, *zip(*problems, strict=True), steps, draws.tolist()))
        better: list[tuple[int, ...]] = []
        for own in chosen:
            # After an interrupt the other parts stay as they are.
            result = None if interrupted else next(found)
            better += own if result is None else _in_whole(own, result.routes)
            interrupted = interrupted or (result is not None and result.reason == INTERRUPTED)
        routes = tuple(better)
        trace.append(Step(time.monotonic() - begin, problem.cost(routes), None))
        if interrupted:
            break
    if broken := check(problem, routes):
        raise NoRoutesError("within the steps", broken)
    return Result(
        status=Status.FEASIBLE,
        cost=trace[-1].cost,
        routes=routes,
        seconds=time.monotonic() - begin,
        method="divide",
        reason=INTERRUPTED if interrupted else "",
        trace=tuple(trace),
    )


def _shared_out(spare: int, parts: int) -> list[int]:
    """Give each part its share of the dispatchers who have no route yet."""
    return [spare // parts + (part < spare % parts) for part in range(parts)]


def _in_whole(
    old: Sequence[Sequence[int]], routes: Sequence[Sequence[int]]
) -> Iterator[tuple[int, ...]]:
    """Turn routes of a part, made of `old` ones by `subproblem`, into those of the whole."""
    places = (0, *(stop for route in old for stop in route))
    for route in routes:
        yield tuple(places[stop] for stop in route)


def routes_are_long(problem: Problem) -> bool:
    """Tell whether most of the cost lies in the order of stops within routes."""
    long = problem.objective == "distance" and problem.n_stops >= LONG_ROUTE * problem.dispatchers
    return long and may_shorten(problem)


def improve_long(problem: Problem, *, start: Result, time_limit: float, seed: int = 0) -> Result:
    """Improve long routes: by ruin and recreate, in parts where stops are many, then by kicks.

    Kicks come much further than ruin and recreate in the order of a route's stops, which is most of
    the cost where routes are long; they are no help in who serves which stop.

    Parameters
    ----------
    problem
        One whose `routes_are_long`.
    start
        Routes to start from.
    time_limit
        Seconds of wall time.
    seed
        Seed of the random numbers.
    """
    begin = time.monotonic()
    search = time_limit * (1 - _ROUTES_SHARE)
    if problem.n_stops > _WHOLE and problem.points is not None:
        plan = _Plan(problem.n_stops // _PART, _TIMED_ROUNDS, seed, seconds=search)
        result = _in_rounds(problem, start, plan)
    else:
        result = improve(problem, start=start, time_limit=search, seed=seed)
    if result.reason:  # interrupted
        return result
    left = time_limit - (time.monotonic() - begin)
    routes = kick_routes(problem, result.routes, time_limit=left, seed=seed)
    cost, seconds = problem.cost(routes), time.monotonic() - begin
    return dataclasses.replace(
        result,
        routes=routes,
        cost=cost,
        seconds=seconds,
        method="heuristic",
        trace=(*result.trace, Step(seconds, cost, None)),
    )


def improve_part(
    problem: Problem,
    routes: Sequence[Sequence[int]],
    steps: int | None,
    seed: int,
    *,
    time_limit: float | None,
    cooled: float = 0.0,
) -> Result:
    """Improve the routes of a part, or leave them as they were.

    Bounds that this part alone cannot meet may be met when stops can move between parts.

    Parameters
    ----------
    problem, routes
        As `subproblem` makes them.
    steps, seed, time_limit, cooled
        As for `core.routing.heuristic.improve`.
    """
    start = Result(
        status=Status.FEASIBLE,
        cost=problem.cost(routes),
        routes=tuple(tuple(route) for route in routes),
    )
    try:
        return improve(
            problem, start=start, steps=steps, time_limit=time_limit, seed=seed, cooled=cooled
        )
    except NoRoutesError as error:
        return dataclasses.replace(start, reason=str(error))


def group_routes(
    problem: Problem, routes: Sequence[Sequence[int]], parts: int, *, turn: float = 0.0
) -> list[list[int]]:
    """Group routes into at most `parts` sectors around the depot with about as many stops each.

    Parameters
    ----------
    problem
        With coordinates.
    routes
        Stop indices per dispatcher.
    parts
        Number of groups, 1 or more; there are fewer where there are fewer routes.
    turn
        How far the sectors are turned, as a share (0 to 1) of one of them.

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
    >>> group_routes(problem, [[1], [3], [2], [4]], 2, turn=0.5)
    [[3, 1], [0, 2]]
    """
    centres = np.array([problem.points[list(route)].mean(axis=0) for route in routes])
    offset = centres - problem.points[0]
    order = np.argsort(np.arctan2(offset[:, 1], offset[:, 0]), kind="stable")
    sizes = np.array([len(routes[number]) for number in order])
    middle = np.cumsum(sizes) - sizes / 2
    group = (middle * parts / sizes.sum() + turn).astype(int) % parts
    return [order[group == part].tolist() for part in np.unique(group)]


def subproblem(
    problem: Problem, routes: Sequence[Sequence[int]], spare: int = 0
) -> tuple[Problem, list[list[int]]]:
    """Make the problem of some routes alone, and the routes in its numbering.

    Stop i of the subproblem has the same id as in the whole.

    Parameters
    ----------
    problem
        The whole; its bounds hold for each route.
    routes
        One or more of its routes.
    spare
        Dispatchers who have no route yet.
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
        dispatchers=len(routes) + spare,
    )
    return part, [[index[stop] for stop in route] for route in routes]
