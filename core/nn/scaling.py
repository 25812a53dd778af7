"""Bring features to one scale before training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.nn.protocols import Array

__all__ = ["mean_and_scale"]

_LARGEST = 1e150  # the squares of larger numbers are infinite


def mean_and_scale(x: Array) -> tuple[Array, Array]:
    """Return the mean and standard deviation of each feature; 1 for a constant one.

    Parameters
    ----------
    x
        ``(examples, features)``.

    Raises
    ------
    ValueError
        A number that is not finite, or so large that its square is not.

    Examples
    --------
    >>> mean, scale = mean_and_scale(np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 2.0]]))
    >>> mean.round(3).tolist(), scale.round(3).tolist()
    ([0.1, 2.0], [1.0, 0.816])
    """
    bad = ~(np.abs(x) < _LARGEST)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"x[{row}, {column}] = {x[row, column]}: expected a finite number, below {_LARGEST:g}"
        )
    mean, scale = x.mean(axis=0), x.std(axis=0)
    # By rounding, the mean of a constant feature is a little off, and so it has a deviation.
    constant = (x == x[0]).all(axis=0)
    mean[constant], scale[constant] = x[0, constant], 1.0
    # The same holds for features whose values differ only by rounding.
    scale[scale <= 4 * np.finfo(x.dtype).eps * np.abs(x).max(axis=0)] = 1.0
    return mean, scale
