"""Markov chain Monte Carlo samplers: kernels, proposals and the driver that runs them."""

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
