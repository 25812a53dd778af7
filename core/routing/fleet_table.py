"""Read a fleet from CSV or JSON, and give it to a problem, depots included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.fleet import Vehicle, checked_fleet
from core.routing.reading import FormatError, cells_of, clock, json_value, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.problem import Problem

__all__ = ["parse_fleet", "with_depots", "with_fleet"]

_ALSO = {
    "name": ("vehicle", "type", "kind", "id"),
    "count": ("number", "vehicles", "available"),
    "capacity": (),
    "max_distance": ("range",),
    "max_time": ("max_duration",),
    "fixed_cost": ("cost", "fixed"),
    "distance_cost": ("cost_per_distance", "cost_per_km", "unit_cost", "unit_distance_cost"),
    "hour_cost": ("cost_per_hour", "time_cost", "cost_per_h", "hourly_cost"),
    "max_overtime": ("overtime",),
    "overtime_cost": ("overtime_cost_per_hour", "cost_per_overtime_hour"),
    "shift_start": ("start", "starts"),
    "shift_end": ("end", "ends"),
    "depot": ("start_depot", "depot_id"),
    "end_depot": ("end_depot_id", "depot_end"),
}
"""Columns, with other names of each."""

_NAMES = {other: name for name, others in _ALSO.items() for other in (name, *others)}


def parse_fleet(text: str, source: str = "fleet.csv") -> tuple[Vehicle, ...]:
    r"""Read one kind of vehicle per line, or per object of a JSON list.

    Parameters
    ----------
    text
        CSV with any of the columns name, count, capacity, max_distance, max_time, fixed_cost,
        distance_cost, hour_cost, max_overtime (minutes), overtime_cost, shift_start, shift_end
        (minutes or HH:MM), depot and end_depot; empty cells are as if the column were missing. Or
        a JSON list of objects with these keys.
    source
        How error messages call it.

    Raises
    ------
    FormatError
        Names the line, the value and what was expected.

    Examples
    --------
    >>> van, bike = parse_fleet("name,count,capacity,shift_end\nvan,2,80,17:30\nbike,,5,\n")
    >>> van.shift_end, bike.count
    (1050.0, 1)
    """
    listed = json_value(text, source) if text.lstrip().startswith("[") else None
    try:
        return checked_fleet(_table(text, source) if listed is None else listed)
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from None


def _table(text: str, source: str) -> list[Vehicle]:
    """Read one kind of vehicle per line."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max((",", ";", "\t", "|"), key=first.count)
    rows = cells_of(text, source, delimiter)
    header = [
        _NAMES.get("_".join(name.lower().split()), name) for name in (rows or [(1, [])])[0][1]
    ]
    if unknown := [name for name in header if name not in _ALSO]:
        raise FormatError(
            f"{source}, line 1: {', '.join(unknown)}: expected {', '.join(_ALSO)} alone"
        )
    if len(set(header)) < len(header):
        raise FormatError(f"{source}, line 1: {', '.join(header)}: a column is there twice")
    if len(rows) < 2:
        raise FormatError(f"{source}: no vehicles: expected a header and one line for each kind")
    point = "." if delimiter == "," else ","  # of numbers, as in the table of stops
    return [_vehicle(header, cells, f"{source}, line {line}", point) for line, cells in rows[1:]]


def _vehicle(header: Sequence[str], cells: Sequence[str], where: str, point: str) -> Vehicle:
    if len(cells) != len(header):
        raise FormatError(f"{where}: {len(cells)} columns: expected {', '.join(header)}")
    fields: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if not cell:
            continue
        if name in ("name", "depot", "end_depot"):
            fields[name] = cell
            continue
        try:
            shown = cell.replace(point, ".")
            value = clock(shown) if name.startswith("shift") else number(shown)
        except ValueError as error:
            raise FormatError(f"{where}: {name} = {error}") from None
        fields[name] = int(value) if name == "count" and value == int(value) else value
    try:
        return Vehicle(**fields)
    except ValueError as error:
        raise FormatError(f"{where}: {error}") from None


def with_fleet(problem: Problem, fleet: Sequence[Any], depots: Sequence[str] = ()) -> Problem:
    """Give a problem its vehicles; the places where they start and end are depots, no stops.

    Parameters
    ----------
    problem
        Its place 0 is a depot in any case.
    fleet
        As `Problem` takes it.
    depots
        Further places that are depots.

    Raises
    ------
    ValueError
        A depot is no place of the problem.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [1, 0], [2, 0]], ids=("0", "north", "a"))
    >>> both = with_fleet(problem, [Vehicle(), Vehicle(depot="north")])
    >>> both.ids, both.depots, both.n_stops
    (('0', 'a', 'north'), 2, 1)
    """
    vehicles = checked_fleet(fleet)
    ends = [name for vehicle in vehicles for name in (vehicle.depot, vehicle.end_depot)]
    named = [*depots, *filter(None, ends)]
    moved = with_depots(problem, list(dict.fromkeys(named)))
    return moved.replace(fleet=vehicles) if vehicles else moved


def with_depots(problem: Problem, depots: Sequence[str]) -> Problem:
    """Make depots of some places, which come last then."""
    at = {name: place for place, name in enumerate(problem.ids)}
    for name in depots:
        if name not in at:
            raise ValueError(f"depot = {name!r}: expected the id of a place of the stops")
    further = [at[name] for name in depots if at[name] not in problem.depot_places]
    if not further:
        return problem
    known = [*problem.depot_places[1:], *further]
    stops = [place for place in range(1, problem.n_stops + 1) if place not in further]
    order = [0, *stops, *known]
    fields: dict[str, Any] = {}
    for name in ("points", "demands", "service", "pickups", "prizes", "windows"):
        if getattr(problem, name) is not None:
            fields[name] = getattr(problem, name)[order]
    for name in ("matrix", "times"):
        if getattr(problem, name) is not None:
            fields[name] = getattr(problem, name)[np.ix_(order, order)]
    if problem.origins is not None:
        new = {old: place for place, old in enumerate(order)}
        fields["origins"] = [new[int(origin)] for origin in problem.origins[order]]
    ids = tuple(problem.ids[place] for place in order)
    return problem.replace(**fields, ids=ids, depots=1 + len(known))
