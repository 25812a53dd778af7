"""Reduce a sequence to one vector: by the last step, the mean, or attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.checks import count
from core.nn.initial import glorot_uniform
from core.nn.protocols import EVAL, Array, Context, Gradients, ShapeError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["AttentionPool", "LastStep", "MeanPool"]


def _pooled(layer: object, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 3:
        raise ShapeError(f"{layer}: expected (steps, batch, features), got {shape}")
    return shape[1:]


class LastStep:
    """The last step's output; after a recurrent layer each sequence's own, masked or not.

    Examples
    --------
    >>> LastStep().forward(np.arange(6.0).reshape(3, 1, 2))[0]
    array([[4., 5.]])
    """

    def __init__(self) -> None:
        self.params: MutableMapping[str, Array] = {}

    def __repr__(self) -> str:
        return "LastStep()"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Drop the steps: ``(steps, batch, features)`` to ``(batch, features)``."""
        return _pooled(self, shape)

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, tuple[int, ...]]:
        """Return the last step."""
        return x[-1], x.shape

    def backward(self, dy: Array, cache: tuple[int, ...]) -> tuple[Array, Gradients]:
        """Pass the gradient to the last step alone."""
        dx = np.zeros(cache, dtype=dy.dtype)
        dx[-1] = dy
        return dx, {}


class MeanPool:
    """The mean over the steps that the mask keeps.

    Examples
    --------
    >>> x = np.array([[[1.0]], [[3.0]], [[9.0]]])
    >>> MeanPool().forward(x, Context(mask=np.array([[True], [True], [False]])))[0]
    array([[2.]])
    """

    def __init__(self) -> None:
        self.params: MutableMapping[str, Array] = {}

    def __repr__(self) -> str:
        return "MeanPool()"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Drop the steps: ``(steps, batch, features)`` to ``(batch, features)``."""
        return _pooled(self, shape)

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array]:
        """Average over the first axis."""
        share = np.ones(x.shape[:2]) if ctx.mask is None else ctx.mask.astype(float)
        share = (share / np.maximum(share.sum(axis=0), 1)).astype(x.dtype)[..., None]
        return (x * share).sum(axis=0), share

    def backward(self, dy: Array, cache: Array) -> tuple[Array, Gradients]:
        """Give each kept step its share of the gradient."""
        return cache * dy, {}


class AttentionPool:
    """A mean whose weights the layer learns (after Bahdanau et al. 2015).

    ::

        k_t = tanh(x_t W + b)     a = softmax over the kept steps of k_t v     y = sum_t a_t x_t

    Parameters
    ----------
    n
        Features of the input and the output.
    n_key
        Features of the keys ``k``.
    rng, dtype
        As for `core.nn.dense.Dense`.

    Examples
    --------
    >>> layer = AttentionPool(2, 4, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.ones((3, 1, 2)))
    >>> y, cache[2].ravel().round(3)
    (array([[1., 1.]]), array([0.333, 0.333, 0.333]))
    """

    def __init__(
        self,
        n: int,
        n_key: int,
        *,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        count("n", n)
        count("n_key", n_key)
        self.n = n
        self.n_key = n_key
        self.params: MutableMapping[str, Array] = {
            "W": glorot_uniform(rng, (n, n_key)).astype(dtype),
            "b": np.zeros(n_key, dtype=dtype),
            "v": glorot_uniform(rng, (n_key, 1))[:, 0].astype(dtype),
        }

    def __repr__(self) -> str:
        return f"AttentionPool({self.n}, {self.n_key})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Drop the steps: ``(steps, batch, n)`` to ``(batch, n)``."""
        if len(shape) != 3 or shape[-1] != self.n:
            raise ShapeError(f"{self}: expected (steps, batch, {self.n}), got {shape}")
        return shape[1:]

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, tuple[Array, Array, Array]]:
        """Weigh the steps and add them up; the cache's last part is ``a`` ``(steps, batch, 1)``."""
        self.output_shape(x.shape)
        keys = x.reshape(-1, self.n) @ self.params["W"]
        keys += self.params["b"]
        keys = np.tanh(keys, out=keys).reshape(*x.shape[:2], self.n_key)
        score = keys @ self.params["v"]
        if ctx.mask is not None:
            score = np.where(ctx.mask, score, -np.inf)
        top = score.max(axis=0)
        weight = np.exp(score - np.where(np.isfinite(top), top, 0))
        weight = (weight / np.maximum(weight.sum(axis=0), 1e-30)).astype(x.dtype)[..., None]
        return (x * weight).sum(axis=0), (x, keys, weight)

    def backward(self, dy: Array, cache: tuple[Array, Array, Array]) -> tuple[Array, Gradients]:
        """Propagate through the sum, the softmax ``a_t (da_t - sum_s a_s da_s)`` and the keys."""
        x, keys, weight = cache
        da = (x * dy).sum(axis=-1, keepdims=True)
        dscore = weight * (da - (weight * da).sum(axis=0))
        dpre = dscore * self.params["v"] * (1 - keys * keys)
        rows = dpre.reshape(-1, self.n_key)
        grads = {
            "W": x.reshape(-1, self.n).T @ rows,
            "b": rows.sum(axis=0),
            "v": (keys * dscore).sum(axis=(0, 1)),
        }
        return weight * dy + (rows @ self.params["W"].T).reshape(x.shape), grads
