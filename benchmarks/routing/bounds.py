"""Measure what the radial bound adds to the ascent, on generated instances with many routes.

    python benchmarks/routing/bounds.py --out benchmarks/routing/figures.json
    python benchmarks/page.py routing docs/explanation/routing.md

Uniform points in a square of side 1000, rounded, the depot in the middle or in a corner; demands of
1 to 100, and a capacity for as many mean stops as are told. The cost is that of `heuristic` within
the CPU seconds told. About four minutes in all.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from pathlib import Path

# Before anything asks for the time: limits count the processor's seconds.
time.monotonic = time.process_time

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from core.routing import Problem, solve
from core.routing._jit import COMPILED
from core.routing.ascent import ascent_bound
from core.routing.radial import radial_bound

# Stops, mean stops of a full route, whether the depot is in the middle, seconds of the search.
INSTANCES = [
    (120, 6, True, 5),
    (120, 12, False, 5),
    (400, 8, True, 10),
    (400, 20, False, 10),
    (1000, 10, True, 20),
    (1000, 40, False, 20),
    (10_000, 10, True, 60),
    (10_000, 100, False, 60),
]


def instance(n: int, stops: int, *, middle: bool) -> Problem:
    rng = np.random.default_rng(n + stops)
    points = np.rint(rng.uniform(0, 1000, (n + 1, 2)))
    points[0] = 500 if middle else 0
    demands = np.append(0, rng.integers(1, 101, n))
    capacity = 50.5 * stops
    crew = math.ceil(1.1 * demands.sum() / capacity) + 1
    return Problem(
        points=points, demands=demands, capacity=capacity, dispatchers=crew, crew="at_most"
    )


def row(n: int, stops: int, middle: bool, seconds: int) -> dict[str, object]:  # noqa: FBT001
    problem = instance(n, stops, middle=middle)
    result = solve(problem, method="heuristic", time_limit=seconds)
    cost = result.cost
    begin = time.process_time()
    together = ascent_bound(problem, cost)
    spent = time.process_time() - begin
    bounds = {
        "alone": ascent_bound(problem.replace(capacity=None), cost),
        "radial": radial_bound(problem).bound,
        "together": together,
    }
    gaps = {name: round(100 * (1 - bound / cost), 1) for name, bound in bounds.items()}
    found = {"n": n, "stops": stops, "depot": "middle" if middle else "corner", "seconds": seconds}
    found |= {"routes": len(result.routes), "cost": round(cost), "spent": round(spent, 2)} | gaps
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if not COMPILED:
        parser.error("numba is not installed: the costs would be poor (setup env --with routing)")
    figures = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    figures |= {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "rows": [row(*one) for one in INSTANCES],
        "load": round(os.getloadavg()[0], 1),
    }
    args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
