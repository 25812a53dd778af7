"""Kernel of the search with time windows: ruin and recreate (SISR), as in `core.routing._sisr`.

Routes keep their windows, loads and lengths at all times (Christiaens and Vanden Berghe, 2020,
section 4). For each stop the kernel knows when service begins, and how late it may begin without
making anything late after it, so that it tells at once whether a stop fits in somewhere. What fits
nowhere is left out at a price. The price of a stop that may not be left out rises as long as it is.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from core.routing._jit import kernel
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

__all__ = ["Plan", "Room", "Search", "Terms", "anneal"]

_REMOVED = 10.0  # stops taken out in a step, on average
_DEARER = 1.0005  # what a step multiplies the price of a stop by that may not be left out, and is

CAPACITY, MOST_DISTANCE, MOST_STOPS, OPENS, CLOSES = range(5)


class Plan(NamedTuple):
    """Routes as linked lists; 0 stands for the depot at both ends.

    Attributes
    ----------
    before, after
        Neighbours of each stop on its route.
    route
        Route of each stop, -1 while it is in none.
    begin, latest
        When service begins at each stop, and may begin at the latest.
    first, size, load, length
        First stop (0 when empty), number of stops, demands and length of each route.
    """

    before: Any
    after: Any
    route: Any
    begin: Any
    latest: Any
    first: Any
    size: Any
    load: Any
    length: Any


class Terms(NamedTuple):
    """What the routes have to keep to, and their cost.

    Attributes
    ----------
    places
        Number of stops and the depot.
    legs, minutes
        Distances and driving times, flat.
    ready, due, service, demand
        Of each place.
    price
        Cost of leaving each stop out.
    optional
        Whether that price is a stop's prize, or rises (1 or 0).
    limits
        Numbers at the places `CAPACITY` to `CLOSES`; infinite where there are none.
    near, around, degree
        For each place `degree` others, flat: those to be put beside, and to be taken out with.
    """

    places: int
    legs: Any
    minutes: Any
    ready: Any
    due: Any
    service: Any
    demand: Any
    price: Any
    optional: Any
    limits: Any
    near: Any
    around: Any
    degree: int


class Room(NamedTuple):
    """Room to work in: kernels allocate nothing.

    Attributes
    ----------
    taken, gaps, owners
        Stops that a step took out, in order, with the stop before each and its route.
    hand, keys
        Stops to be put back, and what they are sorted by.
    placed
        Stops that were put back.
    touched
        Routes that strings were taken out of.
    absent, count
        Stops that are left out now, and how many (one number).
    """

    taken: Any
    gaps: Any
    owners: Any
    hand: Any
    keys: Any
    placed: Any
    touched: Any
    absent: Any
    count: Any


class Search(NamedTuple):
    """What every step reads, and the routes that it changes."""

    plan: Plan
    terms: Terms
    room: Room


@kernel
def _retime(search: Search, own: int) -> bool:
    """Compute the times of a route; return whether it keeps its windows and its length."""
    plan, terms, _ = search
    after, before, begin, latest = plan.after, plan.before, plan.begin, plan.latest
    minutes, ready, due, service = terms.minutes, terms.ready, terms.due, terms.service
    n, limits = terms.places, terms.limits
    kept = plan.length[own] <= limits[MOST_DISTANCE]
    leaves, previous, place = limits[OPENS], 0, plan.first[own]
    while place != 0:
        start = max(ready[place], leaves + minutes[previous * n + place])
        kept = kept and start <= due[place]
        begin[place] = start
        leaves = start + service[place]
        previous, place = place, after[place]
    kept = kept and (previous == 0 or leaves + minutes[previous * n] <= limits[CLOSES])
    by, place, onward = limits[CLOSES], previous, 0
    while place != 0:
        by = min(due[place], by - minutes[place * n + onward] - service[place])
        latest[place] = by
        onward, place = place, before[place]
    return bool(kept)


@kernel
def _retime_around(search: Search, stop: int) -> None:
    """Compute the times of a route that has got a stop, as far as they change."""
    plan, terms, _ = search
    after, before, begin, latest = plan.after, plan.before, plan.begin, plan.latest
    minutes, ready, due, service = terms.minutes, terms.ready, terms.due, terms.service
    n, limits = terms.places, terms.limits
    previous, place = before[stop], stop
    while place != 0:
        leaves = limits[OPENS] if previous == 0 else begin[previous] + service[previous]
        start = max(ready[place], leaves + minutes[previous * n + place])
        if place != stop and start == begin[place]:
            break
        begin[place] = start
        previous, place = place, after[place]
    onward, place = after[stop], stop
    while place != 0:
        by = limits[CLOSES] if onward == 0 else latest[onward]
        by = min(due[place], by - minutes[place * n + onward] - service[place])
        if place != stop and by == latest[place]:
            break
        latest[place] = by
        onward, place = place, before[place]


@kernel
def _join(search: Search, stop: int, left: int, own: int) -> float:
    """Put a stop behind `left` (0: at the start) on a route; return what its length grows by."""
    plan, terms, _ = search
    before, after, first, n, legs = plan.before, plan.after, plan.first, terms.places, terms.legs
    right = first[own] if left == 0 else after[left]
    added = legs[left * n + stop] + legs[stop * n + right]
    if left != right:
        added -= legs[left * n + right]
    before[stop] = left
    after[stop] = right
    if left == 0:
        first[own] = stop
    else:
        after[left] = stop
    if right != 0:
        before[right] = stop
    plan.route[stop] = own
    plan.size[own] += 1
    plan.load[own] += terms.demand[stop]
    plan.length[own] += added
    return float(added)


@kernel
def _leave(search: Search, stop: int) -> float:
    """Take a stop out of its route; return what its length grows by."""
    plan, terms, _ = search
    before, after, first, n, legs = plan.before, plan.after, plan.first, terms.places, terms.legs
    left, right, own = before[stop], after[stop], plan.route[stop]
    added = -legs[left * n + stop] - legs[stop * n + right]
    if left != right:
        added += legs[left * n + right]
    if left == 0:
        first[own] = right
    else:
        after[left] = right
    if right != 0:
        before[right] = left
    plan.route[stop] = -1
    plan.size[own] -= 1
    plan.load[own] -= terms.demand[stop]
    plan.length[own] += added
    return float(added)


@kernel
def _ruin(search: Search, rng: Any) -> tuple[int, int, float]:
    """Take out strings around a random stop; return stops in hand, routes touched, cost change."""
    plan, terms, room = search
    n = terms.places - 1
    longest = max(1.0, min(float(LONGEST), n / len(plan.size)))
    strings = int(rng.random() * (4.0 * _REMOVED / (1.0 + longest) - 1.0) + 1.0)
    seed = 1 + int(rng.random() * n)
    held, ruined, change = 0, 0, 0.0
    for t in range(-1, terms.degree):
        if ruined >= strings:
            break
        stop = seed if t < 0 else terms.around[seed * terms.degree + t]
        own = plan.route[stop]
        if own < 0 or among(room.touched, ruined, own):
            continue
        room.touched[ruined] = own
        ruined += 1
        place, count, gap, kept = cut_string(plan, stop, longest, rng)
        for step in range(count + kept):
            onward = plan.after[place]
            if not gap <= step < gap + kept:
                room.taken[held] = place
                room.gaps[held] = plan.before[place]
                room.owners[held] = own
                change += _leave(search, place)
                held += 1
            place = onward
    return held, ruined, change


@kernel
def _order(search: Search, held: int, rng: Any) -> None:
    """Sort the stops in hand by one of seven keys, drawn with the weights of the paper."""
    _, terms, room = search
    hand, keys = room.hand, room.keys
    draw = rng.random() * 17.0
    for i in range(held):
        stop = hand[i]
        if draw < 4.0:
            keys[i] = rng.random()
        elif draw < 8.0:
            keys[i] = -terms.demand[stop]
        elif draw < 10.0:
            keys[i] = -terms.legs[stop]
        elif draw < 11.0:
            keys[i] = terms.legs[stop]
        elif draw < 13.0:
            keys[i] = terms.due[stop] - terms.ready[stop]
        elif draw < 15.0:
            keys[i] = terms.ready[stop]
        else:
            keys[i] = -terms.due[stop]
    sort_hand(hand, keys, held)


@kernel
def _place(search: Search, stop: int, rng: Any) -> tuple[int, int]:
    """Find the cheapest position where a stop fits: what it goes behind, and the route (-1: none).

    Beside its neighbours first, and anywhere if it fits beside none of them.
    """
    plan, terms, _ = search
    before, after, route, begin, latest = (
        plan.before, plan.after, plan.route, plan.begin, plan.latest
    )  # fmt: skip
    legs, minutes, service, limits = terms.legs, terms.minutes, terms.service, terms.limits
    n, near, degree = terms.places, terms.near, terms.degree
    ready, due, served, demand = terms.ready[stop], terms.due[stop], service[stop], terms.demand
    best, best_left, best_own = math.inf, 0, -1
    blink = int(math.log(1.0 - rng.random()) * BLINKS)
    empty = empty_route(plan)
    for everywhere in range(2):
        count = n - 1 if everywhere else degree
        for t in range(-1 if empty >= 0 else 0, 2 * count):
            own, left, right = empty, 0, 0
            if t >= 0:
                left = t // 2 + 1 if everywhere else near[stop * degree + t // 2]
                own = route[left]
                if own < 0 or (t % 2 == 1 and before[left] != 0):
                    continue
                right = left if t % 2 == 1 else after[left]
                left = 0 if t % 2 == 1 else left
                blink -= 1
                if blink < 0:
                    blink = int(math.log(1.0 - rng.random()) * BLINKS)
                    continue
            # Not a function: passing the arguments would take longer than the work.
            start = limits[OPENS] if left == 0 else begin[left] + service[left]
            start = max(ready, start + minutes[left * n + stop])
            by = limits[CLOSES] if right == 0 else latest[right]
            if start > due or start + served + minutes[stop * n + right] > by:
                continue
            added = legs[left * n + stop] + legs[stop * n + right] - legs[left * n + right]
            if (
                added < best
                and plan.load[own] + demand[stop] <= limits[CAPACITY]
                and plan.size[own] < limits[MOST_STOPS]
                and plan.length[own] + added <= limits[MOST_DISTANCE]
            ):
                best, best_left, best_own = added, left, own
        if best_own >= 0:
            break
    if terms.optional[stop] and best >= terms.price[stop]:
        best_own = -1
    return best_left, best_own


@kernel
def _recreate(search: Search, held: int, ruined: int, rng: Any) -> tuple[int, int, float]:
    """Put the stops in hand back; return how many were, and were not, and the change of length."""
    room, kept = search.room, True
    for r in range(ruined):
        kept = _retime(search, room.touched[r]) and kept
    _order(search, held, rng)
    placed, left_out, change = 0, 0, 0.0
    if not kept:  # ways that are short cuts only in between: nothing is put back, nor kept
        return 0, held, math.inf
    for i in range(held):
        stop = room.hand[i]
        left, own = _place(search, stop, rng)
        if own < 0:
            room.hand[left_out] = stop
            left_out += 1
            continue
        change += _join(search, stop, left, own)
        _retime_around(search, stop)
        room.placed[placed] = stop
        placed += 1
    return placed, left_out, change


@kernel
def _rebuild(search: Search, temperature: float, rng: Any) -> float:
    """Remove strings and reinsert their stops, or undo that; return the change of cost."""
    terms, room = search.terms, search.room
    held, ruined, change = _ruin(search, rng)
    absent = room.count[0]
    for i in range(held):
        room.hand[i] = room.taken[i]
    for i in range(absent):
        room.hand[held + i] = room.absent[i]
        change -= terms.price[room.absent[i]]
    placed, left_out, added = _recreate(search, held + absent, ruined, rng)
    change += added
    if math.isfinite(added):
        for i in range(left_out):
            change += terms.price[room.hand[i]]
    if change < -temperature * math.log(1.0 - rng.random()):
        for i in range(left_out):
            room.absent[i] = room.hand[i]
        room.count[0] = left_out
        return float(change)
    _undo(search, held, ruined, placed)
    return 0.0


@kernel
def _undo(search: Search, held: int, ruined: int, placed: int) -> None:
    """Bring the routes back to what they were before a step."""
    plan, _, room = search
    touched = room.touched
    for i in range(placed - 1, -1, -1):
        stop = room.placed[i]
        own = plan.route[stop]
        _leave(search, stop)
        if not among(touched, ruined, own):
            touched[ruined] = own
            ruined += 1
    for i in range(held - 1, -1, -1):
        _join(search, room.taken[i], room.gaps[i], room.owners[i])
    for r in range(ruined):
        _retime(search, touched[r])


@kernel
def _raise_prices(search: Search) -> float:
    """Make stops dearer that must not be left out but are; return by how much, infinite if none."""
    _, terms, room = search
    grown = math.inf
    for i in range(room.count[0]):
        stop = room.absent[i]
        if not terms.optional[stop]:
            more = terms.price[stop] * (_DEARER - 1.0)
            terms.price[stop] += more
            grown = more if grown == math.inf else grown + more
    return grown


@kernel
def anneal(
    search: Search, best: Plan, cooling: tuple[float, float, int], costs: tuple[float, float],
    rng: Any,
) -> tuple[float, float]:  # fmt: skip
    """Make steps while the temperature falls from `hot` to `cold`; return cost and best cost."""
    hot, cold, steps = cooling
    cost, best_cost = costs
    factor = (cold / hot) ** (1.0 / steps)
    temperature = hot
    for _ in range(steps):
        temperature *= factor
        cost += _rebuild(search, temperature, rng)
        grown = _raise_prices(search)
        if grown < math.inf:
            cost += grown
        elif cost < best_cost * (1.0 - SLACK):
            best_cost = cost
            copy(search.plan, best)
    return cost, best_cost
