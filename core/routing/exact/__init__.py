"""Proved optima by integer programming: PuLP models, solved by CBC or HiGHS."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from typing import TYPE_CHECKING

from core.routing.bounds import contradiction, named_bounds
from core.routing.exact import three_index
from core.routing.exact.backend import Answer, End, MipSolver, run
from core.routing.exact.relaxation import Relaxation, separate
from core.routing.exact.two_index import NO_ROUTES, refusal, solve_two_index
from core.routing.exact.units import restored, scaled, scaled_result
from core.routing.result import INTERRUPTED, NoRoutesError, Result, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.routing.choices import Model, Solver
    from core.routing.problem import Problem

__all__ = [
    "refusal",
    "relaxed_bound",
    "solve_exact",
    "solve_three_index",
    "solve_two_index",
]


def solve_exact(
    problem: Problem,
    *,
    model: Model = "auto",
    solver: Solver = "cbc",
    time_limit: float | None = None,
    known: Result | None = None,
) -> Result:
    """Solve with the model that suits the problem, or the one that is named.

    Raises
    ------
    ValueError
        The named model or solver cannot hold the problem, or the solver is not installed.
    """
    if solver == "scip" and importlib.util.find_spec("pyscipopt") is None:
        raise ValueError(
            "solver = 'scip': PySCIPOpt is not installed "
            "(azkaban-jobflow env --with routing); cbc and highs are"
        )
    if model == "auto":
        model = "three-index" if refusal(problem) else "two-index"
    if solver == "scip" and model == "three-index":
        raise ValueError("solver = 'scip': solves model two-index only; use cbc or highs")
    solve: Callable[..., Result] = solve_two_index if model == "two-index" else solve_three_index
    begin = time.monotonic()
    result = solve(problem, solver=solver, time_limit=time_limit, known=known)
    if result.status is Status.INFEASIBLE:
        left = None if time_limit is None else time_limit - (time.monotonic() - begin)
        reason = _conflict(problem, solve, solver, left)
        result = dataclasses.replace(result, reason=reason)
    return result


def _conflict(
    problem: Problem,
    solve: Callable[..., Result],
    solver: Solver,
    time_limit: float | None,
) -> str:
    """Name a smallest set of bounds that cannot be met together (a deletion filter).

    A bound without which there still are no routes is not part of it. Where the time does not
    suffice to tell, the bound stays.
    """
    begin = time.monotonic()
    kept = named_bounds(problem)
    for name in list(kept):
        left = None if time_limit is None else time_limit - (time.monotonic() - begin)
        without = problem.replace(**{name: 1 if name == "min_stops" else None})
        if left is not None and left <= 0:
            break
        try:
            if contradiction(without):
                infeasible = True
            else:
                answer = solve(without, solver=solver, time_limit=left)
                infeasible = answer.status is Status.INFEASIBLE
        except NoRoutesError:
            infeasible = False
        if infeasible:
            problem = without
            del kept[name]
    crew = "at most " if problem.crew == "at_most" else ""
    many = "s" if problem.dispatchers > 1 else ""
    bounds = " and ".join(f"{name} = {value:g}" for name, value in kept.items())
    together = " together" if len(kept) > 1 else ""
    return (
        f"no routes of {crew}{problem.dispatchers} dispatcher{many} meet {bounds}{together}: "
        "widen one of them or change dispatchers"
    )


def relaxed_bound(problem: Problem, seconds: float) -> float | None:
    """Return a lower bound of the total distance, from the edge model's relaxation.

    Cuts are added for some seconds; None where these do not suffice for a first bound.
    """
    begin = time.monotonic()
    problem, unit = scaled(problem)
    relaxation, bound = Relaxation(problem), None
    while (left := seconds - (time.monotonic() - begin)) > 0:
        solution = relaxation.solve(left)
        if solution is None:
            break
        bound = solution.bound * unit
        cuts = separate(problem, relaxation.weights(solution))
        if not cuts:
            break
        relaxation.add(cuts)
    return bound


def solve_three_index(
    problem: Problem,
    *,
    solver: MipSolver = "cbc",
    time_limit: float | None = None,
    known: Result | None = None,
) -> Result:
    """Solve the notes' model with subtour elimination (`three_index.build`).

    Parameters
    ----------
    problem
        Any distances.
    solver
        ``cbc`` or ``highs``.
    time_limit
        Seconds of wall time.
    known
        A feasible result to start from.
    """
    begin = time.monotonic()
    problem, unit = scaled(problem)
    known = scaled_result(known, unit)
    model, x = three_index.build(problem)
    start = None
    if known and known.routes:
        longest = max(problem.length(route) for route in known.routes)
        start = three_index.start_values(x, known.routes, longest)
    reason = ""
    try:
        found = run(model, solver=solver, time_limit=time_limit, start=start)
    except KeyboardInterrupt:
        found, reason = Answer(End.LIMIT), INTERRUPTED
    seconds = time.monotonic() - begin
    if found.end is End.INFEASIBLE:
        return Result(
            status=Status.INFEASIBLE,
            seconds=seconds,
            method="three-index",
            reason=NO_ROUTES,
        )
    routes = known.routes if known else ()
    cost = known.cost if known else None
    if found.objective is not None and (cost is None or found.objective < cost):
        arcs = [arc for arc, var in x.items() if found.values[var.name] > 0.5]
        routes = tuple(three_index.trace_arcs(arcs)[0])
        cost = problem.cost(routes)
    proved = found.end is End.OPTIMAL
    if cost is None:
        raise NoRoutesError(reason or "within the time limit")
    result = Result(
        status=Status.OPTIMAL if proved else Status.FEASIBLE,
        cost=cost,
        lower_bound=cost if proved else found.bound,
        routes=routes,
        seconds=seconds,
        method="three-index",
        reason="" if proved else reason or "stopped by the time limit",
    )
    return restored(result, unit)
