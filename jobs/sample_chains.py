"""Draw several chains of a sampling problem.

    python -m jobs.sample_chains --prop chains.data=RUN/data.npz --prop chains.draws=5000

Jobs that share a seed draw different chains if they have different streams, so that several may run
side by side. The random walk of the problem decay is adapted during burn-in, and then left alone.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from jobs._params import param
from jobs._runtime import Job, Outputs, Spec, main
from jobs._sampling import Chains, draw

__all__ = ["JOB", "Params", "run"]


@dataclass(frozen=True, kw_only=True)
class Params(Chains):
    """How long, and how many."""

    stream: int = param(0, doc="Which random numbers of the seed's.", ge=0)


def run(params: Params, job: Job) -> Outputs:
    """Burn in, draw, store."""
    return draw(params, job, [params.stream])


JOB = Spec(prefix="chains", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
