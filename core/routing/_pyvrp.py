"""Solve with PyVRP's search (Wouda, Lan and Kool, 2024) the problems that it supports.

PyVRP is optional. It counts in integers and has no minimum number of stops. Distances are scaled
and rounded up, so that bounds which hold there hold here. The least number comes from dummy stops
at the depot: every dispatcher takes exactly U places, N stops and K U - N dummies, of which at most
U - L each. What others do not know (`core.routing.problem.BEYOND`) it solves as it is; deliveries
after pickups are kept apart by legs that are too long.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import signal
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing._pyvrp_data import INSTALLED, Model, dummies, pyvrp
from core.routing.bounds import needs_times
from core.routing.result import INTERRUPTED, NoRoutesError, Result, Status, Step
from core.routing.validate import check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.routing.problem import Problem

__all__ = ["INSTALLED", "MOST_PLACES", "pyvrp_refusal", "require_pyvrp", "solve_pyvrp"]

_stopping: Any = importlib.import_module("pyvrp.stop") if INSTALLED else None
_search: Any = importlib.import_module("pyvrp.search") if INSTALLED else None

MOST_PLACES = 6000  # dummies included: a matrix of 0.3 GB, several times

# Penalties, in what breaking a bound by a stop's demand or a leg's time is worth.
_LEAST_PENALTY, _MOST_PENALTY = 0.01, 1000.0
# Late acceptance compares with the routes so many steps ago: with the more stops a step takes the
# longer, and with a long memory the search does not settle in a minute.
_HISTORY, _HISTORY_RANGE = 20_000, (30, 300)
_WAITING = 0.2  # a minute of waiting makes places less near than one of driving

# With a fixed crew, dummy stops at the depot could be used to get around these.
_ONLY_AT_MOST = ("prizes", "backhauls", "origins", "fleet", "depots")


def pyvrp_refusal(problem: Problem) -> str:
    """Say why PyVRP does not support a problem; empty if it does."""
    if problem.objective != "distance":
        return f"objective = {problem.objective!r}: pyvrp minimises the total distance"
    for name in ("min_distance", "min_time"):
        if getattr(problem, name):
            return f"{name} = {getattr(problem, name):g}: pyvrp knows no least work"
    if problem.crew == "at_most" and problem.min_stops > 1:
        return f"min_stops = {problem.min_stops}: pyvrp knows none with crew = 'at_most'"
    if reason := next(_contraries(problem), ""):
        return reason
    places = problem.n_places + dummies(problem)
    if places > MOST_PLACES:
        return f"{places} places, dummies included: pyvrp's matrix takes at most {MOST_PLACES}"
    return ""


def require_pyvrp(problem: Problem) -> None:
    """Refuse a problem that PyVRP does not support, or any where it is not installed.

    Raises
    ------
    ValueError
        Says why, and what to do.
    """
    other = "" if problem.beyond else "; use method heuristic"
    if not INSTALLED:
        wanted = f"{' and '.join(problem.beyond)}: " if problem.beyond else ""
        raise ValueError(
            f"method = 'pyvrp': {wanted}PyVRP is not installed "
            f"(azkaban-jobflow env --with routing){other}"
        )
    if reason := pyvrp_refusal(problem):
        raise ValueError(f"{reason}{other}")


def _contraries(problem: Problem) -> Iterator[str]:
    """Say which constraints cannot be had together."""
    if problem.balance is not None:
        beyond = f", which {' and '.join(problem.beyond)} need" if problem.beyond else ""
        yield f"balance = {problem.balance!r}: not with pyvrp{beyond}"
    given = [name for name in problem.beyond if name in _ONLY_AT_MOST]
    if problem.crew == "fixed" and given:
        yield f"crew = 'fixed': not with {given[0]}, with which fewer may drive; use at_most"
    if reason := needs_times(problem):
        yield reason
    yield from _contraries_of_vehicles(problem)
    if problem.backhauls:
        yield from _contraries_of_backhauls(problem)
    if problem.origins is not None:
        yield from _contraries_of_origins(problem)


def _contraries_of_vehicles(problem: Problem) -> Iterator[str]:
    """Say what limits and costs lack, which a job may be given later than the fleet."""
    for vehicle in problem.fleet:
        where = f"fleet, vehicle {vehicle.name!r}: "
        for name in ("max_time", "hour_cost"):
            if (value := getattr(vehicle, name)) and not problem.clocked:
                yield f"{where}{name} = {value:g}: expected speed, times or service with it"
        if vehicle.max_overtime and vehicle.max_time is None and problem.max_time is None:
            yield f"{where}max_overtime = {vehicle.max_overtime:g}: expected max_time with it"


def _contraries_of_backhauls(problem: Problem) -> Iterator[str]:
    if problem.origins is not None:
        yield "backhauls = True: not with origins, whose stops load and deliver on the way"
    amounts = [values for values in (problem.demands, problem.pickups) if values is not None]
    for stop in range(1, problem.n_stops + 1):
        if not any(values[stop] for values in amounts):
            yield (
                f"backhauls = True: stop {problem.ids[stop]!r} has no demand and no pickup: "
                "expected one of them at every stop"
            )


def _contraries_of_origins(problem: Problem) -> Iterator[str]:
    if problem.max_stops is not None:
        yield f"max_stops = {problem.max_stops}: not with origins"
    if problem.pickups is None:
        return
    for stop in range(1, problem.n_stops + 1):
        if problem.origins[stop] and problem.pickups[stop]:
            yield (
                f"pickups: stop {problem.ids[stop]!r} has one, and a demand that is loaded at "
                "another stop: expected two stops"
            )


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
    require_pyvrp(problem)
    begin = time.monotonic()
    model = Model(problem)
    if steps is not None:
        stop = _stopping.MaxIterations(steps)
    else:
        stop = _stopping.MaxRuntime(max(0.01, time_limit or 0.0))
    trace: list[Step] = []
    interrupts: list[int] = []

    def note(cost: int) -> bool:
        """Note PyVRP's cost of the best routes, and tell it whether to stop."""
        value = cost / model.money
        if cost < 2**62 and (not trace or value < (trace[-1].cost or math.inf)):
            trace.append(Step(time.monotonic() - begin, value, None))
        return bool(interrupts or stop(cost) or value <= enough)

    with warnings.catch_warnings():
        # Penalties at their highest: whether there are routes in the end is checked.
        warnings.simplefilter("ignore")
        params = _params(model, seed)
        with _interrupts_into(interrupts):
            found = pyvrp.solve(model.data(), stop=note, collect_stats=False, **params)
    routes, kinds = model.routes(found.best)
    if not found.is_feasible():
        when = INTERRUPTED if interrupts else "PyVRP, within the limit"
        raise NoRoutesError(when, check(problem, routes, kinds=kinds))
    return Result(
        status=Status.FEASIBLE,
        cost=problem.cost(routes, kinds),
        routes=tuple(routes),
        kinds=tuple(kinds) if problem.fleet else (),
        seconds=time.monotonic() - begin,
        method="pyvrp",
        reason=INTERRUPTED if interrupts else "",
        trace=tuple(trace),
    )


def _params(model: Model, seed: int) -> dict[str, Any]:
    """Return PyVRP's seed, and its parameters in the units of the problem.

    PyVRP begins with penalties halfway to their highest, whatever a unit is: with distances as fine
    as ours, half of a minute went by until they let routes break a bound on the way. Here they
    begin with what a leg costs for what a stop demands, or a leg takes, as its releases before
    0.13 did, and may rise until they outweigh all that breaking a bound could save.
    """
    worth = model.worth
    every = [*worth.loads, worth.tick, worth.unit]
    penalty = _penalties()(
        min_penalty=_LEAST_PENALTY * min(every),
        max_penalty=_MOST_PENALTY * max(every) * model.stakes,
    )
    penalty.first = (worth.loads, worth.tick, worth.unit)
    history = int(np.clip(_HISTORY / model.problem.n_stops, *_HISTORY_RANGE))
    params = pyvrp.SolveParams(
        penalty=penalty,
        ils=pyvrp.IteratedLocalSearchParams(history_length=history),
        neighbourhood=_search.NeighbourhoodParams(weight_wait_time=_WAITING * worth.tick),
    )
    return {"params": params, "seed": seed % 2**32}  # it takes no larger one


@functools.cache
def _penalties() -> Any:
    """Return PyVRP's parameters of penalties with one that each begins with."""

    class Penalties(pyvrp.PenaltyParams):  # type: ignore[misc]  # known where it is installed
        first: tuple[list[float], float, float]

        def midpoint_penalties(self, _data: Any) -> tuple[list[float], float, float]:
            return self.first

    return Penalties


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
