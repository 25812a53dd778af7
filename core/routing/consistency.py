"""Check what the fields of a `Problem` must agree on; errors name the field and the value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.checks import checked_amount, checked_count

if TYPE_CHECKING:
    from core.routing.fleet import Vehicle

# A `Problem` is `Any` here: its module needs this one, and modules must not need each other.

__all__ = ["MATRIX_LIMIT", "check_consistency", "check_words"]

_WORDS = {
    "metric": ("euclidean", "great_circle"),
    "crew": ("fixed", "at_most"),
    "objective": ("distance", "makespan"),
    "balance": (None, "stops", "distance", "time"),
}

MATRIX_LIMIT = 20_000
"""A full matrix above this many places is a mistake: 20,000 places already need 3 GB."""


def check_words(problem: Any) -> None:
    """Refuse what is none of the words that a field may be."""
    for name, words in _WORDS.items():
        if getattr(problem, name) not in words:
            wanted = " or ".join(repr(word) for word in words if word is not None)
            raise ValueError(f"{name} = {getattr(problem, name)!r}: expected {wanted}")


def _check_unit(problem: Any) -> None:
    """Refuse a unit that is no text."""
    if type(problem.unit) is not str:
        raise ValueError(f"unit = {problem.unit!r}: expected text")


def check_consistency(problem: Any) -> None:
    """Refuse fields that are out of range, or contradict each other."""
    _check_unit(problem)
    _check_crew(problem)
    for vehicle in problem.fleet:
        _check_vehicle(problem, vehicle)
    _check_bounds(problem)
    _check_balance(problem)
    _check_open(problem)
    _check_stops(problem)
    if problem.origins is not None:
        _check_origins(problem)


def _check_crew(problem: Any) -> None:
    for name in ("dispatchers", "min_stops", "max_stops"):
        if getattr(problem, name) is not None or name != "max_stops":
            checked_count(name, getattr(problem, name))
    if problem.dispatchers > problem.n_stops and problem.crew == "fixed":
        raise ValueError(
            f"dispatchers = {problem.dispatchers}: expected at most {problem.n_stops}, "
            "the number of stops, since each dispatcher visits at least one "
            "(or crew = 'at_most')"
        )


def _check_vehicle(problem: Any, vehicle: Vehicle) -> None:
    """Refuse a vehicle whose depots, limits or costs the problem has no data for."""
    where = f"fleet, vehicle {vehicle.name!r}: "
    known = {problem.ids[place] for place in problem.depot_places}
    for name in ("depot", "end_depot"):
        depot = getattr(vehicle, name)
        if depot and depot not in known:
            raise ValueError(
                f"{where}{name} = {depot!r}: expected one of the depots {', '.join(sorted(known))}"
            )
    if vehicle.end_depot and problem.open_routes:
        raise ValueError(
            f"{where}end_depot = {vehicle.end_depot!r}: not with open_routes, which end at their "
            "last stop"
        )
    if vehicle.capacity is not None and problem.demands is None and problem.pickups is None:
        raise ValueError(
            f"{where}capacity = {vehicle.capacity:g}: expected demands of the stops with it"
        )


def _check_bounds(problem: Any) -> None:
    for name in ("speed", "capacity", "max_distance", "max_time"):
        checked_amount(name, getattr(problem, name), above_zero=True)
    for name in ("min_distance", "min_time"):
        checked_amount(name, getattr(problem, name), above_zero=False)
    for what in ("stops", "distance", "time"):
        least, most = getattr(problem, f"min_{what}"), getattr(problem, f"max_{what}")
        if least is not None and most is not None and most < least:
            raise ValueError(
                f"max_{what} = {most:g}: expected at least "
                f"min_{what} = {least:g}; the bounds contradict each other"
            )
    if problem.capacity is not None and problem.demands is None and problem.pickups is None:
        raise ValueError(f"capacity = {problem.capacity:g}: expected demands of the stops with it")
    if problem.timed and not problem.clocked:
        name = "max_time" if problem.max_time is not None else "min_time"
        raise ValueError(
            f"{name} = {getattr(problem, name):g}: expected speed, times or service with it"
        )


def _check_balance(problem: Any) -> None:
    checked_amount("balance_price", problem.balance_price, above_zero=True)
    if problem.balance is None:
        if problem.balance_price is not None:
            raise ValueError(
                f"balance_price = {problem.balance_price:g}: expected balance with it: what "
                "dispatchers should have as much of as each other, stops, distance or time"
            )
        return
    name = f"balance = {problem.balance!r}"
    if problem.balance_price is None:
        raise ValueError(f"{name}: expected balance_price with it, which says how much it is worth")
    if problem.balance == "time" and not problem.clocked:
        raise ValueError(f"{name}: expected speed, times or service with it")
    if problem.objective != "distance":
        raise ValueError(
            f"{name}: not with objective = {problem.objective!r}, which shortens the longest route "
            "at any price"
        )


def _check_open(problem: Any) -> None:
    for name in ("open_routes", "backhauls"):
        if type(getattr(problem, name)) is not bool:  # "false" would be true
            raise ValueError(f"{name} = {getattr(problem, name)!r}: expected True or False")
    if problem.open_routes and problem.matrix is None and problem.n_stops >= MATRIX_LIMIT:
        raise ValueError(
            f"points has {problem.n_stops + 1} rows: open_routes keeps a matrix of distances, "
            f"which is made for at most {MATRIX_LIMIT}"
        )


def _check_stops(problem: Any) -> None:
    """Check what stops ask of each other."""
    if problem.backhauls and problem.demands is not None and problem.pickups is not None:
        both = (problem.demands > 0) & (problem.pickups > 0)
        if both.any():
            name = problem.ids[int(np.argmax(both))]
            raise ValueError(
                f"backhauls = True: stop {name!r} has a demand and a pickup: expected one of "
                "them, in two stops if need be"
            )


def _check_origins(problem: Any) -> None:
    loaded = problem.origins[problem.origins > 0].tolist()
    for stop in loaded:
        name = problem.ids[stop]
        if loaded.count(stop) > 1:
            raise ValueError(
                f"origins: stop {name!r} is that of {loaded.count(stop)} stops: expected one, "
                "and a stop of its own for each"
            )
        for field in ("demands", "pickups", "origins", "prizes"):
            values = getattr(problem, field)
            given = values is not None and values[stop] > 0
            if given or (field == "prizes" and problem.optional(stop)):
                raise ValueError(
                    f"{field}: stop {name!r} has one, and another stop's demand is loaded "
                    "there: expected none"
                )
