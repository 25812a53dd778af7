"""Distances and near neighbours in a form that kernels take, with memory linear in N."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing._jit import kernel, native
from core.routing.problem import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["Geometry", "geometry", "leg", "neighbours"]

Geometry = tuple[int, Any, Any, Any, Any, int]
"""Kind (0 plane, 1 sphere, 2 matrix), x, y, z, flat matrix, places: the argument of `leg`."""

_ROWS = 512  # rows of a matrix sorted at once


def geometry(problem: Problem, places: NDArray[np.intp] | None = None) -> Geometry:
    """Prepare the distances among `places` (all by default), renumbered from 0."""
    none = native(np.zeros(1))
    if problem.matrix is not None:
        matrix = problem.matrix if places is None else problem.matrix[np.ix_(places, places)]
        return 2, none, none, none, native(np.ascontiguousarray(matrix).ravel()), len(matrix)
    points = problem.points if places is None else problem.points[places]
    if problem.metric == "euclidean":
        return 0, native(points[:, 0]), native(points[:, 1]), none, none, len(points)
    x, y, z = _unit_vectors(points).T
    return 1, native(x), native(y), native(z), none, len(points)


@kernel
def leg(geo: Geometry, i: int, j: int) -> float:
    """Return the distance from place i to place j."""
    kind, x, y, z, matrix, places = geo
    if kind == 0:
        dx = x[i] - x[j]
        dy = y[i] - y[j]
        return math.sqrt(dx * dx + dy * dy)
    if kind == 2:
        return float(matrix[i * places + j])
    dx = x[i] - x[j]
    dy = y[i] - y[j]
    dz = z[i] - z[j]
    chord = math.sqrt(dx * dx + dy * dy + dz * dz)
    return 2.0 * EARTH_RADIUS_KM * math.asin(min(1.0, chord / 2.0))


def neighbours(
    problem: Problem, count: int, places: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Find the nearest places of each of `places`, nearest first: ``(n, min(count, n - 1))``.

    Parameters
    ----------
    problem
        Where the distances come from; of an asymmetric matrix the smaller direction counts.
    count
        Neighbours per place.
    places
        Indices into the problem (all by default); the result is in their numbering, from 0.
    """
    n = problem.n_stops + 1 if places is None else len(places)
    count = max(0, min(count, n - 1))
    if problem.matrix is not None:
        matrix = problem.matrix if places is None else problem.matrix[np.ix_(places, places)]
        return _matrix_neighbours(matrix, count)
    points = problem.points if places is None else problem.points[places]
    if problem.metric == "great_circle":
        points = _unit_vectors(points)
    from scipy.spatial import cKDTree

    _, found = cKDTree(points).query(points, k=count + 1)
    # A place is among its own nearest, though not always first where places coincide.
    found = np.asarray(found, dtype=np.intp).reshape(n, count + 1)
    own = found == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    near: NDArray[np.intp] = found[~own].reshape(n, count)
    return near


def _matrix_neighbours(matrix: FloatArray, count: int) -> NDArray[np.intp]:
    n = len(matrix)
    found = np.empty((n, count), dtype=np.intp)
    for start in range(0, n, _ROWS):
        rows = np.minimum(matrix[start : start + _ROWS], matrix[:, start : start + _ROWS].T)
        np.put_along_axis(rows, np.arange(start, start + len(rows))[:, None], np.inf, axis=1)
        found[start : start + _ROWS] = np.argsort(rows, axis=1, kind="stable")[:, :count]
    return found


def _unit_vectors(points: FloatArray) -> FloatArray:
    lon, lat = np.radians(points).T
    return np.column_stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)))
