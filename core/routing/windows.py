"""Search for routes that keep time windows: ruin and recreate under simulated annealing."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing._jit import COMPILED, native
from core.routing._routes import unlinked
from core.routing._windows import Plan, Room, Search, Terms, anneal
from core.routing.bounds import SLACK
from core.routing.result import INTERRUPTED, NoRoutesError, Result, Status, Step
from core.routing.validate import check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.routing.problem import FloatArray, Problem

__all__ = ["improve_windows", "windows_refusal"]

MOST_PLACES = 3000  # two matrices of 72 MB
_NEAR = 50  # positions are tried beside so many neighbours
_WAITING = 0.2  # a minute of waiting makes places less near than one of driving
_LEFT_OUT = 3.0  # price of a stop that is left out to begin with, in ways there and back
_HOT, _COLD = 5.0, 0.1  # temperatures, in mean legs
_ROUND_STEPS, _MOST_ROUNDS = 5000, 5  # it is cooled down again after so many steps per stop
_STEPS_PER_SECOND = 4e4 if COMPILED else 1e3  # roughly
_CHUNK_SECONDS = 0.25
_AGAIN = 0.3  # share of the first temperature with which later rounds begin


def windows_refusal(problem: Problem) -> str:
    """Say which constraint this search does not keep to; empty if it keeps to all."""
    others = [name for name in problem.beyond if name not in ("windows", "prizes")]
    others += [name for name in ("min_distance", "min_time", "balance") if getattr(problem, name)]
    if problem.max_time is not None:
        others.append("max_time")
    if problem.min_stops > 1:
        others.append("min_stops")
    if problem.crew == "fixed":
        others.append("fixed crew")
    if problem.objective != "distance":
        others.append("makespan")
    if problem.n_places > MOST_PLACES:
        others.append(f"more than {MOST_PLACES} places")
    return " and ".join(others)


def improve_windows(
    problem: Problem,
    *,
    time_limit: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    enough: float = -math.inf,
    patience: float = 1.0,
) -> Result:
    """Search for routes that keep windows, loads, lengths and numbers of stops.

    Parameters
    ----------
    problem
        One to which `windows_refusal` does not object.
    time_limit, steps
        Seconds of wall time, or steps of ruin and recreate; one of them.
    seed
        Seed of the random numbers.
    enough
        Cost at which to stop: none is lower.
    patience
        Share of the time after which to stop if no routes have been found.

    Raises
    ------
    ValueError
        Neither `time_limit` nor `steps` is given.
    NoRoutesError
        No routes were found that visit all stops that must be visited.

    Examples
    --------
    >>> from core.routing import Problem
    >>> windows = [(0, 100), (0, 100), (30, 40)]
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], speed=60, windows=windows)
    >>> improve_windows(problem, steps=10).cost
    20.0
    """
    if time_limit is None and steps is None:
        raise ValueError("time_limit and steps are both None: expected one of them")
    begin = time.monotonic()
    problem = problem.closed()
    state = _Annealing(problem, seed)
    trace: list[Step] = []
    reason = ""
    try:
        while True:
            spent = time.monotonic() - begin
            done = max(
                0.0 if time_limit is None else spent / max(time_limit, 1e-9),
                0.0 if steps is None else state.steps / steps,
            )
            found = math.isfinite(state.best_cost)
            if state.steps and (
                done >= 1.0 or state.best_cost <= enough or (done >= patience and not found)
            ):
                break
            state.run(done, steps, None if time_limit is None else time_limit - spent)
            if math.isfinite(state.best_cost) and (
                not trace or state.best_cost < (trace[-1].cost or math.inf)
            ):
                trace.append(Step(time.monotonic() - begin, state.best_cost, None))
    except KeyboardInterrupt:
        reason = INTERRUPTED
    routes = state.routes()
    if not math.isfinite(state.best_cost):
        raise NoRoutesError(reason or "within the limit", check(problem, routes))
    return Result(
        status=Status.FEASIBLE,
        cost=problem.cost(routes),
        routes=routes,
        seconds=time.monotonic() - begin,
        method="heuristic",
        reason=reason,
        trace=tuple(trace),
    )


class _Annealing:
    """State of the search between calls of the kernel."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._search = _search(problem)
        self._best = _plan(problem)
        legs = problem.distances()
        nearest = np.sort(legs + np.where(np.eye(len(legs), dtype=bool), np.inf, 0.0), axis=1)
        self._leg = float(nearest[:, : min(5, len(legs) - 1)].mean()) or 1.0
        self.cost = math.fsum(self._search.terms.price[1:])  # nothing is on a route yet
        self.best_cost = math.inf
        self._saved = (self._best.first.copy(), self._best.after.copy())
        self._rounds = 1
        self.steps = 0
        self._speed = 0.0  # steps per second, once known

    def run(self, done: float, steps: int | None, seconds: float | None) -> None:
        """Make some steps at the temperatures of the part `done` (0 to 1) of the run."""
        done = min(done, 1.0 - 1e-9)  # the time may be up before the first steps
        chunk = 50 if self._speed == 0 else max(1, int(self._speed * _CHUNK_SECONDS))
        if steps is not None:
            # Fixed shares, so that temperatures do not depend on the machine's speed.
            chunk = min(max(1, steps // 100), steps - self.steps)
            share = chunk / steps
        else:
            share = min(1.0, _CHUNK_SECONDS / max(1e-9, seconds or 0.0)) * (1.0 - done)
        if self.steps == 0:
            expected = steps or (seconds or 0.0) * _STEPS_PER_SECOND
            rounds = expected / (_ROUND_STEPS * self._problem.n_stops)
            self._rounds = int(np.clip(rounds, 1, _MOST_ROUNDS))
        begin = time.monotonic()
        number = min(int(done * self._rounds), self._rounds - 1)
        part = done * self._rounds - number
        hot = self._leg * _HOT * (_AGAIN if number else 1.0)
        cold = self._leg * _COLD
        ends = [hot * (cold / hot) ** min(1.0, at) for at in (part, part + share * self._rounds)]
        cooling = (ends[0], ends[1], chunk)
        self.cost, self.best_cost = anneal(
            self._search, self._best, cooling, (self.cost, self.best_cost), self._rng
        )
        spent = time.monotonic() - begin
        # The first call compiles: its time says nothing about speed.
        if self.steps > 0:
            self._speed = chunk / max(spent, 1e-6)
        self.steps += chunk
        # An interrupt may come while the kernel writes; this copy is whole.
        plan = self._best if math.isfinite(self.best_cost) else self._search.plan
        self._saved = (plan.first.copy(), plan.after.copy())

    def routes(self) -> tuple[tuple[int, ...], ...]:
        """Return the best routes at the end of the last run, or the latest if there are none."""
        return tuple(route for route in unlinked(*self._saved) if route)


def _plan(problem: Problem) -> Plan:
    """Return routes without stops."""
    crew = min(problem.dispatchers, problem.n_stops)
    places = [np.zeros(problem.n_places, dtype=np.intp) for _ in range(2)]
    times = [np.zeros(problem.n_places) for _ in range(2)]
    parts = (
        *places, np.full(problem.n_places, -1, dtype=np.intp), *times,
        *(np.zeros(crew, dtype=np.intp) for _ in range(2)), *(np.zeros(crew) for _ in range(2)),
    )  # fmt: skip
    return Plan(*(native(part) for part in parts))


def _search(problem: Problem) -> Search:
    n = problem.n_places
    legs = problem.distances()
    every = np.arange(n)
    minutes = problem.driving_time(every[:, None], every[None, :])
    zero = np.zeros(n)
    windows = np.tile([0.0, math.inf], (n, 1)) if problem.windows is None else problem.windows
    opens, closes = problem.open_hours(0)
    wide = 1 + SLACK
    service = zero if problem.service is None else problem.service
    prizes = np.full(n, math.nan) if problem.prizes is None else problem.prizes
    price = np.where(
        np.isnan(prizes), _LEFT_OUT * (legs[0] + legs[:, 0]) + (legs.mean() or 1.0), prizes
    )
    bounds = (problem.capacity, problem.max_distance, problem.most_stops)
    limits = [math.inf if bound is None else bound for bound in bounds] * np.array([wide, wide, 1])
    nearness = legs + _apart(legs, minutes, windows, service)
    near = _nearest(np.minimum(nearness, nearness.T))
    around = _nearest(np.minimum(legs, legs.T))
    return Search(
        _plan(problem),
        Terms(
            n, native(legs.ravel()), native(minutes.ravel()),
            native(windows[:, 0]), native(windows[:, 1] * wide), native(service),
            native(zero if problem.demands is None else problem.demands), native(price),
            native((~np.isnan(prizes)).astype(np.intp)),
            native(np.array([*limits, opens, closes * wide])),
            native(near.ravel()), native(around.ravel()), near.shape[1],
        ),
        _room(n),
    )  # fmt: skip


def _room(places: int) -> Room:
    """Return room to work in; every stop is left out."""

    def stops() -> Any:
        return native(np.zeros(places, dtype=np.intp))

    return Room(
        taken=stops(),
        gaps=stops(),
        owners=stops(),
        hand=stops(),
        keys=native(np.zeros(places)),
        placed=stops(),
        touched=stops(),
        absent=native(np.append(np.arange(1, places), 0)),
        count=native(np.array([places - 1])),
    )


def _apart(
    legs: FloatArray, minutes: FloatArray, windows: FloatArray, service: FloatArray
) -> FloatArray:
    """Return what waiting and lateness add to the way from place to place, as a distance."""
    drive = service[:, None] + minutes
    wait = np.maximum(0.0, windows[None, :, 0] - drive - windows[:, None, 1])
    late = np.maximum(0.0, windows[:, None, 0] + drive - windows[None, :, 1])
    worth = float(legs.mean() / (minutes.mean() or 1.0))
    return np.asarray(worth * (_WAITING * wait + late))


def _nearest(distances: FloatArray) -> NDArray[np.intp]:
    """Return for each place the stops that are nearest."""
    table = distances.copy()
    np.fill_diagonal(table, math.inf)
    table[:, 0] = math.inf
    count = min(_NEAR, len(table) - 2)
    return np.argsort(table, axis=1, kind="stable")[:, :count].astype(np.intp)
