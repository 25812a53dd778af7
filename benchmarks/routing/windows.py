"""Measure routes with time windows against the best known: Solomon's instances, and Homberger's.

    python benchmarks/routing/windows.py --instances DIR --out benchmarks/routing/figures.json
        [--only R101.25 ...]
    python benchmarks/page.py routing docs/explanation/routing.md

DIR is the folder CVRPTW of LKH-3's benchmark, with INSTANCES and TOURS, whose file names tell the
best cost that LKH-3 found. Solomon's distances are cut off after one decimal, as usual where the
total distance is minimised; Homberger's are exact. No more vehicles drive than in those tours.
Each instance gets a few CPU seconds, and more where these do not suffice: at most 60. About twenty
minutes in all; with --only some are measured, and their rows replaced. The search was tuned on
others: R1_2_3, RC1_2_5, RC2_2_2, C1_2_8, R2_2_5 and RC1_4_2.
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

CLASSES = ("C1", "C2", "R1", "R2", "RC1", "RC2")
LAST = {"C1": 9, "C2": 8, "R1": 12, "R2": 11, "RC1": 8, "RC2": 8}
SECONDS = {25: (2, 10, 60), 100: (10, 60)}  # with more stops 60 at once

SETS = {
    "Solomon_25": [f"{kind}{n:02}.25" for kind in CLASSES for n in (1, LAST[kind])],
    "Solomon_100": [f"{kind}{n:02}.100" for kind in CLASSES for n in (1, LAST[kind])],
    "Homberger_200": [f"{kind}_2_1.200" for kind in CLASSES],
    "Homberger_400": ["R1_4_1.400", "RC2_4_1.400"],
    "Homberger_600": ["RC1_6_1.600"],
}


def instance(path: Path, *, cut: bool) -> Problem:
    lines = [
        line.replace("FLOOR_2D", "EUC_2D")
        for line in path.read_text().splitlines()
        if not line.startswith("SCALE")
    ]
    problem = parse_tsplib("\n".join(lines), path.name)
    if not cut:
        return problem
    # Ten times the distance, cut off: no sum of decimals is off by one.
    tenths = np.floor(10 * problem.distances() + 1e-9) / 10
    return problem.replace(matrix=tenths, times=tenths)


def row(folder: Path, kind: str, name: str) -> dict[str, object]:
    (path,) = (folder / "INSTANCES" / kind).glob(f"{name}.*")
    tours = [tour.stem for tour in (folder / "TOURS" / kind).glob(f"{path.stem}.*")]
    scale = 1000 if kind.startswith("Homberger") else 10
    best = min(int(tour.rpartition(".")[2]) for tour in tours) / scale
    problem = instance(path, cut=scale == 10)
    for seconds in SECONDS.get(problem.n_stops, (60,)):
        begin = time.process_time()
        result = solve(problem, time_limit=seconds)
        spent = time.process_time() - begin
        gap = 100 * (result.cost / best - 1)
        if gap < 0.0005:
            break
    found = {
        "instance": name.partition(".")[0], "stops": problem.n_stops,
        "vehicles": problem.dispatchers,
        "best": best, "cost": round(result.cost, 3), "routes": len(result.routes),
        "gap": round(gap, 2) + 0.0, "seconds": seconds, "spent": round(spent, 1),
        "method": result.method,
    }  # fmt: skip
    print(found, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--instances", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--only", nargs="*", default=[name for names in SETS.values() for name in names]
    )
    args = parser.parse_args()
    rows = {
        name: row(args.instances, kind, name)
        for kind, names in SETS.items() for name in names if name in args.only
    }  # fmt: skip
    figures = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    known = {f"{one['instance']}.{one['stops']}": one for one in figures["windows"]["rows"]} | rows
    order = [name for names in SETS.values() for name in names]
    figures["windows"] = {
        "rows": [known[name] for name in order if name in known],
        "load": round(os.getloadavg()[0], 1),
    }
    args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
