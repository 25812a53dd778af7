"""Run a kernel: burn-in, thinning, number of draws, number of chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from core.checks import count
from core.mcmc.kernels import State, check_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from core.mcmc.kernels import Kernel

__all__ = ["Result", "sample"]

P = TypeVar("P")

_BLOCK = 512  # steps of a kernel that can take many at once


@dataclass(frozen=True, eq=False)
class Result:
    """Draws of several chains.

    Attributes
    ----------
    draws
        Shape (n_chains, n_draws, n_dim).
    log_density
        Log of the target at each draw, up to a constant; shape (n_chains, n_draws).
    acceptance_rate
        Share of proposals accepted after burn-in, including thinned-out steps; shape (n_chains,).
    state
        The last state, from which `sample` can go on with ``burn_in=0``.
    divergences
        Steps after burn-in whose trajectory left the target, shape (n_chains,): of `HMC` and `NUTS`
        where the steps are too long, which biases the draws. None of kernels that follow none.
    """

    draws: NDArray[Any]
    log_density: NDArray[np.float64]
    acceptance_rate: NDArray[np.float64]
    state: State[Any]
    divergences: NDArray[np.int64] | None = None


def sample(
    kernel: Kernel[P],
    position: P | State[P],
    rng: np.random.Generator,
    *,
    n_draws: int,
    burn_in: int = 0,
    thin: int = 1,
    record: Callable[[P], NDArray[Any]] | None = None,
) -> Result:
    """Draw from several chains at once.

    Parameters
    ----------
    kernel
        One of `core.mcmc.kernels`.
    position
        Where to start: shape (n_chains, n_dim), or a state to go on from. What a user's function
        makes of it must be new: one that writes into its argument is refused.
    rng
        Source of every random number: the same seed gives the same draws.
    n_draws
        Draws kept of each chain.
    burn_in
        Steps discarded before the first draw.
    thin
        Steps per kept draw (the sampling interval). 1 keeps every step. More only saves memory,
        because discarded draws carry information even if they are correlated.
    record
        How to record a position that is not an array: position -> (n_chains, n_dim).

    Raises
    ------
    ValueError
        If a count is out of range, or a start or what is recorded has another shape.
    TypeError
        If `rng` is none of numpy's generators.

    Examples
    --------
    >>> from core.mcmc import Metropolis, gaussian
    >>> kernel = Metropolis(lambda x: -0.5 * (x**2).sum(1), gaussian(2.4))
    >>> rng = np.random.default_rng(0)
    >>> result = sample(kernel, np.zeros((4, 1)), rng, burn_in=100, n_draws=500)
    >>> result.draws.shape
    (4, 500, 1)
    >>> bool(0.3 < result.acceptance_rate.mean() < 0.6)
    True
    """
    for name, value, least in (("n_draws", n_draws, 1), ("burn_in", burn_in, 0), ("thin", thin, 1)):
        count(name, value, least)
    check_generator(rng)
    state = _start(kernel, position)
    keep = record or (lambda x: cast("NDArray[Any]", x))
    if hasattr(kernel, "run") and record is None:
        return _sample_blocks(kernel, state, rng, n_draws=n_draws, burn_in=burn_in, thin=thin)
    for _ in range(burn_in):
        state, _info = kernel.step(rng, state)
    first = np.asarray(keep(state.position))
    chains = len(state.log_density)
    if first.ndim < 1 or len(first) != chains:
        raise ValueError(f"record returned shape {first.shape}: expected ({chains}, n_dim)")
    draws = np.empty((chains, n_draws, *first.shape[1:]), dtype=first.dtype)
    density = np.empty((chains, n_draws))
    accepted, divergences = np.zeros(chains), None
    for i in range(n_draws):
        for _ in range(thin):
            state, info = kernel.step(rng, state)
            accepted += info.accepted
            if info.diverged is not None:
                so_far = np.zeros(chains, dtype=np.int64) if divergences is None else divergences
                divergences = so_far + info.diverged
        kept = np.asarray(keep(state.position))
        if kept.dtype != draws.dtype:  # the first step may turn integers into floats
            draws = draws.astype(np.result_type(draws, kept), copy=False)
        draws[:, i] = kept
        density[:, i] = state.log_density
    return Result(draws, density, accepted / (n_draws * thin), state, divergences)


def _sample_blocks(
    kernel: Any,
    state: State[Any],
    rng: np.random.Generator,
    *,
    n_draws: int,
    burn_in: int,
    thin: int,
) -> Result:
    """Run a kernel that takes many steps at once, block by block; thinning is by whole blocks."""
    chains, n_dim = state.position.shape
    for start in range(0, burn_in, _BLOCK):
        positions, densities, _ = kernel.run(rng, state, min(_BLOCK, burn_in - start))
        state = State(positions[-1], densities[-1])
    draws, density = np.empty((chains, n_draws, n_dim)), np.empty((chains, n_draws))
    accepted, per_block = np.zeros(chains), max(_BLOCK // thin, 1)
    for start in range(0, n_draws, per_block):
        n = min(per_block, n_draws - start)
        positions, densities, taken = kernel.run(rng, state, n * thin)
        state = State(positions[-1], densities[-1])
        draws[:, start : start + n] = positions[thin - 1 :: thin].transpose(1, 0, 2)
        density[:, start : start + n] = densities[thin - 1 :: thin].T
        accepted += taken
    return Result(draws, density, accepted / (n_draws * thin), state)


def _start(kernel: Kernel[P], position: P | State[P]) -> State[P]:
    if hasattr(position, "log_density"):  # a state of whichever kernel
        return cast("State[P]", position)
    return kernel.init(position)
