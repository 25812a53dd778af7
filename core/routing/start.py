"""Make initial routes: cut one tour of all stops into K routes, and improve each separately.

The tour with one dispatcher is cut by dynamic programming (`core.routing.split`), so that the
bounds on work hold by construction. Time and memory grow about linearly with N. The routes are
several per cent longer than necessary, because no stop leaves its route afterwards.

A short tour is not the best one to cut where routes have very many stops: each of its routes drives
to its district and home past stops of others. Petals, which serve a sector on their way out and
home, then cost less (a tenth, with 1,000 uniform stops a route), so both are tried.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from core.routing.bounds import SLACK, keeps_to
from core.routing.result import Result, Status
from core.routing.split import split
from core.routing.tour import Kicks, greedy_tour, improve_tour, kick_tour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.routing.problem import Problem

__all__ = ["cut_tour", "kick_routes", "may_shorten"]

# Openings of the tour that are tried, and stops in all of them: the more routes, the less the
# choice of an opening brings (0.04% with a hundred), and each takes as long as a tour's search.
_OPENINGS, _FEWEST, _OPENED = 32, 4, 3_200_000
_FEWEST_KICKED = 8  # places of a tour that kicks may shorten
_PETALS = 200  # stops of a route from which petals are tried; with 100, a tour is better by far
_PACKED = 30_000_000  # stops times dispatchers up to which loads are packed: seconds


def cut_tour(problem: Problem, *, kicks: float = 0.0, seed: int = 0) -> Result:
    """Cut one tour of all stops into routes, and improve each on its own.

    Parameters
    ----------
    problem
        Its bounds on stops must be feasible (`core.routing.bounds.contradiction`); those that no
        cuts can meet are left out of account.
    kicks
        Seconds to shorten the tour by kicks before it is cut, which pays where routes are long.
    seed
        Seed of the kicks' random numbers.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [2, 0], [0, 1], [0, 2]], dispatchers=2)
    >>> cut_tour(problem).cost
    8.0
    """
    keeps_to(problem, "divide")
    begin = time.monotonic()
    problem = problem.closed()
    even = _even(problem)
    tour = improve_tour(even, greedy_tour(even, np.arange(1, problem.n_stops + 1)))
    if kicks > 0.0 and problem.symmetric and problem.n_stops >= _FEWEST_KICKED:
        tour = kick_tour(problem, tour, Kicks(time_limit=kicks, seed=seed))
    openings = max(_FEWEST, min(_OPENINGS, _OPENED // problem.n_stops))
    cut = split(problem, tour, starts=openings)
    if problem.capacity is not None:
        most = problem.capacity * (1 + SLACK)
        if any(problem.load(route.tolist()) > most for route in cut):
            cut = _packed(problem, most) or cut
    routes = [_improve_route(problem, even, route) for route in cut]
    cost = problem.cost(routes)
    if _may_have_petals(problem):
        cut = split(problem, _petals(problem), starts=1)
        petals = [_improve_route(problem, even, route) for route in cut]
        if (petals_cost := problem.cost(petals)) < cost:
            routes, cost = petals, petals_cost
    return Result(
        status=Status.FEASIBLE,
        cost=cost,
        routes=tuple(tuple(route.tolist()) for route in routes),
        seconds=time.monotonic() - begin,
        method="divide",
    )


def _may_have_petals(problem: Problem) -> bool:
    """Tell whether petals may cost less, and can be made: by directions from the depot."""
    many = problem.n_stops >= _PETALS * problem.dispatchers and problem.dispatchers > 1
    return many and problem.only_stops and problem.matrix is None


def _petals(problem: Problem) -> NDArray[np.intp]:
    """Order all stops by sectors of as many stops each, half of each outwards, half homewards."""
    away = problem.points[1:] - problem.points[0]
    if problem.metric == "great_circle":  # degrees of longitude are shorter
        away[:, 0] *= np.cos(np.radians(problem.points[0, 1]))
    distance = np.hypot(away[:, 0], away[:, 1])
    by_angle = np.argsort(np.arctan2(away[:, 1], away[:, 0]), kind="stable")
    found = []
    for sector in np.array_split(by_angle, problem.dispatchers):
        out, home = np.array_split(sector, 2)
        found += [out[np.argsort(distance[out])], home[np.argsort(-distance[home])]]
    return np.concatenate(found) + 1


def _packed(problem: Problem, most: float) -> list[NDArray[np.intp]] | None:
    """Fill the routes as bins are packed; None where that does not fit the loads, or the stops.

    The largest demand comes first, and goes to the nearest route that has room. Where a demand
    fits nowhere in the end, each goes to the fullest instead: routes that lie all over, but full.
    """
    if problem.n_stops * problem.dispatchers > _PACKED:
        return None
    for near in (True, False):
        load = np.zeros(problem.dispatchers)
        seeds = np.zeros(problem.dispatchers, dtype=np.intp)  # its first stop; 0 while it is empty
        own = np.zeros(problem.n_stops + 1, dtype=np.intp)
        for stop in np.argsort(-problem.demands[1:], kind="stable") + 1:
            fits = load + problem.demands[stop] <= most
            if not fits.any():
                break
            value = problem.between(stop, seeds) if near else -load
            own[stop] = np.where(fits, value, np.inf).argmin()
            load[own[stop]] += problem.demands[stop]
            if seeds[own[stop]] == 0:
                seeds[own[stop]] = stop
        else:
            sizes = np.bincount(own[1:], minlength=problem.dispatchers)[seeds > 0]
            few = len(sizes) < problem.fewest_routes or sizes.min() < problem.min_stops
            if not few and sizes.max() <= problem.most_stops:
                return [np.nonzero(own[1:] == k)[0] + 1 for k in np.nonzero(seeds)[0]]
    return None


def _improve_route(problem: Problem, even: Problem, route: NDArray[np.intp]) -> NDArray[np.intp]:
    """Shorten one route (stop indices without the depot); never make it longer."""
    closed = improve_tour(even, np.concatenate(([0], route)))
    better = np.roll(closed, -int(np.nonzero(closed == 0)[0][0]))[1:]
    return min(route, better, better[::-1], key=problem.length)


def may_shorten(problem: Problem) -> bool:
    """Tell whether a route that keeps all bounds also does in any shorter order of its stops."""
    timed = problem.times is not None and problem.max_time is not None
    return problem.symmetric and not (problem.min_distance or problem.min_time or timed)


def kick_routes(
    problem: Problem, routes: Sequence[Sequence[int]], *, time_limit: float, seed: int = 0
) -> tuple[tuple[int, ...], ...]:
    """Shorten each route by kicks, for a share of the time that is its share of the stops.

    Parameters
    ----------
    problem
        One that `may_shorten`.
    routes
        Stop indices per dispatcher.
    time_limit
        Seconds of wall time for all routes.
    seed
        Seed of the random numbers.

    Examples
    --------
    >>> from core.routing import Problem
    >>> ring = [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [2, 1], [1, 1], [0, 1]]
    >>> problem = Problem(points=ring)
    >>> problem.cost(kick_routes(problem, [(5, 1, 4, 2, 6, 3, 7)], time_limit=0.1))
    8.0
    """
    begin, done, found = time.monotonic(), 0, []
    for route in routes:
        # What one route does not use, or takes too long, is the others' to share.
        left = time_limit - (time.monotonic() - begin)
        seconds = left * len(route) / (problem.n_stops - done)
        done += len(route)
        closed = improve_tour(problem, np.array((0, *route)))
        if len(closed) >= _FEWEST_KICKED and seconds > 0.0:
            closed = kick_tour(problem, closed, Kicks(time_limit=seconds, seed=seed))
        better = np.roll(closed, -int(np.nonzero(closed == 0)[0][0]))[1:]
        found.append(min(tuple(route), tuple(better.tolist()), key=problem.length))
    return tuple(found)


def _even(problem: Problem) -> Problem:
    """Take the mean of both directions, for moves that reverse stretches of a tour."""
    if problem.symmetric or problem.matrix is None:  # only its times are asymmetric
        return problem
    return problem.replace(matrix=(problem.matrix + problem.matrix.T) / 2)
