"""Layers one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.nn.parameters import Nested
from core.nn.protocols import EVAL, Array, Context, Gradients, Layer, ShapeError

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

__all__ = ["Sequential", "parameter_gradients"]


class Sequential:
    """A layer made of layers: the output of each is the input of the next.

    Its parameters are named ``<index>.<name>``, as in ``"0.W"``.

    Parameters
    ----------
    layers
        In the order of the forward pass.

    Examples
    --------
    >>> import numpy as np
    >>> from core.nn import Dense, Tanh
    >>> rng = np.random.default_rng(0)
    >>> net = Sequential([Dense(4, 9, rng=rng), Tanh(), Dense(9, 3, rng=rng)])
    >>> net.forward(np.ones((5, 4)))[0].shape
    (5, 3)
    >>> net.params["2.W"].shape
    (9, 3)
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        if not layers:
            raise ValueError("Sequential: needs at least one layer")
        self.layers = tuple(layers)
        self.params: MutableMapping[str, Array] = Nested(
            {str(i): layer for i, layer in enumerate(self.layers)}
        )

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape after the last layer; a `ShapeError` names a layer that does not fit."""
        for i, layer in enumerate(self.layers):
            try:
                shape = layer.output_shape(shape)
            except ShapeError as error:
                raise ShapeError(f"layer {i}, {error}") from None
        return shape

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, list[Any]]:
        """Run all layers; the cache is the list of theirs."""
        caches = []
        for i, layer in enumerate(self.layers):
            own = ctx if ctx.state is None else replace(ctx, state=ctx.state[i])
            x, cache = layer.forward(x, own)
            caches.append(cache)
        return x, caches

    def backward(self, dy: Array, cache: list[Any]) -> tuple[Array, Gradients]:
        """Run all layers backwards: the chain rule."""
        dy, grads = self._back_to(1, dy, cache)
        dx, own = self.layers[0].backward(dy, cache[0])
        return dx, grads | {f"0.{name}": grad for name, grad in own.items()}

    def parameter_gradients(self, dy: Array, cache: list[Any]) -> Gradients:
        """Return the parameters' gradients alone: training does not need the input's."""
        dy, grads = self._back_to(1, dy, cache)
        own = parameter_gradients(self.layers[0], dy, cache[0])
        return grads | {f"0.{name}": grad for name, grad in own.items()}

    def _back_to(self, first: int, dy: Array, cache: list[Any]) -> tuple[Array, Gradients]:
        grads: Gradients = {}
        for i in range(len(self.layers) - 1, first - 1, -1):
            dy, own = self.layers[i].backward(dy, cache[i])
            for name, grad in own.items():
                grads[f"{i}.{name}"] = grad
        return dy, grads


def parameter_gradients(layer: Layer, dy: Array, cache: Any) -> Gradients:
    """Return the parameters' gradients alone, by the layer's method of that name if it has one.

    Examples
    --------
    >>> import numpy as np
    >>> from core.nn import Dense
    >>> layer = Dense(2, 1, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.ones((3, 2)))
    >>> parameter_gradients(layer, np.ones_like(y), cache)["W"].ravel()
    array([3., 3.])
    """
    short = getattr(layer, "parameter_gradients", None)
    if short is None:
        return layer.backward(dy, cache)[1]
    grads: Gradients = short(dy, cache)
    return grads
