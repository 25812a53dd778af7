"""Solve with PyVRP's hybrid search (Wouda, Lan and Kool, 2024) the problems that it supports.

PyVRP is optional. It counts in integers and has no minimum number of stops. Distances are scaled
and rounded up, so that bounds which hold there hold here. The least number comes from dummy stops
at the depot: every dispatcher takes exactly U places, N stops and K U - N dummies, of which at most
U - L each.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import math
import signal
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.result import NoRoutesError, Result, Status, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["MOST_PLACES", "pyvrp_refusal", "solve_pyvrp"]

_INSTALLED = importlib.util.find_spec("pyvrp") is not None

# Imported by name: type checkers need not know it either.
_pyvrp: Any = importlib.import_module("pyvrp") if _INSTALLED else None
_stopping: Any = importlib.import_module("pyvrp.stop") if _INSTALLED else None

MOST_PLACES = 6000  # dummies included: a matrix of 0.3 GB, several times

_DETOUR = 10.0  # times the longest leg: what no route drives
_LONGEST = 1e5  # the longest leg in PyVRP's integers; its penalties are made for about that


def pyvrp_refusal(problem: Problem) -> str:
    """Say why PyVRP does not support a problem; empty if it does."""
    if problem.objective != "distance":
        return f"objective = {problem.objective!r}: pyvrp minimises the total distance"
    for name in ("min_distance", "min_time"):
        if getattr(problem, name):
            return f"{name} = {getattr(problem, name):g}: pyvrp knows no least work"
    if problem.crew == "at_most" and problem.min_stops > 1:
        return f"min_stops = {problem.min_stops}: pyvrp knows none with crew = 'at_most'"
    places = problem.n_stops + 1 + _dummies(problem)
    if places > MOST_PLACES:
        return f"{places} places, dummies included: pyvrp's matrix takes at most {MOST_PLACES}"
    return ""


def _dummies(problem: Problem) -> int:
    if problem.crew == "at_most":
        return 0
    return problem.dispatchers * problem.most_stops - problem.n_stops


def solve_pyvrp(
    problem: Problem,
    *,
    time_limit: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    enough: float = -math.inf,
) -> Result:
    """Solve with PyVRP.

    Parameters
    ----------
    problem
        One to which `pyvrp_refusal` does not object.
    time_limit, steps
        Seconds of wall time, or iterations; one of them.
    seed
        Seed of the random numbers.
    enough
        Cost at which to stop: none is lower.

    Raises
    ------
    ValueError
        PyVRP does not support the problem, or is not installed.
    NoRoutesError
        It found no routes that meet all bounds.
    """
    if not _INSTALLED:
        raise ValueError(
            "method = 'pyvrp': PyVRP is not installed (azkaban-jobflow env --with routing); "
            "use heuristic"
        )
    if reason := pyvrp_refusal(problem):
        raise ValueError(f"{reason}; use method heuristic")
    begin = time.monotonic()
    data, scale = _data(problem)
    if steps is not None:
        stop = _stopping.MaxIterations(steps)
    else:
        stop = _stopping.MaxRuntime(max(0.01, time_limit or 0.0))
    trace: list[Step] = []
    interrupts: list[int] = []

    def note(cost: int) -> bool:
        """Note PyVRP's cost of the best routes, and tell it whether to stop."""
        value = cost / scale
        if cost < 2**62 and (not trace or value < (trace[-1].cost or math.inf)):
            trace.append(Step(time.monotonic() - begin, value, None))
        return bool(interrupts or stop(cost) or value <= enough)

    with warnings.catch_warnings():
        # Penalties at their highest: whether there are routes in the end is checked.
        warnings.simplefilter("ignore")
        with _interrupts_into(interrupts):
            found = _pyvrp.solve(data, stop=note, seed=seed, collect_stats=False)
    if not found.is_feasible():
        raise NoRoutesError("interrupted" if interrupts else "PyVRP, within the limit")
    routes = tuple(
        stops for route in found.best.routes() if (stops := tuple(_stops(route, problem.n_stops)))
    )
    return Result(
        status=Status.FEASIBLE,
        cost=problem.cost(routes),
        routes=routes,
        seconds=time.monotonic() - begin,
        method="pyvrp",
        reason="interrupted" if interrupts else "",
        trace=tuple(trace),
    )


@contextlib.contextmanager
def _interrupts_into(seen: list[int]) -> Iterator[None]:
    """Note Ctrl-C in `seen`; as an exception it would take the best routes with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda number, _frame: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _stops(route: Any, n_stops: int) -> list[int]:
    visits = (visit for visit in route.schedule() if visit.is_client())
    return [visit.idx + 1 for visit in visits if visit.idx < n_stops]


def _data(problem: Problem) -> tuple[Any, float]:
    """Return the problem as PyVRP takes it, and how many of its units a unit of distance has."""
    n, dummies = problem.n_stops, _dummies(problem)
    lengths = problem.distances()
    scale = _scale(lengths)
    every = np.arange(n + 1)
    minutes = problem.driving_time(every[:, None], every[None, :])
    service = np.zeros(n + 1) if problem.service is None else problem.service
    longest = max(float(minutes.max()), float(service.max())) or 1.0
    ticks = _LONGEST / longest
    place = 0  # of the dummies
    if dummies and not problem.symmetric and _leads_through_depot(lengths):
        # Dummies in between would be taken for such a short cut: they must come first.
        place = n + 1
        lengths = _beside_depot(lengths, _DETOUR * float(lengths.max()))
        minutes = _beside_depot(minutes, 0.0)

    loads, capacity = _loads(problem, dummies)
    clients = [
        _pyvrp.Client(
            location=i if i <= n else place,
            delivery=[int(load[i - 1]) for load in loads],
            service_duration=math.ceil(service[i] * ticks) if i <= n else 0,
        )
        for i in range(1, n + dummies + 1)
    ]
    limits: dict[str, int] = {}
    if problem.max_distance is not None:
        limits["max_distance"] = _down(problem.max_distance, scale)
    if problem.max_time is not None:
        limits["shift_duration"] = _down(problem.max_time, ticks)
    return (
        _pyvrp.ProblemData(
            locations=[_pyvrp.Location(0.0, 0.0) for _ in lengths],
            clients=clients,
            depots=[_pyvrp.Depot(location=0)],
            vehicle_types=[
                _pyvrp.VehicleType(num_available=problem.dispatchers, capacity=capacity, **limits)
            ],
            distance_matrices=[_up(lengths, scale)],
            duration_matrices=[_up(minutes, ticks)],
        ),
        scale,
    )


def _loads(problem: Problem, dummies: int) -> tuple[list[NDArray[np.int64]], list[int]]:
    """Return what clients take and a vehicle has: demands, places for stops, and for dummies."""
    n = problem.n_stops
    loads: list[NDArray[np.int64]] = []
    capacity: list[int] = []
    if problem.capacity is not None:
        whole = np.all(problem.demands == np.rint(problem.demands))
        size = 1.0 if whole else _LONGEST / (float(problem.demands.max()) or 1.0)
        loads.append(np.concatenate((_up(problem.demands[1:], size), np.zeros(dummies, int))))
        capacity.append(_down(problem.capacity, size))
    loads.append(np.ones(n + dummies, dtype=np.int64))
    capacity.append(problem.most_stops)
    if dummies:
        loads.append(np.repeat([0, 1], [n, dummies]))
        capacity.append(problem.most_stops - problem.min_stops)
    return loads, capacity


def _leads_through_depot(lengths: FloatArray) -> bool:
    """Tell whether the way from some stop to another is shorter by way of the depot."""
    return bool((lengths[1:, :1] + lengths[:1, 1:] < lengths[1:, 1:] * (1 - 1e-9)).any())


def _beside_depot(matrix: FloatArray, way: float) -> FloatArray:
    """Add a place where the depot is, to which the way from each stop is so long."""
    wide = np.pad(matrix, (0, 1))
    wide[-1, :-1] = matrix[0]
    wide[1:-1, -1] = way
    return wide


def _scale(lengths: FloatArray) -> float:
    scale = _LONGEST / (float(lengths.max()) or 1.0)
    # Whole distances stay exact, so that a cost can meet a bound.
    whole = scale >= 1.0 and np.array_equal(lengths, np.rint(lengths))
    return float(math.floor(scale)) if whole else scale


def _up(values: FloatArray, scale: float) -> NDArray[np.int64]:
    return np.ceil(values * scale - 1e-6).astype(np.int64)


def _down(value: float, scale: float) -> int:
    return math.floor(value * scale + 1e-6)
