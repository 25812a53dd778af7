"""Made-up sequence problems that show what a recurrent layer can remember."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.nn.protocols import Array

__all__ = ["RECALL_SYMBOLS", "adding", "copying", "parity", "recall"]

# Eight to remember, one for "nothing", one that asks.
RECALL_SYMBOLS = 10


def recall(rng: np.random.Generator, *, steps: int, batch: int) -> tuple[Array, Array]:
    """Name the first of 8 symbols after `steps` of nothing.

    Returns
    -------
    x, y
        Symbols ``(steps, batch)`` in ``0..9`` and what to answer, ``(batch,)`` in ``0..7``.
        Guesses are right in 1/8.

    Examples
    --------
    >>> x, y = recall(np.random.default_rng(0), steps=5, batch=1)
    >>> x.ravel().tolist(), y.tolist()
    ([6, 8, 8, 8, 9], [6])
    """
    x = np.full((steps, batch), 8)
    x[0] = rng.integers(8, size=batch)
    x[-1] = 9
    return x, x[0].copy()


def copying(
    rng: np.random.Generator, *, steps: int, batch: int, length: int = 10
) -> tuple[Array, Array]:
    """Write `length` symbols down again after `steps` of nothing (Hochreiter, Schmidhuber 1997).

    Returns
    -------
    x, y
        Symbols ``(steps + 2 * length, batch)``: in ``0..7`` to remember, 8 for nothing, 9 where the
        answer starts; and what to answer at each step, 8 until then.

    Examples
    --------
    >>> x, y = copying(np.random.default_rng(0), steps=2, batch=1, length=2)
    >>> x.ravel().tolist(), y.ravel().tolist()
    ([6, 5, 8, 9, 8, 8], [8, 8, 8, 8, 6, 5])
    """
    x = np.full((steps + 2 * length, batch), 8)
    y = x.copy()
    x[:length] = rng.integers(8, size=(length, batch))
    x[steps + length - 1] = 9
    y[-length:] = x[:length]
    return x, y


def adding(
    rng: np.random.Generator, *, steps: int, batch: int, dtype: str = "float32"
) -> tuple[Array, Array]:
    """Add the two marked ones of `steps` random numbers (Hochreiter, Schmidhuber 1997).

    Returns
    -------
    x, y
        ``(steps, batch, 2)``: a number in ``[0, 1)`` and a mark, one in each half; and the sums
        ``(batch, 1)``. Always answering 1 has a squared error of 1/6.

    Examples
    --------
    >>> x, y = adding(np.random.default_rng(0), steps=6, batch=2)
    >>> bool(np.allclose((x[..., 0] * x[..., 1]).sum(axis=0), y[:, 0]))
    True
    """
    x = np.zeros((steps, batch, 2), dtype=dtype)
    x[..., 0] = rng.random((steps, batch))
    rows = np.arange(batch)
    first = rng.integers(0, steps // 2, size=batch)
    second = rng.integers(steps // 2, steps, size=batch)
    x[first, rows, 1] = x[second, rows, 1] = 1
    return x, (x[first, rows, 0] + x[second, rows, 0])[:, None]


def parity(rng: np.random.Generator, *, steps: int, batch: int) -> tuple[Array, Array]:
    """Tell after each bit whether the number of ones so far is odd.

    Returns
    -------
    x, y
        Bits and answers, ``(steps, batch)`` each.

    Examples
    --------
    >>> x, y = parity(np.random.default_rng(0), steps=5, batch=1)
    >>> x.ravel().tolist(), y.ravel().tolist()
    ([1, 1, 1, 0, 0], [1, 0, 1, 1, 1])
    """
    x = rng.integers(2, size=(steps, batch))
    return x, np.cumsum(x, axis=0) % 2
