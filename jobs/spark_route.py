"""Plan routes on the executors of a Spark cluster: divide here, conquer there, repair here.

    setup spark submit --num-executors 2 --py-files core,jobs --conf \
        spark.pyspark.driver.python=PYTHON -m jobs.spark_route --prop route.stops=stops.csv

One tour is cut into routes; neighbouring routes are parts, which the executors improve side by
side; what remains is a repair across their borders. The routes depend on the seed and the number
of parts, not on the cluster.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)

from core.routing import NoRoutesError
from core.routing.divide import divide_parts
from jobs._params import param
from jobs._routing import Crew, bounded_stops, write_result
from jobs._runtime import InputError, Job, Outputs, Spec, main
from jobs._spark import connected, spark_map

__all__ = ["JOB", "Params", "run"]


@dataclass(frozen=True, kw_only=True)
class Params(Crew):
    """What to plan, in how many parts, and how long to try."""

    stops: Path = param(doc="The stops file.")
    parts: int = param(4, doc="Number of parts, one task each.", ge=1, le=10000)
    steps_per_stop: int = param(100, doc="Steps of the search for each stop, in the parts.", ge=1)
    repair_per_stop: int = param(10, doc="Steps for each stop in the repair of the whole.", ge=1)


def run(params: Params, job: Job) -> Outputs:
    """Write result.json."""
    problem = bounded_stops(params, params.stops, "route")
    with connected(job) as context:
        try:
            result = divide_parts(
                problem,
                parts=params.parts,
                steps_per_stop=params.steps_per_stop,
                repair_per_stop=params.repair_per_stop,
                seed=job.seed,
                share=spark_map(context),
            )
        except ValueError as error:
            raise InputError(f"{params.stops}: {error}") from None
        except NoRoutesError as error:
            raise InputError(f"route.steps_per_stop = {params.steps_per_stop}: {error}") from None
    return write_result(job, problem, result, params.stops)


JOB = Spec(prefix="route", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
