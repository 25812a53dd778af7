"""Dropout: noise that keeps units from depending on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.checks import share
from core.nn.protocols import EVAL, Array, Context, Gradients

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["Dropout"]


class Dropout:
    """Drops a random share of its inputs in training (Srivastava et al. 2014).

    Parameters
    ----------
    rate
        Share that is set to 0, in ``[0, 1)``; the others are divided by ``1 - rate``, so that the
        mean stays the same and evaluation needs no scaling.
    steps
        For sequences, whether all steps of one share their noise (Gal, Ghahramani 2016).

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5)
    >>> y, _ = layer.forward(np.ones((2, 4)), Context(training=True, rng=np.random.default_rng(0)))
    >>> sorted(set(y.ravel().tolist()))
    [0.0, 2.0]
    >>> layer.forward(np.ones((2, 4)))[0].min()
    np.float64(1.0)
    """

    def __init__(self, rate: float, *, steps: bool = False) -> None:
        share("rate", rate)
        self.rate = rate
        self.steps = steps
        self.params: MutableMapping[str, Array] = {}

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return `shape` unchanged; any shape will do."""
        return shape

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array | None]:
        """Drop inputs in training; needs the context's generator."""
        if not ctx.training or self.rate == 0:
            return x, None
        if ctx.rng is None:
            raise ValueError(f"{self}: a training pass needs Context(rng=...)")
        shape = (1, *x.shape[1:]) if self.steps else x.shape
        kept = (ctx.rng.random(shape, dtype="float32") >= self.rate).astype(x.dtype)
        kept *= x.dtype.type(1 / (1 - self.rate))
        return x * kept, kept

    def backward(self, dy: Array, cache: Array | None) -> tuple[Array, Gradients]:
        """Pass the gradient of what was kept, scaled alike."""
        return (dy if cache is None else dy * cache), {}
