"""Write a problem in PyVRP's terms: whole numbers, clients, shipments, depots and vehicles."""

from __future__ import annotations

import importlib
import importlib.util
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["INSTALLED", "Model", "Worth", "dummies", "pyvrp"]

INSTALLED = importlib.util.find_spec("pyvrp") is not None

# Imported by name: type checkers need not know it either.
pyvrp: Any = importlib.import_module("pyvrp") if INSTALLED else None

_DETOUR = 10.0  # times the longest leg: what no route drives
_LONGEST = 1e5  # the longest leg in PyVRP's integers; its penalties are made for about that
_LONGEST_EXACT = 1e7  # the same where numbers have few decimals, which are then exact
_FINEST = 1e6  # the longest drive: rounded up, it must not make anybody late
_MOST = 10**15  # sums of such numbers are still integers of 64 bits
_STOP = 10  # of load, for one stop too many: what PyVRP fines with more than its two legs
_MOST_UNITS = 1000  # of cost for a unit of distance


def dummies(problem: Problem) -> int:
    """Return how many dummy stops make sure that every dispatcher drives."""
    if problem.crew == "at_most":
        return 0
    return problem.dispatchers * problem.most_stops - problem.n_stops


class Model:
    """A problem as PyVRP takes it.

    Parameters
    ----------
    problem
        Closed routes (`Problem.closed`), to which `pyvrp_refusal` does not object.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.dummies = dummies(problem)
        self.lengths = problem.distances()
        self.scale = _scale([self.lengths], self.lengths, _LONGEST)
        every = np.arange(problem.n_places)
        self.minutes = problem.driving_time(every[:, None], every[None, :])
        zero = np.zeros(problem.n_places)
        self.service = zero if problem.service is None else problem.service
        self.ticks = self._ticks()
        self.units, self.unit = self._costs()
        self.longest_route: float | None = None
        if problem.backhauls:
            self._forbid_deliveries_after_pickups()
        self.place = 0  # of the dummies
        if self.dummies and any(map(_leads_through_depot, (self.lengths, self.minutes))):
            # Dummies in between would be taken for such a short cut: they must come first.
            self.place = problem.n_places
            self.lengths = _beside_depot(self.lengths, _DETOUR * float(self.lengths.max()))
            self.minutes = _beside_depot(self.minutes, 0.0)

    def _costs(self) -> tuple[list[list[int]], float]:
        """Return costs of distance, time and overtime per vehicle, and what a unit of cost is."""
        hour = 60 * self.ticks / self.scale
        costs = [
            (v.distance_cost, v.hour_cost / hour, v.overtime_cost / hour)
            for v in self.problem.vehicles
        ]
        whole, unit = _units([cost for vehicle in costs for cost in vehicle])
        return [whole[at : at + 3] for at in range(0, len(whole), 3)], unit

    def _ticks(self) -> float:
        """Return how many of PyVRP's units a minute has."""
        problem = self.problem
        bounds = [problem.max_time, *(v.max_time for v in problem.vehicles)]
        hours = [problem.open_hours(kind) for kind in range(len(problem.vehicles))]
        windows = [] if problem.windows is None else problem.windows[np.isfinite(problem.windows)]
        told = [v for v in (*bounds, *np.ravel(hours)) if v is not None and math.isfinite(v)]
        longest = np.append(self.minutes.max(), self.service)
        return _scale([self.minutes, self.service, windows, told], longest, _FINEST)

    def _forbid_deliveries_after_pickups(self) -> None:
        problem = self.problem
        if problem.demands is None or problem.pickups is None:
            return
        self.longest_route = float(self.lengths.max(axis=1).sum()) or 1.0
        self.lengths = self.lengths.copy()
        forbidden = np.ix_(problem.pickups > 0, problem.demands > 0)
        self.lengths[forbidden] = 2 * self.longest_route

    @property
    def money(self) -> float:
        """How many of PyVRP's units a unit of cost has."""
        return self.scale * self.unit

    @cached_property
    def alone(self) -> list[int]:
        """The stops that are PyVRP's clients: their demand comes from the depot."""
        every = range(1, self.problem.n_stops + 1)
        if self.problem.origins is None:
            return list(every)
        origins = self.problem.origins
        shipped = {*origins.tolist(), *np.nonzero(origins)[0].tolist()}
        return [stop for stop in every if stop not in shipped]

    @cached_property
    def _loaded_on_the_way(self) -> list[int]:
        """The stops whose demand another stop has, without those that close before it opens."""
        problem = self.problem
        if problem.origins is None:
            return []
        return [
            stop
            for stop in np.nonzero(problem.origins)[0].tolist()
            if problem.window(int(problem.origins[stop]))[0] <= problem.window(stop)[1]
        ]

    def data(self) -> Any:
        """Return PyVRP's own form of the problem."""
        loads = self._loads()
        empty = [0] * len(loads.limits[0])
        clients = [
            pyvrp.Client(
                location=stop,
                delivery=loads.delivery(stop),
                pickup=loads.pickup(stop),
                **self._time("", stop),
                **self._prize(stop),
            )
            for stop in self.alone
        ]
        clients += [
            pyvrp.Client(location=self.place, delivery=loads.dummy) for _ in range(self.dummies)
        ]
        shipments = [
            pyvrp.Shipment(
                pickup_location=int(self.problem.origins[stop]),
                delivery_location=stop,
                amount=loads.delivery(stop),
                **self._time("pickup_", int(self.problem.origins[stop])),
                **self._time("delivery_", stop),
                **self._prize(stop),
            )
            for stop in self._loaded_on_the_way
        ]
        depots = self.problem.depot_places
        return pyvrp.ProblemData(
            locations=[pyvrp.Location(0.0, 0.0) for _ in self.lengths],
            clients=clients,
            depots=[pyvrp.Depot(location=place) for place in depots],
            vehicle_types=[
                self._vehicle(kind, limits or empty) for kind, limits in enumerate(loads.limits)
            ],
            distance_matrices=[_up(self.lengths, self.scale)],
            duration_matrices=[_up(self.minutes, self.ticks)],
            shipments=shipments,
        )

    def _time(self, which: str, stop: int) -> dict[str, int]:
        low, high = self.problem.window(stop)
        found = {f"{which}service_duration": _ceil(self.service[stop] * self.ticks)}
        return found | self._between(f"{which}tw_early", f"{which}tw_late", low, high)

    def _between(self, early: str, late: str, low: float, high: float) -> dict[str, int]:
        found = {early: _ceil(min(low * self.ticks, _MOST))}
        if high * self.ticks < _MOST:
            # Ends at one tick may be rounded to before the beginning.
            found[late] = max(found[early], _down(high, self.ticks))
        return found

    def _prize(self, stop: int) -> dict[str, Any]:
        if not self.problem.optional(stop):
            return {}
        return {"required": False, "prize": self._cost(float(self.problem.prizes[stop]))}

    def _cost(self, amount: float) -> int:
        return round(min(amount * self.money, _MOST))

    def _vehicle(self, kind: int, capacity: list[int]) -> Any:
        problem, vehicle = self.problem, self.problem.vehicles[kind]
        fields = self._between("tw_early", "tw_late", *problem.open_hours(kind))
        for name, known, scale in (
            ("max_distance", "max_distance", self.scale),
            ("max_time", "shift_duration", self.ticks),
        ):
            limit = problem.limit(name, kind)
            if name == "max_distance" and self.longest_route is not None:
                limit = min(limit or math.inf, self.longest_route)
            if limit is not None and limit * scale < _MOST:
                fields[known] = _down(limit, scale)
        depots = problem.depot_places
        if vehicle.max_overtime:
            fields["max_overtime"] = _down(vehicle.max_overtime, self.ticks)
        distance, duration, overtime = self.units[kind]
        return pyvrp.VehicleType(
            num_available=min(vehicle.count, problem.n_stops),
            capacity=capacity,
            start_depot=depots.index(problem.depot_of(kind)),
            end_depot=depots.index(problem.end_of(kind)),
            fixed_cost=self._cost(vehicle.fixed_cost),
            unit_distance_cost=distance,
            unit_duration_cost=duration,
            unit_overtime_cost=overtime,
            **fields,
        )

    @property
    def stakes(self) -> float:
        """How many times the longest leg is the most that a broken bound could save."""
        problem = self.problem
        prizes = [] if problem.prizes is None else problem.prizes[~np.isnan(problem.prizes)]
        fixed = [vehicle.fixed_cost for vehicle in problem.vehicles]
        saved = max([self._cost(float(value)) for value in (*prizes, *fixed)], default=0)
        return min(1e4, max(1.0, *map(max, self.units), saved / _LONGEST))

    @property
    def worth(self) -> Worth:
        """What a mean leg costs for what it takes, and for what a mean stop demands."""
        lengths, minutes = self.lengths * self.scale, self.minutes * self.ticks
        legs = np.min([u[0] * lengths + u[1] * minutes for u in self.units], axis=0)
        cost = max(1.0, float(legs.mean()))
        loads = self._loads()
        demands = [loads.delivery(stop) for stop in range(1, self.problem.n_stops + 1)]
        demands += [loads.pickup(stop) for stop in range(1, self.problem.n_stops + 1)]
        sums = np.sum(demands, axis=0) / self.problem.n_stops
        return Worth(
            [cost / max(1.0, float(mean)) for mean in sums],
            cost / max(1.0, float(minutes.mean())),
            cost / max(1.0, float(lengths.mean())),
        )

    def _loads(self) -> _Loads:
        return _Loads(self.problem, self.dummies)

    def routes(self, solution: Any) -> tuple[list[tuple[int, ...]], list[int]]:
        """Return the routes of PyVRP's solution that visit stops, and the vehicles' kinds."""
        routes, kinds = [], []
        for route in solution.routes():
            stops = [stop for visit in route.schedule() if (stop := self._stop(visit))]
            if stops:
                routes.append(tuple(stops))
                kinds.append(route.vehicle_type())
        return routes, kinds

    def _stop(self, visit: Any) -> int:
        """Return the stop of one activity; 0 for a depot or a dummy."""
        if visit.is_client():
            return self.alone[visit.idx] if visit.idx < len(self.alone) else 0
        if visit.is_depot():
            return 0
        stop = self._loaded_on_the_way[visit.idx]
        return int(self.problem.origins[stop]) if visit.is_pickup() else stop


class Worth(NamedTuple):
    """What breaking a bound is worth, in PyVRP's cost.

    Attributes
    ----------
    loads
        A unit of each load.
    tick, unit
        A unit of time, and of distance.
    """

    loads: list[float]
    tick: float
    unit: float


class _Loads:
    """What clients take of a vehicle: demands, places for stops, and for dummies."""

    def __init__(self, problem: Problem, extra: int) -> None:
        none = np.zeros(problem.n_places)
        given = none if problem.demands is None else problem.demands
        fetched = none if problem.pickups is None else problem.pickups
        most = [problem.limit("capacity", kind) for kind in range(len(problem.vehicles))]
        known = [value for value in most if value is not None]
        self._weighed = bool(known)
        largest = np.append(given, fetched)
        whole = np.array_equal(largest, np.rint(largest))
        size = 1.0 if whole else _scale([given, fetched, known], largest, _LONGEST)
        self._given, self._fetched = _up(given, size), _up(fetched, size)
        free = int(self._given.sum() + self._fetched.sum())
        self._counted = problem.crew == "fixed" or problem.max_stops is not None
        self._extra = bool(extra)
        self.limits: list[list[int]] = []
        for value in most:
            limits = []
            if self._weighed:
                limits.append(free if value is None else min(free, _down(value, size)))
            if self._counted:
                limits.append(_STOP * problem.most_stops)
            if extra:
                limits.append(_STOP * (problem.most_stops - problem.min_stops))
            self.limits.append(limits)

    def _amounts(self, weight: int, count: int, dummy: int = 0) -> list[int]:
        parts = ((self._weighed, weight), (self._counted, count), (self._extra, dummy))
        return [amount for used, amount in parts if used]

    def delivery(self, stop: int) -> list[int]:
        return self._amounts(int(self._given[stop]), _STOP)

    def pickup(self, stop: int) -> list[int]:
        return self._amounts(int(self._fetched[stop]), 0)

    @property
    def dummy(self) -> list[int]:
        return self._amounts(0, _STOP, _STOP)


def _leads_through_depot(lengths: FloatArray) -> bool:
    """Tell whether the way from some stop to another is shorter by way of the depot."""
    return bool((lengths[1:, :1] + lengths[:1, 1:] < lengths[1:, 1:] * (1 - 1e-9)).any())


def _beside_depot(matrix: FloatArray, way: float) -> FloatArray:
    """Add a place where the depot is, to which the way from each stop is so long."""
    wide = np.pad(matrix, (0, 1))
    wide[-1, :-1] = matrix[0]
    wide[1:-1, -1] = way
    return wide


def _scale(values: list[Any], longest: Any, target: float) -> float:
    """Return what to multiply by so that the longest is about the target, and decimals are exact.

    Bounds that are met exactly, as in ten drives of six minutes within an hour, are then met in
    whole numbers, too.
    """
    most = float(np.max(longest)) or 1.0
    scale = target / most
    every = np.concatenate([np.ravel(value).astype(float) for value in values])
    for decimals in range(4):
        step = 10.0**decimals
        if step * most > _LONGEST_EXACT:
            break
        if np.allclose(every * step, np.rint(every * step), rtol=0, atol=1e-7 * step):
            return step * max(1.0, math.floor(scale / step))
    if scale < 1:
        return scale
    # Others may be exact, such as the side of a right-angled triangle: keep some decimals of all.
    step = 10.0 ** max(0, min(3, math.floor(math.log10(scale)) - 1))
    return step * math.floor(scale / step)


def _units(costs: list[float]) -> tuple[list[int], float]:
    """Return whole numbers in the ratio of costs, and how many of them a unit of cost has."""
    most = max(costs) or 1.0
    for step in (1.0, 10.0, 100.0, 1000.0):
        whole = [round(cost * step) for cost in costs]
        if most * step <= _MOST_UNITS and np.allclose(whole, np.array(costs) * step, atol=1e-9):
            return whole, step
    # So that the cheapest has three digits, too, unless they are too far apart.
    step = min(_MOST_UNITS / min(cost for cost in costs if cost), 10 * _MOST_UNITS / most)
    return [round(cost * step) for cost in costs], step


def _up(values: FloatArray, scale: float) -> NDArray[np.int64]:
    return np.ceil(values * scale - 1e-6).astype(np.int64)


def _ceil(value: float) -> int:
    return math.ceil(value - 1e-6)


def _down(value: float, scale: float) -> int:
    return math.floor(value * scale + 1e-6)
