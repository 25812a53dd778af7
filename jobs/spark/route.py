r"""Plan routes on the executors of a Spark cluster: divide here, conquer there, repair here.

    azkaban-jobflow spark submit --num-executors 2 --py-files core,jobs,azkaban_client \
        --conf spark.pyspark.driver.python=PYTHON -m jobs.spark.route --stops stops.csv

One tour is cut into routes. Neighbouring routes form parts, which the executors improve in
parallel, and a last step repairs across their borders. The routes depend on the seed and the number
of parts, not on the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.routing import NoRoutesError
from jobs.routing._common import Crew, bounded_stops, write_result
from jobs.spark._common import connected, spark_map

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params(Crew):
    """What to plan, in how many parts, and how long to try."""

    stops: Path = param(doc="The stops file.")
    parts: int = param(4, doc="Number of parts, one task each.", ge=1, le=10000)
    steps_per_stop: int = param(100, doc="Steps of the search for each stop, in the parts.", ge=1)
    repair_per_stop: int = param(10, doc="Steps for each stop in the repair of the whole.", ge=1)


@job
def main(params: Params, run: Run) -> Outputs:
    """Write result.json."""
    problem = bounded_stops(params, params.stops, run.prefix)
    with connected(run) as context:
        from core.routing.divide import divide_parts  # compiles: not before it is needed

        try:
            result = divide_parts(
                problem,
                parts=params.parts,
                steps_per_stop=params.steps_per_stop,
                repair_per_stop=params.repair_per_stop,
                seed=run.seed,
                share=spark_map(context),
            )
        except ValueError as error:
            raise InputError(f"{params.stops}: {error}") from None
        except NoRoutesError as error:
            raise InputError(
                f"spark.route.steps_per_stop = {params.steps_per_stop}: {error}"
            ) from None
    return write_result(run, problem, result, params.stops)


if __name__ == "__main__":
    main.start()
