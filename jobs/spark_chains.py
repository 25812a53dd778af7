"""Draw many chains on the executors of a Spark cluster, and pool them.

    setup spark submit --num-executors 2 --py-files core,jobs --conf \
        spark.pyspark.driver.python=PYTHON -m jobs.spark_chains --prop chains.data=RUN/data.npz

Stream i of a seed has the draws of jobs.sample_chains with chains.stream=i, wherever it is run: the
estimates, R-hat and effective sample sizes of jobs.sample_report do not depend on the cluster.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)

from core.mcmc.long_runs import merge, sample_streams
from jobs._params import param
from jobs._runtime import Job, Outputs, Spec, main
from jobs._sampling import Draws, load_problem
from jobs._spark import connected, spark_map

__all__ = ["JOB", "Params", "run"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """How long, and how many."""

    data: Path = param(doc="The data.npz of sample_data.")
    method: str = param(
        "gibbs",
        doc="How the bivariate normal is sampled; each other problem has its own method.",
        choices=("metropolis", "metropolis-hastings", "gibbs"),
    )
    rho: float = param(0.9, doc="Correlation of the bivariate normal.", gt=-1, lt=1)
    streams: int = param(4, doc="Streams of random numbers, one task each.", ge=1, le=10000)
    n: int = param(2, doc="Number of chains in each stream.", ge=1)
    burn_in: int = param(1000, doc="Steps thrown away first.", ge=50)
    draws: int = param(1000, doc="Draws kept of each chain.", ge=4)
    thin: int = param(2, doc="Sampling interval: steps per draw kept.", ge=1)


def run(params: Params, job: Job) -> Outputs:
    """Draw on the executors, pool here."""
    problem = load_problem(params.data, params.method, params.rho)
    with connected(job) as context:
        results = sample_streams(
            problem,
            job.rng,
            streams=range(params.streams),
            n_chains=params.n,
            burn_in=params.burn_in,
            n_draws=params.draws,
            thin=params.thin,
            share=spark_map(context),
        )
    pooled = merge(results)
    drawn = Draws(pooled.draws, pooled.log_density, pooled.acceptance_rate, problem.names)
    drawn.save(job.dir / "draws.npz")
    rate = float(pooled.acceptance_rate.mean())
    job.log(f"{len(pooled.draws)} chains, {params.draws} draws each, acceptance rate {rate:.2f}")
    return {"draws": job.dir / "draws.npz", "acceptance_rate": round(rate, 4)}


JOB = Spec(prefix="chains", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
