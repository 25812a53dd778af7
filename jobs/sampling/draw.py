"""Draw several chains of a sampling problem.

    python -m jobs.sampling.draw --data RUN/data.npz --draws 5000

Jobs that share a seed but have different streams draw different chains, so several can run in
parallel. The random walk of the problem decay is adapted during burn-in and not after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from azkaban_client.job import Outputs, Run, job, param
from jobs.sampling._common import Chains, draw

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params(Chains):
    """How long, and how many."""

    stream: int = param(0, doc="Which random numbers of the seed's.", ge=0)


@job
def main(params: Params, run: Run) -> Outputs:
    """Burn in, draw, store."""
    return draw(params, run, [params.stream])


if __name__ == "__main__":
    main.start()
