"""A million stops: the same parts and rounds in one process and on executors.

    python benchmarks/spark/routes.py --stops 1000000 --dispatchers 1000 --parts 40 [--json FILE]

Uniform points in a square, the depot in the middle, stops within 10% of the mean. One process runs
`core.routing.divide.improve_parts` after `cut_tour`; executors run `jobs.spark.route` through
`submit` with the same seed, so both make the same routes, which is checked. ``--run FOLDER`` reads
a run of that job that has ended instead. Needs numba (`setup env --with routing`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import record

from core.routing import Problem
from jobs.spark._compiled import peak_mb

SIDE = 100_000


def bounds(options: argparse.Namespace) -> dict[str, int]:
    """Return the least and the largest number of stops of a dispatcher."""
    mean = options.stops / options.dispatchers
    return {"min_stops": int(0.9 * mean), "max_stops": int(1.1 * mean) + 1}


def points(stops: int) -> Any:
    """Draw the depot and the stops."""
    drawn = np.random.default_rng(0).uniform(0, SIDE, (stops, 2)).round()
    return np.vstack(([[SIDE / 2, SIDE / 2]], drawn))


def here(options: argparse.Namespace) -> dict[str, Any]:
    """Plan in this process."""
    from core.routing.divide import improve_parts
    from core.routing.solver import compile_search
    from core.routing.start import cut_tour

    compile_search()
    problem = Problem(
        points=points(options.stops), dispatchers=options.dispatchers, **bounds(options)
    )
    begin, cpu = time.monotonic(), time.process_time()
    start = cut_tour(problem)
    tour = time.process_time() - cpu
    result = improve_parts(
        problem, start=start, parts=options.parts, rounds=options.rounds,
        steps_per_stop=options.steps, seed=1,
    )  # fmt: skip
    return {
        "tasks": 0, "start": start.cost, "cost": result.cost, "tour_cpu": tour,
        "seconds": time.monotonic() - begin, "cpu": time.process_time() - cpu,
        "driver_mb": peak_mb(),
    }  # fmt: skip


def begun(options: argparse.Namespace) -> dict[str, Any]:
    """Make the routes with which a search begins, and no more."""
    from core.routing.solver import compile_search
    from core.routing.start import cut_tour

    compile_search()
    problem = Problem(
        points=points(options.stops), dispatchers=options.dispatchers, **bounds(options)
    )
    cpu = time.process_time()
    start = cut_tour(problem)
    return {"start": start.cost, "cpu": time.process_time() - cpu, "driver_mb": peak_mb()}


def cluster(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Plan on executors, or read the run in the folder."""
    if not options.run:
        file = folder / "stops.csv"
        rows = (f"{i},{x:.0f},{y:.0f}\n" for i, (x, y) in enumerate(points(options.stops)))
        file.write_text("id,x,y\n" + "".join(rows))
        given = {
            "stops": file, "dispatchers": options.dispatchers, **bounds(options),
            "parts": options.parts, "rounds": options.rounds, "steps_per_stop": options.steps,
            "bound_seconds": options.bound_seconds, "output_dir": folder, "seed": 1,
        }  # fmt: skip
        submit = options.submit or Path(sys.prefix).parent / "spark" / "submit"
        command = [str(submit), "--num-executors", str(options.executors)]
        command += ["--executor-memory", "1g", "--driver-memory", "1g"]
        command += ["--py-files", "core,jobs,azkaban_client"]
        command += ["--conf", f"spark.pyspark.driver.python={sys.executable}"]
        command += ["-m", "jobs.spark.route"]
        command += [f"--{k.replace('_', '-')}={v}" for k, v in given.items()]
        subprocess.run(command, cwd=ROOT, check=True)
        options.run = folder / "local" / "local" / "spark_route"
    result = json.loads((options.run / "result.json").read_text())
    run = json.loads((options.run / "run.json").read_text())
    metrics, trace = run["metrics"], result["trace"]
    return {
        "tasks": options.executors, "cost": result["cost"], "bound": result["lower_bound"],
        "seconds": metrics["seconds"], "tour": metrics["tour_seconds"],
        "rounds": trace[-1][0], "whole": run["seconds"], "cpu": run["cpu_seconds"],
        "driver_mb": metrics["driver_mb"], "task_mb": metrics["task_mb"],
        "costs": [step[1] for step in trace],
    }  # fmt: skip


def main() -> int:
    """Measure, check, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stops", type=int, default=1_000_000)
    parser.add_argument("--dispatchers", type=int, default=1000)
    parser.add_argument("--parts", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12, help="for each stop, in all")
    parser.add_argument("--bound-seconds", type=float, default=60.0)
    parser.add_argument("--executors", type=int, default=2)
    parser.add_argument("--submit", type=Path, help="the program of setup spark install")
    parser.add_argument("--start", action="store_true", help="the start of a search alone")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="of a run that has ended")
    record.add_option(parser)
    options = parser.parse_args()
    if options.start:
        row = begun(options)
        print(row)
        record.keep(options.json, "begun", [row])
        return 0
    with tempfile.TemporaryDirectory() as name:
        there = cluster(options, Path(name))
    alone = here(options)
    if abs(alone["cost"] - there["cost"]) > 1e-9 * there["cost"]:
        raise SystemExit(f"one process came to {alone['cost']}, executors to {there['cost']}")
    for row in (alone, there):
        print(row)
    names = ("stops", "dispatchers", "parts", "rounds", "steps")
    about = {name: getattr(options, name) for name in names}
    record.keep(options.json, "routes", [alone, there], **about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
