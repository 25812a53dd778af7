"""Update rules that change one flat vector in place.

Each is a frozen record of its settings. Its state between steps is a dictionary of arrays that the
caller keeps and a checkpoint saves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.checks import amount, share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.nn.protocols import Array, OptimiserState

__all__ = ["SGD", "Adam", "Momentum", "clip_norm"]

# Processors take many times as long with numbers below the smallest normal one. Means of
# gradients that stay 0 (of dead units, of words that do not occur) decay into that range.
_SWEEP = 64  # steps
_NOTHING = 1e4  # times the smallest normal number


@dataclass(frozen=True, kw_only=True)
class SGD:
    """Gradient descent: ``theta <- theta - rate * (grad + weight_decay * theta)``.

    Examples
    --------
    >>> theta, rule = np.array([1.0]), SGD(learning_rate=0.5)
    >>> rule.step(theta, np.array([1.0]), rule.init(theta))
    >>> theta
    array([0.5])
    """

    learning_rate: float
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.weight_decay)

    def init(self, theta: Array) -> OptimiserState:
        """Return an empty state."""
        return {}

    def step(
        self,
        theta: Array,
        grad: Array,
        state: Mapping[str, Array],
        factor: float = 1.0,
    ) -> None:
        """Move against the gradient."""
        rate = self.learning_rate * factor
        if self.weight_decay:
            theta *= 1 - rate * self.weight_decay
        theta -= rate * grad


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """Heavy ball: ``v <- momentum * v + grad``; ``theta <- theta - rate * v``, as torch's SGD."""

    learning_rate: float
    momentum: float = 0.9
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.weight_decay)
        share("momentum", self.momentum)

    def init(self, theta: Array) -> OptimiserState:
        """Return zero velocities."""
        return {"v": np.zeros_like(theta)}

    def step(
        self, theta: Array, grad: Array, state: Mapping[str, Array], factor: float = 1.0
    ) -> None:
        """Accelerate, then move."""
        v = state["v"]
        v *= self.momentum
        v += grad
        if self.weight_decay:
            v += self.weight_decay * theta
        theta -= self.learning_rate * factor * v


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Adam (Kingma, Ba 2015), with the update written as torch writes it.

    ``m`` and ``v`` are running means of the gradient and its square, corrected for their start at
    zero; ``theta <- theta - rate * m / (sqrt(v) + eps)``.

    Parameters
    ----------
    learning_rate, beta1, beta2, eps
        As published.
    weight_decay
        Added to the gradient as ``weight_decay * theta``; with `decoupled` it shrinks the
        parameters themselves instead (AdamW; Loshchilov, Hutter 2019).

    Examples
    --------
    >>> theta, rule = np.array([1.0, 1.0]), Adam(learning_rate=0.1)
    >>> rule.step(theta, np.array([5.0, -0.01]), rule.init(theta))
    >>> theta.round(4)  # the first step is the learning rate, whatever the gradient's size
    array([0.9, 1.1])
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False

    def __post_init__(self) -> None:
        _check(self.learning_rate, self.weight_decay)
        share("beta1", self.beta1)
        share("beta2", self.beta2)
        amount("eps", self.eps)

    def init(self, theta: Array) -> OptimiserState:
        """Return zero means; ``t`` counts the steps."""
        return {
            "m": np.zeros_like(theta),
            "v": np.zeros_like(theta),
            "t": np.zeros((), dtype=np.int64),
        }

    def step(
        self, theta: Array, grad: Array, state: Mapping[str, Array], factor: float = 1.0
    ) -> None:
        """Update both means, then move."""
        m, v, t = state["m"], state["v"], state["t"]
        t += 1
        rate = self.learning_rate * factor
        if self.weight_decay:
            if self.decoupled:
                theta *= 1 - rate * self.weight_decay
            else:
                grad = grad + self.weight_decay * theta
        # m and v are kept as sums, without their factors 1 - beta: fewer passes over memory
        m *= self.beta1
        m += grad
        work = grad * grad
        v *= self.beta2
        v += work
        steps = int(t)
        if steps % _SWEEP == 0:
            _clear_tiny(m, v)
        of_m = (1 - self.beta1) / (1 - self.beta1**steps)
        of_v = math.sqrt((1 - self.beta2) / (1 - self.beta2**steps))
        np.sqrt(v, out=work)
        work += self.eps / of_v
        np.divide(m, work, out=work)
        work *= rate * of_m / of_v
        theta -= work


def clip_norm(grad: Array, limit: float) -> float:
    """Scale `grad` in place so that its Euclidean norm is at most `limit`; return the old norm.

    Examples
    --------
    >>> g = np.array([3.0, 4.0])
    >>> clip_norm(g, 1.0), g
    (5.0, array([0.6, 0.8]))
    """
    norm = math.sqrt(float(np.vdot(grad, grad)))
    if norm > limit:
        grad *= limit / norm
    return norm


def _clear_tiny(m: Array, v: Array) -> None:
    """Set means to 0 that are so small that they have no effect."""
    least = _NOTHING * np.finfo(m.dtype).tiny
    idle = np.abs(m) < least
    m[idle] = 0
    v[idle & (v < least)] = 0


def _check(learning_rate: float, weight_decay: float) -> None:
    amount("learning_rate", learning_rate)
    amount("weight_decay", weight_decay, zero=True)
