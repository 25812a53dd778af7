"""Layers one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.nn.parameters import Nested
from core.nn.protocols import EVAL, Array, Context, Gradients, Layer, ShapeError

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

__all__ = ["Sequential"]


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
        """Shape after the last layer; a `ShapeError` names the layer that it does not fit."""
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
        grads: Gradients = {}
        for i in range(len(self.layers) - 1, -1, -1):
            dy, own = self.layers[i].backward(dy, cache[i])
            for name, grad in own.items():
                grads[f"{i}.{name}"] = grad
        return dy, grads
