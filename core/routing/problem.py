"""The problem: a depot, stops, K dispatchers, bounds on the work of each, and what stops ask."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.routing.checks import (
    FloatArray,
    checked_amounts,
    checked_count,
    checked_matrix,
    checked_origins,
    checked_points,
    checked_windows,
)
from core.routing.consistency import MATRIX_LIMIT, check_consistency, check_words
from core.routing.fleet import Vehicle, checked_fleet
from core.routing.schedule import Stint, Timetable, timetable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["BEYOND", "EARTH_RADIUS_KM", "FloatArray", "Problem"]

EARTH_RADIUS_KM = 6371.0088  # mean radius (IUGG)

BEYOND = ("windows", "prizes", "pickups", "backhauls", "origins", "fleet", "depots")
"""Fields that `exact` and `divide` do not know; `core.routing.windows` knows the first two."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Stops to be visited from a depot by K dispatchers (the bounded multiple TSP, and beyond).

    Each dispatcher leaves the depot, visits stops and comes back, or not where routes are open;
    each stop is visited once. What a dispatcher does is bounded in stops, distance, time and load;
    a bound that is None is no bound. Distances are in the unit of the coordinates (kilometres on
    the globe) or of the matrix, times are minutes.

    The fields of `BEYOND` ask for more: times when stops are open, stops that may be left out,
    loads that are fetched, vehicles that differ, several depots. The sum to be minimised is then
    cost of the vehicles (`route_cost`) and the prizes of the stops left out.

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
        K, from 1 to N; with a `fleet`, as many as that has.
    crew
        ``"fixed"``: K dispatchers drive. ``"at_most"``: K or fewer; the bounds hold for those who
        drive. When left out: at most, if any field of `BEYOND` is set, else fixed.
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
    balance, balance_price
        What dispatchers should have as much of as each other, and what that is worth:
        ``balance_price / 2 * w ** 2`` is added to the cost for a dispatcher who has w ``"stops"``,
        units of ``"distance"``, or minutes (``"time"``). So a little work may go to somebody who
        has d less if a unit of it adds less than ``balance_price * d`` to the distance.
    open_routes
        Whether routes end at their last stop. The way back is then no part of their length or time.
    windows
        Shape ``(N + 1, 2)``: from and to when service may begin at each stop, in minutes;
        ``inf`` for no end. Who is early waits, which is part of the time of a route. In row 0
        dispatchers leave no earlier, and are back no later.
    prizes
        Shape ``(N + 1,)``: what it costs to leave a stop out; NaN for stops that must be visited.
    pickups
        Shape ``(N + 1,)``: what is loaded at each stop, and brought to the depot.
    backhauls
        Whether a dispatcher delivers everything before the first pickup.
    origins
        Shape ``(N + 1,)``: index of the stop where the demand of a stop is loaded, earlier on the
        same route; 0 for the depot.
    fleet
        Vehicles that differ, as `Vehicle` or mappings of its fields.
    depots
        Number of depots: place 0, and the last ``depots - 1`` places, which are no stops.
    ids
        Names of the places, depot first; ``("0", "1", ..., "N")`` when left out.
    unit
        What distances are measured in, for reports; ``"km"`` on the globe when left out.

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
    crew: Literal["fixed", "at_most"] | None = None
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
    balance: Literal["stops", "distance", "time"] | None = None
    balance_price: float | None = None
    open_routes: bool = False
    windows: Any = None
    prizes: Any = None
    pickups: Any = None
    backhauls: bool = False
    origins: Any = None
    fleet: Any = ()
    depots: int = 1
    ids: tuple[str, ...] = ()
    unit: str = ""
    _crew_open: bool = dataclasses.field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        if self.points is None and self.matrix is None:
            raise ValueError("points: give points or matrix")
        if self.crew is None:
            self._set("_crew_open", value=True)
            self._set("crew", "at_most" if self.beyond else "fixed")
        check_words(self)
        if self.matrix is not None:
            self._set("matrix", checked_matrix("matrix", self.matrix))
        if self.points is not None:
            self._set("points", checked_points(self.points, self.metric))
        if self.matrix is not None and self.points is not None:
            rows, places = len(self.points), len(self.matrix)
            if rows != places:
                raise ValueError(f"points has {rows} rows: expected {places}, as matrix has")
        checked_count("depots", self.depots)
        if self.n_stops < 1:
            raise ValueError("points has the depot only: expected at least one stop")
        self._check_ids()
        self._check_fleet()
        self._check_work()
        if self.origins is not None:
            self._set("origins", checked_origins(self.origins, self.n_stops, self.n_places))
        check_consistency(self)

    def _check_fleet(self) -> None:
        self._set("fleet", checked_fleet(self.fleet))
        if not self.fleet:
            return
        self._set("dispatchers", sum(vehicle.count for vehicle in self.fleet))
        # The first depot may be named, too: other formats call it otherwise.
        first = self.ids[0]
        own = (dataclasses.replace(v, depot="") if v.depot == first else v for v in self.fleet)
        self._set("fleet", tuple(own))

    def _check_work(self) -> None:
        places = self.n_places
        for name in ("demands", "service", "pickups", "prizes"):
            if getattr(self, name) is not None:
                values = checked_amounts(
                    name, getattr(self, name), places, optional=name == "prizes"
                )
                if (bad := values[self.depot_places] > 0).any():
                    depot = self.depot_places[int(np.argmax(bad))]
                    raise ValueError(f"{name}[{depot}] = {values[depot]:g}: expected 0 at a depot")
                self._set(name, values)
        if self.windows is not None:
            self._set("windows", checked_windows(self.windows, places))
        if self.times is not None:
            self._set("times", checked_matrix("times", self.times))
            if len(self.times) != places:
                raise ValueError(f"times has {len(self.times)} rows: expected {places}")

    def _check_ids(self) -> None:
        n_places = self.n_places
        self._set("ids", tuple(map(str, self.ids)) or tuple(str(i) for i in range(n_places)))
        if len(self.ids) != n_places:
            raise ValueError(f"ids has {len(self.ids)} names: expected {n_places}, one per place")
        if len(set(self.ids)) != n_places:
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise ValueError(f"ids: {twice!r} occurs more than once")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def n_places(self) -> int:
        """Number of stops and depots."""
        return len(self.matrix if self.matrix is not None else self.points)

    @property
    def n_stops(self) -> int:
        """N, the depots not counted."""
        return self.n_places - self.depots

    @property
    def depot_places(self) -> list[int]:
        """Indices of the depots."""
        return [0, *range(self.n_stops + 1, self.n_places)]

    @property
    def beyond(self) -> tuple[str, ...]:
        """The fields of `BEYOND` that are set."""
        given = {name: getattr(self, name) for name in BEYOND}
        plain = {"backhauls": False, "fleet": (), "depots": 1}
        return tuple(
            name
            for name, value in given.items()
            if value is not None and not (name in plain and value in (plain[name], []))
        )

    @property
    def vehicles(self) -> tuple[Vehicle, ...]:
        """Kinds of vehicles: the fleet, or one kind for all dispatchers."""
        return self.fleet or (Vehicle(name="dispatcher", count=self.dispatchers),)

    @property
    def scheduled(self) -> bool:
        """Whether the time of the day matters: stops have windows, or vehicles shifts."""
        return self.windows is not None or any(v.shift != (0.0, math.inf) for v in self.fleet)

    def limit(self, name: str, kind: int = 0) -> float | None:
        """Return a vehicle's own `capacity`, `max_distance` or `max_time`, else everybody's."""
        own = getattr(self.vehicles[kind], name)
        limit: float | None = getattr(self, name) if own is None else own
        return limit

    def depot_of(self, kind: int) -> int:
        """Return the place where a kind of vehicle starts."""
        depot = self.vehicles[kind].depot
        return self.ids.index(depot) if depot else 0

    def end_of(self, kind: int) -> int:
        """Return the place where a kind of vehicle ends."""
        depot = self.vehicles[kind].end_depot
        return self.ids.index(depot) if depot else self.depot_of(kind)

    def open_hours(self, kind: int) -> tuple[float, float]:
        """Return when a kind of vehicle leaves at the earliest, and is back at the latest."""
        start, end = self.vehicles[kind].shift
        opens, closes = self.window(self.depot_of(kind))[0], self.window(self.end_of(kind))[1]
        return max(start, opens), min(end, closes)

    def window(self, place: int) -> tuple[float, float]:
        """Return from and to when service may begin at a place."""
        if self.windows is None:
            return 0.0, math.inf
        low, high = self.windows[place].tolist()
        return low, high

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
        globe = self.matrix is None and self.metric == "great_circle"
        return self.unit or ("km" if globe else "input units")

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
        n_places = self.n_places
        if n_places > MATRIX_LIMIT:
            raise ValueError(
                f"points has {n_places} rows: a full distance matrix is made for at most "
                f"{MATRIX_LIMIT}; use method='divide' or 'heuristic'"
            )
        every = np.arange(n_places)
        return self.between(every[:, None], every[None, :])

    def path(self, route: ArrayLike, kind: int = 0) -> NDArray[np.intp]:
        """Return the places that a route drives to, from the depot on."""
        home = [] if self.open_routes else [self.end_of(kind)]
        return np.concatenate(
            ([self.depot_of(kind)], np.asarray(route, dtype=np.intp), home)
        ).astype(np.intp)

    def length(self, route: ArrayLike, kind: int = 0) -> float:
        """Return the length of one route given as stop indices without the depot."""
        path = self.path(route, kind)
        return float(self.between(path[:-1], path[1:]).sum())

    def cost(self, routes: Sequence[ArrayLike], kinds: Sequence[int] = ()) -> float:
        """Return what is minimised: the total of all routes, or the length of the longest.

        The total has fixed costs, prizes and the price of unequal work in it, where there are any.

        Parameters
        ----------
        routes
            Stop indices per dispatcher.
        kinds
            Of `vehicles`, one per route; the first kind when left out.
        """
        kinds = kinds or [0] * len(routes)
        pairs = list(zip(routes, kinds, strict=True))
        if self.objective == "makespan":
            return max(self.length(route, kind) for route, kind in pairs)
        driven = [self.route_cost(route, kind) for route, kind in pairs]
        missed = [float(self.prizes[stop]) for stop in self.left_out(routes)]
        return math.fsum((*driven, *missed, self.balance_cost(routes, kinds)))

    def route_cost(self, route: ArrayLike, kind: int = 0) -> float:
        """Return the cost of one route: of its vehicle, its length and its hours.

        Examples
        --------
        >>> van = {"fixed_cost": 5, "hour_cost": 30, "max_time": 10}
        >>> van |= {"max_overtime": 20, "overtime_cost": 60}
        >>> problem = Problem(points=[[0, 0], [6, 8]], speed=60, fleet=[van])
        >>> problem.route_cost([1])  # 5, 20 units, 20 minutes, of which 10 are overtime
        45.0
        """
        vehicle = self.vehicles[kind]
        cost = vehicle.fixed_cost + vehicle.distance_cost * self.length(route, kind)
        if vehicle.hour_cost or vehicle.overtime_cost:
            minutes = self.duration(route, kind)
            over = max(0.0, minutes - (self.limit("max_time", kind) or math.inf))
            cost += (vehicle.hour_cost * minutes + vehicle.overtime_cost * over) / 60
        return cost

    def balance_cost(self, routes: Sequence[ArrayLike], kinds: Sequence[int] = ()) -> float:
        """Return what unequal work adds to the cost: ``balance_price / 2`` times its squares.

        Examples
        --------
        >>> problem = Problem(
        ...     points=[[0, 0], [1, 0], [2, 0], [3, 0]], balance="stops", balance_price=0.5
        ... )
        >>> problem.balance_cost([[1, 2, 3]]), problem.balance_cost([[1], [2, 3]])
        (2.25, 1.25)
        """
        if self.balance is None or self.balance_price is None:
            return 0.0
        amount: Callable[..., float] = {
            "stops": lambda route, _: float(len(route)),
            "distance": self.length,
            "time": self.duration,
        }[self.balance]
        works = [
            amount(route, kind)
            for route, kind in zip(routes, kinds or [0] * len(routes), strict=True)
        ]
        return math.fsum(self.balance_price / 2 * work**2 for work in works)

    def optional(self, stop: int) -> bool:
        """Whether a stop has a prize, and may be left out."""
        return self.prizes is not None and not math.isnan(self.prizes[stop])

    def left_out(self, routes: Sequence[ArrayLike]) -> list[int]:
        """Return the optional stops that no route visits."""
        visited = {int(stop) for route in routes for stop in np.asarray(route, dtype=int)}
        stops = range(1, self.n_stops + 1)
        return [stop for stop in stops if self.optional(stop) and stop not in visited]

    def driving_time(self, start: ArrayLike, end: ArrayLike) -> FloatArray:
        """Return minutes from places `start` to `end`; 0 where neither times nor speed is given."""
        if self.times is not None:
            return np.asarray(self.times[np.asarray(start), np.asarray(end)])
        return self.between(start, end) * self.pace

    @property
    def pace(self) -> float:
        """Minutes per unit of distance, where `times` does not tell."""
        return 0.0 if self.speed is None else 60.0 / self.speed

    def duration(self, route: ArrayLike, kind: int = 0) -> float:
        """Return the minutes of one route (stop indices without the depot).

        Driving, service, and such waiting as no later start avoids.
        """
        path = self.path(route, kind)
        if self.scheduled:
            return self.timetable(np.asarray(route, dtype=np.intp).tolist(), kind).duration
        served = 0.0 if self.service is None else float(self.service[path].sum())
        return float(self.driving_time(path[:-1], path[1:]).sum()) + served

    def timetable(self, route: Sequence[int], kind: int = 0) -> Timetable:
        """Return when a vehicle leaves, serves the stops of a route, and is back.

        Examples
        --------
        >>> windows = [(0, 100), (30, 40), (0, 100)]
        >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], speed=60, windows=windows)
        >>> problem.timetable([1, 2]).leaves
        25.0
        """
        path = self.path(route, kind)
        drives = self.driving_time(path[:-1], path[1:]).tolist()
        served = [0.0 if self.service is None else float(self.service[stop]) for stop in route]
        windows = [self.window(stop) for stop in route]
        if self.open_routes:
            drives.append(0.0)
        return timetable(Stint(drives, windows, served, self.open_hours(kind)))

    def loads(self, route: Sequence[int]) -> list[float]:
        """Return what is on board: on leaving the depot, and on leaving each stop."""
        none = np.zeros(self.n_places)
        demands = none if self.demands is None else self.demands
        pickups = none if self.pickups is None else self.pickups
        origins = none if self.origins is None else self.origins
        # What is loaded for another stop is on board from here to there.
        goods = {int(origins[stop]): float(demands[stop]) for stop in route if origins[stop] > 0}
        found = [math.fsum(float(demands[stop]) for stop in route if origins[stop] == 0)]
        for stop in route:
            change = float(pickups[stop]) - float(demands[stop]) + goods.get(int(stop), 0.0)
            found.append(found[-1] + change)
        return found

    def load(self, route: ArrayLike) -> float:
        """Return the largest load of a route: the sum of its demands, if it only delivers."""
        return max(self.loads(np.asarray(route, dtype=np.intp).tolist()))

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
            values[:, self.depot_places] = 0.0
        return self.replace(**free, open_routes=False)

    def relaxed(self) -> Problem | None:
        """Return the problem without what our own bounds do not know; no route costs more there.

        None where that does not hold, because stops may be left out or vehicles differ.
        """
        if self.prizes is not None or self.fleet or self.depots > 1:
            return None
        loose: dict[str, Any] = {} if self.origins is None else {"demands": None, "capacity": None}
        if self.demands is None:
            loose["capacity"] = None
        loose["crew"] = self.crew  # which would be fixed, were it left to the fields that are left
        return self.replace(windows=None, pickups=None, backhauls=False, origins=None, **loose)

    def replace(self, **changes: Any) -> Problem:
        """Return a copy with some fields changed (checked again)."""
        if self._crew_open:  # what the crew is when left out depends on the other fields
            changes = {"crew": None, **changes}
        return dataclasses.replace(self, **changes)
