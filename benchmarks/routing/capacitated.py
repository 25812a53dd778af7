"""Measure vehicles with a capacity against PyVRP and the best known: instances X of CVRPLIB.

    python benchmarks/routing/capacitated.py --instances DIR --out benchmarks/routing/figures.json
    python benchmarks/page.py routing docs/explanation/routing.md

DIR is the folder CVRP of LKH-3's benchmark, with INSTANCES/Uchoa and TOURS/Uchoa, whose file names
tell the best cost that LKH-3 found. Distances are rounded, as usual there; at most as many drive as
the files tell. Both methods get the same CPU seconds in turn. --seconds 10 takes
about four minutes, --seconds 60 twenty; figures of other times are kept. --only takes the
instances whose names hold a word.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path

# Before anything asks for the time: limits count the processor's seconds.
time.monotonic = time.perf_counter = time.process_time

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.routing import NoRoutesError, solve
from core.routing.tsplib import parse_tsplib

METHODS = ("heuristic", "pyvrp")
INSTANCES = (
    "X-n101-k25", "X-n125-k30", "X-n148-k46", "X-n172-k51", "X-n200-k36", "X-n228-k23",
    "X-n261-k13", "X-n289-k60", "X-n336-k84", "X-n376-k94", "X-n420-k130", "X-n459-k26",
    "X-n502-k39", "X-n561-k42", "X-n627-k43", "X-n701-k44", "X-n783-k48", "X-n856-k95",
    "X-n916-k207", "X-n1001-k43",
)  # fmt: skip


def row(folder: Path, name: str, seconds: int) -> dict[str, object]:
    path = folder / "INSTANCES" / "Uchoa" / f"{name}.vrp"
    problem = parse_tsplib(path.read_text(), path.name, rounded=True)
    tours = (folder / "TOURS" / "Uchoa").glob(f"{name}.*.tour")
    best = min(int(tour.stem.rpartition(".")[2]) for tour in tours)
    found: dict[str, object] = {"instance": name, "best": best, "seconds": seconds}
    for method in METHODS:
        found[method] = None
        with contextlib.suppress(NoRoutesError):  # as few vehicles as there can be
            result = solve(problem, method=method, time_limit=seconds)
            found[method] = round(100 * (result.cost / best - 1), 2)
            found["bound"] = round(100 * (1 - result.lower_bound / best), 1)
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instances", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    chosen = [name for name in INSTANCES if args.only in name]
    rows = [row(args.instances, name, args.seconds) for name in chosen]
    figures = json.loads(args.out.read_text(encoding="utf-8"))
    new = {(one["instance"], one["seconds"]) for one in rows}
    before = figures.get("capacitated", {}).get("rows", [])
    kept = [one for one in before if (one["instance"], one["seconds"]) not in new]
    order = sorted(kept + rows, key=lambda one: (one["seconds"], INSTANCES.index(one["instance"])))
    figures["capacitated"] = {"rows": order, "load": round(os.getloadavg()[0], 1)}
    args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
