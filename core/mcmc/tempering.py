"""Parallel tempering: copies of a chain at rising temperatures that exchange their positions.

A hot copy crosses valleys of the target that a cold one cannot cross, and exchanges carry what it
finds to the cold one. Only the cold copies draw from the target.

References
----------
Geyer (1991), Markov chain Monte Carlo maximum likelihood; Syed et al. (2022), Non-reversible
parallel tempering, JRSS B 84(2) (even and odd exchanges in turn).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import count
from core.mcmc.kernels import (
    Info,
    LogDensity,
    densities_of,
    first_state,
    never_infinite,
    typed,
    where,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ParallelTempering", "TemperedState", "check_ladder", "exchange", "take"]

Floats = NDArray[np.float64]
P = TypeVar("P")


class TemperedState(NamedTuple, Generic[P]):
    """Where the copies are; chain ``c`` at temperature ``t`` is row ``t * n_columns + c``.

    Attributes
    ----------
    position, log_density
        As in `core.mcmc.kernels.State`; the density is the target's own, not tempered.
    steps
        Number of steps so far: decides when to exchange, and which neighbours.
    """

    position: P
    log_density: Floats
    steps: int


@dataclass(frozen=True)
class ParallelTempering(Generic[P]):
    """Metropolis at several temperatures, with exchanges between neighbouring ones.

    Temperature ``T`` samples ``pi ** (1 / T)``. A step moves every copy; every `exchange_every`
    steps, neighbouring temperatures of the same column exchange positions with probability
    ``min(1, exp((1/T_i - 1/T_j) (log pi(x_j) - log pi(x_i))))``.

    Parameters
    ----------
    log_density
        ``log pi`` up to a constant: position -> shape (n_chains,).
    propose
        ``(rng, position) -> position``, symmetric.
    temperatures
        Rising, the first one 1 for draws from the target; shape (n_temperatures,).
    exchange_every
        Steps between exchanges.

    Raises
    ------
    ValueError
        If the temperatures are not positive and rising, or `exchange_every` is below 1.
    """

    log_density: LogDensity[P]
    propose: Callable[[np.random.Generator, P], P]
    temperatures: Floats
    exchange_every: int = 1

    def __post_init__(self) -> None:
        check_ladder(self.temperatures, self.exchange_every)

    def init(self, position: P) -> TemperedState[P]:
        """Make the first state; the number of rows must be a multiple of the temperatures'."""
        state = first_state(self.log_density, typed(position, [self.propose]))
        if len(state.log_density) % len(self.temperatures):
            raise ValueError(
                f"{len(state.log_density)} chains: expected a multiple of the "
                f"{len(self.temperatures)} temperatures"
            )
        return TemperedState(state.position, state.log_density, 0)

    def step(
        self, rng: np.random.Generator, state: TemperedState[P]
    ) -> tuple[TemperedState[P], Info]:
        """Move every copy once, and exchange if it is due."""
        n_temperatures = len(self.temperatures)
        columns = len(state.log_density) // n_temperatures
        beta = np.repeat(1.0 / np.asarray(self.temperatures), columns)
        position = self.propose(rng, state.position)
        density = densities_of(self.log_density(position), len(state.log_density))
        never_infinite(density)
        log_ratio = beta * (density - state.log_density)
        accepted = -rng.standard_exponential(len(log_ratio)) < log_ratio
        position = where(accepted, position, state.position)
        density = np.where(accepted, density, state.log_density)
        turn, rest = divmod(state.steps + 1, self.exchange_every)
        if rest == 0 and n_temperatures > 1:
            threshold = -rng.standard_exponential((n_temperatures - 1, columns))
            table = density.reshape(n_temperatures, columns)
            order = exchange(1.0 / np.asarray(self.temperatures), table, threshold, turn % 2)
            position, density = take(position, order), density[order]
        return TemperedState(position, density, state.steps + 1), Info(accepted, log_ratio)


def check_ladder(temperatures: ArrayLike, exchange_every: int) -> None:
    """Raise ValueError unless temperatures are positive and rising, and `exchange_every` >= 1."""
    t = np.asarray(temperatures, dtype=float)
    sound = t.ndim == 1 and t.size and np.isfinite(t).all()
    if not sound or t[0] <= 0 or (np.diff(t) <= 0).any():
        raise ValueError(f"temperatures {temperatures!r}: expected rising positive numbers")
    count("exchange_every", exchange_every)


def exchange(beta: Floats, density: Floats, threshold: Floats, odd: int) -> NDArray[np.int64]:
    """Exchange even, or odd, temperatures with the next hotter ones.

    Parameters
    ----------
    beta
        Inverse temperatures, shape (n_temperatures,).
    density
        Log-density of each copy, shape (n_temperatures, n_columns).
    threshold
        Log of a uniform number for each pair of neighbours, shape (n_temperatures - 1, n_columns).
    odd
        0 or 1: the first temperature to exchange.

    Returns
    -------
    order
        Which row goes where, shape (n_temperatures * n_columns,).
    """
    order = np.arange(density.size).reshape(density.shape)
    cold = np.arange(odd, len(beta) - 1, 2)
    gap = (beta[cold] - beta[cold + 1])[:, None] * (density[cold + 1] - density[cold])
    change = threshold[cold] < gap
    low, high = order[cold], order[cold + 1]
    order[cold], order[cold + 1] = np.where(change, high, low), np.where(change, low, high)
    return order.ravel()


def take(position: P, rows: NDArray[np.int64] | NDArray[np.bool_]) -> P:
    """Select chains of a position, which is an array or a tuple of arrays."""
    if isinstance(position, tuple):
        parts = [take(part, rows) for part in position]
        return cast("P", type(position)(*parts) if hasattr(position, "_fields") else tuple(parts))
    return cast("P", cast("NDArray[Any]", position)[rows])
