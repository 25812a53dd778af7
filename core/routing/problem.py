"""The problem: a depot, stops, K dispatchers and bounds on the work of each."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EARTH_RADIUS_KM", "FloatArray", "Problem"]

FloatArray = NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0088  # mean radius (IUGG)

# A full matrix above this many places is a mistake: 20,000 places already need 3 GB.
_MATRIX_LIMIT = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Stops to be visited from one depot by K dispatchers (the bounded multiple TSP).

    Each dispatcher leaves the depot, visits at least `min_stops` and at most `max_stops` stops and
    comes back; each stop is visited once.

    Parameters
    ----------
    points
        Shape ``(N + 1, 2)``; row 0 is the depot. Columns are x and y, or longitude and latitude
        in degrees when `metric` is ``"great_circle"``. May be left out when `matrix` is given
        (and then serves plots only).
    matrix
        Shape ``(N + 1, N + 1)``: ``matrix[i, j]`` is the distance from place i to place j; it need
        not be symmetric. Takes precedence over `points`.
    metric
        ``"euclidean"``: distances in the unit of the coordinates. ``"great_circle"``: kilometres.
    dispatchers
        K, from 1 to N.
    min_stops
        Least number of stops of a dispatcher, 1 or more.
    max_stops
        Largest number of stops of a dispatcher; N when left out.
    objective
        What to minimise: ``"distance"``, the total of all routes, or ``"makespan"``, the longest.
    ids
        Names of the places, depot first; ``("0", "1", ..., "N")`` when left out.

    Raises
    ------
    ValueError
        Malformed data; the message names the field and the value. Bounds that are well formed but
        cannot be met (say K * max_stops < N) are no error: `core.routing.solve` answers infeasible.

    Examples
    --------
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2)
    >>> problem.n_stops, problem.max_stops
    (2, None)
    >>> float(problem.between(0, 2))
    10.0
    """

    points: Any = None
    matrix: Any = None
    metric: Literal["euclidean", "great_circle"] = "euclidean"
    dispatchers: int = 1
    min_stops: int = 1
    max_stops: int | None = None
    objective: Literal["distance", "makespan"] = "distance"
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:  # noqa: C901 (a list of checks)
        if self.points is None and self.matrix is None:
            raise ValueError("points: give points or matrix")
        if self.metric not in ("euclidean", "great_circle"):
            raise ValueError(f"metric = {self.metric!r}: expected 'euclidean' or 'great_circle'")
        if self.objective not in ("distance", "makespan"):
            raise ValueError(f"objective = {self.objective!r}: expected 'distance' or 'makespan'")
        if self.matrix is not None:
            self._set("matrix", _checked_matrix(self.matrix))
        if self.points is not None:
            self._set("points", _checked_points(self.points, self.metric))
        if self.matrix is not None and self.points is not None:
            rows, places = len(self.points), len(self.matrix)
            if rows != places:
                raise ValueError(f"points has {rows} rows: expected {places}, as matrix has")
        n_stops = self.n_stops
        if n_stops < 1:
            raise ValueError("points has the depot only: expected at least one stop")
        _checked_count("dispatchers", self.dispatchers)
        _checked_count("min_stops", self.min_stops)
        if self.max_stops is not None:
            _checked_count("max_stops", self.max_stops)
            if self.max_stops < self.min_stops:
                raise ValueError(
                    f"max_stops = {self.max_stops}: expected at least "
                    f"min_stops = {self.min_stops}; the bounds contradict each other"
                )
        if self.dispatchers > n_stops:
            raise ValueError(
                f"dispatchers = {self.dispatchers}: expected at most {n_stops}, "
                "the number of stops, since each dispatcher visits at least one"
            )
        self._check_ids()

    def _check_ids(self) -> None:
        n_places = self.n_stops + 1
        if not self.ids:
            self._set("ids", tuple(str(i) for i in range(n_places)))
        if len(self.ids) != n_places:
            raise ValueError(f"ids has {len(self.ids)} names: expected {n_places}, one per place")
        if len(set(self.ids)) != n_places:
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise ValueError(f"ids: {twice!r} occurs more than once")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def n_stops(self) -> int:
        """N, the depot not counted."""
        return len(self.matrix if self.matrix is not None else self.points) - 1

    @property
    def most_stops(self) -> int:
        """`max_stops` as a number: what one dispatcher can have when all others have the least."""
        spare = self.n_stops - (self.dispatchers - 1) * self.min_stops
        return max(1, spare if self.max_stops is None else min(self.max_stops, spare))

    @property
    def symmetric(self) -> bool:
        """Whether every distance is the same in both directions."""
        return self.matrix is None or bool(np.array_equal(self.matrix, self.matrix.T))

    def between(self, start: ArrayLike, end: ArrayLike) -> FloatArray:
        """Distance from places `start` to places `end` (indices; arrays broadcast)."""
        i, j = np.asarray(start), np.asarray(end)
        if self.matrix is not None:
            return np.asarray(self.matrix[i, j])
        a, b = self.points[i], self.points[j]
        if self.metric == "euclidean":
            return np.asarray(np.hypot(a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]))
        lon_a, lat_a, lon_b, lat_b = (
            np.radians(v) for v in (a[..., 0], a[..., 1], b[..., 0], b[..., 1])
        )
        # Haversine: exact for near points, where the cosine formula loses all digits.
        h = (
            np.sin((lat_b - lat_a) / 2) ** 2
            + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
        )
        return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(h, 1.0))))

    def distances(self) -> FloatArray:
        """Full matrix, shape ``(N + 1, N + 1)``; for small problems only."""
        if self.matrix is not None:
            return np.asarray(self.matrix)
        n_places = self.n_stops + 1
        if n_places > _MATRIX_LIMIT:
            raise ValueError(
                f"points has {n_places} rows: a full distance matrix is made for at most "
                f"{_MATRIX_LIMIT}; use method='divide' or 'heuristic'"
            )
        every = np.arange(n_places)
        return self.between(every[:, None], every[None, :])

    def length(self, route: ArrayLike) -> float:
        """Length of one route given as stop indices without the depot."""
        path = np.concatenate(([0], np.asarray(route, dtype=np.intp), [0]))
        return float(self.between(path[:-1], path[1:]).sum())

    def cost(self, routes: Sequence[ArrayLike]) -> float:
        """Value of the objective: total length of the routes, or length of the longest."""
        lengths = [self.length(route) for route in routes]
        return max(lengths) if self.objective == "makespan" else math.fsum(lengths)

    def infeasible(self) -> str:
        """Say which bound cannot be met, in the user's terms; empty when all can."""
        n, k = self.n_stops, self.dispatchers
        if k * self.min_stops > n:
            return (
                f"dispatchers * min_stops = {k} * {self.min_stops} = {k * self.min_stops} "
                f"> {n} stops: not enough stops for the minimum"
            )
        if self.max_stops is not None and k * self.max_stops < n:
            return (
                f"dispatchers * max_stops = {k} * {self.max_stops} = {k * self.max_stops} "
                f"< {n} stops: more dispatchers or a larger maximum are needed"
            )
        return ""

    def warnings(self) -> list[str]:
        """List what is allowed but looks like a mistake: stops at the same place."""
        if self.points is None:
            return []
        seen: dict[tuple[float, float], str] = {}
        found = []
        for name, (x, y) in zip(self.ids, self.points.tolist(), strict=True):
            if (x, y) in seen:
                found.append(f"{name!r} is at the same place as {seen[x, y]!r} ({x:g}, {y:g})")
            else:
                seen[x, y] = name
        return found

    def replace(self, **changes: Any) -> Problem:
        """Return a copy with some fields changed (checked again)."""
        return dataclasses.replace(self, **changes)


def _checked_points(points: ArrayLike, metric: str) -> FloatArray:
    try:
        array = np.array(points, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("points: expected numbers, one (x, y) per row") from None
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"points has shape {array.shape}: expected (N + 1, 2)")
    if not np.isfinite(array).all():
        row = int(np.nonzero(~np.isfinite(array).all(axis=1))[0][0])
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


def _checked_matrix(matrix: ArrayLike) -> FloatArray:
    try:
        array = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            "matrix: expected numbers, as many in each row as there are rows"
        ) from None
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"matrix has shape {array.shape}: expected (N + 1, N + 1), square")
    bad = ~np.isfinite(array) | (array < 0)
    np.fill_diagonal(bad, val=False)
    if bad.any():
        i, j = (int(v) for v in np.argwhere(bad)[0])
        raise ValueError(
            f"matrix[{i}, {j}] = {array[i, j]}: expected a finite distance >= 0 "
            "(every place must be reachable from every other)"
        )
    np.fill_diagonal(array, 0.0)
    array.setflags(write=False)
    return array


def _checked_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} = {value!r}: expected an integer >= 1")
