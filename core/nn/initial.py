"""Initial values of parameters: functions of a generator and a shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from core.checks import amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from core.nn.protocols import Array

__all__ = ["Initial", "glorot_uniform", "he_normal", "orthogonal", "uniform", "zeros"]

Initial: TypeAlias = "Callable[[Generator, tuple[int, ...]], Array]"


def zeros(_rng: Generator, shape: tuple[int, ...]) -> Array:
    """Return zeros, the usual start of a bias."""
    return np.zeros(shape)


def uniform(limit: float) -> Initial:
    """Make an initialiser that draws from ``[-limit, limit)``."""
    amount("limit", limit, zero=True)

    def draw(rng: Generator, shape: tuple[int, ...]) -> Array:
        return rng.uniform(-limit, limit, shape)

    return draw


def glorot_uniform(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Draw uniform with variance 2 / (inputs + outputs), for sigmoid and tanh (Glorot 2010).

    Examples
    --------
    >>> w = glorot_uniform(np.random.default_rng(0), (50, 30))
    >>> bool(np.abs(w).max() <= (6 / 80) ** 0.5)
    True
    """
    limit = math.sqrt(6.0 / (shape[0] + shape[-1]))
    return rng.uniform(-limit, limit, shape)


def he_normal(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Draw normal with variance 2 / inputs, for ReLU (He et al. 2015)."""
    return rng.normal(0.0, math.sqrt(2.0 / shape[0]), shape)


def orthogonal(rng: Generator, shape: tuple[int, ...]) -> Array:
    """Draw orthonormal rows or columns, whichever are fewer (Saxe et al. 2014), of a 2-D shape."""
    rows, columns = shape
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))  # makes the distribution uniform over orthogonal matrices
    return np.ascontiguousarray(q if rows >= columns else q.T)
