"""Side by side with PyVRP, OR-Tools and VROOM, in one run.

    python benchmarks/routing/run.py bounded --tsplib DIR [--only NAME] [--seconds 10] [--seeds 5]
        [--peers]
    python benchmarks/routing/run.py makespan --tsplib DIR [--only NAME] [--seconds 10]
    python benchmarks/routing/run.py proof --tsplib DIR [--only NAME] [--seconds 60] [--solver scip]
    python benchmarks/routing/run.py scale --stops 10000 --dispatchers 50 [--seconds 60] [--peers]
    python benchmarks/routing/run.py tour [--stops 100000] [--seconds 30]
    python benchmarks/routing/run.py tune [--seconds 5] [--seeds 2]

Limits and times are CPU seconds of one thread, so that other work on the machine does not distort
them: PyVRP and SCIP are stopped by the same clock; OR-Tools and VROOM know wall time alone, and are
given as much more as the machine takes from us. Every route is checked by the validator before its
cost is printed. `tune` has generated instances of its own, none of which is reported: change the
search by those. --only takes the instances whose names hold a word, such as "rat99" or "eil76, 5".
Needs the packages of `setup env --with routing`; --peers needs ortools and pyvroom too.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

# Before anything asks for the time: limits count the processor's seconds.
wall = time.monotonic
BEGIN = wall()
time.monotonic = time.perf_counter = time.process_time

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from instances import bounded, makespan, tuning, uniform
from peers import PEERS, ask

from core.routing import Problem, check, solve
from core.routing._jit import COMPILED
from core.routing.tour import Kicks, greedy_tour, improve_tour, kick_tour, tour_length

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def stretched(seconds: float) -> float:
    """Wall seconds that this process needs for so many on the processor."""
    return seconds * max(1.0, (wall() - BEGIN) / max(time.process_time(), 1e-3))


def timed(work: Callable[[], object]) -> tuple[object, float]:
    begin = time.process_time()
    found = work()
    return found, time.process_time() - begin


def cost_of(
    problem: Problem, routes: Sequence[Sequence[int]] | None, best: float | None = None
) -> str:
    """Cost of checked routes, or its excess over the best known, or what is wrong with them."""
    if routes is None:
        return "none"
    if wrong := check(problem, routes):
        return f"BREAKS {len(wrong)}: {wrong[0]}"
    cost = problem.cost([np.asarray(route) for route in routes])
    return f"{cost:.3f}" if best is None else f"{cost / best - 1:+.3%}"


def run_bounded(options: argparse.Namespace) -> None:
    misses = 0
    for name, problem, best in bounded(options.tsplib):
        if options.only not in name:
            continue
        divided, seconds = timed(lambda p=problem: solve(p, method="divide"))
        line = [f"divide {divided.cost / best - 1:+.2%} ({seconds:.1f} s)"]
        for method in ("heuristic", "pyvrp") if options.peers else ("heuristic",):
            costs = [
                solve(problem, method=method, time_limit=options.seconds, seed=seed).cost
                for seed in range(options.seeds)
            ]
            middle = statistics.median(costs)
            misses += method == "heuristic" and middle > best * (1 + 1e-5)
            line.append(f"{method} {middle / best - 1:+.3%}, worst {max(costs) / best - 1:+.3%}")
        for peer in PEERS if options.peers else ():
            routes = ask(peer, problem, stretched(options.seconds))
            line.append(f"{peer} {cost_of(problem, routes, best)}")
        print(f"{name}: best known {best}; {'; '.join(line)}", flush=True)
    print(f"heuristic: median above the best known on {misses} instances")


def run_tune(options: argparse.Namespace) -> None:
    costs = []
    for name, problem in tuning():
        found = [
            solve(problem, method="heuristic", time_limit=options.seconds, seed=seed).cost
            for seed in range(options.seeds)
        ]
        costs.append(statistics.mean(found))
        print(f"{name}: {costs[-1]:.3f}, best {min(found):.3f}", flush=True)
    print(f"geometric mean {statistics.geometric_mean(costs):.3f}")


def run_makespan(options: argparse.Namespace) -> None:
    for name, problem, best in makespan(options.tsplib):
        if options.only not in name:
            continue
        result = solve(problem, method="heuristic", time_limit=options.seconds)
        print(f"{name}: {best} known, {result.cost:.2f}, {result.cost / best - 1:+.2%}", flush=True)


def count_cpu_seconds() -> None:
    """Make SCIP's limits count CPU seconds as well."""
    from core.routing.exact import scip

    class Model(scip.pyscipopt.Model):  # type: ignore[name-defined,misc]
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self.setParam("timing/clocktype", 1)

    scip.pyscipopt.Model = Model


def run_proof(options: argparse.Namespace) -> None:
    if options.solver == "scip":
        count_cpu_seconds()
    rng = np.random.default_rng(0)
    cases = [
        (f"{n} uniform, 3 dispatchers", Problem(points=rng.random((n + 1, 2)), dispatchers=3))
        for n in (20, 50, 75, 100)
    ]
    if options.tsplib:
        cases += [(name, problem) for name, problem, _ in bounded(options.tsplib)]
    for name, problem in cases:
        if options.only not in name:
            continue
        result, seconds = timed(
            lambda p=problem: solve(
                p, method="exact", solver=options.solver, time_limit=options.seconds
            )
        )
        print(f"{name}: {result.summary()}, CPU here {seconds:.1f} s", flush=True)


def run_scale(options: argparse.Namespace) -> None:
    problem = uniform(options.stops, options.dispatchers)
    for method in ("divide", "heuristic"):
        result, seconds = timed(
            lambda m=method: solve(problem, method=m, time_limit=options.seconds)
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        gap = "none" if result.gap is None else f"{result.gap:.1%}"
        print(
            f"{method}: {result.cost / 1e6:.3f}M, gap {gap}, {seconds:.1f} s, {peak:.2f} GB",
            flush=True,
        )
    for peer in PEERS if options.peers else ():
        begin = wall()
        routes = ask(peer, problem, stretched(options.seconds))
        print(f"{peer}: {cost_of(problem, routes)}, {wall() - begin:.1f} s of wall", flush=True)


def run_tour(options: argparse.Namespace) -> None:
    problem = uniform(options.stops, 1)
    expected = 0.7124 * np.sqrt(options.stops * 1e10)
    tour, spent = np.arange(options.stops + 1), 0.0
    for name, work in (
        ("greedy", lambda t: greedy_tour(problem, t)),
        ("2-opt, Or-opt", lambda t: improve_tour(problem, t)),
        ("kicks", lambda t: kick_tour(problem, t, Kicks(time_limit=options.seconds))),
    ):
        tour, seconds = timed(lambda w=work, t=tour: w(t))
        spent += seconds
        print(f"{name}: {tour_length(problem, tour) / expected:.4f}, {spent:.1f} s", flush=True)


def main() -> None:
    runs = {
        "bounded": run_bounded, "makespan": run_makespan, "proof": run_proof,
        "scale": run_scale, "tour": run_tour, "tune": run_tune,
    }  # fmt: skip
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=runs)
    parser.add_argument("--tsplib", type=Path, help="folder with eil51.tsp, berlin52.tsp, ...")
    parser.add_argument("--only", default="", help="instances whose names hold this")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--stops", type=int, default=100_000)
    parser.add_argument("--dispatchers", type=int, default=100)
    parser.add_argument("--solver", choices=("cbc", "highs", "scip"), default="scip")
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    if options.what in ("bounded", "makespan") and options.tsplib is None:
        parser.error(f"{options.what} needs --tsplib DIR")
    print(f"{options.what}, {options.seconds:g} CPU s each, compiled kernels: {COMPILED}")
    # Compile before anything is timed.
    warm = uniform(200, 2)
    solve(warm, method="heuristic", steps=50, time_limit=None)
    kick_tour(warm, np.arange(201), Kicks(kicks=5))
    runs[options.what](options)
    print(f"{wall() - BEGIN:.0f} s in all, {time.process_time():.0f} of them on the processor")


if __name__ == "__main__":
    main()
