"""Kernel of the ruin-and-recreate search (SISR; Christiaens and Vanden Berghe, 2020).

Routes are doubly linked lists of stops. A step takes strings of adjacent stops out of a few
neighbouring routes, puts them back greedily at their cheapest places, and keeps the outcome as
simulated annealing says. Every change is noted and taken back when it is not kept, so that a step
costs the same whatever the number of stops.

Differences from the paper: positions are tried beside the near neighbours of a stop only, and the
number of stops of a route is bounded from below too. A route that the ruin leaves below its minimum
has a deficit; when as many stops are in hand as are owed, they may only go where they are owed.
Bounds on distance, time and load may be broken on the way, at a price that the caller adapts
(`Work`); only routes that keep them all are ever handed back.
"""

# ruff: noqa: PLR0917 (kernels take positional arguments: compiled functions know no others)

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from core.routing._jit import kernel
from core.routing.geometry import leg

if TYPE_CHECKING:
    from core.routing.geometry import Geometry

__all__ = [
    "DISTANCE_PRICE",
    "LOAD_PRICE",
    "TIME_PRICE",
    "TOTAL_WEIGHT",
    "Desk",
    "Limits",
    "Routes",
    "Work",
    "anneal",
    "worth",
]

_STRING = 10  # longest string taken out of a route
_KEEP_GOING = 0.01  # chance to keep one more stop within a split string
_BLINK = 0.01  # chance to overlook a position
_SPLIT = 0.5  # chance to leave a gap within a string
_SLACK = 1e-9

TOTAL_WEIGHT = 1e-3  # of the total length beside the longest route: short cuts pay everywhere
_OVER_WEIGHT = 10.0  # of what a position adds beyond the ceiling (makespan)


class Routes(NamedTuple):
    """Routes as linked lists; 0 stands for the depot at both ends.

    Attributes
    ----------
    before, after
        Neighbours of each place on its route.
    route
        Route of each stop, -1 while it is in no route.
    first, last
        First and last stop of each route, 0 when empty.
    size, length, load, clock
        Stops, length, demands and minutes of each route.
    """

    before: Any
    after: Any
    route: Any
    first: Any
    last: Any
    size: Any
    length: Any
    load: Any
    clock: Any


class Work(NamedTuple):
    """Bounds on distance, time and load of every route, and what breaking them costs.

    Attributes
    ----------
    bounded
        Whether there are any; without, nothing below is looked at.
    timed
        Whether driving times come from `times`, or else from the distance by ``bounds[PACE]``.
    demand, service
        Of each place.
    times
        Driving times.
    bounds
        Numbers at the places `CAPACITY` to `TIME_PRICE`; bounds are infinite or 0 where there are
        none. They lie in one array because a compiled call hands over each field of a tuple.
    """

    bounded: bool
    timed: bool
    demand: Any
    service: Any
    times: Geometry
    bounds: Any


CAPACITY, LEAST_DISTANCE, MOST_DISTANCE, LEAST_TIME, MOST_TIME = range(5)
PACE, LOAD_PRICE, DISTANCE_PRICE, TIME_PRICE = range(5, 9)


class Desk(NamedTuple):
    """Room to work in.

    Attributes
    ----------
    taken, gaps, owners
        Stops in the order they were taken out, what stood before each, and on which route.
    hand, keys
        The same stops in the order they are put back, and what that order is by.
    touched
        Routes that strings were taken from.
    """

    taken: Any
    gaps: Any
    owners: Any
    hand: Any
    keys: Any
    touched: Any


class Limits(NamedTuple):
    """Bounds of every route, and the objective.

    Attributes
    ----------
    least, most
        Number of stops.
    strings
        Average number of stops taken out in a step.
    optional
        Whether routes may stay empty (at most K dispatchers).
    makespan
        Whether the longest route counts (with `TOTAL_WEIGHT` of the total), or the total alone.
    ceiling
        Length from which on a route is a bad place for one more stop; for makespan only.
    """

    least: int
    most: int
    strings: float
    optional: bool
    makespan: bool
    ceiling: float


@kernel
def _strain(bounds: Any, size: int, length: float, load: float, clock: float) -> float:
    """Price of the bounds that a route breaks; an empty one breaks none."""
    if size == 0:
        return 0.0
    price = 0.0
    if load > bounds[CAPACITY]:
        price += bounds[LOAD_PRICE] * (load - bounds[CAPACITY])
    if length > bounds[MOST_DISTANCE]:
        price += bounds[DISTANCE_PRICE] * (length - bounds[MOST_DISTANCE])
    if length < bounds[LEAST_DISTANCE]:
        price += bounds[DISTANCE_PRICE] * (bounds[LEAST_DISTANCE] - length)
    if clock > bounds[MOST_TIME]:
        price += bounds[TIME_PRICE] * (clock - bounds[MOST_TIME])
    if clock < bounds[LEAST_TIME]:
        price += bounds[TIME_PRICE] * (bounds[LEAST_TIME] - clock)
    return price


@kernel
def _strained(routes: Routes, work: Work) -> float:
    """Price of all the bounds that are broken."""
    total = 0.0
    size, length, load, clock = routes.size, routes.length, routes.load, routes.clock
    for own in range(len(size)):
        total += _strain(work.bounds, size[own], length[own], load[own], clock[own])
    return total


@kernel
def _minutes(work: Work, change: float, left: int, stop: int, right: int) -> float:
    """Count the minutes that a stop between two places adds to a route."""
    if work.timed:
        change = leg(work.times, left, stop) + leg(work.times, stop, right)
        change -= leg(work.times, left, right)
        return float(change + work.service[stop])
    return float(change * work.bounds[PACE] + work.service[stop])


@kernel
def unlink(routes: Routes, geo: Geometry, work: Work, stop: int) -> float:
    """Take a stop out of its route; the change of cost."""
    before, after, route, first, last, size, length, load, clock = routes
    left, right, own = before[stop], after[stop], route[stop]
    change = leg(geo, left, right) - leg(geo, left, stop) - leg(geo, stop, right)
    cost = change
    if work.bounded:
        cost -= _strain(work.bounds, size[own], length[own], load[own], clock[own])
        load[own] -= work.demand[stop]
        clock[own] -= _minutes(work, -change, left, stop, right)
    if left == 0:
        first[own] = right
    else:
        after[left] = right
    if right == 0:
        last[own] = left
    else:
        before[right] = left
    route[stop] = -1
    size[own] -= 1
    length[own] += change
    if work.bounded:
        cost += _strain(work.bounds, size[own], length[own], load[own], clock[own])
    return cost


@kernel
def link(routes: Routes, geo: Geometry, work: Work, stop: int, left: int, own: int) -> float:
    """Put a stop behind `left` (0: at the start) on route `own`; the change of cost."""
    before, after, route, first, last, size, length, load, clock = routes
    right = first[own] if left == 0 else after[left]
    change = leg(geo, left, stop) + leg(geo, stop, right) - leg(geo, left, right)
    cost = change
    if work.bounded:
        cost -= _strain(work.bounds, size[own], length[own], load[own], clock[own])
        load[own] += work.demand[stop]
        clock[own] += _minutes(work, change, left, stop, right)
    before[stop] = left
    after[stop] = right
    if left == 0:
        first[own] = stop
    else:
        after[left] = stop
    if right == 0:
        last[own] = stop
    else:
        before[right] = stop
    route[stop] = own
    size[own] += 1
    length[own] += change
    if work.bounded:
        cost += _strain(work.bounds, size[own], length[own], load[own], clock[own])
    return cost


@kernel
def _string_start(routes: Routes, stop: int, count: int, rng: Any) -> int:
    """First stop of a random string of `count` stops of a route that holds `stop`."""
    before, after = routes.before, routes.after
    ahead, place = 0, after[stop]
    while ahead < count - 1 and place != 0:
        ahead += 1
        place = after[place]
    behind, place = 0, before[stop]
    while behind < count - 1 and place != 0:
        behind += 1
        place = before[place]
    fewest = count - 1 - ahead
    back = fewest + int(rng.random() * (behind - fewest + 1))
    place = stop
    for _ in range(back):
        place = before[place]
    return int(place)


@kernel
def _ruin(
    routes: Routes,
    geo: Geometry,
    work: Work,
    near: Any,
    degree: int,
    limits: Limits,
    desk: Desk,
    rng: Any,
) -> tuple[int, int, float]:
    """Take strings out around a random stop; stops in hand, routes touched, change of cost."""
    taken, gaps, owners, hand, _, touched = desk
    n = len(routes.route) - 1
    crew = len(routes.size)
    longest = min(float(_STRING), n / crew)
    most_strings = 4.0 * limits.strings / (1.0 + longest) - 1.0
    strings = int(rng.random() * most_strings + 1.0)
    seed = 1 + int(rng.random() * n)
    held, ruined, change = 0, 0, 0.0
    for t in range(-1, degree):
        if ruined >= strings:
            break
        stop = seed if t < 0 else near[seed * degree + t]
        own = routes.route[stop]
        if own < 0:
            continue
        known = False
        for r in range(ruined):
            known = known or touched[r] == own
        if known:
            continue
        touched[ruined] = own
        ruined += 1
        size = routes.size[own]
        count = 1 + int(rng.random() * min(float(size), longest))
        count = min(count, size)
        kept = 0
        if count > 1 and count < size and rng.random() < _SPLIT:
            kept = 1
            while count + kept < size and rng.random() < _KEEP_GOING:
                kept += 1
        place = _string_start(routes, stop, count + kept, rng)
        gap_from = 1 + int(rng.random() * (count - 1)) if kept > 0 else -1
        for step in range(count + kept):
            onward = routes.after[place]
            if not gap_from <= step < gap_from + kept:
                taken[held] = place
                hand[held] = place
                gaps[held] = routes.before[place]
                owners[held] = own
                change += unlink(routes, geo, work, place)
                held += 1
            place = onward
    return held, ruined, change


@kernel
def _order(desk: Desk, held: int, geo: Geometry, rng: Any) -> None:
    """Sort the stops in hand: at random (4 in 7), far from the depot first (2), near first (1)."""
    hand, keys = desk.hand, desk.keys
    draw = rng.random() * 7.0
    for i in range(held):
        if draw < 4.0:
            keys[i] = rng.random()
        elif draw < 6.0:
            keys[i] = -leg(geo, 0, hand[i])
        else:
            keys[i] = leg(geo, 0, hand[i])
    for i in range(1, held):
        key, stop = keys[i], hand[i]
        j = i - 1
        while j >= 0 and keys[j] > key:
            keys[j + 1] = keys[j]
            hand[j + 1] = hand[j]
            j -= 1
        keys[j + 1] = key
        hand[j + 1] = stop


@kernel
def worth(routes: Routes, work: Work, makespan: bool) -> float:  # noqa: FBT001
    """Value of the objective, with the price of bounds that are broken."""
    longest, total = 0.0, 0.0
    for own in range(len(routes.length)):
        longest = max(longest, routes.length[own])
        total += routes.length[own]
    cost = longest + TOTAL_WEIGHT * total if makespan else total
    return cost + _strained(routes, work) if work.bounded else cost


@kernel
def _place(
    routes: Routes,
    geo: Geometry,
    work: Work,
    near: Any,
    degree: int,
    limits: Limits,
    stop: int,
    free: int,
    touched: Any,
    ruined: int,
    rng: Any,
) -> tuple[int, int]:
    """Cheapest position of a stop: what it goes behind, and the route (-1: none).

    ``free`` of the stops in hand, this one among them, are not owed to any route: with 0 it goes
    where one is owed; an empty route that may stay empty is opened for as many as its minimum.
    """
    before, after, route, size = routes.before, routes.after, routes.route, routes.size
    length, load, clock = routes.length, routes.load, routes.clock
    bounds, bounded, makespan = work.bounds, work.bounded, limits.makespan
    best, best_left, best_own = math.inf, 0, -1
    most = limits.most if free > 0 else limits.least
    # Empty routes have no neighbours to find them by: they come first, then two positions beside
    # each near neighbour.
    for t in range(ruined + 2 * degree):
        if t < ruined:
            own, left, right = touched[t], 0, 0
            if size[own] > 0 or (limits.optional and free < limits.least):
                continue
        else:
            place = near[stop * degree + (t - ruined) // 2]
            own = route[place]
            if own < 0 or size[own] >= most or rng.random() < _BLINK:
                continue
            if (t - ruined) % 2 == 0:
                left, right = before[place], place
            else:
                left, right = place, after[place]
        added = leg(geo, left, stop) + leg(geo, stop, right) - leg(geo, left, right)
        cost = added
        if makespan:
            cost += _OVER_WEIGHT * max(0.0, float(length[own] + added - limits.ceiling))
        if bounded:
            minutes = _minutes(work, added, left, stop, right)
            cost += _strain(
                bounds, 1, length[own] + added, load[own] + work.demand[stop], clock[own] + minutes
            )
            cost -= _strain(bounds, size[own], length[own], load[own], clock[own])
        if cost < best:
            best, best_left, best_own = cost, left, own
    return best_left, best_own


@kernel
def _owed(routes: Routes, limits: Limits, own: int) -> int:
    """Count the stops that a route lacks; one that may stay empty lacks none then."""
    size = int(routes.size[own])
    return 0 if limits.optional and size == 0 else max(0, limits.least - size)


@kernel
def _empty_route(routes: Routes) -> int:
    for own in range(len(routes.size)):
        if routes.size[own] == 0:
            return own
    return -1


@kernel
def anneal(  # noqa: C901 (the step is one sequence: ruin, recreate, keep or take back)
    routes: Routes,
    best: Routes,
    geo: Geometry,
    work: Work,
    near: Any,
    degree: int,
    limits: Limits,
    cost: float,
    best_cost: float,
    hot: float,
    cold: float,
    steps: int,
    desk: Desk,
    rng: Any,
) -> tuple[float, float]:
    """Make `steps` steps while the temperature falls from `hot` to `cold`; cost and best cost.

    `best` receives the best routes that keep all bounds. Copying is linear in the number of stops,
    so it waits until as many steps have passed as it costs.
    """
    cooling = (cold / hot) ** (1.0 / steps)
    temperature = hot
    patience = len(routes.route) // 100
    since = patience
    touched = desk.touched
    for _ in range(steps):
        temperature *= cooling
        since += 1
        held, ruined, change = _ruin(routes, geo, work, near, degree, limits, desk, rng)
        _order(desk, held, geo, rng)
        owed = 0
        for r in range(ruined):
            owed += _owed(routes, limits, touched[r])
        seen = ruined
        if limits.optional:
            own = _empty_route(routes)
            if own >= 0:
                touched[ruined] = own
                seen = ruined + 1
        placed = 0
        while placed < held:
            stop = desk.hand[placed]
            free = held - placed - owed
            left, own = _place(
                routes, geo, work, near, degree, limits, stop, free, touched, seen, rng
            )
            if own < 0:
                break
            owed -= _owed(routes, limits, own)
            change += link(routes, geo, work, stop, left, own)
            owed += _owed(routes, limits, own)
            placed += 1
        if limits.makespan:
            change = worth(routes, work, True) - cost  # noqa: FBT003
        if placed == held and owed == 0 and change < -temperature * math.log(1.0 - rng.random()):
            cost += change
            if (
                cost < best_cost - _SLACK
                and since >= patience
                and not (work.bounded and _strained(routes, work) > 0.0)
            ):
                best_cost = cost
                _copy(routes, best)
                since = 0
            continue
        for i in range(placed - 1, -1, -1):
            unlink(routes, geo, work, desk.hand[i])
        for i in range(held - 1, -1, -1):
            link(routes, geo, work, desk.taken[i], desk.gaps[i], desk.owners[i])
    if cost < best_cost - _SLACK and not (work.bounded and _strained(routes, work) > 0.0):
        best_cost = cost
        _copy(routes, best)
    return cost, best_cost


@kernel
def _copy(routes: Routes, best: Routes) -> None:
    for part in range(len(routes.route)):
        best.after[part] = routes.after[part]
    for own in range(len(routes.first)):
        best.first[own] = routes.first[own]
