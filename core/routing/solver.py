"""One call for every method."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Literal

import numpy as np

from core.routing._jit import COMPILED
from core.routing.divide import cut_tour, divide
from core.routing.exact import relaxed_bound, solve_exact
from core.routing.heuristic import improve
from core.routing.result import Result, Status
from core.routing.tour import kick_tour
from core.routing.validate import check

if TYPE_CHECKING:
    from core.routing.exact import Model
    from core.routing.exact.backend import Solver
    from core.routing.problem import Problem

__all__ = ["METHODS", "Method", "solve"]

Method = Literal["exact", "divide", "heuristic", "auto"]
METHODS: tuple[Method, ...] = ("auto", "exact", "divide", "heuristic")

# Up to here `auto` asks for a proof.
_EXACT_STOPS = 60
# Steps of `heuristic` before `exact`, and the share of the time that they may take.
_START_STEPS = 50_000 if COMPILED else 2000
_START_SHARE = 0.2

# `heuristic` spends this share of its time on a lower bound, up to so many stops.
_BOUND_SHARE = 0.2
_BOUND_STOPS = 200


def solve(
    problem: Problem,
    *,
    method: Method = "auto",
    time_limit: float | None = 60.0,
    steps: int | None = None,
    seed: int = 0,
    model: Model = "auto",
    solver: Solver = "cbc",
) -> Result:
    """Plan the routes of all dispatchers.

    Parameters
    ----------
    problem
        What to solve.
    method
        ``exact``: proved optimal, by integer programming, from known good routes. ``divide``: one
        tour, cut and improved. ``heuristic``: improved until the time is up. ``auto``: ``exact`` up
        to 60 stops, else ``heuristic``.
    time_limit
        Seconds of wall time, more than 0; None for no limit. ``divide`` does a fixed amount of work
        and takes no notice of it.
    steps, seed
        Of ``heuristic``: with a number of steps the routes depend on the seed alone, not on the
        machine's speed.
    model, solver
        Of ``exact``: see `core.routing.exact`.

    Returns
    -------
    Result
        Its routes have been checked by `core.routing.validate.check`.

    Raises
    ------
    ValueError
        An argument is out of range; the message names it.

    Examples
    --------
    >>> from core.routing import Problem
    >>> square = [[0, 0], [1, 0], [1, 1], [0, 1], [-1, 0], [-1, -1], [0, -1]]
    >>> result = solve(Problem(points=square, dispatchers=2, min_stops=3), method="exact")
    >>> result.status.value, round(result.cost, 6), len(result.routes)
    ('optimal', 8.0, 2)
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: expected one of {', '.join(METHODS)}")
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit = {time_limit!r}: expected seconds > 0")
    begin = time.monotonic()
    if reason := problem.infeasible():
        return Result(status=Status.INFEASIBLE, method=method, reason=reason)
    if method == "auto":
        method = "exact" if problem.n_stops <= _EXACT_STOPS else "heuristic"
    if method == "heuristic" and time_limit is None and steps is None:
        raise ValueError("time_limit and steps are both None: 'heuristic' needs one of them")
    result = divide(problem) if method == "divide" else cut_tour(problem)
    left = None if time_limit is None else time_limit - (time.monotonic() - begin)
    if method == "heuristic":
        result = _heuristic(problem, result, left, steps, seed)
    elif method == "exact":
        # A fixed number of steps, so that the proof starts from the same routes every time.
        part = None if left is None else left * _START_SHARE
        result = improve(problem, start=result, time_limit=part, steps=_START_STEPS, seed=seed)
        left = None if time_limit is None else time_limit - (time.monotonic() - begin)
        result = solve_exact(problem, model=model, solver=solver, time_limit=left, known=result)
    if result.routes:
        wrong = check(problem, result.routes, result.cost)
        if wrong:
            raise RuntimeError(f"{result.method} gave invalid routes: {'; '.join(wrong)}")
    return dataclasses.replace(result, seconds=time.monotonic() - begin)


def _bound_pays(problem: Problem) -> bool:
    return problem.symmetric and problem.objective == "distance" and problem.n_stops <= _BOUND_STOPS


def _heuristic(
    problem: Problem, start: Result, seconds: float | None, steps: int | None, seed: int
) -> Result:
    """Spend some of the time on a lower bound where that pays, the rest on the routes."""
    begin = time.monotonic()
    bound = None
    if seconds is not None and _bound_pays(problem):
        bound = relaxed_bound(problem, seconds * _BOUND_SHARE)
        seconds -= time.monotonic() - begin
    if problem.dispatchers == 1 and problem.symmetric and problem.n_stops >= 7:
        result = _one_tour(problem, start, seconds, steps, seed)
    else:
        result = improve(problem, start=start, time_limit=seconds, steps=steps, seed=seed)
    return dataclasses.replace(result, lower_bound=bound)


def _one_tour(
    problem: Problem, start: Result, time_limit: float | None, steps: int | None, seed: int
) -> Result:
    """Improve the only dispatcher's route by moves that are made for single tours."""
    tour = np.array((0, *start.routes[0]))
    tour = kick_tour(problem, tour, time_limit=time_limit, kicks=steps, seed=seed)
    route = tuple(np.roll(tour, -int(np.nonzero(tour == 0)[0][0]))[1:].tolist())
    return dataclasses.replace(
        start, routes=(route,), cost=problem.cost((route,)), method="heuristic"
    )
