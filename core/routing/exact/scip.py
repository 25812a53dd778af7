"""Solve the edge model with SCIP, adding cuts while it branches; an optional extra.

One tree is searched: fractional points are cut off as they come up, and an integer point counts
only when it breaks nothing. That proves tight bounds many times faster than solving again.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.exact.backend import End
from core.routing.exact.cuts import find_cuts
from core.routing.exact.relaxation import degree, separate, upper_bounds

if TYPE_CHECKING:
    from core.routing.exact.cuts import Cut, Edge
    from core.routing.problem import Problem

__all__ = ["Found", "branch_and_cut"]

_INSTALLED = importlib.util.find_spec("pyscipopt") is not None

# Imported by name: type checkers need not know it either.
pyscipopt: Any = importlib.import_module("pyscipopt") if _INSTALLED else None
_Handler: Any = pyscipopt.Conshdlr if _INSTALLED else object

_DEEP = 10  # nodes below this depth are separated at integer points only


@dataclass(frozen=True)
class Found:
    """What SCIP found: how it ended, the edges of its best routes, the bound."""

    end: End
    edges: dict[Edge, int] | None
    bound: float | None
    interrupted: bool = False


def branch_and_cut(
    problem: Problem,
    edges: list[Edge],
    cuts: list[Cut],
    *,
    time_limit: float | None = None,
    known: dict[Edge, int] | None = None,
) -> Found:
    """Solve the edge model.

    Parameters
    ----------
    problem
        One that `core.routing.exact.two_index.refusal` has nothing against.
    edges
        Those that may be used.
    cuts
        To begin with.
    time_limit
        Seconds of wall time.
    known
        Edges of known routes, all among `edges`: where SCIP starts from.
    """
    model = pyscipopt.Model("edges")
    model.hideOutput()
    model.setParam("misc/usesymmetry", 0)  # the cuts to come are not symmetric
    model.setParam("misc/catchctrlc", True)
    # Reductions by duality would reason without the cuts that are still to come.
    model.setParam("misc/allowstrongdualreds", False)
    model.setParam("misc/allowweakdualreds", False)
    model.setParam("limits/gap", 0.0)
    if time_limit is not None:
        model.setParam("limits/time", max(0.01, time_limit))
    tail, head = np.array(edges, dtype=np.intp).reshape(-1, 2).T
    tops, costs = upper_bounds(problem, tail, head), problem.between(tail, head)
    x = [
        model.addVar(f"x_{i}_{j}", vtype="I", lb=0, ub=top, obj=cost)
        for (i, j), top, cost in zip(edges, tops.tolist(), costs.tolist(), strict=True)
    ]
    for place in range(problem.n_stops + 1):
        at = pyscipopt.quicksum(x[e] for e in np.nonzero((tail == place) | (head == place))[0])
        least, most = degree(problem, place)
        model.addCons((at == most) if least == most else (least <= (at <= most)))
    handler = _Routes(problem, tail, head, x)
    # Behind integrality (priority 0): integer points are checked, others are cut off before.
    model.includeConshdlr(
        handler, "routes", "subtours and work of a route",
        sepapriority=1, enfopriority=-1, chckpriority=-1, sepafreq=1, propfreq=-1, eagerfreq=-1,
        maxprerounds=0, delaysepa=False, delayprop=False, needscons=False,
    )  # fmt: skip
    for cut in cuts:
        handler.add(model, cut)
    if known is not None:
        start = model.createSol()
        for edge, var in zip(edges, x, strict=True):
            model.setSolVal(start, var, known.get(edge, 0))
        model.addSol(start)
    model.optimize()
    return _read(model, edges, x)


def _read(model: Any, edges: list[Edge], x: list[Any]) -> Found:
    status = model.getStatus()
    if status == "infeasible":
        return Found(End.INFEASIBLE, None, None)
    chosen = None
    if model.getNSols():
        best = model.getBestSol()
        values = [round(model.getSolVal(best, var)) for var in x]
        chosen = {edge: value for edge, value in zip(edges, values, strict=True) if value}
    end = End.OPTIMAL if status == "optimal" else End.LIMIT
    bound = float(model.getDualbound())
    return Found(end, chosen, bound if bound > 0 else None, status == "userinterrupt")


class _Routes(_Handler):  # type: ignore[misc]  # its base is known only where it is installed
    """The constraint that integer points are valid routes (SCIP's names and arguments)."""

    def __init__(self, problem: Problem, tail: np.ndarray, head: np.ndarray, x: list[Any]) -> None:
        self.problem, self.tail, self.head, self.x = problem, tail, head, x
        self.places = problem.n_stops + 1

    def add(self, model: Any, cut: Cut) -> None:
        where = np.nonzero(cut.mask(self.tail, self.head, self.places))[0].tolist()
        if where:
            left = pyscipopt.quicksum(self.x[e] for e in where)
            model.addCons(left <= cut.limit, removable=True)

    def values(self, solution: Any) -> np.ndarray:
        return np.array([self.model.getSolVal(solution, var) for var in self.x])

    def broken(self, solution: Any) -> list[Cut]:
        """Find cuts that an integer point breaks."""
        values = np.rint(self.values(solution)).astype(int)
        chosen = np.nonzero(values)[0]
        edges = {(int(self.tail[e]), int(self.head[e])): int(values[e]) for e in chosen.tolist()}
        return find_cuts(self.problem, edges)

    def conscheck(self, _constraints: Any, solution: Any, *_args: Any) -> dict[str, Any]:
        """Tell whether a solution is valid."""
        results = pyscipopt.SCIP_RESULT
        return {"result": results.INFEASIBLE if self.broken(solution) else results.FEASIBLE}

    def consenfolp(self, _constraints: Any, *_args: Any) -> dict[str, Any]:
        """Cut off an invalid integer point of the relaxation."""
        cuts = self.broken(None)
        for cut in cuts:
            self.add(self.model, cut)
        results = pyscipopt.SCIP_RESULT
        return {"result": results.CONSADDED if cuts else results.FEASIBLE}

    def consenfops(self, constraints: Any, *args: Any) -> dict[str, Any]:
        """Do the same where there is no relaxation."""
        return self.consenfolp(constraints, *args)

    def conssepalp(self, _constraints: Any, *_args: Any) -> dict[str, Any]:
        """Cut off a fractional point."""
        results = pyscipopt.SCIP_RESULT
        if self.model.getDepth() > _DEEP:
            return {"result": results.DIDNOTRUN}
        weights = np.zeros((self.places, self.places))
        weights[self.tail, self.head] = self.values(None)
        cuts = separate(self.problem, weights + weights.T)
        for cut in cuts:
            self.add(self.model, cut)
        return {"result": results.CONSADDED if cuts else results.DIDNOTFIND}

    def conslock(self, _constraint: Any, _locktype: Any, positive: int, negative: int) -> None:
        """Say that no value may be rounded either way without a look."""
        for var in self.x:
            self.model.addVarLocks(var, positive + negative, positive + negative)
