"""Run a PuLP model with CBC or HiGHS and report status, values and the proved bound.

PuLP's own calls are not enough here: they drop the bound of a search that ran out of time, and
leave the CBC process and its files behind when the caller is killed.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import highspy
import numpy as np
import pulp

__all__ = ["Answer", "End", "MipSolver", "quiet_highs", "run"]

MipSolver = Literal["cbc", "highs"]

# What a solver may take beyond its limit to come to an end by itself.
_GRACE_SECONDS = 5.0


class End(StrEnum):
    """How a solver came to its end."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    LIMIT = "limit"


@dataclass(frozen=True)
class Answer:
    """What a solver found.

    Attributes
    ----------
    end
        ``limit``: the time was up.
    objective, values
        The best solution found, by variable name; None and empty without one.
    bound
        Proved lower bound of the objective (the models here minimise).
    """

    end: End
    objective: float | None = None
    bound: float | None = None
    values: dict[str, float] = field(default_factory=dict)


def run(
    model: pulp.LpProblem,
    *,
    solver: MipSolver = "cbc",
    time_limit: float | None = None,
    start: dict[str, float] | None = None,
) -> Answer:
    """Minimise `model`.

    Parameters
    ----------
    model
        Names of variables are free; CBC sees its own short ones.
    solver
        ``cbc`` runs PuLP's program in its own process, ``highs`` runs within this one.
    time_limit
        Seconds of wall time.
    start
        Values of a known solution; those that are not named are 0.
    """
    if time_limit is not None and time_limit <= 0:
        return Answer(End.LIMIT)
    if solver == "highs":
        return _highs(model, time_limit, start)
    return _cbc(model, time_limit, start)


def _program() -> str:
    """Return the path of CBC: the one that PuLP brings, or one on the PATH."""
    bundled = Path(pulp.PULP_CBC_CMD.pulp_cbc_path).resolve()
    found = shutil.which(str(bundled)) or shutil.which("cbc")
    if found is None:
        raise OSError(f"no CBC solver: neither {bundled} nor cbc on the PATH can be run")
    return found


def _cbc(model: pulp.LpProblem, time_limit: float | None, start: dict[str, float] | None) -> Answer:
    interface = pulp.COIN_CMD(path=_program(), msg=False)
    with tempfile.TemporaryDirectory(prefix="routing-cbc-") as name:
        folder = Path(name)
        variables, names, rows, _ = model.writeMPS(str(folder / "model.mps"), rename=1)
        # Relative names and an argument list: the folder's own path may hold spaces.
        command = [interface.path, "model.mps"]
        if start is not None:
            for variable in variables:
                variable.varValue = start.get(variable.name, 0.0)
            interface.writesol(str(folder / "start.mst"), model, variables, names, rows)
            command += ["-mips", "start.mst"]
        if time_limit is not None:
            command += ["-sec", f"{time_limit:.3f}", "-timeMode", "elapsed"]
        command += ["-solve", "-solution", "model.sol"]
        log = _run_and_reap(command, folder, time_limit)
        solution = folder / "model.sol"
        if not solution.exists():
            return Answer(End.LIMIT)
        first = solution.read_text().partition("\n")[0]
        _, values, *_ = interface.readsol_MPS(str(solution), model, variables, names, rows)
    return _read_cbc(first, log, values)


def _run_and_reap(command: list[str], folder: Path, time_limit: float | None) -> str:
    """Run CBC to its end; whatever interrupts the wait ends the process too."""
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(  # noqa: S603 (a list of our own making, no shell)
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            process.wait(None if time_limit is None else time_limit + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        log.seek(0)
        return log.read()


def _read_cbc(first: str, log: str, values: dict[str, float]) -> Answer:
    objective = re.search(r"objective value\s+(\S+)", first)
    if first.startswith("Optimal") and objective:
        cost = float(objective.group(1))
        return Answer(End.OPTIMAL, cost, cost, values)
    if first.startswith(("Infeasible", "Integer infeasible")):
        return Answer(End.INFEASIBLE)
    lower = re.search(r"^Lower bound:\s+(\S+)", log, re.MULTILINE) or re.search(
        r"best possible\s+(\S+)", log
    )
    bound = float(lower.group(1)) if lower else None
    # "Stopped on time (no integer solution - continuous used)" carries a fractional point.
    if objective is None or "no integer" in first or "No feasible solution" in log:
        return Answer(End.LIMIT, bound=bound)
    return Answer(End.LIMIT, float(objective.group(1)), bound, values)


def _highs(
    model: pulp.LpProblem, time_limit: float | None, start: dict[str, float] | None
) -> Answer:
    variables = model.variables()
    column = {variable.name: i for i, variable in enumerate(variables)}
    lp = highspy.HighsLp()
    cost = np.zeros(len(variables))
    for variable, coefficient in model.objective.items():
        cost[column[variable.name]] = coefficient
    starts, columns, data, low, high = [0], [], [], [], []
    for constraint in model.constraints():
        for variable, coefficient in constraint.items():
            columns.append(column[variable.name])
            data.append(coefficient)
        starts.append(len(columns))
        side = -constraint.constant
        low.append(-np.inf if constraint.sense == pulp.LpConstraintLE else side)
        high.append(np.inf if constraint.sense == pulp.LpConstraintGE else side)
    lp.num_col_, lp.num_row_, lp.col_cost_ = len(variables), len(low), cost
    lp.col_lower_ = np.array([-np.inf if v.lowBound is None else v.lowBound for v in variables])
    lp.col_upper_ = np.array([np.inf if v.upBound is None else v.upBound for v in variables])
    lp.row_lower_, lp.row_upper_ = np.array(low), np.array(high)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = starts, columns, data
    kinds = highspy.HighsVarType
    lp.integrality_ = [
        kinds.kInteger if variable.cat == pulp.LpInteger else kinds.kContinuous
        for variable in variables
    ]
    solver = quiet_highs(time_limit)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.HandleKeyboardInterrupt = True
    solver.passModel(lp)
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = [start.get(variable.name, 0.0) for variable in variables]
        solver.setSolution(known)
    solver.solve()
    status, info = solver.getModelStatus(), solver.getInfo()
    if status == highspy.HighsModelStatus.kInterrupt:
        raise KeyboardInterrupt
    if status == highspy.HighsModelStatus.kInfeasible:
        return Answer(End.INFEASIBLE)
    end = End.OPTIMAL if status == highspy.HighsModelStatus.kOptimal else End.LIMIT
    bound = float(info.mip_dual_bound) if math.isfinite(info.mip_dual_bound) else None
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Answer(end, bound=bound)
    found = solver.getSolution().col_value
    values = {v.name: float(x) for v, x in zip(variables, found, strict=True)}
    return Answer(end, float(info.objective_function_value), bound, values)


def quiet_highs(time_limit: float | None) -> Any:
    """Make a HiGHS that prints nothing and uses one thread."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    if time_limit is not None:
        solver.setOptionValue("time_limit", max(0.01, time_limit))
    return solver
