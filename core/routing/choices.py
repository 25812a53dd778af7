"""The methods, models and solvers that can be chosen; their programs are imported when they run."""

from __future__ import annotations

from typing import Literal

__all__ = ["METHODS", "MODELS", "SOLVERS", "Method", "Model", "Solver"]

Method = Literal["exact", "divide", "heuristic", "pyvrp", "auto"]
METHODS: tuple[Method, ...] = ("auto", "exact", "divide", "heuristic", "pyvrp")

Model = Literal["auto", "three-index", "two-index"]
MODELS: tuple[Model, ...] = ("auto", "three-index", "two-index")

Solver = Literal["cbc", "highs", "scip"]
SOLVERS: tuple[Solver, ...] = ("cbc", "highs", "scip")
