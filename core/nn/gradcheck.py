"""Check gradients against central differences, in float64.

The errors returned are relative to the size of the whole gradient,
``|analytic - numeric| / max(|analytic|, |numeric|)`` in the Euclidean norm. Correct code gives
about 1e-11; this project's tests require less than 1e-7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.nn.protocols import EVAL, Array, Context, Layer, Loss

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["layer_error", "loss_error", "numeric_gradient", "relative_error"]


def numeric_gradient(function: Callable[[], float], x: Array, step: float = 3e-4) -> Array:
    """Return the gradient of ``function()`` by the array `x`, varied in place and restored.

    The difference quotient is of fourth order, ``(8 (f(x + h) - f(x - h)) - (f(x + 2h) -
    f(x - 2h))) / 12 h``, so its `step` can be so long that rounding hides no small gradients.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> numeric_gradient(lambda: float(x @ x), x).round(6)
    array([2., 4.])
    """
    grad = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        old = x[i]
        h = step * max(1.0, abs(float(old)))
        for weight, steps in ((8, 1), (-8, -1), (-1, 2), (1, -2)):
            x[i] = old + steps * h
            grad[i] += weight * function()
        x[i] = old
        grad[i] /= 12 * h
    return grad


def relative_error(a: Array, b: Array) -> float:
    """Return ``|a - b| / max(|a|, |b|)``, or 0 when both are 0."""
    size = max(float(np.linalg.norm(a)), float(np.linalg.norm(b)))
    return float(np.linalg.norm(a - b)) / size if size > 0 else 0.0


def layer_error(layer: Layer, x: Array, ctx: Context = EVAL, *, seed: int = 0) -> float:
    """Return the largest relative error of a layer's gradients by input and parameters.

    Fixed random weights reduce the output to a number. An integer input (class or word numbers) has
    no gradient and is left out. A random layer must draw the same numbers in each pass, so give it
    a `ctx` with such a generator.
    """
    y, cache = layer.forward(x, ctx)
    weights = np.random.default_rng(seed).normal(size=y.shape)

    def value() -> float:
        return float(np.vdot(weights, layer.forward(x, ctx)[0]))

    dx, grads = layer.backward(weights, cache)
    pairs = [(grads[name], numeric_gradient(value, array)) for name, array in layer.params.items()]
    if x.dtype.kind == "f":
        pairs.append((dx, numeric_gradient(value, x)))
    return max((relative_error(a, b) for a, b in pairs), default=0.0)


def loss_error(loss: Loss, y: Array, target: Array, mask: Array | None = None) -> float:
    """Return the relative error of a loss's gradient by the output `y`."""

    def value() -> float:
        return loss.forward(y, target, mask)[0]

    analytic = loss.backward(loss.forward(y, target, mask)[1])
    return relative_error(analytic, numeric_gradient(value, y))
