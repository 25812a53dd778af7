"""Routes for K dispatchers: proved optimal for tens of stops, good for a hundred thousand.

>>> from core.routing import Problem, solve
>>> result = solve(Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2), method="exact")
>>> result.status.value, result.cost, result.gap
('optimal', 30.0, 0.0)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOMES = {
    "choices": ("METHODS", "MODELS", "SOLVERS", "Method"),
    "problem": ("Problem",),
    "result": ("NoRoutesError", "Result", "Status", "Step"),
    "solver": ("solve",),
    "validate": ("check", "route_duration", "route_length"),
}


def __getattr__(name: str) -> Any:
    # The solvers take half a second to import, and who reads or checks routes needs none.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"core.routing.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
