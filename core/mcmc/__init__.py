"""Markov chain Monte Carlo samplers: kernels, proposals and the driver that runs them."""

from core.mcmc.driver import Result, sample
from core.mcmc.kernels import Gibbs, Info, Kernel, Metropolis, MetropolisHastings, State
from core.mcmc.proposals import gaussian, integers, swap
from core.mcmc.tempering import ParallelTempering, TemperedState

__all__ = [
    "Gibbs",
    "Info",
    "Kernel",
    "Metropolis",
    "MetropolisHastings",
    "ParallelTempering",
    "Result",
    "State",
    "TemperedState",
    "gaussian",
    "integers",
    "sample",
    "swap",
]
