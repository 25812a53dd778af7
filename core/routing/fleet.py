"""Describe vehicles that differ: in capacity, range, cost, shift and depot."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from core.routing.checks import checked_amount, checked_count

__all__ = ["Vehicle", "checked_fleet"]


_COSTS = ("fixed_cost", "distance_cost", "hour_cost", "max_overtime", "overtime_cost")


@dataclass(frozen=True, kw_only=True)
class Vehicle:
    """One kind of vehicle. What is None is as the problem says for every dispatcher.

    Parameters
    ----------
    name
        Of the kind; its number in the fleet when empty.
    count
        How many there are.
    capacity
        Largest load.
    max_distance, max_time
        Largest length and duration of a route.
    fixed_cost
        Cost of a vehicle that drives at all.
    distance_cost, hour_cost
        Cost of a unit of distance, and of an hour of the route, from leaving to the end.
    max_overtime, overtime_cost
        Minutes by which a route may exceed `max_time`, and what an hour of that costs beside
        `hour_cost`.
    shift_start, shift_end
        Minutes: it leaves no earlier and is back no later. The times of its depot hold as well.
    depot
        Id of the depot where it starts; the first depot when empty.
    end_depot
        Id of the depot where it ends; where it starts when empty.

    Raises
    ------
    ValueError
        A value is out of range; the message names the field.

    Examples
    --------
    >>> Vehicle(name="van", count=2, capacity=8.0).distance_cost
    1.0
    """

    name: str = ""
    count: int = 1
    capacity: float | None = None
    max_distance: float | None = None
    max_time: float | None = None
    fixed_cost: float = 0.0
    distance_cost: float = 1.0
    hour_cost: float = 0.0
    max_overtime: float = 0.0
    overtime_cost: float = 0.0
    shift_start: float | None = None
    shift_end: float | None = None
    depot: str = ""
    end_depot: str = ""

    def __post_init__(self) -> None:
        checked_count("count", self.count)
        for name in ("capacity", "max_distance", "max_time"):
            checked_amount(name, getattr(self, name), above_zero=True)
        for name in (*_COSTS, "shift_start", "shift_end"):
            checked_amount(name, getattr(self, name), above_zero=False)
        for name in _COSTS:
            if getattr(self, name) is None:
                raise ValueError(f"{name} = None: expected a finite number >= 0")
        start, end = self.shift
        if end < start:
            raise ValueError(f"shift_end = {end:g}: expected at least shift_start = {start:g}")
        if self.overtime_cost and not self.max_overtime:
            raise ValueError(
                f"overtime_cost = {self.overtime_cost:g}: expected max_overtime with it: by how "
                "many minutes max_time may be exceeded"
            )
        for name in ("name", "depot", "end_depot"):
            if type(getattr(self, name)) is not str:
                raise ValueError(f"{name} = {getattr(self, name)!r}: expected text")

    @property
    def shift(self) -> tuple[float, float]:
        """When it may leave and must be back."""
        start = 0.0 if self.shift_start is None else self.shift_start
        return start, math.inf if self.shift_end is None else self.shift_end

    def record(self) -> dict[str, Any]:
        """Return the fields that are set, for JSON."""
        return {
            name: value for name, value in dataclasses.asdict(self).items() if value is not None
        }


def checked_fleet(fleet: Any) -> tuple[Vehicle, ...]:
    """Return vehicles, of which each may be given as a mapping of its fields."""
    if not isinstance(fleet, list | tuple):
        raise ValueError(f"fleet = {fleet!r}: expected a list of vehicles")  # noqa: TRY004 (input)
    found = [_checked_vehicle(given, number) for number, given in enumerate(fleet, 1)]
    names = [vehicle.name for vehicle in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"fleet: two vehicles are named {twice[0]!r}")
    return tuple(found)


def _checked_vehicle(given: Any, number: int) -> Vehicle:
    where = f"fleet, vehicle {number}"
    if isinstance(given, Vehicle):
        return given if given.name else dataclasses.replace(given, name=str(number))
    known = {field.name for field in dataclasses.fields(Vehicle)}
    if not isinstance(given, dict):
        raise ValueError(f"{where} = {given!r}: expected a vehicle")  # noqa: TRY004 (input)
    if unknown := sorted(map(str, given.keys() - known)):
        raise ValueError(
            f"{where}: {', '.join(unknown)}: expected {', '.join(sorted(known))} alone"
        )
    try:
        return _checked_vehicle(Vehicle(**given), number)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
