r"""Plan routes on the executors of a Spark cluster: divide here, conquer there, round after round.

    azkaban-jobflow spark submit --num-executors 2 --py-files core,jobs,azkaban_client \
        --conf spark.pyspark.driver.python=PYTHON -m jobs.spark.route --stops stops.csv

One tour is cut into routes. Neighbouring routes form parts, which the executors improve in
parallel. Each round draws the parts anew, so that what lay on a border is repaired there, too; the
driver takes no step of the search. The routes depend on the seed and the numbers of parts and
rounds, not on the cluster. While executors work, the driver computes a lower bound.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.routing import NoRoutesError, Result, Status
from core.routing.bounds import contradiction
from jobs.routing._common import Crew, bounded_stops, write_result
from jobs.spark._common import connected
from jobs.spark._compiled import CompiledMap, peak_mb

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.routing import Problem

__all__ = ["Params", "main"]

_MANY = 5000  # stops that take minutes in a Python without numba


@dataclass(frozen=True, kw_only=True)
class Params(Crew):
    """What to plan, in how many parts, and how long to try."""

    stops: Path = param(doc="The stops file.")
    parts: int = param(4, doc="Number of parts, one task each.", ge=1, le=10000)
    rounds: int = param(4, doc="How often the parts are drawn, each time with other borders.", ge=1)
    steps_per_stop: int = param(100, doc="Steps of the search for each stop, in all.", ge=1)
    bound_seconds: float = param(
        10.0, doc="Seconds for the lower bound, while executors work; 0 for none.", ge=0
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Write result.json."""
    problem = bounded_stops(params, params.stops, run.prefix)
    with connected(run) as context:
        try:
            share = CompiledMap(context)
            result, tour_seconds = _plan(problem, params, run, share)
        except ValueError as error:
            raise InputError(f"{params.stops}: {error}") from None
        except NoRoutesError as error:
            raise InputError(
                f"spark.route.steps_per_stop = {params.steps_per_stop}: {error}"
            ) from None
    return {
        **write_result(run, problem, result, params.stops),
        "seconds": round(result.seconds, 2),
        "tour_seconds": round(tour_seconds, 2),
        "driver_mb": round(peak_mb()),
        "task_mb": round(share.peak_mb),
    }


def _plan(
    problem: Problem, params: Params, run: Run, share: Callable[..., list[Any]]
) -> tuple[Result, float]:
    """Cut a tour here, have its parts improved elsewhere, and compute a bound meanwhile.

    Returns
    -------
    Result
        The routes.
    float
        Seconds until there was a tour.
    """
    # Compiled, so imported after the `CompiledMap` was made.
    from core.routing._jit import COMPILED
    from core.routing.divide import improve_parts
    from core.routing.solver import bounded, compile_search, lower_bound
    from core.routing.start import cut_tour

    if reason := contradiction(problem):
        return Result(status=Status.INFEASIBLE, method="divide", reason=reason), 0.0
    if problem.n_stops > _MANY and not COMPILED:
        run.log(
            f"{problem.n_stops:,} stops: without numba in the driver's Python, the tour takes a "
            "hundred times longer: azkaban-jobflow env --with routing"
        )
    begin = time.monotonic()
    compile_search()
    start = cut_tour(problem)
    tour_seconds = time.monotonic() - begin
    run.log(f"one tour, cut into routes: cost {start.cost:,.7g}, {tour_seconds:.1f} s")
    with ThreadPool(1) as pool:  # whose thread ends with the job, also with one that fails
        limit = params.bound_seconds
        bound = pool.apply_async(lower_bound, (problem, start, limit)) if limit else None
        result = improve_parts(
            problem,
            start=start,
            parts=params.parts,
            rounds=params.rounds,
            steps_per_stop=params.steps_per_stop,
            seed=run.seed,
            share=share,
        )
        for number, step in enumerate(result.trace[1:], 1):
            run.log(f"round {number}: cost {step.cost:,.7g} after {step.seconds:.1f} s")
        result = bounded(result, bound.get() if bound else None)
    return dataclasses.replace(result, seconds=time.monotonic() - begin), tour_seconds


if __name__ == "__main__":
    main.start()
