"""The interface of the library: layers, losses and optimisers.

A layer stores nothing of a pass: `forward` returns a cache that `backward` takes, so a layer can
take part in several passes at once. Gradients are returned by parameter name. A new layer takes
about ten lines and needs no registration:

>>> import numpy as np
>>> class Scale:
...     '''y = g * x, one gain per feature.'''
...     def __init__(self, n):
...         self.params = {"g": np.ones(n)}
...     def output_shape(self, shape):
...         return shape
...     def forward(self, x, ctx=EVAL):
...         return x * self.params["g"], x
...     def backward(self, dy, x):
...         return dy * self.params["g"], {"g": (dy * x).sum(axis=0)}
>>> from core.nn.gradcheck import layer_error
>>> layer_error(Scale(3), np.random.default_rng(0).normal(size=(5, 3))) < 1e-7
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

__all__ = [
    "EVAL",
    "Array",
    "Context",
    "Gradients",
    "Layer",
    "Loss",
    "Optimiser",
    "OptimiserState",
    "Reduction",
    "ShapeError",
]

Array: TypeAlias = npt.NDArray[Any]
Gradients: TypeAlias = dict[str, Array]
OptimiserState: TypeAlias = dict[str, Array]
Reduction: TypeAlias = Literal["mean", "sum"]


class ShapeError(ValueError):
    """Arrays that do not fit; the message names the layer, what it takes and what it got."""


@dataclass(frozen=True)
class Context:
    """What a pass through a layer may need besides its input; most layers ignore it.

    Attributes
    ----------
    training
        Whether the pass is followed by `backward` and an update (dropout acts only then).
    rng
        Random numbers of a training pass.
    mask
        Sequences only: ``(steps, batch)``, true where a step belongs to the sequence.
    state
        Recurrent layers only: the state before the first step, or None for zeros. A
        `core.nn.sequential.Sequential` takes a tuple with one entry per layer.
    """

    training: bool = False
    rng: np.random.Generator | None = None
    mask: Array | None = None
    state: Any = None


EVAL = Context()


class Layer(Protocol):
    """A differentiable function with parameters.

    Sequences are time-major: ``(steps, batch, features)``. A layer may also have a method
    ``parameter_gradients(dy, cache)``: `backward` without the gradient by the input, which training
    then uses where the layer is the first.
    """

    @property
    def params(self) -> MutableMapping[str, Array]:
        """Parameters by name; an optimiser replaces the arrays by views into one flat vector."""

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the output for an input of `shape`.

        Raises `ShapeError` if it does not fit.
        """

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Any]:
        """Return the output and whatever `backward` needs."""

    def backward(self, dy: Array, cache: Any) -> tuple[Array, Gradients]:
        """Return the gradients by the input and by each parameter, given that by the output."""


class Loss(Protocol):
    """A scalar function of a network's output and its target."""

    @property
    def reduction(self) -> Reduction:
        """Whether examples are averaged or summed."""

    def check(self, shape: tuple[int, ...], target: Array) -> None:
        """Raise ValueError unless `target` fits an output of `shape`."""

    def forward(self, y: Array, target: Array, mask: Array | None = None) -> tuple[float, Any]:
        """Return the loss and whatever `backward` needs."""

    def backward(self, cache: Any) -> Array:
        """Return the gradient by the output."""


class Optimiser(Protocol):
    """An update rule on one flat vector; its memory is the state that it is given."""

    @property
    def learning_rate(self) -> float:
        """Step size before any schedule."""

    def init(self, theta: Array) -> OptimiserState:
        """Return the state before the first step."""

    def step(
        self, theta: Array, grad: Array, state: Mapping[str, Array], factor: float = 1.0
    ) -> None:
        """Update `theta` and `state` in place; `factor` multiplies the learning rate."""
