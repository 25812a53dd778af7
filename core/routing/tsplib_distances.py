"""The distances that TSPLIB defines between nodes of the plane and of the globe.

References
----------
Reinelt (1995), TSPLIB 95, section 2: his formulas, with his values of pi and of the earth's radius.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.routing.problem import FloatArray

__all__ = ["DISTANCES", "matrix_of"]

_PI, _RADIUS = 3.141592, 6378.388
_MOST_NODES = 20_000

# Exact where `Problem` computes them itself, from points.
_PLAIN = ("EUC_2D", "EXACT_2D")


def _euclidean(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]))


def _manhattan(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.abs(a - b).sum(axis=-1))


def _maximum(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.abs(a - b).max(axis=-1))


def _ceiling(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.ceil(_euclidean(a, b)))


def _att(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the pseudo-Euclidean distance, rounded up."""
    return np.asarray(np.ceil(np.sqrt(((a - b) ** 2).sum(axis=-1) / 10.0)))


def _geo(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return kilometres; coordinates are DDD.MM, degrees and minutes, latitude first."""
    (lat_a, lon_a), (lat_b, lon_b) = (np.moveaxis(_radians(c), -1, 0) for c in (a, b))
    q1, q2, q3 = np.cos(lon_a - lon_b), np.cos(lat_a - lat_b), np.cos(lat_a + lat_b)
    angle = np.arccos(np.clip(0.5 * ((1.0 + q1) * q2 - (1.0 - q1) * q3), -1.0, 1.0))
    return np.asarray(np.floor(_RADIUS * angle + 1.0))


def _radians(coordinates: FloatArray) -> FloatArray:
    degrees = np.trunc(coordinates)
    return np.asarray(_PI * (degrees + 5.0 * (coordinates - degrees) / 3.0) / 180.0)


DISTANCES: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = MappingProxyType(
    {
        "EUC_2D": _euclidean,
        "EXACT_2D": _euclidean,
        "CEIL_2D": _ceiling,
        "MAN_2D": _manhattan,
        "MAX_2D": _maximum,
        "ATT": _att,
        "GEO": _geo,
    }
)
"""By EDGE_WEIGHT_TYPE."""

_ROUNDED = ("EUC_2D", "MAN_2D", "MAX_2D")


def matrix_of(kind: str, points: FloatArray, *, rounded: bool) -> dict[str, FloatArray]:
    """Return the matrix of a kind of distances, or nothing where `Problem` needs none.

    Parameters
    ----------
    kind
        A key of `DISTANCES`.
    points
        Shape (n, 2).
    rounded
        Round those to integers that TSPLIB rounds.

    Raises
    ------
    ValueError
        More nodes than a matrix is made for.

    Examples
    --------
    >>> matrix_of("ATT", np.array([[0.0, 0.0], [3.0, 4.0]]), rounded=False)["matrix"].tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    rounding = rounded and kind in _ROUNDED
    if kind in _PLAIN and not rounding:
        return {}
    if len(points) > _MOST_NODES:
        raise ValueError(
            f"EDGE_WEIGHT_TYPE = {kind}: {len(points)} nodes: a matrix is made for at most "
            f"{_MOST_NODES}; EUC_2D, not rounded, needs none"
        )
    matrix = np.empty((len(points), len(points)))
    for row, point in zip(matrix, points, strict=True):
        row[:] = DISTANCES[kind](point, points)
    if rounding:
        matrix = np.floor(matrix + 0.5)
    np.fill_diagonal(matrix, 0.0)
    found = {"matrix": matrix}
    if kind == "GEO":
        # For plots, x to the right: degrees east, then north.
        found["points"] = np.degrees(_radians(points))[:, ::-1]
    return found
