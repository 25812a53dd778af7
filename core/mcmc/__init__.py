"""Markov chain Monte Carlo samplers: kernels, proposals and the driver that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazily

if TYPE_CHECKING:
    from core.mcmc.compose import Cycle, Mixture
    from core.mcmc.driver import Result, sample
    from core.mcmc.kernels import (
        Gibbs,
        Info,
        Kernel,
        Metropolis,
        MetropolisHastings,
        State,
        TargetError,
    )
    from core.mcmc.proposals import gaussian, integers, swap
    from core.mcmc.random_walk import RandomWalk, adapt
    from core.mcmc.tempering import ParallelTempering, TemperedState

__all__ = [
    "Cycle",
    "Gibbs",
    "Info",
    "Kernel",
    "Metropolis",
    "MetropolisHastings",
    "Mixture",
    "ParallelTempering",
    "RandomWalk",
    "Result",
    "State",
    "TargetError",
    "TemperedState",
    "adapt",
    "gaussian",
    "integers",
    "sample",
    "swap",
]

__getattr__ = lazily(
    __name__,
    {
        "compose": ("Cycle", "Mixture"),
        "driver": ("Result", "sample"),
        "kernels": (
            "Gibbs",
            "Info",
            "Kernel",
            "Metropolis",
            "MetropolisHastings",
            "State",
            "TargetError",
        ),
        "proposals": ("gaussian", "integers", "swap"),
        "random_walk": ("RandomWalk", "adapt"),
        "tempering": ("ParallelTempering", "TemperedState"),
    },
)
