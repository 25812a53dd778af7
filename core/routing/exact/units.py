"""Scale models to units that suit the absolute tolerances of solvers.

CBC accepts a solution as better only if it is better by 1e-5, and rows may be violated by 1e-6.
With distances in nanometres or millimetres that could mean everything or nothing, so models use
units in which the largest numbers are about a thousand.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from core.routing.problem import Problem
    from core.routing.result import Result

__all__ = ["restored", "scaled", "scaled_result"]

_LARGEST = 10  # as a power of 2


def scaled(problem: Problem) -> tuple[Problem, float]:
    """Return the problem in other units of distance, time and load, and the unit of distance.

    Units are powers of 2, by which numbers are divided exactly.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem, unit = scaled(Problem(points=[[0, 0], [3e-9, 4e-9]], max_distance=2e-8))
    >>> 512 <= problem.length([1]) / 2 <= 1024, problem.length([1]) * unit
    (True, 1e-08)
    >>> problem.max_distance * unit
    2e-08
    """
    every = np.arange(problem.n_stops + 1)
    lengths = problem.between(0, every) if problem.matrix is None else problem.matrix
    unit = _unit(lengths)
    if problem.matrix is None and problem.metric == "great_circle":
        # Degrees have no other unit, so their distances become a matrix. The cuts for bounds on
        # distance and time are better without one, and kilometres do for all but the smallest area.
        bounded = problem.max_distance is not None or problem.max_time is not None
        if bounded and lengths.max() >= 1:
            unit = 1.0
        else:
            problem = problem.replace(matrix=problem.distances())
    fields: dict[str, Any] = {
        name: _divided(getattr(problem, name), unit)
        for name in ("matrix", "min_distance", "max_distance", "speed")
    }
    if problem.metric == "euclidean":
        # Places are told from the depot: far from the origin they would lose digits.
        points = problem.points
        fields["points"] = None if points is None else (points - points[0]) / unit
    minutes = problem.driving_time(0, every) if problem.times is None else problem.times
    served = np.zeros(1) if problem.service is None else problem.service
    minute = _unit(np.concatenate((np.ravel(minutes), served)))
    fields |= {
        name: _divided(getattr(problem, name), minute)
        for name in ("times", "service", "min_time", "max_time")
    }
    if problem.speed is not None:
        fields["speed"] *= minute
    if problem.demands is not None:
        load = _unit(problem.demands)
        fields |= {name: _divided(getattr(problem, name), load) for name in ("demands", "capacity")}
    return problem.replace(**fields), unit


def scaled_result(result: Result | None, unit: float) -> Result | None:
    """Return a result in the unit that `scaled` chose."""
    return None if result is None else restored(result, 1.0 / unit)


def restored(result: Result, unit: float) -> Result:
    """Return a result of a scaled problem in the unit of the original."""
    return dataclasses.replace(
        result,
        cost=_times(result.cost, unit),
        lower_bound=_times(result.lower_bound, unit),
        trace=tuple(
            dataclasses.replace(
                step, cost=_times(step.cost, unit), lower_bound=_times(step.lower_bound, unit)
            )
            for step in result.trace
        ),
    )


def _unit(values: Any) -> float:
    """Return the power of 2 in which the largest of some numbers is about a thousand."""
    largest = float(np.max(values))
    return math.ldexp(1.0, math.frexp(largest)[1] - _LARGEST) if largest > 0 else 1.0


def _divided(value: Any, unit: float) -> Any:
    return None if value is None else value / unit


def _times(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit
