"""Symmetric proposals: the perturbation of a random walk.

Each function returns ``propose(rng, position) -> position`` for `core.mcmc.kernels.Metropolis`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import count

__all__ = ["gaussian", "integers", "swap"]

Propose = Callable[["np.random.Generator", NDArray[Any]], NDArray[Any]]


def gaussian(size: ArrayLike) -> Propose:
    """Add normal noise to a continuous vector.

    Parameters
    ----------
    size
        Perturbation size: a standard deviation for all coordinates (scalar), one for each
        coordinate (n_dim,), or the covariance of the noise (n_dim, n_dim).

    Raises
    ------
    ValueError
        If a standard deviation is not positive or the covariance is not positive definite.

    Examples
    --------
    >>> propose = gaussian([[1.0, 0.9], [0.9, 1.0]])
    >>> propose(np.random.default_rng(0), np.zeros((5, 2))).shape
    (5, 2)
    """
    factor = noise_factor(size)

    def propose(rng: np.random.Generator, x: NDArray[Any]) -> NDArray[Any]:
        check_size(factor, x)
        noise = rng.standard_normal(x.shape)
        return x + (noise @ factor if factor.ndim == 2 else noise * factor)

    return propose


def check_size(factor: NDArray[np.float64], x: NDArray[Any]) -> None:
    """Raise ValueError if noise by `factor` is of another number of dimensions than a position."""
    if factor.ndim and factor.shape[-1] not in (1, x.shape[-1]):
        raise ValueError(
            f"perturbation size for {factor.shape[-1]} dimensions: the position has {x.shape[-1]}"
        )


def noise_factor(size: ArrayLike, name: str = "") -> NDArray[np.float64]:
    """Turn a perturbation size into the factor of standard normal noise.

    A covariance gives the matrix ``F`` with ``F.T @ F`` equal to it (for ``z @ F``); a number or a
    vector is checked and returned. Raises as `gaussian`; messages say `name`.
    """
    scale = np.asarray(size, dtype=float)
    if scale.ndim == 2:
        name = name or "covariance"
        if not np.isfinite(scale).all() or scale.shape[0] != scale.shape[1]:
            raise ValueError(f"{name} {size!r}: expected finite numbers, (n_dim, n_dim)")
        if not np.allclose(scale, scale.T, rtol=1e-8, atol=0):
            raise ValueError(f"{name} {size!r} is not symmetric")
        try:
            factor: NDArray[np.float64] = np.linalg.cholesky(scale).T
        except np.linalg.LinAlgError:
            raise ValueError(f"{name} {size!r} is not positive definite") from None
        return factor
    if scale.ndim > 2 or not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError(
            f"{name or 'perturbation size'} {size!r}: expected a positive number, a vector of "
            "them, or a covariance matrix"
        )
    return scale


def integers(size: int = 1) -> Propose:
    """Add -`size` ... +`size`, zero excluded, to one coordinate of an integer vector.

    Examples
    --------
    >>> y = integers(3)(np.random.default_rng(0), np.zeros((4, 5), dtype=int))
    >>> [int(n) for n in (y != 0).sum(1)]
    [1, 1, 1, 1]
    """
    count("size", size)

    def propose(rng: np.random.Generator, x: NDArray[Any]) -> NDArray[Any]:
        n_chains, n_dim = x.shape
        step = rng.integers(1, size, n_chains, endpoint=True) * rng.choice([-1, 1], n_chains)
        y = x.copy()
        y[np.arange(n_chains), rng.integers(n_dim, size=n_chains)] += step
        return y

    return propose


def swap() -> Propose:
    """Exchange two entries of a permutation, chosen at random.

    Examples
    --------
    >>> y = swap()(np.random.default_rng(0), np.array([[0, 1, 2, 3]]))
    >>> sorted(y[0].tolist()), int((y != [0, 1, 2, 3]).sum())
    ([0, 1, 2, 3], 2)
    """

    def propose(rng: np.random.Generator, x: NDArray[Any]) -> NDArray[Any]:
        n_chains, n_dim = x.shape
        if n_dim < 2:
            raise ValueError(f"a position of {n_dim} entries: swap needs 2 or more")
        i = rng.integers(n_dim, size=n_chains)
        j = (i + rng.integers(1, n_dim, size=n_chains)) % n_dim  # uniform over the others
        chain, y = np.arange(n_chains), x.copy()
        y[chain, i], y[chain, j] = x[chain, j], x[chain, i]
        return y

    return propose
