"""Instances of the benchmarks: generated ones, and TSPLIB files from a folder of the user's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from core.routing import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

# Instance, dispatchers, bounds on stops, best total distance known (* proved), unrounded Euclidean.
BOUNDED = [
    ("eil51", 2, 23, 27, 442.319),
    ("eil51", 3, 15, 20, 464.110),
    ("eil51", 5, 7, 12, 529.702),
    ("berlin52", 2, 10, 41, 7753.893),
    ("berlin52", 3, 10, 27, 8106.850),
    ("berlin52", 5, 6, 17, 9100.077),
    ("eil76", 2, 36, 39, 558.595),
    ("eil76", 3, 21, 30, 579.304),
    ("eil76", 5, 12, 20, 671.066),
    ("rat99", 2, 46, 52, 1330.698),
    ("rat99", 3, 27, 36, 1502.198),
    ("rat99", 5, 12, 28, 1799.243),
]

# Longest route, best value known before.
MAKESPAN = [
    ("eil51", 2, 222.7), ("eil51", 3, 159.57), ("eil51", 5, 118.13),
    ("berlin52", 2, 4110.0), ("berlin52", 3, 3191.0), ("berlin52", 5, 2441.0),
    ("eil76", 2, 280.9), ("eil76", 3, 197.3), ("eil76", 5, 143.4),
    ("rat99", 2, 666.0), ("rat99", 3, 517.0), ("rat99", 5, 458.6),
]  # fmt: skip


def points_of(folder: Path, name: str) -> np.ndarray:
    """Read the coordinates of a TSPLIB file."""
    _, _, body = (folder / f"{name}.tsp").read_text().partition("NODE_COORD_SECTION")
    rows = [line.split() for line in body.splitlines() if len(line.split()) == 3]
    return np.array([[float(x), float(y)] for _, x, y in rows])


def bounded(folder: Path) -> Iterator[tuple[str, Problem, float]]:
    """Iterate over the bounded instances: name, problem, best known."""
    for name, crew, low, high, best in BOUNDED:
        problem = Problem(
            points=points_of(folder, name), dispatchers=crew, min_stops=low, max_stops=high
        )
        yield f"{name}, {crew} [{low}, {high}]", problem, best


def makespan(folder: Path) -> Iterator[tuple[str, Problem, float]]:
    """Iterate over the instances with the longest route as objective."""
    for name, crew, best in MAKESPAN:
        points = points_of(folder, name)
        yield (
            f"{name}, {crew}",
            Problem(points=points, dispatchers=crew, objective="makespan"),
            best,
        )


def tuning() -> Iterator[tuple[str, Problem]]:
    """Iterate over instances to choose settings by: uniform, clustered and nearly on a grid."""
    for seed, (kind, n, crew, slack) in enumerate(
        [
            ("grid", 98, 2, 0.06),
            ("clusters", 120, 8, 0.3),
            ("grid", 98, 3, 0.15),
            ("uniform", 90, 3, 0.15),
            ("grid", 80, 5, 0.25),
            ("uniform", 150, 2, 0.04),
        ]
    ):
        rng = np.random.default_rng(1000 + seed)
        points = rng.uniform(0, 100, (n + 1, 2))
        if kind == "clusters":
            centres = rng.uniform(0, 100, (n // 12, 2))
            points = centres[rng.integers(len(centres), size=n + 1)] + rng.normal(0, 6, (n + 1, 2))
        elif kind == "grid":
            cells = rng.permutation(np.argwhere(np.ones((9, 11))))[: n + 1]
            points = cells * (11, 20) + rng.integers(0, 9, (n + 1, 2))
        problem = Problem(
            points=points,
            dispatchers=crew,
            min_stops=int(np.ceil((1 - slack) * n / crew)),
            max_stops=int(np.floor((1 + slack) * n / crew)),
        )
        yield f"{kind}, {n} stops, {crew} [{problem.min_stops}, {problem.max_stops}]", problem


def uniform(n: int, crew: int) -> Problem:
    """Uniform points in a square of side 1e5, depot in the middle, stops within 10% of N / K."""
    points = np.round(np.random.default_rng(0).random((n, 2)) * 1e5)
    return Problem(
        points=np.vstack(([5e4, 5e4], points)),
        dispatchers=crew,
        min_stops=int(np.ceil(0.9 * n / crew)),
        max_stops=int(np.floor(1.1 * n / crew)),
    )
