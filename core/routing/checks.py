"""Check the arguments of `Problem`: numbers of the right shape and range, or an error by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FloatArray",
    "checked_amount",
    "checked_amounts",
    "checked_count",
    "checked_matrix",
    "checked_origins",
    "checked_points",
    "checked_windows",
]

FloatArray = NDArray[np.float64]

# Squares of larger numbers are infinite, and so would distances be.
_LARGEST = 1e100


def checked_points(points: ArrayLike, metric: str) -> FloatArray:
    """Return coordinates as an array of shape ``(places, 2)``."""
    try:
        array = np.array(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("points: expected numbers, one (x, y) per row") from None
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"points has shape {array.shape}: expected (N + 1, 2)")
    good = np.abs(array) < _LARGEST  # false for NaN
    if not good.all():
        row = int(np.nonzero(~good.all(axis=1))[0][0])
        raise ValueError(f"points[{row}] = {array[row].tolist()}: expected finite numbers")
    if metric == "great_circle":
        bad = (np.abs(array[:, 1]) > 90) | (np.abs(array[:, 0]) > 360)
        if bad.any():
            row = int(np.nonzero(bad)[0][0])
            raise ValueError(
                f"points[{row}] = {array[row].tolist()}: expected (longitude, latitude) in degrees"
            )
    array.setflags(write=False)
    return array


def checked_matrix(name: str, matrix: ArrayLike) -> FloatArray:
    """Return a square matrix of numbers >= 0, with zeros on its diagonal."""
    try:
        array = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{name}: expected numbers, as many in each row as there are rows"
        ) from None
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} has shape {array.shape}: expected (N + 1, N + 1), square")
    bad = ~((array >= 0) & (array < _LARGEST))
    np.fill_diagonal(bad, val=False)
    if bad.any():
        i, j = (int(v) for v in np.argwhere(bad)[0])
        what = "time" if name == "times" else "distance"
        raise ValueError(
            f"{name}[{i}, {j}] = {array[i, j]}: expected a finite {what} >= 0 "
            "(every place must be reachable from every other)"
        )
    np.fill_diagonal(array, 0.0)
    array.setflags(write=False)
    return array


def checked_amounts(
    name: str, values: ArrayLike, places: int, *, optional: bool = False
) -> FloatArray:
    """Return a number >= 0 for each place, 0 at the depot; NaN stands for none if optional."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: expected a number for each place") from None
    if array.shape != (places,):
        raise ValueError(
            f"{name} has shape {array.shape}: expected ({places},), a number for each place"
        )
    bad = ~((array >= 0) & (array < _LARGEST)) & ~(np.isnan(array) & optional)
    if bad.any():
        row = int(np.nonzero(bad)[0][0])
        raise ValueError(f"{name}[{row}] = {array[row]}: expected a finite number >= 0")
    if array[0] != 0 and not optional:
        raise ValueError(f"{name}[0] = {array[0]:g}: expected 0 at the depot")
    array.setflags(write=False)
    return array


def checked_amount(name: str, value: float | None, *, above_zero: bool) -> None:
    """Refuse what is no finite number of the right sign; None is allowed."""
    if value is None:
        return
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not 0 <= value < _LARGEST or (above_zero and value == 0):
        sign = ">" if above_zero else ">="
        raise ValueError(f"{name} = {value!r}: expected a finite number {sign} 0")


def checked_count(name: str, value: int) -> None:
    """Refuse what is no integer >= 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} = {value!r}: expected an integer >= 1")


def checked_windows(windows: ArrayLike, places: int) -> FloatArray:
    """Return times from ... to as an array of shape ``(places, 2)``."""
    try:
        array = np.array(windows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("windows: expected (from, to) in minutes for each place") from None
    if array.shape != (places, 2):
        raise ValueError(
            f"windows has shape {array.shape}: expected ({places}, 2), (from, to) for each place"
        )
    bad = ~((array[:, 0] >= 0) & (array[:, 0] < _LARGEST) & (array[:, 1] >= array[:, 0]))
    if bad.any():
        row = int(np.nonzero(bad)[0][0])
        raise ValueError(
            f"windows[{row}] = {array[row].tolist()}: expected minutes with 0 <= from <= to"
        )
    array.setflags(write=False)
    return array


def checked_origins(origins: ArrayLike, n_stops: int, places: int) -> NDArray[np.intp]:
    """Return for each place the index of another stop, or 0."""
    array = np.array(origins)
    if array.shape != (places,) or array.dtype.kind not in "iu":
        raise ValueError(f"origins: expected {places} integers, one per place")
    bad = (array < 0) | (array > n_stops) | ((array == np.arange(places)) & (array > 0))
    bad |= (array > 0) & ((np.arange(places) == 0) | (np.arange(places) > n_stops))
    if bad.any():
        row = int(np.nonzero(bad)[0][0])
        raise ValueError(f"origins[{row}] = {array[row]}: expected another stop, or 0")
    array = array.astype(np.intp)
    array.setflags(write=False)
    return array
