"""Routes for K dispatchers: proved optimal for tens of stops, good for a hundred thousand.

>>> from core.routing import Problem, solve
>>> result = solve(Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2), method="exact")
>>> result.status.value, result.cost, result.gap
('optimal', 30.0, 0.0)
"""

from __future__ import annotations

from core.routing.exact import MODELS, SOLVERS
from core.routing.problem import Problem
from core.routing.result import NoRoutesError, Result, Status, Step
from core.routing.solver import METHODS, Method, solve
from core.routing.validate import check, route_duration, route_length

__all__ = [
    "METHODS",
    "MODELS",
    "SOLVERS",
    "Method",
    "NoRoutesError",
    "Problem",
    "Result",
    "Status",
    "Step",
    "check",
    "route_duration",
    "route_length",
    "solve",
]
