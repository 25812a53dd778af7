"""Elementwise functions: the "gates" between weighted sums.

Each caches its output, from which its derivative is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.nn.protocols import EVAL, Array, Context, Gradients, ShapeError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["ReLU", "Sigmoid", "Softmax", "Tanh", "sigmoid", "softmax"]


def sigmoid(z: Array) -> Array:
    """Compute ``1 / (1 + exp(-z))`` by way of tanh: exact at both ends, no overflow.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    y: Array = np.tanh(z * z.dtype.type(0.5))
    y *= 0.5
    y += 0.5
    return y


def softmax(z: Array) -> Array:
    """Compute ``exp(z_i) / sum_j exp(z_j)`` over the last axis, shifted so that nothing overflows.

    Examples
    --------
    >>> softmax(np.array([1e4, 1e4, -1e4]))
    array([0.5, 0.5, 0. ])
    """
    y: Array = np.exp(z - z.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return y


class _Elementwise:
    """No parameters, any shape."""

    def __init__(self) -> None:
        self.params: MutableMapping[str, Array] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return `shape` unchanged; any shape will do."""
        return shape


class Sigmoid(_Elementwise):
    """``y = 1 / (1 + exp(-x))``, with ``dy/dx = y (1 - y)``.

    Examples
    --------
    >>> layer = Sigmoid()
    >>> y, cache = layer.forward(np.zeros((1, 2)))
    >>> layer.backward(np.ones((1, 2)), cache)[0]
    array([[0.25, 0.25]])
    """

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array]:
        """Squash the inputs into (0, 1)."""
        y = sigmoid(x)
        return y, y

    def backward(self, dy: Array, cache: Array) -> tuple[Array, Gradients]:
        """Multiply by ``y (1 - y)``."""
        return dy * cache * (1 - cache), {}


class Tanh(_Elementwise):
    """``y = tanh(x)``, with ``dy/dx = 1 - y^2``."""

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array]:
        """Squash the inputs into (-1, 1)."""
        y = np.tanh(x)
        return y, y

    def backward(self, dy: Array, cache: Array) -> tuple[Array, Gradients]:
        """Multiply by ``1 - y^2``."""
        return dy * (1 - cache * cache), {}


class ReLU(_Elementwise):
    """``y = max(x, 0)``; the derivative at 0 is taken as 0."""

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array]:
        """Set negative inputs to 0."""
        y = np.maximum(x, 0)
        return y, y

    def backward(self, dy: Array, cache: Array) -> tuple[Array, Gradients]:
        """Pass the gradient where the input was positive."""
        return dy * (cache > 0), {}


class Softmax(_Elementwise):
    """Probabilities over the last axis, with ``dy_i/dx_j = y_i (delta_ij - y_j)``.

    To train a classifier, leave it out and use `core.nn.losses.CrossEntropy`, which works on logits
    and fuses the two.

    Examples
    --------
    >>> layer = Softmax()
    >>> y, cache = layer.forward(np.array([[0.0, 0.0]]))
    >>> layer.backward(np.array([[1.0, 0.0]]), cache)[0]
    array([[ 0.25, -0.25]])
    """

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return `shape`, ``(..., classes)``, unchanged."""
        if not shape:
            raise ShapeError(f"{self}: expected an input of shape (..., classes), got {shape}")
        return shape

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array]:
        """Normalise over the last axis."""
        y = softmax(x)
        return y, y

    def backward(self, dy: Array, cache: Array) -> tuple[Array, Gradients]:
        """Apply the (symmetric) Jacobian: ``y * (dy - sum(dy * y))``."""
        return cache * (dy - (dy * cache).sum(axis=-1, keepdims=True)), {}
