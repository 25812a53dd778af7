"""Improve routes until time or steps are up: ruin and recreate under simulated annealing."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

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
    longest,
    strain,
    strains,
    unevenness,
    unlinked,
    worth,
)
from core.routing._sisr import Cooling, anneal
from core.routing.bounds import SLACK, keeps_to
from core.routing.geometry import geometry, neighbours
from core.routing.problem import Problem
from core.routing.result import INTERRUPTED, NoRoutesError, Result, Status, Step
from core.routing.validate import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.pool import Pool

__all__ = ["LONG_ROUTE", "improve"]

LONG_ROUTE = 100
"""Mean number of stops of a route from where on its length is mostly a matter of their order."""

_NEAR = 40  # positions are tried beside so many neighbours
_STRINGS = 10.0  # stops taken out in a step, on average
# Exchanges tried before each step, up to so many stops: with more the search begins so hot that
# nearly all would be made, at a cost that grows with the routes.
_EXCHANGES, _EXCHANGE_STOPS = 10, 1000
# Long routes need them most, whatever the number of stops, and no more heat than this.
_LONG_HOT = 1.0
_HAND = 400  # room for stops in hand: strings are at most 10 long, and rarely 40 of them

# Start and end temperature in mean legs. The more stops, the hotter: it lets whole strings change
# routes, which the cold phase cannot repair later (measured with 50 to 10,000 stops).
_HOT, _COLD = 3.0, 0.02
_HOT_RANGE = (2.0, 30.0)
# With few steps the routes cannot cool down from that: no hotter than one mean leg for so many
# steps per stop, but at least as hot as this (measured with 300 to 1,000 stops in 10 s).
_COOLING_STEPS, _LEAST_HOT = 1000, 0.1
# With few stops the bounds on stops give way, and exchanges reach far: what matters is decided in
# a narrow range, and all the time is spent there.
_FEW_HOT, _FEW_COLD = 0.3, 0.04
# Where there is time for so many steps per stop and more, it is cooled down several times: each
# time the stops may be shared out differently.
_ROUND_STEPS, _MOST_ROUNDS = 2000, 5
_STEPS_PER_SECOND = 1e5 if COMPILED else 1e3  # roughly
# Makespan: how often the length of a route, relative to the longest, is squared, from the start of
# the cooling to its end. A high power alone counts hardly more than the longest route.
_SQUARINGS = (3, 8)
_CHUNK_SECONDS = 0.25
_LOOKS = 10  # at the routes passed through in a chunk, for the choice in the end

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

# Share of the time for a choice among all the routes passed through (`core.routing.pool`). It pays
# where stops times stops of a route are no more than so many for each second of the search.
_CHOICE_SHARE, _CHOICE_SIZE = 0.1, 800.0
_CHOICE_COST = 1.05  # relative: routes of plans that cost more than the best are not worth a place


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
    if time_limit is not None and steps is None:
        time_limit = search.pool_routes(time_limit)
    best, trace = search.best_cost, [Step(time.monotonic() - begin, search.known, None)]
    reason = ""
    try:
        done = 0.0
        while done < 1.0 and (trace[-1].cost is None or trace[-1].cost > enough):
            spent = time.monotonic() - begin
            done = max(
                0.0 if time_limit is None else spent / max(time_limit, 1e-9),
                0.0 if steps is None else search.steps / steps,
            )
            if done < 1.0:
                search.run(done, steps, None if time_limit is None else time_limit - spent)
            else:
                search.choose()
            if search.best_cost < best:
                best = search.best_cost
                trace.append(Step(time.monotonic() - begin, search.known, None))
    except KeyboardInterrupt:
        reason = INTERRUPTED
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
        self.best_cost = math.inf
        if not check(problem, self.routes()):
            self.best_cost = longest(self._now) if problem.objective == "makespan" else self.cost
        heat = self._heat = _heat(problem, len(routes))
        self._cooled = cooled
        self._hot, self._warm_enough = heat.hot, False  # until the number of steps is known
        self._rounds = 1
        self.steps = 0
        self._speed = 0.0  # steps per second, once known
        self._pool: Pool | None = None
        self._choice = 0.0  # seconds for the choice among its routes

    def pool_routes(self, seconds: float) -> float:
        """Keep the routes passed through, if a choice pays; return the seconds left to search."""
        n, crew = self._problem.n_stops, sum(size > 0 for size in self._now.size)
        if n * n > _CHOICE_SIZE * seconds * crew:
            return seconds
        # HiGHS takes a third of a second to import, which most parts of a plan can do without.
        from core.routing.pool import Pool

        self._pool, self._choice = Pool(self._problem), _CHOICE_SHARE * seconds
        return seconds - self._choice

    def run(self, done: float, steps: int | None, seconds: float | None) -> None:
        """Make some steps at the temperatures of the part `done` (0 to 1) of the run."""
        chunk = max(50, min(500, self.steps * 10))  # to learn the speed
        if self._speed > 0.0:
            chunk = max(1, int(self._speed * _CHUNK_SECONDS))
        if steps is not None:
            # Fixed shares, so that temperatures do not depend on the machine's speed.
            chunk = min(max(1, steps // 100), steps - self.steps)
            share = chunk / steps
        else:
            share = min(1.0 - done, _CHUNK_SECONDS / ((seconds or 1.0) / (1.0 - done)))
        self._warm(steps, seconds or 0.0)
        part = done * self._rounds % 1.0
        hot = self._temperature(part)
        cold = self._temperature(min(1.0, part + share * self._rounds))
        begin = time.monotonic()
        self._sharpen(part)
        looks = 1 if self._pool is None or chunk < _LOOKS else _LOOKS
        chunk = chunk // looks * looks
        fall = (cold / hot) ** (1.0 / looks)
        for look in range(looks):
            start = hot * fall**look
            cooling = Cooling(start, start * fall, chunk // looks, self._heat.exchanges)
            self.cost, self.best_cost = anneal(
                self._search, self._best, cooling, self.cost, self.best_cost, self._rng
            )
            self._collect()
        spent = time.monotonic() - begin
        # The first call compiles: its time says nothing about speed.
        if self.steps > 0:
            self._speed = chunk / max(spent, 1e-6)
        self.steps += chunk
        # An interrupt may come while the kernel writes; this copy is whole.
        best = self._best if math.isfinite(self.best_cost) else self._now
        self._saved = (best.first.copy(), best.after.copy())
        self._adapt()

    def _warm(self, steps: int | None, seconds: float) -> None:
        """Choose how often to cool down, and begin as hot as so many steps can cool down from."""
        if self._warm_enough:
            return
        n, heat = self._problem.n_stops, self._heat
        if self.steps == 0:
            rounds = (steps or seconds * _STEPS_PER_SECOND) / (_ROUND_STEPS * n)
            self._rounds = int(np.clip(rounds, 1, _MOST_ROUNDS))
        able = (steps or seconds * (self._speed or _STEPS_PER_SECOND)) / self._rounds / n
        hot = min(heat.hot, max(heat.least_hot, able / _COOLING_STEPS))
        self._hot = hot * (heat.cold / hot) ** self._cooled
        self._warm_enough = steps is not None or self._speed > 0.0

    def _sharpen(self, part: float) -> None:
        """Count the longest route the more, the later it is: see `_routes.effort`."""
        limits = self._search.limits
        if limits.makespan:
            few, most = _SQUARINGS
            limits = limits._replace(
                ceiling=float(max(self._now.length)) or 1.0,
                squarings=few + int(part * (most + 1 - few)),
            )
            self._search = self._search._replace(limits=limits)
            self.cost = self._worth()

    def _adapt(self) -> None:
        """Raise the prices of broken bounds or lower them; after many, go back to the best."""
        work = self._search.work
        if work.bounded or work.elastic:
            broken = strains(self._now, work) > 0.0
            self._broken = self._broken + 1 if broken else 0
            if self._broken == _LOST and math.isfinite(self.best_cost):
                self._return()
            self._reprice(_DEARER if broken else _CHEAPER)

    def _collect(self) -> None:
        """Keep the routes as they are now, those that break no bound."""
        dear = _CHOICE_COST * self.best_cost
        if self._pool is None or (self.cost > dear and not self._search.limits.makespan):
            return
        now, bounds = self._now, self._search.work.bounds
        least, most = self._problem.min_stops, self._problem.most_stops
        amounts = (now.size, now.length, now.load, now.clock)
        sums = zip(*(np.asarray(amount).tolist() for amount in amounts), strict=True)
        self._pool.add(
            (length + unevenness(bounds, size, length, clock), route)
            for route, (size, length, load, clock) in zip(
                unlinked(now.first, now.after), sums, strict=True
            )
            if max(1, least) <= size <= most and not strain(bounds, size, length, load, clock)
        )

    def choose(self) -> None:
        """Take the best choice among all routes passed through, if it is better."""
        if self._pool is None or not math.isfinite(self.best_cost):
            return
        best = self.routes()
        self._pool.add((self._problem.cost([route]), route) for route in best)
        chosen = self._pool.choose(best, self._choice)
        if chosen is not None:
            routes = [*chosen, *([()] * (self._problem.dispatchers - len(chosen)))]
            self._best = _linked(self._problem, routes)
            self._saved = (self._best.first.copy(), self._best.after.copy())
            cost = self._problem.cost(chosen)
            makespan = self._search.limits.makespan
            self.best_cost = longest(self._best) if makespan else cost

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
        return worth(search.routes, search.work, search.limits)

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
        # Until some routes keep all bounds, as hot as may be: stops must change routes for that.
        hot = self._hot if math.isfinite(self.best_cost) else self._heat.hot
        return float(self._leg * hot * (self._heat.cold / hot) ** done)

    def routes(self) -> tuple[tuple[int, ...], ...]:
        """Return the best routes at the end of the last run."""
        return tuple(route for route in unlinked(*self._saved) if route)


class _Heat(NamedTuple):
    """Exchanges for each step, and in mean legs the first temperature, its least, and the last."""

    exchanges: int
    hot: float
    least_hot: float
    cold: float


def _heat(problem: Problem, crew: int) -> _Heat:
    """Choose how hot a search is by the stops and the length of routes."""
    n = problem.n_stops
    hot = float(np.clip(_HOT * math.sqrt(n / 1000), *_HOT_RANGE))
    if not problem.symmetric or n < 2:  # exchanges reverse stretches, and need a neighbour
        return _Heat(0, hot, _LEAST_HOT, _COLD)
    if n <= _ELASTIC_STOPS and problem.objective == "distance":
        return _Heat(_EXCHANGES, _FEW_HOT, _FEW_HOT, _FEW_COLD)
    if n <= _EXCHANGE_STOPS:
        return _Heat(_EXCHANGES, hot, _LEAST_HOT, _COLD)
    if n >= LONG_ROUTE * crew:
        return _Heat(_EXCHANGES, _LONG_HOT, _LONG_HOT, _COLD)
    return _Heat(0, hot, _LEAST_HOT, _COLD)


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
            max(map(problem.length, routes)) or 1.0,
            _SQUARINGS[0],
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
        rising=not (
            problem.objective == "makespan"
            or problem.min_distance
            or problem.min_time
            or (elastic and problem.min_stops > 1)
            or (problem.times is not None and problem.max_time is not None)
        ),
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
