"""Exchange whole stretches between routes or within one, as moves of simulated annealing.

Two edges that begin or end close together are replaced by two others: 2-opt within a route; between
two, 2-opt* (Potvin and Rousseau, 1995), which swaps their tails, or joins head to head and tail to
tail. Ruin and recreate takes out few stops at a time, and cannot do that.
"""

from __future__ import annotations

from typing import Any

from core.routing._jit import kernel
from core.routing._routes import (
    PACE,
    Limits,
    Routes,
    Search,
    Work,
    crowding,
    effort,
    measure,
    relink,
    toll,
    unevenness,
    write_out,
)
from core.routing.geometry import leg

__all__ = ["exchange"]

_NEAR = 10  # the edges are at a stop and at one of so many nearest


@kernel
def exchange(search: Search, tolerance: float, rng: Any) -> float:
    """Try one exchange at a random stop; return the change of cost if below `tolerance`, else 0.

    Most are rejected after a look at the four edges; the others take time linear in the length of
    their routes. Distances must be symmetric.
    """
    routes, geo, work, limits, near, degree, space = search
    before, after, line = routes.before, routes.after, space.line
    i = 1 + int(rng.random() * (len(routes.route) - 1))
    j = near[i * degree + int(rng.random() * min(degree, _NEAR))]
    one, two = routes.route[i], routes.route[j]
    # With a bar where an edge goes: 0: "a i | b" and "c | j d" become "a i j d" and "c b";
    # 1: "a i | b" and "c j | d" become "a i j c" and "b d" (c, b reversed); 2: "a | i b" and
    # "c | j d" become "a c" and "b i j d". Within a route 1 and 2 reverse what is between the bars.
    kind = int(rng.random() * 3.0)
    if one == two and kind == 0:
        return 0.0
    end = before[i] if kind == 2 else after[i]
    far = after[j] if kind == 1 else before[j]
    change = leg(geo, i, j) + leg(geo, end, far) - leg(geo, i, end) - leg(geo, j, far)
    change = _least(routes, work, limits, one, two, change) - _now(routes, work, limits, one)
    if one != two:
        change -= _now(routes, work, limits, two)
    if change >= tolerance:
        return 0.0
    # The new routes are written behind the old ones: from `start` to `middle`, and on to `stop`.
    cut = _index(routes, i, one, line, 0, kind != 2)
    half = routes.size[one]
    if one == two:
        other = _index(routes, j, one, line, 0, kind != 2)
        start = half
        middle = stop = _turn(line, half, min(cut, other), max(cut, other))
    else:
        start = half + routes.size[two]
        other = _index(routes, j, two, line, half, kind == 1)
        middle, stop = _cross(line, cut, half, other, start, kind == 0)
    return _replace(search, (one, two), (start, middle, stop), tolerance)


@kernel
def _replace(
    search: Search, old: tuple[int, int], ends: tuple[int, int, int], tolerance: float
) -> float:
    """Replace one or two routes by those that are written out, if that is good enough."""
    routes, geo, work, limits, line = (
        search.routes, search.geo, search.work, search.limits, search.space.line
    )  # fmt: skip
    one, two = old
    start, middle, stop = ends
    if one != two and not (_allowed(limits, middle - start) and _allowed(limits, stop - middle)):
        return 0.0
    length, load, clock = measure(geo, work, line, start, middle)
    change = _price(work, limits, middle - start, length, load, clock) - _now(
        routes, work, limits, one
    )
    if one != two:
        length, load, clock = measure(geo, work, line, middle, stop)
        change += _price(work, limits, stop - middle, length, load, clock) - _now(
            routes, work, limits, two
        )
    if change >= tolerance:
        return 0.0
    relink(routes, geo, work, one, line, start, middle)
    if one != two:
        relink(routes, geo, work, two, line, middle, stop)
    return float(change)


@kernel
def _allowed(limits: Limits, size: int) -> bool:
    """Tell whether a route may have so many stops."""
    return limits.least <= size <= limits.most or (limits.optional and size == 0)


@kernel
def _now(routes: Routes, work: Work, limits: Limits, own: int) -> float:
    """Price the length of a route, the bounds that it breaks now, and its share of the work."""
    return _price(
        work, limits, routes.size[own], routes.length[own], routes.load[own], routes.clock[own]
    )


@kernel
def _least(routes: Routes, work: Work, limits: Limits, one: int, two: int, change: float) -> float:
    """Price the routes as if they shared the work equally: no exchange makes them cheaper."""
    count = 1.0
    size, length, clock = float(routes.size[one]), routes.length[one], routes.clock[one]
    if one != two:
        count = 2.0
        size += routes.size[two]
        length += routes.length[two]
        clock += routes.clock[two]
    length = max(0.0, (length + change) / count)
    least = effort(limits, length)
    if work.bounded:
        minutes = 0.0 if work.timed else max(0.0, (clock + change * work.bounds[PACE]) / count)
        least += unevenness(work.bounds, size / count, length, minutes)
    return float(count * least)


@kernel
def _price(
    work: Work, limits: Limits, size: int, length: float, load: float, clock: float
) -> float:
    """Price the length of a route, the bounds that it breaks, and its share of the work."""
    price = effort(limits, length)
    if work.elastic:
        price += crowding(work.bounds, size)
    if work.bounded:
        price += toll(work.bounds, size, length, load, clock)
    return price


@kernel
def _index(routes: Routes, stop: int, own: int, line: Any, start: int, behind: bool) -> int:
    """Write a route out; return where it is cut: at a stop, or behind it."""
    end = write_out(routes, own, line, start)
    for at in range(start, end):
        if line[at] == stop:
            return at + 1 if behind else at
    return end


@kernel
def _turn(line: Any, half: int, low: int, high: int) -> int:
    """Write the only route again, reversed from `low` up to `high`; return where it ends."""
    for at in range(half):
        line[half + at] = line[low + high - 1 - at] if low <= at < high else line[at]
    return 2 * half


@kernel
def _cross(
    line: Any,
    cut: int,
    half: int,
    other: int,
    start: int,
    tails: bool,
) -> tuple[int, int]:
    """Join the parts of two routes anew; return where the first and the second end."""
    at = start
    for place in range(cut):
        line[at] = line[place]
        at += 1
    if tails:
        for place in range(other, start):
            line[at] = line[place]
            at += 1
        middle = at
        for place in range(half, other):
            line[at] = line[place]
            at += 1
        for place in range(cut, half):
            line[at] = line[place]
            at += 1
    else:
        for place in range(other - 1, half - 1, -1):
            line[at] = line[place]
            at += 1
        middle = at
        for place in range(half - 1, cut - 1, -1):
            line[at] = line[place]
            at += 1
        for place in range(other, start):
            line[at] = line[place]
            at += 1
    return middle, at
