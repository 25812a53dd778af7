"""Draw many chains on the executors of a Spark cluster, and pool them.

    setup spark submit --num-executors 2 --py-files core,jobs --conf \
        spark.pyspark.driver.python=PYTHON -m jobs.spark_chains --prop chains.data=RUN/data.npz

Stream i of a seed has the draws of jobs.sample_chains with chains.stream=i, wherever it is run: the
estimates, R-hat and effective sample sizes of jobs.sample_report do not depend on the cluster.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from jobs._params import param
from jobs._runtime import Job, Outputs, Spec, main
from jobs._sampling import Chains, draw
from jobs._spark import connected, spark_map

__all__ = ["JOB", "Params", "run"]


@dataclass(frozen=True, kw_only=True)
class Params(Chains):
    """How long, and how many."""

    streams: int = param(4, doc="Streams of random numbers, one task each.", ge=1, le=10000)


def run(params: Params, job: Job) -> Outputs:
    """Draw on the executors, pool here."""
    with connected(job) as context:
        return draw(params, job, range(params.streams), spark_map(context))


JOB = Spec(prefix="chains", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
