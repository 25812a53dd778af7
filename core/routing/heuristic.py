"""Improve routes until time or steps are up: ruin and recreate under simulated annealing."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from core.routing._jit import COMPILED, native
from core.routing._routes import (
    DISTANCE_PRICE,
    LOAD_PRICE,
    STOPS_PRICE,
    TIME_PRICE,
    Limits,
    Routes,
    Search,
    Work,
    Workspace,
    strains,
    worth,
)
from core.routing._sisr import Cooling, anneal
from core.routing.bounds import SLACK, keeps_to
from core.routing.geometry import geometry, neighbours
from core.routing.problem import Problem
from core.routing.result import NoRoutesError, Result, Status, Step
from core.routing.validate import check

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["improve"]

_NEAR = 40  # positions are tried beside so many neighbours
_STRINGS = 10.0  # stops taken out in a step, on average
# Exchanges tried before each step, up to so many stops: with more the search begins so hot that
# nearly all would be made, at a cost that grows with the routes.
_EXCHANGES, _EXCHANGE_STOPS = 10, 1000
_HAND = 400  # room for stops in hand: strings are at most 10 long, and rarely 40 of them

# Start and end temperature in mean legs. The more stops, the hotter: it lets whole strings change
# routes, which the cold phase cannot repair later (measured with 50 to 10,000 stops).
_HOT, _COLD = 3.0, 0.02
_HOT_RANGE = (2.0, 30.0)
# With few stops the bounds on stops give way, and exchanges reach far: what matters is decided in
# a narrow range, and all the time is spent there.
_FEW_HOT, _FEW_COLD = 0.3, 0.04
# Where there is time for so many steps per stop and more, it is cooled down several times: each
# time the stops may be shared out differently.
_ROUND_STEPS, _MOST_ROUNDS = 2000, 5
_STEPS_PER_SECOND = 1e5 if COMPILED else 1e3  # roughly
_CHUNK_SECONDS = 0.25

# Prices of broken bounds: to begin with, in mean legs for as much work as a mean stop is; what they
# are multiplied by after a chunk of steps that ended with broken bounds or without; their range.
_PRICE = 1.0
_DEARER, _CHEAPER = 1.5, 0.8
_PRICE_RANGE = (0.1, 1e6)
_LOST = 8  # chunks that ended with broken bounds until the search goes back to the best routes
_EVEN = ("stops", "distance", "time")  # what work may be balanced by, in the kernel's order
# Up to so many stops the bounds on stops may be broken at a price, too. With more there is always a
# route that breaks one, and the price would only rise.
_ELASTIC_STOPS = 200

# Makespan: routes above this share of the best are discouraged when stops are put back.
_CEILING = 0.97


def improve(
    problem: Problem,
    *,
    start: Result,
    time_limit: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    enough: float = -math.inf,
    cooled: float = 0.0,
) -> Result:
    """Improve routes by ruin and recreate, and exchanges (`core.routing._sisr`).

    Parameters
    ----------
    problem
        What to solve.
    start
        Routes to start from; they meet the bounds on stops, the others need not be met yet.
    time_limit
        Seconds of wall time, the start included.
    steps
        Number of ruin-and-recreate steps: the same steps and seed give the same routes, whatever
        the machine's speed. Without it the number depends on the time.
    seed
        Seed of the random numbers.
    enough
        Cost at which to stop: none is lower.
    cooled
        Share (0 to 1) of the cooling to leave out, for routes that have been improved before.

    Raises
    ------
    ValueError
        Neither `time_limit` nor `steps` is given.
    NoRoutesError
        No routes that meet all bounds were found; the message says what the last ones break.

    Examples
    --------
    >>> from core.routing import Problem
    >>> points = np.random.default_rng(1).uniform(0, 10, (31, 2))
    >>> problem = Problem(points=points, dispatchers=3, min_stops=8)
    >>> from core.routing.start import cut_tour
    >>> start = cut_tour(problem)
    >>> improve(problem, start=start, steps=300).cost <= start.cost
    True
    """
    if time_limit is None and steps is None:
        raise ValueError("time_limit and steps are both None: expected one of them")
    keeps_to(problem, "heuristic")
    begin = time.monotonic()
    problem = problem.closed()
    search = _Annealing(problem, start.routes, seed, cooled)
    best, trace = search.best_cost, [Step(time.monotonic() - begin, search.known, None)]
    reason = ""
    try:
        while True:
            spent = time.monotonic() - begin
            done = max(
                0.0 if time_limit is None else spent / max(time_limit, 1e-9),
                0.0 if steps is None else search.steps / steps,
            )
            if done >= 1.0 or (trace[-1].cost is not None and trace[-1].cost <= enough):
                break
            search.run(done, steps, None if time_limit is None else time_limit - spent)
            if search.best_cost < best:
                best = search.best_cost
                trace.append(Step(time.monotonic() - begin, search.known, None))
    except KeyboardInterrupt:
        reason = "interrupted"
    routes = search.routes()
    if search.known is None:
        raise NoRoutesError(reason or "within the limit", check(problem, routes))
    return Result(
        status=Status.FEASIBLE,
        cost=problem.cost(routes),
        routes=routes,
        seconds=time.monotonic() - begin,
        method="heuristic",
        reason=reason,
        trace=tuple(step for step in trace if step.cost is not None),
    )


class _Annealing:
    """State of the search between calls of the kernel."""

    def __init__(
        self, problem: Problem, routes: Sequence[Sequence[int]], seed: int, cooled: float = 0.0
    ) -> None:
        n = problem.n_stops
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        routes = [*routes, *([()] * (problem.dispatchers - len(routes)))]
        # Not 0 where all places coincide: the temperature is divided by.
        length = math.fsum(problem.length(route) for route in routes)
        self._leg = length / (n + len(routes)) or 1.0
        self._price, self._broken = _PRICE, 0
        self._search = _search(problem, routes, self._leg)
        self._now = self._search.routes
        self._best = _linked(problem, routes)
        self._saved = (self._best.first.copy(), self._best.after.copy())
        self.cost = self._worth()
        self.best_cost = self.cost if not check(problem, self.routes()) else math.inf
        # Exchanges reverse stretches, and need a neighbour.
        apt = problem.symmetric and 1 < n <= _EXCHANGE_STOPS
        self._exchanges = _EXCHANGES if apt else 0
        self._hot, self._cold = _FEW_HOT, _FEW_COLD
        if not apt or n > _ELASTIC_STOPS or problem.objective == "makespan":
            self._hot, self._cold = float(np.clip(_HOT * math.sqrt(n / 1000), *_HOT_RANGE)), _COLD
        self._hot *= (self._cold / self._hot) ** cooled
        self._rounds = 1
        self.steps = 0
        self._speed = 0.0  # steps per second, once known

    def run(self, done: float, steps: int | None, seconds: float | None) -> None:
        """Make some steps at the temperatures of the part `done` (0 to 1) of the run."""
        chunk = 50 if self._speed == 0 else max(1, int(self._speed * _CHUNK_SECONDS))
        if steps is not None:
            # Fixed shares, so that temperatures do not depend on the machine's speed.
            chunk = min(max(1, steps // 100), steps - self.steps)
            share = chunk / steps
        else:
            share = min(1.0 - done, _CHUNK_SECONDS / ((seconds or 1.0) / (1.0 - done)))
        if self.steps == 0:
            expected = steps or (seconds or 0.0) * _STEPS_PER_SECOND
            rounds = expected / (_ROUND_STEPS * self._problem.n_stops)
            self._rounds = int(np.clip(rounds, 1, _MOST_ROUNDS))
        part = done * self._rounds % 1.0
        hot = self._temperature(part)
        cold = self._temperature(min(1.0, part + share * self._rounds))
        begin = time.monotonic()
        limits = self._search.limits
        if limits.makespan:
            ceiling = _CEILING * min(self.best_cost, max(self._now.length))
            self._search = self._search._replace(limits=limits._replace(ceiling=ceiling))
        self.cost, self.best_cost = anneal(
            self._search,
            self._best,
            Cooling(hot, cold, chunk, self._exchanges),
            self.cost,
            self.best_cost,
            self._rng,
        )
        spent = time.monotonic() - begin
        # The first call compiles: its time says nothing about speed.
        if self.steps > 0:
            self._speed = chunk / max(spent, 1e-6)
        self.steps += chunk
        # An interrupt may come while the kernel writes; this copy is whole.
        best = self._best if math.isfinite(self.best_cost) else self._now
        self._saved = (best.first.copy(), best.after.copy())
        work = self._search.work
        if work.bounded or work.elastic:
            broken = strains(self._now, work) > 0.0
            self._broken = self._broken + 1 if broken else 0
            if self._broken == _LOST and math.isfinite(self.best_cost):
                self._return()
            self._reprice(_DEARER if broken else _CHEAPER)

    def _return(self) -> None:
        """Go on from the best routes, whose bounds are kept."""
        best = self.routes()
        routes = [*best, *([()] * (self._problem.dispatchers - len(best)))]
        self._now = _linked(self._problem, routes)
        self._search = self._search._replace(routes=self._now)
        self._broken = 0
        self.cost = self._worth()

    def _worth(self) -> float:
        search = self._search
        return worth(search.routes, search.work, search.limits.makespan)

    @property
    def known(self) -> float | None:
        """Cost of the best routes that keep all bounds."""
        if not math.isfinite(self.best_cost):
            return None
        # For makespan the search's own cost has a share of the total in it.
        if self._search.limits.makespan:
            return self._problem.cost(self.routes())
        return self.best_cost

    def _reprice(self, factor: float) -> None:
        """Change the prices of broken bounds, and the cost of the routes accordingly."""
        price = float(np.clip(self._price * factor, *_PRICE_RANGE))
        factor, self._price = price / self._price, price
        for place in (LOAD_PRICE, DISTANCE_PRICE, TIME_PRICE, STOPS_PRICE):
            self._search.work.bounds[place] *= factor
        self.cost = self._worth()

    def _temperature(self, done: float) -> float:
        return float(self._leg * self._hot * (self._cold / self._hot) ** done)

    def routes(self) -> tuple[tuple[int, ...], ...]:
        """Return the best routes at the end of the last run."""
        found = []
        firsts, after = self._saved
        for first in firsts:
            route, stop = [], int(first)
            while stop != 0:
                route.append(stop)
                stop = int(after[stop])
            if route:
                found.append(tuple(route))
        return tuple(found)


def _search(problem: Problem, routes: Sequence[Sequence[int]], mean_leg: float) -> Search:
    """Prepare a problem and the initial routes for the kernels."""
    n = problem.n_stops
    near = neighbours(problem, _NEAR, np.arange(1, n + 1)) + 1
    degree = near.shape[1]
    elastic = n <= _ELASTIC_STOPS and (problem.min_stops > 1 or problem.max_stops is not None)
    taken, gaps, owners, hand = (native(np.zeros(_HAND, dtype=np.intp)) for _ in range(4))
    return Search(
        routes=_linked(problem, routes),
        geo=geometry(problem),
        work=_work(problem, mean_leg, elastic=elastic),
        limits=Limits(
            1 if elastic else problem.min_stops,
            n if elastic else problem.most_stops,
            _STRINGS,
            problem.crew == "at_most",
            problem.objective == "makespan",
            math.inf,
        ),
        # Row 0, the depot's, is never read.
        near=native(np.vstack((np.zeros((1, degree), dtype=np.intp), near)).ravel()),
        degree=degree,
        space=Workspace(
            taken,
            gaps,
            owners,
            hand,
            keys=native(np.zeros(_HAND)),
            touched=native(np.zeros(len(routes) + 1, dtype=np.intp)),
            line=native(np.zeros(2 * n, dtype=np.intp)),
        ),
    )


def _work(problem: Problem, mean_leg: float, *, elastic: bool) -> Work:
    """Turn the bounds of a problem into those of the kernel, a little wide for rounding."""
    none = np.zeros(problem.n_stops + 1)
    demand = none if problem.demands is None else problem.demands
    service = none if problem.service is None else problem.service
    most = [
        math.inf if bound is None else bound * (1 + SLACK)
        for bound in (problem.capacity, problem.max_distance, problem.max_time)
    ]
    least = [(bound or 0.0) * (1 - SLACK) for bound in (problem.min_distance, problem.min_time)]
    driven = mean_leg * problem.pace if problem.times is None else float(problem.times.mean())
    minutes = driven + float(service.mean())
    # In the order of the places that `_routes` names.
    bounds = (
        most[0],
        least[0],
        most[1],
        least[1],
        most[2],
        problem.pace,
        mean_leg / (float(demand.mean()) or 1.0),
        1.0,
        mean_leg / (minutes or 1.0),
        problem.min_stops if elastic else 0,
        problem.most_stops if elastic else math.inf,
        mean_leg,
        *((problem.balance_price or 0.0) / 2 * (problem.balance == what) for what in _EVEN),
    )
    return Work(
        bounded=not problem.only_stops or problem.balance is not None,
        elastic=elastic,
        timed=problem.times is not None,
        demand=native(demand),
        service=native(service),
        times=geometry(problem if problem.times is None else Problem(matrix=problem.times)),
        bounds=native(np.array(bounds)),
    )


def _linked(problem: Problem, routes: Sequence[Sequence[int]]) -> Routes:
    """Turn lists of stops into linked lists."""
    places = problem.n_stops + 1
    before, after = np.zeros(places, dtype=np.intp), np.zeros(places, dtype=np.intp)
    owner = np.full(places, -1, dtype=np.intp)
    for number, route in enumerate(routes):
        stops = np.asarray(route, dtype=np.intp)
        owner[stops] = number
        before[stops[1:]] = stops[:-1]
        after[stops[:-1]] = stops[1:]
    first = np.array([route[0] if route else 0 for route in routes], dtype=np.intp)
    last = np.array([route[-1] if route else 0 for route in routes], dtype=np.intp)
    size = np.array([len(route) for route in routes], dtype=np.intp)
    length, load, clock = (
        np.array([amount(route) for route in routes], dtype=np.float64)
        for amount in (problem.length, problem.load, problem.duration)
    )
    parts = (before, after, owner, first, last, size, length, load, clock)
    return Routes(*(native(part) for part in parts))
