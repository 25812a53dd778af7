"""Layer normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.checks import amount, count
from core.nn.protocols import EVAL, Array, Context, Gradients, ShapeError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["LayerNorm"]


class LayerNorm:
    """Scale each example to mean 0 and variance 1, then apply a gain and a shift (Ba et al. 2016).

    ::

        n = (x - mean(x)) / sqrt(var(x) + eps)      y = n * gain + shift
        dn = dy * gain      dx = (dn - mean(dn) - n * mean(dn * n)) / sqrt(var(x) + eps)

    Parameters
    ----------
    n
        Features, over which mean and variance are taken.
    eps
        Added to the variance.
    dtype
        As for `core.nn.dense.Dense`.

    Examples
    --------
    >>> y, _ = LayerNorm(4).forward(np.array([[1.0, 2.0, 3.0, 4.0]]))
    >>> round(float(y.mean()), 6), round(float(y.std()), 4)
    (0.0, 1.0)
    """

    def __init__(self, n: int, *, eps: float = 1e-5, dtype: npt.DTypeLike = np.float64) -> None:
        count("n", n)
        amount("eps", eps)
        self.n = n
        self.eps = eps
        self.params: MutableMapping[str, Array] = {
            "gain": np.ones(n, dtype=dtype),
            "shift": np.zeros(n, dtype=dtype),
        }

    def __repr__(self) -> str:
        return f"LayerNorm({self.n})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return `shape`, ``(..., n)``, unchanged."""
        if not shape or shape[-1] != self.n:
            raise ShapeError(f"{self}: expected an input of shape (..., {self.n}), got {shape}")
        return shape

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, tuple[Array, Array]]:
        """Normalise over the last axis."""
        self.output_shape(x.shape)
        centred = x - x.mean(axis=-1, keepdims=True)
        inverse = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.eps)
        inverse = inverse.astype(x.dtype, copy=False)
        centred *= inverse
        return centred * self.params["gain"] + self.params["shift"], (centred, inverse)

    def backward(self, dy: Array, cache: tuple[Array, Array]) -> tuple[Array, Gradients]:
        """Return the gradients by the formulas above."""
        normal, inverse = cache
        axes = tuple(range(dy.ndim - 1))
        grads = {"gain": (dy * normal).sum(axis=axes), "shift": dy.sum(axis=axes)}
        dn = dy * self.params["gain"]
        dx = dn - dn.mean(axis=-1, keepdims=True)
        dx -= normal * (dn * normal).mean(axis=-1, keepdims=True)
        dx *= inverse
        return dx, grads
