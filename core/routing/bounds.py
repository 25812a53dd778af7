"""Find bounds that no routes can meet, without a search, and name them in the user's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.routing.problem import FloatArray, Problem

__all__ = [
    "SLACK",
    "balanced_bound",
    "contradiction",
    "keeps_to",
    "named_bounds",
    "needs_times",
    "there_and_back",
]

SLACK = 1e-9
"""Relative: sums of distances that exceed a bound by no more still meet it (rounding)."""


def contradiction(problem: Problem) -> str:
    """Say which bound cannot be met, in the user's terms; empty if none is found.

    Only sums and single stops are checked, which is quick but does not find every contradiction.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2, max_distance=12)
    >>> contradiction(problem)
    "stop '2' is too far: there and back is 20 > max_distance = 12"
    """
    return next(_contradictions(problem), "")


def _way(problem: Problem, service: str = "") -> str:
    """Say which way to a stop counts, and what is done there."""
    if problem.open_routes:
        return f"the way there{' and ' * bool(service)}{service}"
    return f"there{', ' * bool(service)}{service} and back"


def named_bounds(problem: Problem) -> dict[str, float]:
    """Return the bounds that are set, by name; a minimum of one stop is none."""
    names = ("min_stops", "max_stops", "min_distance", "max_distance", "min_time", "max_time")
    found = {name: getattr(problem, name) for name in (*names, "capacity")}
    return {name: v for name, v in found.items() if v is not None and (name, v) != ("min_stops", 1)}


def _contradictions(problem: Problem) -> Iterator[str]:
    if problem.beyond:
        yield from _of_vehicles(problem)
        yield from _of_windows(problem)
        plain = problem.relaxed()
        if plain is None:
            return
        problem = plain
    yield from _of_counts(problem)
    yield from _of_loads(problem)
    yield from _of_far_stops(problem)
    yield from _of_short_routes(problem)


def _of_counts(problem: Problem) -> Iterator[str]:
    n, crew, low, high = (
        problem.n_stops, problem.dispatchers, problem.min_stops, problem.max_stops
    )  # fmt: skip
    if problem.crew == "fixed" and crew * low > n:
        yield (
            f"dispatchers * min_stops = {crew} * {low} = {crew * low} "
            f"> {n} stops: not enough stops for the minimum"
        )
    if high is not None and crew * high < n:
        yield (
            f"dispatchers * max_stops = {crew} * {high} = {crew * high} "
            f"< {n} stops: more dispatchers or a larger maximum are needed"
        )
    if problem.crew == "at_most":
        top = n if high is None else high
        if not any(k * low <= n <= k * top for k in range(1, min(crew, n) + 1)):
            yield (
                f"no number of dispatchers up to {crew} can share {n} stops "
                f"with min_stops = {low} and max_stops = {top} for each"
            )


def _of_loads(problem: Problem) -> Iterator[str]:
    crew = problem.dispatchers
    if problem.capacity is not None:
        worst = int(np.argmax(problem.demands))
        if problem.demands[worst] > problem.capacity * (1 + SLACK):
            yield (
                f"stop {problem.ids[worst]!r} demands {problem.demands[worst]:g} "
                f"> capacity = {problem.capacity:g}"
            )
        total = float(problem.demands.sum())
        if total > crew * problem.capacity * (1 + SLACK):
            yield (
                f"dispatchers * capacity = {crew} * {problem.capacity:g} = "
                f"{crew * problem.capacity:g} < {total:g}, the demand of all stops: "
                "more dispatchers or a larger capacity are needed"
            )
    if problem.max_time is not None and problem.service is not None:
        total = float(problem.service.sum())
        if total > crew * problem.max_time * (1 + SLACK):
            yield (
                f"dispatchers * max_time = {crew} * {problem.max_time:g} = "
                f"{crew * problem.max_time:g} < {total:g} minutes of service at all stops"
            )


def _required(problem: Problem) -> list[int]:
    """Return the stops that must be visited, and whose demand comes from the depot."""
    stops = [stop for stop in range(1, problem.n_stops + 1) if not problem.optional(stop)]
    if problem.origins is not None:
        tied = {*np.nonzero(problem.origins)[0].tolist(), *problem.origins.tolist()}
        stops = [stop for stop in stops if stop not in tied]
    return stops


def _of_vehicles(problem: Problem) -> Iterator[str]:
    """Say which stop is too much for every vehicle, and whether all are too much for all."""
    kinds = range(len(problem.vehicles))
    known = [problem.limit("capacity", kind) for kind in kinds]
    limits = [limit for limit in known if limit is not None]
    stops = _required(problem)
    if len(limits) < len(known) or not stops:
        return
    for name, words in (("demands", "demands"), ("pickups", "has a pickup of")):
        amounts = getattr(problem, name)
        if amounts is None:
            continue
        worst = max(stops, key=lambda stop: float(amounts[stop]))
        if amounts[worst] > max(limits) * (1 + SLACK):
            yield (
                f"stop {problem.ids[worst]!r} {words} {amounts[worst]:g} "
                f"> {max(limits):g}, the largest capacity"
            )
        counts = [vehicle.count for vehicle in problem.vehicles]
        room = sum(count * limit for count, limit in zip(counts, limits, strict=True))
        total = float(amounts[stops].sum())
        if total > room * (1 + SLACK):
            yield f"all vehicles together hold {room:g} < {total:g}, the {name} of all stops"


def _of_origins(problem: Problem) -> Iterator[str]:
    """Say which stop closes before its goods can be loaded."""
    if problem.origins is None:
        return
    for stop in np.nonzero(problem.origins)[0].tolist():
        origin = int(problem.origins[stop])
        (opens, _), (_, closes) = problem.window(origin), problem.window(stop)
        if opens > closes and not problem.optional(stop):
            yield (
                f"stop {problem.ids[stop]!r} closes at {closes:g}, before {problem.ids[origin]!r}, "
                f"where its demand is loaded, opens at {opens:g}"
            )


def _of_windows(problem: Problem) -> Iterator[str]:
    """Say which stop no vehicle reaches in time, or gets back from in time."""
    if not problem.scheduled or (problem.times is None and problem.speed is None):
        return
    yield from _of_origins(problem)
    closed = problem.closed()
    every = np.arange(problem.n_places)
    minutes = closed.driving_time(every[:, None], every[None, :])
    stops = np.array(_required(problem), dtype=int)
    if not len(stops):
        return
    service = np.zeros(len(every)) if problem.service is None else problem.service
    lows, highs = np.array([problem.window(stop) for stop in every.tolist()]).T
    late, over = np.full(len(every), np.inf), np.full(len(every), np.inf)
    for kind in range(len(problem.vehicles)):
        opens, closes = problem.open_hours(kind)
        depot = problem.depot_of(kind)
        reached = np.maximum(opens + shortest(minutes, depot), lows)
        late = np.minimum(late, reached - highs)
        back = reached + service + shortest(minutes.T, problem.end_of(kind))
        over = np.minimum(over, np.where(reached <= highs * (1 + SLACK), back - closes, np.inf))
    stop = int(stops[np.argmax(late[stops])])
    if late[stop] > SLACK * max(1.0, highs[stop]):
        yield (
            f"stop {problem.ids[stop]!r} cannot be reached before {late[stop] + highs[stop]:g} "
            f"> {highs[stop]:g}, the end of its window"
        )
        return
    stop = int(stops[np.argmax(over[stops])])
    if over[stop] > SLACK * max(1.0, float(np.max(highs[np.isfinite(highs)], initial=1.0))):
        yield (
            f"stop {problem.ids[stop]!r}: who serves it is back {over[stop]:g} minutes after the "
            "end of the shift"
        )


def _of_far_stops(problem: Problem) -> Iterator[str]:
    closed = problem.closed()
    if problem.max_distance is not None:
        needed = there_and_back(closed, closed.matrix)
        worst = int(np.argmax(needed))
        if needed[worst] > problem.max_distance * (1 + SLACK):
            yield (
                f"stop {problem.ids[worst]!r} is too far: {_way(problem)} is "
                f"{needed[worst]:g} > max_distance = {problem.max_distance:g}"
            )
    if problem.max_time is not None:
        if problem.times is not None:
            needed = there_and_back(closed, closed.times)
        else:
            needed = there_and_back(closed, closed.matrix) * problem.pace
        if problem.service is not None:
            needed = needed + problem.service
        worst = int(np.argmax(needed))
        if needed[worst] > problem.max_time * (1 + SLACK):
            yield (
                f"stop {problem.ids[worst]!r} takes too long: {_way(problem, 'service')} is "
                f"{needed[worst]:g} minutes > max_time = {problem.max_time:g}"
            )


def there_and_back(problem: Problem, matrix: FloatArray | None) -> FloatArray:
    """Return the least distance (or time) to each place and back; a matrix may have short cuts."""
    if matrix is None:
        every = np.arange(problem.n_stops + 1)
        return problem.between(0, every) + problem.between(every, 0)
    table = np.asarray(matrix)
    return shortest(table) + shortest(table.T)


def shortest(matrix: FloatArray, start: int = 0) -> FloatArray:
    """Return the shortest ways from a place to each, by Dijkstra's method."""
    found: FloatArray = matrix[start].copy()
    open_ = np.ones(len(matrix), dtype=bool)
    for _ in range(len(matrix)):
        near = int(np.argmin(np.where(open_, found, np.inf)))
        open_[near] = False
        np.minimum(found, found[near] + matrix[near], out=found)
    return found


def _of_short_routes(problem: Problem) -> Iterator[str]:
    """Say which minimum is more than all routes together can reach.

    No route visits more than all stops, and each stop adds at most its way there and back.
    """
    problem, crew = problem.closed(), problem.fewest_routes
    if problem.min_distance:
        longest = _most(problem, problem.matrix)
        if crew * problem.min_distance > longest * (1 + SLACK):
            yield _too_short(problem, "distance", crew, longest)
    if problem.min_time:
        if problem.times is not None:
            longest = _most(problem, problem.times)
        else:
            longest = _most(problem, problem.matrix) * problem.pace
        if problem.service is not None:
            longest += float(problem.service.sum())
        if crew * problem.min_time > longest * (1 + SLACK):
            yield _too_short(problem, "time", crew, longest)


def _too_short(problem: Problem, what: str, crew: int, longest: float) -> str:
    least = getattr(problem, f"min_{what}")
    return (
        f"dispatchers * min_{what} = {crew} * {least:g} = {crew * least:g} > {longest:g}, "
        "more than all routes together can reach: fewer dispatchers or a smaller minimum are needed"
    )


def _most(problem: Problem, matrix: FloatArray | None) -> float:
    """Return a length that all routes together cannot exceed."""
    if matrix is None:
        return float(there_and_back(problem, None).sum())
    leaving = np.asarray(matrix).max(axis=1)
    return float(leaving[1:].sum() + problem.dispatchers * leaving[0])


def balanced_bound(problem: Problem, total: float) -> float:
    """Turn a lower bound of the total distance into one of the cost with unequal work in it.

    Squares are least where all dispatchers have the same.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(
    ...     points=[[0, 0], [1, 0], [2, 0], [3, 0]], dispatchers=2, balance="stops", balance_price=2
    ... )
    >>> balanced_bound(problem, 6.0)  # one stop and two
    11.0
    """
    if problem.balance is None or problem.balance_price is None:
        return total
    crew = problem.dispatchers
    if problem.balance == "stops":
        each, more = divmod(problem.n_stops, crew)
        squares = float((crew - more) * each**2 + more * (each + 1) ** 2)
    else:
        work = total
        if problem.balance == "time":
            work = total * problem.pace if problem.times is None else 0.0
            work += 0.0 if problem.service is None else float(problem.service.sum())
        squares = work**2 / crew
    return total + problem.balance_price / 2 * squares


def needs_times(problem: Problem) -> str:
    """Say what windows lack that a job may be given later than the stops; empty if nothing."""
    if problem.scheduled and problem.times is None and problem.speed is None:
        return (
            "speed = None: windows and shifts need driving times: expected speed, in units of "
            "distance per hour, or a matrix of times"
        )
    return ""


def keeps_to(problem: Problem, method: str) -> None:
    """Refuse a problem with constraints that a method of our own does not keep to.

    Raises
    ------
    ValueError
        Names the constraints, and what solves them.
    """
    if problem.balance is not None and method == "exact":
        raise ValueError(
            f"method = 'exact': not with balance = {problem.balance!r}, whose squares its models "
            "do not have: use method heuristic, divide or auto"
        )
    if problem.beyond:
        raise ValueError(
            f"method = {method!r}: the stops have {' and '.join(problem.beyond)}, to which only "
            "pyvrp keeps: use method pyvrp or auto"
        )
