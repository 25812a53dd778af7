"""Proved optima by integer programming: PuLP models, solved by CBC or HiGHS."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from core.routing.exact import three_index
from core.routing.exact.backend import Answer, End, Solver, run
from core.routing.exact.relaxation import Relaxation, separate
from core.routing.exact.two_index import solve_two_index
from core.routing.result import Result, Status

if TYPE_CHECKING:
    from core.routing.problem import Problem

__all__ = [
    "MODELS",
    "SOLVERS",
    "Model",
    "relaxed_bound",
    "solve_exact",
    "solve_three_index",
    "solve_two_index",
]

Model = Literal["auto", "three-index", "two-index"]
MODELS: tuple[Model, ...] = ("auto", "three-index", "two-index")
SOLVERS: tuple[Solver, ...] = ("cbc", "highs")


def solve_exact(
    problem: Problem,
    *,
    model: Model = "auto",
    solver: Solver = "cbc",
    time_limit: float | None = None,
    known: Result | None = None,
) -> Result:
    """Solve with the model that suits the distances, or the one that is named."""
    if model == "auto":
        edges_do = problem.symmetric and problem.objective == "distance"
        model = "two-index" if edges_do else "three-index"
    solve = solve_two_index if model == "two-index" else solve_three_index
    return solve(problem, solver=solver, time_limit=time_limit, known=known)


def relaxed_bound(problem: Problem, seconds: float) -> float | None:
    """Lower bound of the total distance from the edge model's relaxation, cut for some seconds.

    None where the time does not suffice for a first one.
    """
    begin = time.monotonic()
    relaxation, bound = Relaxation(problem), None
    while (left := seconds - (time.monotonic() - begin)) > 0:
        solution = relaxation.solve(left)
        if solution is None:
            break
        bound = solution.bound
        cuts = separate(problem, relaxation.weights(solution))
        if not cuts:
            break
        relaxation.add(cuts)
    return bound


def solve_three_index(
    problem: Problem,
    *,
    solver: Solver = "cbc",
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
    model, x = three_index.build(problem)
    start = three_index.start_values(x, known.routes) if known and known.routes else None
    reason = ""
    try:
        found = run(model, solver=solver, time_limit=time_limit, start=start)
    except KeyboardInterrupt:
        if start is None:
            raise
        found, reason = Answer(End.LIMIT), "interrupted"
    seconds = time.monotonic() - begin
    if found.end is End.INFEASIBLE:
        return Result(
            status=Status.INFEASIBLE,
            seconds=seconds,
            method="three-index",
            reason="no routes meet all bounds",
        )
    routes = known.routes if known else ()
    cost = known.cost if known else None
    if found.objective is not None and (cost is None or found.objective < cost):
        arcs = [arc for arc, var in x.items() if found.values[var.name] > 0.5]
        routes = tuple(three_index.trace_arcs(arcs)[0])
        cost = problem.cost(routes)
    proved = found.end is End.OPTIMAL
    if cost is None:
        raise TimeoutError(
            "no routes within the time limit: allow more time, or use method='divide'"
        )
    return Result(
        status=Status.OPTIMAL if proved else Status.FEASIBLE,
        cost=cost,
        lower_bound=cost if proved else found.bound,
        routes=routes,
        seconds=seconds,
        method="three-index",
        reason="" if proved else reason or "stopped by the time limit",
    )
