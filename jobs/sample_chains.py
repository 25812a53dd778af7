"""Draw several chains of a sampling problem.

    python -m jobs.sample_chains --prop chains.data=RUN/data.npz --prop chains.draws=5000

Jobs that share a seed draw different chains if they have different streams, so that several may run
side by side. The random walk of the problem decay is adapted during burn-in, and then left alone.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)

from core.mcmc.long_runs import sample_streams
from jobs._params import param
from jobs._runtime import Job, Outputs, Spec, main
from jobs._sampling import Draws, load_problem

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
    stream: int = param(0, doc="Which random numbers of the seed's.", ge=0)
    n: int = param(2, doc="Number of chains.", ge=1)
    burn_in: int = param(1000, doc="Steps thrown away first.", ge=50)
    draws: int = param(1000, doc="Draws kept of each chain.", ge=4)
    thin: int = param(2, doc="Sampling interval: steps per draw kept.", ge=1)


def run(params: Params, job: Job) -> Outputs:
    """Burn in, draw, store."""
    problem = load_problem(params.data, params.method, params.rho)
    (result,) = sample_streams(
        problem,
        job.rng,
        streams=[params.stream],
        n_chains=params.n,
        burn_in=params.burn_in,
        n_draws=params.draws,
        thin=params.thin,
    )
    drawn = Draws(result.draws, result.log_density, result.acceptance_rate, problem.names)
    drawn.save(job.dir / "draws.npz")
    rate = float(result.acceptance_rate.mean())
    job.log(f"{params.n} chains, {params.draws} draws each, acceptance rate {rate:.2f}")
    return {"draws": job.dir / "draws.npz", "acceptance_rate": round(rate, 4)}


JOB = Spec(prefix="chains", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
