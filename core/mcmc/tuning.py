"""Warm up a Hamiltonian kernel: find its step size and mass, then freeze them.

All chains share both and find them together, so many chains need few steps.

References
----------
Nesterov (2009), Math. Program. 120, and Hoffman, Gelman (2014), JMLR 15, section 3.2 (dual
averaging); Stan's reference manual, section "Automatic parameter tuning" (windows).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import count
from core.mcmc.hamiltonian import Hamiltonian, kinetic
from core.mcmc.kernels import check_generator

if TYPE_CHECKING:
    from core.mcmc.hamiltonian import HMC
    from core.mcmc.kernels import Info, State
    from core.mcmc.nuts import NUTS

    K = TypeVar("K", bound=HMC | NUTS)

__all__ = ["warm_up"]

Floats = NDArray[np.float64]
_MASSES = ("diagonal", "dense", "fixed")
_WINDOW = 15  # steps of the first window; each is twice as long as the one before


class _StepSize:
    """Dual averaging: the step size at which the mean acceptance probability is `target`."""

    def __init__(self, first: float, target: float) -> None:
        self.target = target
        self.centre = np.log(10 * first)  # it had better be too large, which costs little
        self.now, self.n, self.error, self.mean = np.log(first), 0, 0.0, 0.0

    def update(self, info: Info) -> float:
        """Learn from a step; return the size of the next one."""
        probability = np.exp(np.minimum(np.nan_to_num(info.log_ratio, nan=-np.inf), 0.0)).mean()
        self.n += 1
        rate = 1 / (self.n + 10)
        self.error += rate * (self.target - float(probability) - self.error)
        self.now = self.centre - np.sqrt(self.n) / 0.05 * self.error
        weight = self.n**-0.75
        self.mean += weight * (self.now - self.mean)
        return float(np.exp(self.now))

    @property
    def found(self) -> float:
        """The average over the steps, later ones counting more."""
        return float(np.exp(self.mean if self.n else self.now))


def warm_up(
    kernel: K,
    position: Floats,
    rng: np.random.Generator,
    *,
    n_steps: int = 500,
    mass: Literal["diagonal", "dense", "fixed"] = "diagonal",
    target: float = 0.8,
) -> tuple[K, State[Floats]]:
    """Tune the step size and the mass of `HMC` or `NUTS`, then freeze them.

    Parameters
    ----------
    kernel
        Its step size and mass are where to begin.
    position
        Where to start, shape (n_chains, n_dim). More chains tell more about the mass in a step.
    rng
        Source of every random number.
    n_steps
        Steps of burn-in, at least 50. Their draws are discarded.
    mass
        ``diagonal`` measures the variances, for dimensions of unequal scale; ``dense`` the
        covariance, for strongly correlated ones (up to some hundred dimensions); ``fixed`` leaves
        the kernel's own.
    target
        Mean acceptance probability to aim at, 0 to 1: the larger, the smaller the steps. Raise it
        if trajectories diverge.

    Returns
    -------
    kernel
        One like `kernel`, with what was found.
    state
        Where the burn-in ended.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from core.mcmc import NUTS
    >>> sd = np.array([0.1, 1.0, 10.0])
    >>> target = lambda x: (-0.5 * ((x / sd) ** 2).sum(1), -x / sd**2)
    >>> start, rng = np.random.default_rng(1).standard_normal((8, 3)), np.random.default_rng(0)
    >>> kernel, state = warm_up(NUTS(target, 1.0), start, rng, n_steps=100)
    >>> bool((np.abs(np.log(np.sqrt(kernel.inverse_mass_matrix) / sd)) < 0.3).all())
    True
    """
    count("n_steps", n_steps, 50)
    if not isinstance(kernel, Hamiltonian):
        raise TypeError(
            f"kernel of type {type(kernel).__name__}: expected HMC or NUTS (adapt tunes a random "
            "walk)"
        )
    if mass not in _MASSES:
        raise ValueError(f"mass = {mass!r}: expected one of {', '.join(_MASSES)}")
    if not 0 < target < 1:
        raise ValueError(f"target = {target}: expected an acceptance probability between 0 and 1")
    check_generator(rng)
    state = kernel.init(position)
    for length, learn in _windows(n_steps, fixed=mass == "fixed"):
        kernel = replace(kernel, step_size=_first_step_size(kernel, state, rng))
        size, seen, moved = _StepSize(kernel.step_size, target), [], []
        for _ in range(length):
            state, info = kernel.step(rng, state)
            kernel = replace(kernel, step_size=_within(size.update(info)))
            seen.append(state.position)
            moved.append(int(info.accepted.sum()))
        kernel = replace(kernel, step_size=_within(size.found))
        if learn:
            # The first quarter leads there from where the last mass was right, or from the start.
            points, moves = np.concatenate(seen[length // 4 :]), sum(moved[length // 4 :])
            found = _measured(points, moves, kernel.inverse_mass_matrix, dense=mass == "dense")
            kernel = replace(kernel, inverse_mass_matrix=found)
    return kernel, state


def _windows(n_steps: int, *, fixed: bool) -> list[tuple[int, bool]]:
    """Return the lengths of windows, and whether the mass is measured at the end of each.

    The last window only fits the step size to the last mass.
    """
    if fixed:
        return [(n_steps, False)]
    last = n_steps // 5
    windows, left, length = [], n_steps - last, _WINDOW
    while left:
        length = length if left >= 3 * length else left
        windows.append((length, True))
        left -= length
        length *= 2
    return [*windows, (last, False)]


def _first_step_size(kernel: Hamiltonian, state: State[Floats], rng: np.random.Generator) -> float:
    """Double or halve the step size until one step is accepted with a probability about 0.8."""
    size, larger = kernel.step_size, None
    with np.errstate(all="ignore"):
        first = kernel.begin(state, rng.standard_normal(state.position.shape))
        before = first.log_density - kinetic(first.z)
        for _ in range(100):
            after = kernel.leapfrog(first, np.full((len(before), 1), size))
            gain = np.nan_to_num(after.log_density - kinetic(after.z) - before, nan=-np.inf)
            good = bool(np.exp(np.minimum(gain, 0.0)).mean() > 0.8)
            if larger is not None and good != larger:
                break
            larger = good
            size = _within(size * (2.0 if larger else 0.5))
    return size


def _within(size: float) -> float:
    """Keep a step size a positive number, where a flat target would let it grow for ever."""
    return min(max(size, 1e-150), 1e150)


def _measured(points: Floats, moves: int, before: ArrayLike, *, dense: bool) -> ArrayLike:
    """Return variances or the covariance of draws, or what was `before` if too few moved."""
    n_dim = points.shape[1]
    variance = points.var(0)
    if moves < 10 or not (np.isfinite(variance) & (variance > 0)).all():
        return before
    mass = np.asarray(before, dtype=float)
    old = np.diag(mass) if mass.ndim == 2 else np.broadcast_to(mass, n_dim)
    # Few points tell little, so what was there before them counts as ten, on the scale of logs.
    weight = moves / (moves + 10.0)
    shrunk: Floats = np.exp(weight * np.log(variance) + (1 - weight) * np.log(old))
    if not dense:
        return shrunk
    # Correlations are shrunk too, as few points exaggerate them.
    weight = moves / (moves + 5.0 * n_dim)
    sd = np.sqrt(shrunk)
    correlation = np.atleast_2d(np.corrcoef(points.T))
    covariance: Floats = np.outer(sd, sd) * (weight * correlation + (1 - weight) * np.eye(n_dim))
    return covariance
