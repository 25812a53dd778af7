"""Routes for K dispatchers: proved optimal for tens of stops, good for a hundred thousand.

>>> from core.routing import Problem, solve
>>> result = solve(Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2), method="exact")
>>> result.status.value, result.cost, result.gap
('optimal', 30.0, 0.0)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazily

if TYPE_CHECKING:
    from core.routing.choices import METHODS, MODELS, SOLVERS, Method
    from core.routing.problem import Problem
    from core.routing.result import NoRoutesError, Result, Status, Step
    from core.routing.solver import solve
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

# The solvers take half a second to import, and who reads or checks routes needs none.
__getattr__ = lazily(
    __name__,
    {
        "choices": ("METHODS", "MODELS", "SOLVERS", "Method"),
        "problem": ("Problem",),
        "result": ("NoRoutesError", "Result", "Status", "Step"),
        "solver": ("solve",),
        "validate": ("check", "route_duration", "route_length"),
    },
)
