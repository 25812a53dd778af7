"""Map numbers of words or characters to vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.checks import count
from core.nn.initial import Initial, glorot_uniform, zeros
from core.nn.protocols import EVAL, Array, Context, Gradients, ShapeError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["EmbeddedDense", "Embedding", "normal", "sum_rows_by"]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw standard normal values, the usual start of embeddings."""
    return rng.normal(size=shape)


class Embedding:
    """A table with one row per symbol: ``y = E[x]``, a one-hot vector times ``E``.

    Parameters
    ----------
    vocabulary
        Number of symbols; inputs are whole numbers in ``0..vocabulary - 1``.
    n_out
        Features of a row.
    rng, weights, dtype
        As for `core.nn.dense.Dense`.

    Examples
    --------
    >>> layer = Embedding(5, 2, rng=np.random.default_rng(0))
    >>> ids = np.array([[1, 1, 4]])
    >>> y, cache = layer.forward(ids)
    >>> y.shape
    (1, 3, 2)
    >>> layer.backward(np.ones_like(y), cache)[1]["E"][:, 0]
    array([0., 2., 0., 0., 1.])
    """

    def __init__(
        self,
        vocabulary: int,
        n_out: int,
        *,
        rng: np.random.Generator,
        weights: Initial = normal,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        count("vocabulary", vocabulary)
        count("n_out", n_out)
        self.vocabulary = vocabulary
        self.n_out = n_out
        self.params: MutableMapping[str, Array] = {
            "E": weights(rng, (vocabulary, n_out)).astype(dtype)
        }

    def __repr__(self) -> str:
        return f"Embedding({self.vocabulary}, {self.n_out})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return ``(..., n_out)`` for inputs of shape ``(...)``."""
        return (*shape, self.n_out)

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array]:
        """Look up the rows of whole numbers ``(...)``."""
        _check_ids(self, x, self.vocabulary)
        return self.params["E"].take(x, axis=0), x

    def backward(self, dy: Array, cache: Array) -> tuple[Array, Gradients]:
        """Add up the gradients of each row; numbers have no gradient, so ``dx`` is zeros."""
        rows = dy.reshape(-1, self.n_out)
        return np.zeros(cache.shape), {"E": sum_rows_by(rows, cache.ravel(), self.vocabulary)}


class EmbeddedDense:
    """An embedding followed by a dense layer, computed in the order ``y = (E W + b)[x]``.

    If there are fewer symbols than positions, it is much cheaper to multiply the table once than
    each position's row: 65 characters instead of the 1600 positions of a batch.

    Parameters
    ----------
    vocabulary, n_embedding, n_out
        Symbols, features of the embedding, features of the output.
    rng, weights, bias, dtype
        As for `core.nn.dense.Dense`.

    Examples
    --------
    >>> layer = EmbeddedDense(5, 3, 2, rng=np.random.default_rng(0))
    >>> y, _ = layer.forward(np.array([0, 4]))
    >>> table = layer.params["E"] @ layer.params["W"] + layer.params["b"]
    >>> bool(np.allclose(y, table[[0, 4]]))
    True
    """

    def __init__(
        self,
        vocabulary: int,
        n_embedding: int,
        n_out: int,
        *,
        rng: np.random.Generator,
        weights: Initial = glorot_uniform,
        bias: Initial = zeros,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        for name, value in (("vocabulary", vocabulary), ("n_embedding", n_embedding)):
            count(name, value)
        count("n_out", n_out)
        self.vocabulary = vocabulary
        self.n_embedding = n_embedding
        self.n_out = n_out
        self.params: MutableMapping[str, Array] = {
            "E": normal(rng, (vocabulary, n_embedding)).astype(dtype),
            "W": weights(rng, (n_embedding, n_out)).astype(dtype),
            "b": bias(rng, (n_out,)).astype(dtype),
        }

    def __repr__(self) -> str:
        return f"EmbeddedDense({self.vocabulary}, {self.n_embedding}, {self.n_out})"

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return ``(..., n_out)`` for inputs of shape ``(...)``."""
        return (*shape, self.n_out)

    def forward(self, x: Array, ctx: Context = EVAL) -> tuple[Array, Array]:
        """Look up the rows of whole numbers ``(...)``."""
        _check_ids(self, x, self.vocabulary)
        table = self.params["E"] @ self.params["W"]
        table += self.params["b"]
        return table.take(x, axis=0), x

    def backward(self, dy: Array, cache: Array) -> tuple[Array, Gradients]:
        """Add up the gradients of the product's rows, then go on as a dense layer does."""
        rows = dy.reshape(-1, self.n_out)
        dtable = sum_rows_by(rows, cache.ravel(), self.vocabulary)
        grads = {
            "E": dtable @ self.params["W"].T,
            "W": self.params["E"].T @ dtable,
            "b": dtable.sum(axis=0),
        }
        return np.zeros(cache.shape), grads


def sum_rows_by(rows: Array, ids: Array, count: int) -> Array:
    """Sum the rows ``(n, features)`` that share a number: result ``(count, features)``.

    The rows are sorted by number. Then each run of equal numbers is summed, or, if runs are short,
    all of them are summed in one call that takes longer per value.

    Examples
    --------
    >>> sum_rows_by(np.array([[1.0], [2.0], [4.0]]), np.array([2, 0, 2]), 3)
    array([[2.],
           [0.],
           [5.]])
    """
    total = np.zeros((count, rows.shape[1]), dtype=rows.dtype)
    if not len(ids):
        return total
    order = np.argsort(ids, kind="stable")
    ids, rows = ids[order], rows[order]
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    if rows.size < 500 * len(starts):
        total[ids[starts]] = np.add.reduceat(rows, starts, axis=0)
        return total
    stops = [*starts[1:].tolist(), len(ids)]
    for start, stop in zip(starts.tolist(), stops, strict=True):
        np.add.reduce(rows[start:stop], axis=0, out=total[ids[start]])
    return total


def _check_ids(layer: object, x: Array, vocabulary: int) -> None:
    if x.dtype.kind not in "iu":
        raise ShapeError(f"{layer}: expected whole numbers, got {x.dtype} of shape {x.shape}")
    if x.size and (x.min() < 0 or x.max() >= vocabulary):
        wrong = x[(x < 0) | (x >= vocabulary)][0]
        raise ValueError(f"{layer}: {wrong} is outside 0..{vocabulary - 1}")
