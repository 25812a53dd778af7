"""Hamiltonian Monte Carlo: long moves along the gradient of the target, for many dimensions.

A random walk in n dimensions needs of the order of n steps for an independent draw, a Hamiltonian
trajectory of the order of n ** (1/4). It takes the gradient to know where to go; an error in the
gradient makes the moves worse, never the draws wrong, because each move ends with Metropolis' rule.

References
----------
Neal (2011), MCMC using Hamiltonian dynamics, Handbook of Markov Chain Monte Carlo, chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import amount, count, share
from core.mcmc.kernels import (
    Info,
    State,
    TargetError,
    accept,
    densities_of,
    first_state,
    left_alone,
    never_infinite,
    start_of,
    where,
)
from core.mcmc.proposals import noise_factor

if TYPE_CHECKING:
    from core.mcmc.kernels import LogDensity, Move

__all__ = ["HMC", "Hamiltonian", "central_differences", "check_gradient"]

Floats = NDArray[np.float64]
DensityAndGradient = Callable[[Floats], tuple[Floats, Floats]]

# A trajectory that has lost this much log-density has left the target for good.
DIVERGED = -1000.0


class Point(NamedTuple):
    """Where trajectories are: each with chains first.

    The gradient is there for the next step, which may have another mass and so another force.
    """

    x: Floats
    z: Floats
    force: Floats
    gradient: Floats
    log_density: Floats


@dataclass(frozen=True)
class Hamiltonian:
    """What `HMC` and `NUTS` share: a target with its gradient, a step size and a mass.

    Momenta are kept in units of their own spread, ``z ~ N(0, I)``. With ``F.T @ F`` the inverse
    mass matrix, positions move by ``z @ F`` and momenta by ``gradient @ F.T``.
    """

    density_and_gradient: DensityAndGradient
    step_size: float
    inverse_mass_matrix: ArrayLike = 1.0

    def __post_init__(self) -> None:
        amount("step_size", self.step_size)
        _ = self._factor

    @cached_property
    def _factor(self) -> Floats:
        factor = noise_factor(self.inverse_mass_matrix, "inverse_mass_matrix")
        return factor if factor.ndim == 2 else np.sqrt(factor)

    @property
    def moves(self) -> list[Move]:
        """What changes a position: by fractions, whatever the target is."""
        return [lambda rng, x: x + rng.standard_normal(x.shape)]

    def init(self, position: Floats) -> State[Floats]:
        """Evaluate the target at the first position.

        Raises
        ------
        ValueError
            If a chain starts where the density is zero or not a number, the gradient is not finite,
            or the inverse mass matrix is of another number of dimensions.
        """
        position = start_of(position).astype(float)
        if self._factor.ndim and self._factor.shape[-1] != position.shape[1]:
            raise ValueError(
                f"inverse_mass_matrix of shape {np.shape(self.inverse_mass_matrix)}: "
                f"the position has {position.shape[1]} dimensions"
            )
        with np.errstate(all="ignore"):
            density, gradient = left_alone("density_and_gradient", self.evaluate, position)
            state = first_state(lambda _: density, position)
            bad = np.argwhere(~np.isfinite(gradient))
        if bad.size:
            raise ValueError(
                f"chain {bad[0][0]} starts where the gradient is not finite: start elsewhere"
            )
        return state._replace(gradient=gradient)

    def begin(self, state: State[Floats], z: Floats) -> Point:
        """Return where trajectories begin that leave a state with momenta `z`."""
        density, gradient = state.log_density, state.gradient
        if gradient is None:  # another kernel made the state
            density, gradient = self.evaluate(state.position)
        return Point(state.position, z, self.force(gradient), gradient, density)

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the log-density and its gradient."""
        found = self.density_and_gradient(x)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TargetError(
                f"density_and_gradient returned {type(found).__name__}: expected a pair, the "
                "log-densities and their gradients"
            )
        # Other libraries' arrays, and lists, become numpy's; a copy, since states keep both and a
        # target may fill the same arrays each time.
        density = densities_of(np.array(found[0], dtype=float), len(x))
        gradient = np.array(found[1], dtype=float)
        _check_shape(gradient, x)
        never_infinite(density)
        return density, gradient

    def force(self, gradient: Floats) -> Floats:
        """Return what changes momenta: the gradient in units of `z`."""
        factor = self._factor
        return gradient @ factor.T if factor.ndim == 2 else gradient * factor

    def ahead(self, z: Floats) -> Floats:
        """Return the velocity of momenta `z`."""
        return z @ self._factor if self._factor.ndim == 2 else z * self._factor

    def leapfrog(self, point: Point, step: Floats) -> Point:
        """Take one step of size `step`, (n_chains, 1)."""
        half = point.z + 0.5 * step * point.force
        x = point.x + step * self.ahead(half)
        density, gradient = self.evaluate(x)
        force = self.force(gradient)
        return Point(x, half + 0.5 * step * force, force, gradient, density)


def _check_shape(gradient: Floats, x: Floats) -> None:
    if gradient.shape != x.shape:
        raise TargetError(
            f"density_and_gradient returned a gradient of shape {gradient.shape}: "
            f"expected that of the position, {x.shape}"
        )


def kinetic(z: Floats) -> Floats:
    """Return the kinetic energy, shape (n_chains,)."""
    energy: Floats = 0.5 * np.einsum("ij,ij->i", z, z)
    return energy


@dataclass(frozen=True)
class HMC(Hamiltonian):
    """Hamiltonian Monte Carlo: `n_leapfrog` steps along a trajectory, then accept or stay.

    `core.mcmc.warm_up` finds the step size and the mass; `core.mcmc.NUTS` the length as well.

    Parameters
    ----------
    density_and_gradient
        Position (n_chains, n_dim) -> ``log pi`` up to a constant, (n_chains,), and its gradient,
        (n_chains, n_dim). See `central_differences` for targets without one.
    step_size
        Length of a step, in units of the inverse mass matrix: below 2 where that is the target's
        covariance.
    inverse_mass_matrix
        Roughly the target's covariance: variances (one, or (n_dim,)) or a matrix (n_dim, n_dim).
    n_leapfrog
        Steps of a trajectory.
    jitter
        Each chain's step size is drawn anew in each step, up to this share of it longer or
        shorter: a trajectory of fixed length may come back to where it began.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from core.mcmc import sample
    >>> kernel = HMC(lambda x: (-0.5 * (x**2).sum(1), -x), 0.3)
    >>> result = sample(kernel, np.zeros((4, 100)), np.random.default_rng(0), n_draws=200)
    >>> result.draws.shape, bool(result.acceptance_rate.mean() > 0.8)
    ((4, 200, 100), True)
    """

    n_leapfrog: int = 10
    jitter: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        count("n_leapfrog", self.n_leapfrog)
        share("jitter", self.jitter)

    def step(self, rng: np.random.Generator, state: State[Floats]) -> tuple[State[Floats], Info]:
        """Follow a trajectory; take its end or stay."""
        z = rng.standard_normal(state.position.shape)
        step = self.step_size * (1 + self.jitter * (2 * rng.random((len(z), 1)) - 1))
        # Where a trajectory diverges numbers overflow; its end is refused.
        with np.errstate(all="ignore"):
            first = point = self.begin(state, z)
            for _ in range(self.n_leapfrog):
                point = self.leapfrog(point, step)
            # Energy that is not a number compares false, so its end is rejected.
            gain = kinetic(first.z) - kinetic(point.z)
            before = State(first.x, first.log_density)
            state, info = accept(rng, before, point.x, point.log_density, gain)
            gradient = where(info.accepted, point.gradient, first.gradient)
        diverged = ~(info.log_ratio > DIVERGED)
        return state._replace(gradient=gradient), info._replace(diverged=diverged)


def central_differences(
    log_density: LogDensity[Floats], *, step: ArrayLike = 1e-5
) -> DensityAndGradient:
    """Give a target without a gradient one, by central differences.

    Each gradient takes ``2 * n_dim`` more densities, all in one call. That is dear in many
    dimensions, where a gradient pays most: write it down if you can.

    Parameters
    ----------
    log_density
        ``log pi`` up to a constant: (n_points, n_dim) -> (n_points,).
    step
        Distance to either side, for all dimensions or for each (n_dim,): about 1e-5 of the
        target's standard deviation there. It grows with ``|x|`` where that is above 1.

    Raises
    ------
    ValueError
        If a step is not a positive number.

    Examples
    --------
    >>> both = central_differences(lambda x: -0.5 * (x**2).sum(1))
    >>> density, gradient = both(np.array([[1.0, -3.0]]))
    >>> np.round(gradient, 6).tolist()
    [[-1.0, 3.0]]
    """
    width = np.asarray(step, dtype=float)
    if width.ndim > 1 or not (np.isfinite(width).all() and (width > 0).all()):
        raise ValueError(f"step = {step!r}: expected a positive number, or one for each dimension")

    def both(x: Floats) -> tuple[Floats, Floats]:
        n_chains, n_dim = x.shape
        h = width * np.maximum(np.abs(x), 1.0)
        offsets = np.zeros((n_dim, n_chains, n_dim))
        every = np.arange(n_dim)
        offsets[every, :, every] = h.T
        points = np.concatenate([x[None], x + offsets, x - offsets]).reshape(-1, n_dim)
        found = densities_of(log_density(points), len(points)).reshape(-1, n_chains)
        gradient = (found[1 : n_dim + 1] - found[n_dim + 1 :]) / (2 * h.T)
        return found[0], gradient.T

    return both


def check_gradient(
    density_and_gradient: DensityAndGradient, position: Floats, *, tolerance: float = 1e-4
) -> None:
    """Compare a gradient with central differences, at positions (n_points, n_dim).

    A wrong gradient never gives wrong draws, only few: nothing else shows it.

    Raises
    ------
    TargetError
        If they differ by more than `tolerance` of the larger one (or of 1), with the dimension.

    Examples
    --------
    >>> check_gradient(lambda x: (-0.5 * (x**2).sum(1), x), np.ones((1, 2)))
    Traceback (most recent call last):
        ...
    core.mcmc.kernels.TargetError: gradient of dimension 0 at point 0 is 1: differences give -1
    """
    amount("tolerance", tolerance)
    x = np.asarray(position, dtype=float)
    given = np.asarray(density_and_gradient(x)[1])
    measured = central_differences(lambda points: density_and_gradient(points)[0])(x)[1]
    _check_shape(given, x)
    size = np.maximum(np.maximum(np.abs(given), np.abs(measured)), 1.0)
    bad = np.argwhere(~(np.abs(given - measured) <= tolerance * size))
    if bad.size:
        i, j = (int(n) for n in bad[0])
        raise TargetError(
            f"gradient of dimension {j} at point {i} is {given[i, j]:.6g}: "
            f"differences give {measured[i, j]:.6g}"
        )
