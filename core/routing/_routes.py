"""Linked lists of stops for kernels: the cost of routes, and changes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.routing._jit import kernel
from core.routing.geometry import leg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.geometry import Geometry

__all__ = [
    "DISTANCE_PRICE",
    "LOAD_PRICE",
    "STOPS_PRICE",
    "TIME_PRICE",
    "TOTAL_WEIGHT",
    "Limits",
    "Routes",
    "Search",
    "Work",
    "Workspace",
    "crowding",
    "effort",
    "link",
    "longest",
    "measure",
    "minutes_added",
    "relink",
    "strain",
    "strains",
    "toll",
    "unevenness",
    "unlink",
    "unlinked",
    "worth",
    "write_out",
]

TOTAL_WEIGHT = 1e-3  # of the total length beside the longest route: short cuts pay everywhere


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
    """Bounds on the work of every route that the search may break, and the price of that.

    Attributes
    ----------
    bounded
        Whether there are any on distance, time or load, or unequal work has a price.
    elastic
        Whether those on the number of stops are among them; else `Limits` has them.
    rising
        Whether a stop that makes a route longer by some length never costs less than that: only
        the total counts, and there are neither least amounts nor driving times of their own.
    timed
        Whether driving times come from `times`, or else from the distance by ``bounds[PACE]``.
    demand, service
        Demand and service time of each place.
    times
        Driving times.
    bounds
        Numbers at the places `CAPACITY` to `EVEN_TIME`; bounds are infinite or 0 where there are
        none. The last three are the prices of the squares of each route's work. They lie in one
        array because a compiled call hands over each field of a tuple.
    """

    bounded: bool
    elastic: bool
    rising: bool
    timed: bool
    demand: Any
    service: Any
    times: Geometry
    bounds: Any


CAPACITY, LEAST_DISTANCE, MOST_DISTANCE, LEAST_TIME, MOST_TIME = range(5)
PACE, LOAD_PRICE, DISTANCE_PRICE, TIME_PRICE = range(5, 9)
LEAST_STOPS, MOST_STOPS, STOPS_PRICE = range(9, 12)
EVEN_STOPS, EVEN_DISTANCE, EVEN_TIME = range(12, 15)


class Limits(NamedTuple):
    """Bounds that every route keeps at all times, and the objective.

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
        Length of the longest route, to which others are compared; for makespan only.
    squarings
        How much more than others the longest route counts: see `effort`.
    """

    least: int
    most: int
    strings: float
    optional: bool
    makespan: bool
    ceiling: float
    squarings: int


class Workspace(NamedTuple):
    """Room to work in: kernels allocate nothing.

    Attributes
    ----------
    taken, gaps, owners
        Removed stops in order, with the stop before each and its route.
    hand, keys
        The same stops in the order of reinsertion, and the keys of that order.
    touched
        Routes that strings were taken from.
    line
        Room for every stop twice.
    """

    taken: Any
    gaps: Any
    owners: Any
    hand: Any
    keys: Any
    touched: Any
    line: Any


class Search(NamedTuple):
    """What every step of a search reads, and the routes that it changes.

    Attributes
    ----------
    routes
        As they are now.
    geo
        Distances: the argument of `leg`.
    work, limits
        Bounds with a price, and bounds that are kept.
    near, degree
        Neighbours of each place, flat, `degree` per place, nearest first.
    space
        Room to work in.
    """

    routes: Routes
    geo: Geometry
    work: Work
    limits: Limits
    near: Any
    degree: int
    space: Workspace


@kernel
def strain(bounds: Any, size: int, length: float, load: float, clock: float) -> float:
    """Price the bounds on distance, time and load that a route breaks; 0 for an empty one."""
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
def unevenness(bounds: Any, size: float, length: float, clock: float) -> float:
    """Price the work of a route by its square, which makes equal shares the cheapest."""
    price = bounds[EVEN_STOPS] * size * size + bounds[EVEN_DISTANCE] * length * length
    return float(price + bounds[EVEN_TIME] * clock * clock)


@kernel
def toll(bounds: Any, size: int, length: float, load: float, clock: float) -> float:
    """Price what a route does beside its length: broken bounds, and more work than others."""
    if size == 0:
        return 0.0
    return strain(bounds, size, length, load, clock) + unevenness(bounds, size, length, clock)


@kernel
def crowding(bounds: Any, size: int) -> float:
    """Price the bounds on stops that a route breaks; 0 for an empty one."""
    if size > bounds[MOST_STOPS]:
        return float(bounds[STOPS_PRICE] * (size - bounds[MOST_STOPS]))
    if 0 < size < bounds[LEAST_STOPS]:
        return float(bounds[STOPS_PRICE] * (bounds[LEAST_STOPS] - size))
    return 0.0


@kernel
def strains(routes: Routes, work: Work) -> float:
    """Price all the bounds that are broken."""
    total = 0.0
    size, length, load, clock = routes.size, routes.length, routes.load, routes.clock
    if work.elastic:
        for own in range(len(size)):
            total += crowding(work.bounds, size[own])
    if work.bounded:
        for own in range(len(size)):
            total += strain(work.bounds, size[own], length[own], load[own], clock[own])
    return total


@kernel
def effort(limits: Limits, length: float) -> float:
    """Return what the length of a route counts.

    Where the longest route counts, all do, by a high power of their length: else a search would not
    see that the second longest has become shorter. A unit more of the longest costs about one.
    """
    if not limits.makespan:
        return length
    power = length / limits.ceiling
    for _ in range(limits.squarings):
        power *= power
    return TOTAL_WEIGHT * length + limits.ceiling * power / 2.0**limits.squarings


@kernel
def worth(routes: Routes, work: Work, limits: Limits) -> float:
    """Return what the search minimises: the routes' efforts, and the price of broken bounds."""
    total = 0.0
    for own in range(len(routes.length)):
        total += effort(limits, routes.length[own])
        if work.bounded and routes.size[own] > 0:
            size, clock = routes.size[own], routes.clock[own]
            total += unevenness(work.bounds, size, routes.length[own], clock)
    return total + strains(routes, work)


@kernel
def longest(routes: Routes) -> float:
    """Return the length of the longest route, and a little of the total."""
    most, total = 0.0, 0.0
    for own in range(len(routes.length)):
        most = max(most, routes.length[own])
        total += routes.length[own]
    return float(most + TOTAL_WEIGHT * total)


@kernel
def minutes_added(work: Work, change: float, left: int, stop: int, right: int) -> float:
    """Count the minutes that a stop between two places adds to a route."""
    if work.timed:
        change = leg(work.times, left, stop) + leg(work.times, stop, right)
        change -= leg(work.times, left, right)
        return float(change + work.service[stop])
    return float(change * work.bounds[PACE] + work.service[stop])


@kernel
def unlink(routes: Routes, geo: Geometry, work: Work, stop: int) -> float:
    """Take a stop out of its route; return the change of cost."""
    before, after, route, first, last, size, length, load, clock = routes
    left, right, own = before[stop], after[stop], route[stop]
    change = leg(geo, left, right) - leg(geo, left, stop) - leg(geo, stop, right)
    cost = change
    if work.bounded:
        cost -= toll(work.bounds, size[own], length[own], load[own], clock[own])
        load[own] -= work.demand[stop]
        clock[own] -= minutes_added(work, -change, left, stop, right)
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
    if work.elastic:
        cost += crowding(work.bounds, size[own]) - crowding(work.bounds, size[own] + 1)
    if work.bounded:
        cost += toll(work.bounds, size[own], length[own], load[own], clock[own])
    return cost


@kernel
def link(routes: Routes, geo: Geometry, work: Work, stop: int, left: int, own: int) -> float:
    """Put a stop behind `left` (0: at the start) on route `own`; return the change of cost."""
    before, after, route, first, last, size, length, load, clock = routes
    right = first[own] if left == 0 else after[left]
    change = leg(geo, left, stop) + leg(geo, stop, right) - leg(geo, left, right)
    cost = change
    if work.bounded:
        cost -= toll(work.bounds, size[own], length[own], load[own], clock[own])
        load[own] += work.demand[stop]
        clock[own] += minutes_added(work, change, left, stop, right)
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
    if work.elastic:
        cost += crowding(work.bounds, size[own]) - crowding(work.bounds, size[own] - 1)
    if work.bounded:
        cost += toll(work.bounds, size[own], length[own], load[own], clock[own])
    return cost


@kernel
def write_out(routes: Routes, own: int, line: Any, start: int) -> int:
    """Write the stops of a route into a line from `start` on; return where they end."""
    place = routes.first[own]
    while place != 0:
        line[start] = place
        start += 1
        place = routes.after[place]
    return start


@kernel
def measure(
    geo: Geometry, work: Work, line: Any, start: int, stop: int
) -> tuple[float, float, float]:
    """Return length, load and minutes of a written-out route; the latter two where bounded."""
    length, load, clock, previous = 0.0, 0.0, 0.0, 0
    for at in range(start, stop + 1):
        place = line[at] if at < stop else 0
        step = leg(geo, previous, place) if stop > start else 0.0
        length += step
        if work.bounded:
            load += work.demand[place]
            if work.timed:
                step = leg(work.times, previous, place)
                clock += step + work.service[place]
            else:
                clock += step * work.bounds[PACE] + work.service[place]
        previous = place
    return length, load, clock


@kernel
def relink(
    routes: Routes, geo: Geometry, work: Work, own: int, line: Any, start: int, stop: int
) -> None:
    """Make a route of the stops that are written out."""
    before, after, route, first, last, size, length, load, clock = routes
    first[own] = line[start] if stop > start else 0
    last[own] = line[stop - 1] if stop > start else 0
    size[own] = stop - start
    for at in range(start, stop):
        place = line[at]
        route[place] = own
        before[place] = line[at - 1] if at > start else 0
        after[place] = line[at + 1] if at + 1 < stop else 0
    length[own], load[own], clock[own] = measure(geo, work, line, start, stop)


def unlinked(firsts: Sequence[int], after: Sequence[int]) -> list[tuple[int, ...]]:
    """Turn linked lists into the stops of each route."""
    onward = np.asarray(after).tolist()
    found = []
    for first in np.asarray(firsts).tolist():
        route, stop = [], first
        while stop != 0:
            route.append(stop)
            stop = onward[stop]
        found.append(tuple(route))
    return found
