"""Markov chain Monte Carlo samplers: kernels, proposals and the driver that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazily

if TYPE_CHECKING:
    from core.mcmc.compose import Cycle, Mixture
    from core.mcmc.driver import Result, sample
    from core.mcmc.hamiltonian import HMC, central_differences, check_gradient
    from core.mcmc.kernels import (
        Gibbs,
        Info,
        Kernel,
        Metropolis,
        MetropolisHastings,
        State,
        TargetError,
    )
    from core.mcmc.nuts import NUTS
    from core.mcmc.proposals import gaussian, integers, swap
    from core.mcmc.random_walk import RandomWalk, adapt
    from core.mcmc.tempering import ParallelTempering, TemperedState
    from core.mcmc.tuning import warm_up

__all__ = [
    "HMC",
    "NUTS",
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
    "central_differences",
    "check_gradient",
    "gaussian",
    "integers",
    "sample",
    "swap",
    "warm_up",
]

__getattr__ = lazily(
    __name__,
    {
        "compose": ("Cycle", "Mixture"),
        "driver": ("Result", "sample"),
        "hamiltonian": ("HMC", "central_differences", "check_gradient"),
        "kernels": (
            "Gibbs",
            "Info",
            "Kernel",
            "Metropolis",
            "MetropolisHastings",
            "State",
            "TargetError",
        ),
        "nuts": ("NUTS",),
        "proposals": ("gaussian", "integers", "swap"),
        "random_walk": ("RandomWalk", "adapt"),
        "tempering": ("ParallelTempering", "TemperedState"),
        "tuning": ("warm_up",),
    },
)
