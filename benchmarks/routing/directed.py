"""Measure tours whose two directions differ, and their bounds, on asymmetric TSPLIB instances.

    python benchmarks/routing/directed.py --instances DIR --out benchmarks/routing/figures.json
    python benchmarks/page.py routing docs/explanation/routing.md

DIR holds .atsp files of TSPLIB; those that are missing are left out. Tours of a crane are generated
beside: it brings loads from shelf to shelf, and only its empty ways count. At most two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

# Before anything asks for the time: limits count the processor's seconds.
time.monotonic = time.perf_counter = time.process_time

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from core.routing import Problem, solve
from core.routing.tsplib import parse_tsplib

SECONDS = 10

# Optimal lengths, as TSPLIB tells them.
BEST = {
    "br17": 39, "ftv33": 1286, "ftv55": 1608, "ftv70": 1950, "ftv170": 2755, "ft53": 6905,
    "ft70": 38673, "kro124p": 36230, "p43": 5620, "ry48p": 14422, "rbg323": 1326, "rbg358": 1163,
    "rbg403": 2465, "rbg443": 2720,
}  # fmt: skip
CRANES = (300, 500, 1000)


def crane(n: int) -> Problem:
    """Empty ways between loads, each from one to another of 12 by 12 shelves."""
    start, end = np.random.default_rng(n).integers(0, 12, (2, n, 2))
    return Problem(matrix=np.abs(end[:, None] - start[None, :]).max(axis=2))


def row(name: str, problem: Problem, best: int | None) -> dict[str, object]:
    begin = time.process_time()
    result = solve(problem, method="heuristic", time_limit=SECONDS)
    spent = time.process_time() - begin
    known = best or result.cost
    found = {
        "instance": name, "places": problem.n_stops + 1, "best": best, "cost": round(result.cost),
        "gap": round(100 * (result.cost / known - 1), 2) + 0.0,
        "bound": round(100 * (1 - result.lower_bound / known), 2) + 0.0,
        "proved": result.status.value == "optimal", "spent": round(spent, 1),
    }  # fmt: skip
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instances", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    for name, best in BEST.items():
        path = args.instances / f"{name}.atsp"
        if path.exists():
            rows.append(row(name, parse_tsplib(path.read_text(), path.name), best))
    rows += [row(f"crane, {n} loads", crane(n), None) for n in CRANES]
    figures = json.loads(args.out.read_text(encoding="utf-8"))
    figures["directed"] = {"rows": rows, "seconds": SECONDS, "load": round(os.getloadavg()[0], 1)}
    args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
