"""The fully connected layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.checks import count
from core.nn.initial import Initial, glorot_uniform, zeros
from core.nn.protocols import EVAL, Array, Context, Gradients, ShapeError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["Dense"]


class Dense:
    """Weighted sums with a bias: ``y = x W + b``.

    A bias is the weight of an additional input that is always 1. It is stored separately, so that
    ``W`` has one row per real input. With ``dy`` the gradient by ``y``::

        dx = dy W^T      dW = x^T dy      db = sum over examples of dy

    Parameters
    ----------
    n_in, n_out
        Features of the input and the output.
    rng
        Draws the initial weights.
    weights, bias
        Their initialisers.
    dtype
        float64 or float32.

    Examples
    --------
    >>> layer = Dense(3, 2, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.ones((5, 3)))
    >>> y.shape
    (5, 2)
    >>> dx, grads = layer.backward(np.ones_like(y), cache)
    >>> dx.shape, grads["b"]
    ((5, 3), array([5., 5.]))
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        rng: np.random.Generator,
        weights: Initial = glorot_uniform,
        bias: Initial = zeros,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        count("n_in", n_in)
        count("n_out", n_out)
        self.n_in = n_in
        self.n_out = n_out
        self.params: MutableMapping[str, Array] = {
            "W": weights(rng, (n_in, n_out)).astype(dtype),
            "b": bias(rng, (n_out,)).astype(dtype),
        }

    def __repr__(self) -> str:
        return f"Dense({self.n_in}, {self.n_out})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return ``(..., n_out)`` for inputs of shape ``(..., n_in)``."""
        if not shape or shape[-1] != self.n_in:
            raise ShapeError(f"{self}: expected an input of shape (..., {self.n_in}), got {shape}")
        return (*shape[:-1], self.n_out)

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array]:
        """Map ``x`` ``(..., n_in)`` to ``(..., n_out)``."""
        if x.shape[-1] != self.n_in:
            self.output_shape(x.shape)
        # With more axes numpy would multiply step by step: many small products, not a large one.
        y = x.reshape(-1, self.n_in) @ self.params["W"]
        y += self.params["b"]
        return y.reshape(*x.shape[:-1], self.n_out), x

    def backward(self, dy: Array, cache: Array) -> tuple[Array, Gradients]:
        """Return ``dx`` and the gradients of ``W`` and ``b``, summed over all leading axes."""
        rows = dy.reshape(-1, self.n_out)
        dx = (rows @ self.params["W"].T).reshape(cache.shape)
        return dx, self.parameter_gradients(dy, cache)

    def parameter_gradients(self, dy: Array, cache: Array) -> Gradients:
        """Compute all but ``dx``, which training does not need of a first layer."""
        rows = dy.reshape(-1, self.n_out)
        return {"W": cache.reshape(-1, self.n_in).T @ rows, "b": rows.sum(axis=0)}
