"""Combine kernels that keep the same target, in order or at random.

If each kernel keeps the target invariant, so do the cycle and the mixture (which is reversible if
they are).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from core.mcmc.kernels import Gibbs, Info, Kernel, Move, State, typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Cycle", "Mixture"]

P = TypeVar("P")


class _Combined(Generic[P]):
    """What both have: moves of several kernels, and a first state that suits them all."""

    kernels: Sequence[Kernel[P]]

    def _check(self) -> None:
        """Refuse a Gibbs that leaves the others the wrong density to compare theirs with."""
        every = list(_all_of(self.kernels))
        blind = [one for one in every if isinstance(one, Gibbs) and one.log_density is None]
        if blind and len(blind) < len(every):
            raise ValueError(
                "kernels: Gibbs beside kernels that accept or refuse needs log_density, with which "
                "they compare: Gibbs(conditionals, log_density=...)"
            )

    @property
    def moves(self) -> list[Move]:
        """What changes a position."""
        return [move for kernel in self.kernels for move in getattr(kernel, "moves", ())]

    def init(self, position: P) -> State[P]:
        """Make the first state, as the first kernel does, in the type that all of them need."""
        return _alike(self.kernels[0].init(typed(position, self.moves)))


def _alike(state: State[P]) -> State[P]:
    """Leave a gradient out: only some kernels have one, and a checkpoint wants states alike."""
    return state._replace(gradient=None) if isinstance(state, State) else state


def _all_of(kernels: Sequence[Kernel[Any]]) -> Iterator[Kernel[Any]]:
    """Yield kernels, and in place of combined ones those that they are made of."""
    for kernel in kernels:
        if isinstance(kernel, _Combined):
            yield from _all_of(kernel.kernels)
        else:
            yield kernel


@dataclass(frozen=True)
class Cycle(_Combined[P]):
    """Apply every kernel in order in one step; a chain has accepted if any kernel moved it.

    Examples
    --------
    A small and a large perturbation in turn:

    >>> from core.mcmc import Metropolis, gaussian
    >>> target = lambda x: -0.5 * (x**2).sum(1)
    >>> kernel = Cycle([Metropolis(target, gaussian(0.5)), Metropolis(target, gaussian(5.0))])
    >>> state, info = kernel.step(np.random.default_rng(0), kernel.init(np.zeros((3, 2))))
    """

    kernels: Sequence[Kernel[P]]

    def __post_init__(self) -> None:
        if not self.kernels:
            raise ValueError("kernels is empty: a cycle needs at least one")
        self._check()

    def step(self, rng: np.random.Generator, state: State[P]) -> tuple[State[P], Info]:
        """Step with each kernel."""
        accepted = np.zeros(len(state.log_density), dtype=bool)
        diverged = None
        for kernel in self.kernels:
            state, info = kernel.step(rng, state)
            accepted |= info.accepted
            if info.diverged is not None:
                diverged = info.diverged if diverged is None else diverged | info.diverged
        return _alike(state), Info(accepted, info.log_ratio, diverged)


@dataclass(frozen=True)
class Mixture(_Combined[P]):
    """Apply one kernel, drawn with the given weights; the same one for all chains of a step."""

    kernels: Sequence[Kernel[P]]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.kernels) or not self.kernels:
            raise ValueError(
                f"{len(self.kernels)} kernels and {len(self.weights)} weights: one weight each"
            )
        if not np.isfinite(self.weights).all() or min(self.weights) < 0 or sum(self.weights) == 0:
            raise ValueError(f"weights = {self.weights!r}: expected numbers >= 0, not all 0")
        self._check()

    def step(self, rng: np.random.Generator, state: State[P]) -> tuple[State[P], Info]:
        """Step with one kernel."""
        share = np.cumsum(self.weights) / np.sum(self.weights)
        chosen = int(np.searchsorted(share, rng.random(), side="right"))
        state, info = self.kernels[chosen].step(rng, state)
        return _alike(state), info
