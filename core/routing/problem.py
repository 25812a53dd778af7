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

_WORDS = {
    "metric": ("euclidean", "great_circle"),
    "crew": ("fixed", "at_most"),
    "objective": ("distance", "makespan"),
}

# Squares of larger numbers are infinite, and so would distances be.
_LARGEST = 1e100

# A full matrix above this many places is a mistake: 20,000 places already need 3 GB.
_MATRIX_LIMIT = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Stops to be visited from one depot by K dispatchers (the bounded multiple TSP).

    Each dispatcher leaves the depot, visits stops and comes back, or not where routes are open;
    each stop is visited once. What a
    dispatcher does is bounded in stops, distance, time and load; a bound that is None is no bound.
    Distances are in the unit of the coordinates (kilometres on the globe) or of the matrix, times
    are minutes.

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
    crew
        ``"fixed"``: K dispatchers drive. ``"at_most"``: K or fewer; the bounds hold for those who
        drive.
    min_stops, max_stops
        Number of stops of a dispatcher, 1 or more.
    min_distance, max_distance
        Length of a route, depot to depot.
    min_time, max_time
        Duration of a route in minutes: driving and service.
    speed
        Distance units per hour (km/h on the globe); turns distances into driving times.
    times
        Shape ``(N + 1, N + 1)``: minutes from place to place; takes precedence over `speed`.
    service
        Shape ``(N + 1,)``: minutes spent at each place; 0 when left out, and 0 at the depot.
    demands
        Shape ``(N + 1,)``: what each stop takes of a dispatcher's `capacity`; 0 at the depot.
    capacity
        Largest load of a dispatcher, in the unit of the demands.
    objective
        What to minimise: ``"distance"``, the total of all routes, or ``"makespan"``, the longest.
    open_routes
        Whether routes end at their last stop. The way back is then no part of their length or time.
    ids
        Names of the places, depot first; ``("0", "1", ..., "N")`` when left out.

    Raises
    ------
    ValueError
        Malformed data; the message names the field and the value. Bounds that are well formed but
        cannot be met (say K * max_stops < N) are no error: `core.routing.solve` answers infeasible.
        A bound on time without `times`, `speed` or `service`, or a capacity without `demands`, is
        one.

    Examples
    --------
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2)
    >>> problem.n_stops, problem.max_stops
    (2, None)
    >>> float(problem.between(0, 2))
    10.0
    >>> timed = problem.replace(speed=30.0, service=[0, 5, 5], max_time=60.0)
    >>> timed.duration([2])  # 20 units there and back at 30 an hour, 5 minutes there
    45.0
    """

    points: Any = None
    matrix: Any = None
    metric: Literal["euclidean", "great_circle"] = "euclidean"
    dispatchers: int = 1
    crew: Literal["fixed", "at_most"] = "fixed"
    min_stops: int = 1
    max_stops: int | None = None
    min_distance: float | None = None
    max_distance: float | None = None
    min_time: float | None = None
    max_time: float | None = None
    speed: float | None = None
    times: Any = None
    service: Any = None
    demands: Any = None
    capacity: float | None = None
    objective: Literal["distance", "makespan"] = "distance"
    open_routes: bool = False
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.points is None and self.matrix is None:
            raise ValueError("points: give points or matrix")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                wanted = " or ".join(repr(word) for word in words)
                raise ValueError(f"{name} = {getattr(self, name)!r}: expected {wanted}")
        if self.matrix is not None:
            self._set("matrix", _checked_matrix("matrix", self.matrix))
        if self.points is not None:
            self._set("points", _checked_points(self.points, self.metric))
        if self.matrix is not None and self.points is not None:
            rows, places = len(self.points), len(self.matrix)
            if rows != places:
                raise ValueError(f"points has {rows} rows: expected {places}, as matrix has")
        if self.n_stops < 1:
            raise ValueError("points has the depot only: expected at least one stop")
        self._check_crew()
        self._check_work()
        self._check_open()
        self._check_ids()

    def _check_crew(self) -> None:
        for name in ("dispatchers", "min_stops", "max_stops"):
            if getattr(self, name) is not None or name != "max_stops":
                _checked_count(name, getattr(self, name))
        if self.dispatchers > self.n_stops and self.crew == "fixed":
            raise ValueError(
                f"dispatchers = {self.dispatchers}: expected at most {self.n_stops}, "
                "the number of stops, since each dispatcher visits at least one "
                "(or crew = 'at_most')"
            )

    def _check_work(self) -> None:
        places = self.n_stops + 1
        for name in ("demands", "service"):
            if getattr(self, name) is not None:
                self._set(name, _checked_amounts(name, getattr(self, name), places))
        if self.times is not None:
            self._set("times", _checked_matrix("times", self.times))
            if len(self.times) != places:
                raise ValueError(f"times has {len(self.times)} rows: expected {places}")
        self._check_bounds()

    def _check_bounds(self) -> None:
        for name in ("speed", "capacity", "max_distance", "max_time"):
            _checked_amount(name, getattr(self, name), above_zero=True)
        for name in ("min_distance", "min_time"):
            _checked_amount(name, getattr(self, name), above_zero=False)
        for what in ("stops", "distance", "time"):
            least, most = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if least is not None and most is not None and most < least:
                raise ValueError(
                    f"max_{what} = {most:g}: expected at least "
                    f"min_{what} = {least:g}; the bounds contradict each other"
                )
        if self.capacity is not None and self.demands is None:
            raise ValueError(f"capacity = {self.capacity:g}: expected demands of the stops with it")
        if self.timed and not self.clocked:
            name = "max_time" if self.max_time is not None else "min_time"
            raise ValueError(
                f"{name} = {getattr(self, name):g}: expected speed, times or service with it"
            )

    def _check_open(self) -> None:
        if type(self.open_routes) is not bool:  # "false" would be true
            raise ValueError(f"open_routes = {self.open_routes!r}: expected True or False")
        if self.open_routes and self.matrix is None and self.n_stops >= _MATRIX_LIMIT:
            raise ValueError(
                f"points has {self.n_stops + 1} rows: open_routes keeps a matrix of distances, "
                f"which is made for at most {_MATRIX_LIMIT}"
            )

    def _check_ids(self) -> None:
        n_places = self.n_stops + 1
        self._set("ids", tuple(map(str, self.ids)) or tuple(str(i) for i in range(n_places)))
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
        others = self.dispatchers - 1 if self.crew == "fixed" else 0
        spare = self.n_stops - others * self.min_stops
        return max(1, spare if self.max_stops is None else min(self.max_stops, spare))

    @property
    def fewest_routes(self) -> int:
        """Least number of dispatchers who drive: K when the crew is fixed."""
        return self.dispatchers if self.crew == "fixed" else 1

    @property
    def symmetric(self) -> bool:
        """Whether every distance and driving time is the same in both directions."""
        return not self.open_routes and all(
            matrix is None or bool(np.array_equal(matrix, matrix.T))
            for matrix in (self.matrix, self.times)
        )

    @property
    def timed(self) -> bool:
        """Whether the time of a dispatcher is bounded."""
        return self.min_time is not None or self.max_time is not None

    @property
    def clocked(self) -> bool:
        """Whether routes have a duration: by a matrix of times, a speed, or service alone."""
        return any(part is not None for part in (self.times, self.speed, self.service))

    @property
    def only_stops(self) -> bool:
        """Whether only stops are bounded."""
        bounds = (self.capacity, self.min_distance, self.max_distance)
        return not self.timed and all(bound is None for bound in bounds)

    @property
    def distance_unit(self) -> str:
        """The unit of distances, for reports."""
        return "km" if self.matrix is None and self.metric == "great_circle" else "input units"

    def between(self, start: ArrayLike, end: ArrayLike) -> FloatArray:
        """Return the distance from places `start` to places `end` (indices; arrays broadcast)."""
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
        """Return the full matrix, shape ``(N + 1, N + 1)``; for small problems only."""
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

    def _path(self, route: ArrayLike) -> NDArray[np.intp]:
        """Return the places that a route drives to, from the depot on."""
        home = [] if self.open_routes else [0]
        return np.concatenate(([0], np.asarray(route, dtype=np.intp), home)).astype(np.intp)

    def length(self, route: ArrayLike) -> float:
        """Return the length of one route given as stop indices without the depot."""
        path = self._path(route)
        return float(self.between(path[:-1], path[1:]).sum())

    def cost(self, routes: Sequence[ArrayLike]) -> float:
        """Return the objective's value: total length of the routes, or length of the longest."""
        lengths = [self.length(route) for route in routes]
        return max(lengths) if self.objective == "makespan" else math.fsum(lengths)

    def driving_time(self, start: ArrayLike, end: ArrayLike) -> FloatArray:
        """Return minutes from places `start` to `end`; 0 where neither times nor speed is given."""
        if self.times is not None:
            return np.asarray(self.times[np.asarray(start), np.asarray(end)])
        return self.between(start, end) * self.pace

    @property
    def pace(self) -> float:
        """Minutes per unit of distance, where `times` does not tell."""
        return 0.0 if self.speed is None else 60.0 / self.speed

    def duration(self, route: ArrayLike) -> float:
        """Return the minutes of one route (stop indices without the depot): driving and service."""
        path = self._path(route)
        served = 0.0 if self.service is None else float(self.service[path].sum())
        return float(self.driving_time(path[:-1], path[1:]).sum()) + served

    def load(self, route: ArrayLike) -> float:
        """Sum up the demands of a route."""
        if self.demands is None:
            return 0.0
        return float(self.demands[np.asarray(route, dtype=np.intp)].sum())

    def warnings(self) -> list[str]:
        """List what is allowed but looks like a mistake, such as stops at the same place."""
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

    def closed(self) -> Problem:
        """Return open routes as closed ones whose ways back take nothing, which solvers know.

        Routes have the same lengths and times in both.

        Examples
        --------
        >>> problem = Problem(points=[[0, 0], [3, 4]], open_routes=True)
        >>> problem.length([1]), problem.closed().matrix.tolist()
        (5.0, [[0.0, 5.0], [0.0, 0.0]])
        """
        if not self.open_routes:
            return self
        fields = {"matrix": self.distances(), "times": self.times}
        free = {name: values.copy() for name, values in fields.items() if values is not None}
        for values in free.values():
            values[:, 0] = 0.0
        return self.replace(**free, open_routes=False)

    def replace(self, **changes: Any) -> Problem:
        """Return a copy with some fields changed (checked again)."""
        return dataclasses.replace(self, **changes)


def _checked_points(points: ArrayLike, metric: str) -> FloatArray:
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


def _checked_matrix(name: str, matrix: ArrayLike) -> FloatArray:
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


def _checked_amounts(name: str, values: ArrayLike, places: int) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: expected a number for each place") from None
    if array.shape != (places,):
        raise ValueError(
            f"{name} has shape {array.shape}: expected ({places},), a number for each place"
        )
    bad = ~((array >= 0) & (array < _LARGEST))
    if bad.any():
        row = int(np.nonzero(bad)[0][0])
        raise ValueError(f"{name}[{row}] = {array[row]}: expected a finite number >= 0")
    if array[0] != 0:
        raise ValueError(f"{name}[0] = {array[0]:g}: expected 0 at the depot")
    array.setflags(write=False)
    return array


def _checked_amount(name: str, value: float | None, *, above_zero: bool) -> None:
    if value is None:
        return
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not 0 <= value < _LARGEST or (above_zero and value == 0):
        sign = ">" if above_zero else ">="
        raise ValueError(f"{name} = {value!r}: expected a finite number {sign} 0")


def _checked_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} = {value!r}: expected an integer >= 1")
