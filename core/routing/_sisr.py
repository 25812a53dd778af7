"""Kernel of the ruin-and-recreate search (SISR; Christiaens and Vanden Berghe, 2020).

Routes are doubly linked lists of stops. A step takes strings of adjacent stops out of a few
neighbouring routes, puts them back greedily at their cheapest places, and keeps the outcome as
simulated annealing says. Every change is noted and taken back when it is not kept, so that a step
costs the same whatever the number of stops. Between steps a few exchanges of whole stretches are
tried (`core.routing._two_opt`).

Differences from the paper: positions are tried beside the near neighbours of a stop only, and the
number of stops of a route is bounded from below too. A route that the ruin leaves below its minimum
has a deficit; when as many stops are in hand as are owed, they may only go where they are owed.
Bounds on distance, time and load, and those on stops if the caller wants it, may be broken on the
way at a price that the caller adapts (`Work`); only routes that keep them all are ever handed back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from core.routing._jit import kernel
from core.routing._routes import (
    Limits,
    Routes,
    Search,
    Work,
    Workspace,
    crowding,
    effort,
    link,
    longest,
    minutes_added,
    strains,
    toll,
    unlink,
    worth,
)
from core.routing._strings import (
    BLINKS,
    LONGEST,
    SLACK,
    among,
    copy,
    cut_string,
    empty_route,
    sort_hand,
)
from core.routing._two_opt import exchange
from core.routing.geometry import leg

if TYPE_CHECKING:
    from core.routing.geometry import Geometry

__all__ = ["Cooling", "anneal"]


class Cooling(NamedTuple):
    """A part of the annealing.

    Attributes
    ----------
    hot, cold
        Temperatures at its start and at its end, in units of the cost.
    steps
        Ruin-and-recreate steps.
    exchanges
        Tried before each of them.
    """

    hot: float
    cold: float
    steps: int
    exchanges: int


@kernel
def _ruin(search: Search, rng: Any) -> tuple[int, int, float]:
    """Take out strings around a random stop; return stops in hand, routes touched, cost change."""
    routes, near, degree, space = search.routes, search.near, search.degree, search.space
    n = len(routes.route) - 1
    longest = min(float(LONGEST), n / len(routes.size))
    most_strings = 4.0 * search.limits.strings / (1.0 + longest) - 1.0
    strings = int(rng.random() * most_strings + 1.0)
    seed = 1 + int(rng.random() * n)
    held, ruined, change = 0, 0, 0.0
    for t in range(-1, degree):
        if ruined >= strings:
            break
        stop = seed if t < 0 else near[seed * degree + t]
        own = routes.route[stop]
        if own < 0 or among(space.touched, ruined, own):
            continue
        space.touched[ruined] = own
        ruined += 1
        first, count, gap, kept = cut_string(routes, stop, longest, rng)
        change += _take_out(search, first, (count, gap, kept), held)
        held += count
    return held, ruined, change


@kernel
def _take_out(search: Search, first: int, string: tuple[int, int, int], held: int) -> float:
    """Take `count` stops from `first` on into the hand, and leave `kept` from the `gap`-th on."""
    routes, space = search.routes, search.space
    count, gap, kept = string
    change, place = 0.0, first
    for step in range(count + kept):
        onward = routes.after[place]
        if not gap <= step < gap + kept:
            space.taken[held] = place
            space.hand[held] = place
            space.gaps[held] = routes.before[place]
            space.owners[held] = routes.route[place]
            change += unlink(routes, search.geo, search.work, place)
            held += 1
        place = onward
    return change


@kernel
def _order(space: Workspace, held: int, geo: Geometry, rng: Any) -> None:
    """Sort the removed stops: at random (4 in 7), far from the depot first (2), near first (1)."""
    hand, keys = space.hand, space.keys
    draw = rng.random() * 7.0
    for i in range(held):
        if draw < 4.0:
            keys[i] = rng.random()
        elif draw < 6.0:
            keys[i] = -leg(geo, 0, hand[i])
        else:
            keys[i] = leg(geo, 0, hand[i])
    sort_hand(hand, keys, held)


@kernel
def _place(search: Search, stop: int, free: int, ruined: int, rng: Any) -> tuple[int, int]:
    """Find the cheapest position of a stop: what it goes behind, and the route (-1: none).

    ``free`` of the stops in hand, this one among them, are not owed to any route: with 0 it goes
    where one is owed; an empty route that may stay empty is opened for as many as its minimum.
    """
    routes, geo, work, limits, near, degree, _ = search
    before, after, route, size = routes.before, routes.after, routes.route, routes.size
    rising = work.rising
    # Empty routes have no neighbours to find them by: they come first. Then behind each near
    # neighbour, and in front of those that come first on their route.
    best, best_own = _opened(search, stop, free, ruined)
    best_left = 0
    most = limits.most if free > 0 else limits.least
    blink = int(math.log(1.0 - rng.random()) * BLINKS)
    for t in range(stop * degree, stop * degree + degree):
        beside = near[t]
        own = route[beside]
        if own < 0 or size[own] >= most:
            continue
        for front in range(2 if before[beside] == 0 else 1):
            blink -= 1
            if blink < 0:
                blink = int(math.log(1.0 - rng.random()) * BLINKS)
                continue
            left = 0 if front == 1 else beside
            right = beside if front == 1 else after[beside]
            added = leg(geo, left, stop) + leg(geo, stop, right) - leg(geo, left, right)
            if rising and added >= best and added >= 0.0:
                continue
            cost = _priced(routes, work, limits, own, (left, stop, right), added)
            if cost < best:
                best, best_left, best_own = cost, left, own
    return best_left, best_own


@kernel
def _opened(search: Search, stop: int, free: int, ruined: int) -> tuple[float, int]:
    """Find the cheapest empty route for a stop among those touched; its cost, and -1 for none."""
    routes, geo, work, limits = search.routes, search.geo, search.work, search.limits
    best, best_own = math.inf, -1
    if limits.optional and free < limits.least:
        return best, best_own
    added = leg(geo, 0, stop) + leg(geo, stop, 0) - leg(geo, 0, 0)
    for at in range(ruined):
        own = search.space.touched[at]
        if routes.size[own] == 0:
            cost = _priced(routes, work, limits, own, (0, stop, 0), added)
            if cost < best:
                best, best_own = cost, own
    return best, best_own


@kernel
def _priced(
    routes: Routes,
    work: Work,
    limits: Limits,
    own: int,
    places: tuple[int, int, int],
    added: float,
) -> float:
    """Return what a route costs more with a stop between two places, which adds to its length."""
    size, length, load, clock = routes.size, routes.length, routes.load, routes.clock
    cost = added
    if limits.makespan:
        cost = effort(limits, length[own] + added) - effort(limits, length[own])
    if work.elastic:
        cost += crowding(work.bounds, size[own] + 1) - crowding(work.bounds, size[own])
    if work.bounded:
        left, stop, right = places
        minutes = minutes_added(work, added, left, stop, right)
        cost += toll(
            work.bounds,
            size[own] + 1,
            length[own] + added,
            load[own] + work.demand[stop],
            clock[own] + minutes,
        )
        cost -= toll(work.bounds, size[own], length[own], load[own], clock[own])
    return float(cost)


@kernel
def _owed(routes: Routes, limits: Limits, own: int) -> int:
    """Count the stops that a route lacks; one that may stay empty lacks none then."""
    size = int(routes.size[own])
    return 0 if limits.optional and size == 0 else max(0, limits.least - size)


@kernel
def anneal(
    search: Search, best: Routes, cooling: Cooling, cost: float, best_cost: float, rng: Any
) -> tuple[float, float]:
    """Make steps while the temperature falls; cost and best cost.

    `best` receives the best routes that keep all bounds. Copying is linear in the number of stops,
    so it waits until as many steps have passed as it costs.
    """
    factor = (cooling.cold / cooling.hot) ** (1.0 / cooling.steps)
    temperature = cooling.hot
    patience = len(best.route) // 100
    since = patience
    for step in range(cooling.steps):
        temperature *= factor
        since += 1
        for _ in range(cooling.exchanges):
            tolerance = -temperature * math.log(1.0 - rng.random())
            cost += exchange(search, tolerance, rng)
        cost += _rebuild(search, cost, temperature, rng)
        value = longest(search.routes) if search.limits.makespan else cost
        if (
            value < best_cost * (1.0 - SLACK)
            and (since >= patience or step == cooling.steps - 1)
            and strains(search.routes, search.work) == 0.0
        ):
            best_cost = value
            copy(search.routes, best)
            since = 0
    return cost, best_cost


@kernel
def _rebuild(search: Search, cost: float, temperature: float, rng: Any) -> float:
    """Remove strings and reinsert their stops, or undo that; return the change of cost."""
    routes, geo, work, limits, space = (
        search.routes, search.geo, search.work, search.limits, search.space
    )  # fmt: skip
    touched = space.touched
    held, ruined, change = _ruin(search, rng)
    _order(space, held, geo, rng)
    owed = 0
    for r in range(ruined):
        owed += _owed(routes, limits, touched[r])
    seen = ruined
    if limits.optional:
        own = empty_route(routes)
        if own >= 0:
            touched[ruined] = own
            seen = ruined + 1
    placed = 0
    while placed < held:
        stop = space.hand[placed]
        left, own = _place(search, stop, held - placed - owed, seen, rng)
        if own < 0:
            break
        owed -= _owed(routes, limits, own)
        change += link(routes, geo, work, stop, left, own)
        owed += _owed(routes, limits, own)
        placed += 1
    if limits.makespan:
        change = worth(routes, work, limits) - cost
    if placed == held and owed == 0 and change < -temperature * math.log(1.0 - rng.random()):
        return change
    for i in range(placed - 1, -1, -1):
        unlink(routes, geo, work, space.hand[i])
    for i in range(held - 1, -1, -1):
        link(routes, geo, work, space.taken[i], space.gaps[i], space.owners[i])
    return 0.0
