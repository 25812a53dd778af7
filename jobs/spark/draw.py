r"""Draw many chains on the executors of a Spark cluster, and pool them.

    azkaban-jobflow spark submit --num-executors 2 --py-files core,jobs,azkaban_client \
        --conf spark.pyspark.driver.python=PYTHON -m jobs.spark.draw --data RUN/data.npz

Stream i of a seed has the draws of jobs.sampling.draw with --stream i, wherever it is run: the
estimates, R-hat and effective sample sizes of jobs.sampling.report do not depend on the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

from azkaban_client.job import Outputs, Run, job, param
from jobs.sampling._common import Chains, draw
from jobs.spark._common import connected, spark_map

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params(Chains):
    """How long, and how many."""

    streams: int = param(4, doc="Streams of random numbers, one task each.", ge=1, le=10000)


@job
def main(params: Params, run: Run) -> Outputs:
    """Draw on the executors, pool here."""
    with connected(run) as context:
        return draw(params, run, range(params.streams), spark_map(context))


if __name__ == "__main__":
    main.start()
