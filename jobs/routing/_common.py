"""Read and write stops and results for the routing jobs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.job import InputError, param, write_text
from core.routing.fleet_table import parse_fleet, with_fleet
from core.routing.formats import FormatError, decode, parse_csv, parse_json, work_of
from core.routing.osrm import parse_osrm
from core.routing.reading import json_value
from core.routing.result import Status
from core.routing.solomon import is_solomon, parse_solomon
from core.routing.tsplib import is_tsplib, parse_tsplib

if TYPE_CHECKING:
    from azkaban_client.job import Outputs, Run
    from core.routing import Problem, Result

__all__ = [
    "Crew",
    "Roads",
    "Work",
    "bounded_stops",
    "exactly",
    "kinds_of",
    "posed",
    "read_json",
    "read_result",
    "read_routes",
    "read_stops",
    "result_json",
    "routes_of",
    "shown",
    "write_result",
]

_FIELDS = (
    "dispatchers", "crew", "min_stops", "max_stops", "min_distance", "max_distance", "min_time",
    "max_time", "speed", "capacity", "objective", "open_routes", "backhauls",
    "balance", "balance_price",
)  # fmt: skip
"""What jobs set of a problem; the rest comes from the stops file."""

# Integers that every reader of JSON takes exactly.
_INTEGER = re.compile(r"0|-?[1-9]\d{0,14}", re.ASCII)

_JSON, _TSPLIB = (".geojson", ".json"), (".tsp", ".atsp", ".vrp")


@dataclass(frozen=True, kw_only=True)
class Work:
    """Bounds on the work of each dispatcher: parameters of every routing job that needs them."""

    ignore_columns: str = param(
        "", doc="Columns of the stops file to pass over, by name, or * for all that are not known."
    )
    min_stops: int | None = param(
        None, doc="Least number of stops of a dispatcher; what the file says when empty, else 1.",
        ge=1,
    )  # fmt: skip
    max_stops: int | None = param(
        None, doc="Largest number of stops; what the file says when empty, else no limit.", ge=1
    )
    min_distance: float | None = param(
        None, doc="Least length of a route, depot to depot, in the unit of the distances.", ge=0
    )
    max_distance: float | None = param(None, doc="Largest length of a route.", gt=0)
    min_time: float | None = param(
        None, doc="Least duration of a route in minutes, driving and service.", ge=0
    )
    max_time: float | None = param(None, doc="Largest duration of a route in minutes.", gt=0)
    speed: float | None = param(
        None, doc="Units of distance per hour (km/h for lat,lon): gives driving times.", gt=0
    )
    capacity: float | None = param(
        None, doc="Largest load of a dispatcher, in the unit of the stops' demands.", gt=0
    )
    open_routes: bool | None = param(
        None, doc="Whether routes end at their last stop; what the stops file says when empty."
    )
    balance: str | None = param(
        None,
        doc="What dispatchers should have as much of as each other; none when empty.",
        choices=("stops", "distance", "time"),
    )
    balance_price: float | None = param(
        None,
        doc="What balance is worth: a unit of it moves to a dispatcher who has d less if that adds "
        "less than balance_price * d to the distance.",
        gt=0,
    )


@dataclass(frozen=True, kw_only=True)
class Crew(Work):
    """The dispatchers and the bounds on their work."""

    dispatchers: int | None = param(
        None, doc="Number of dispatchers, K; when empty what the stops file or fleet says, else 1.",
        ge=1,
    )  # fmt: skip
    crew: str | None = param(
        None,
        doc="fixed: all K drive; at_most: K or fewer. When empty what the stops file says; else "
        "at_most if there are windows, prizes, pickups, origins or a fleet, and fixed if not.",
        choices=("fixed", "at_most"),
    )


@dataclass(frozen=True, kw_only=True)
class Roads:
    """What files beside the stops say of the ways and the vehicles."""

    fleet: Path | None = param(
        None,
        doc="Vehicles that differ: CSV with name, count, capacity, max_distance, max_time, "
        "fixed_cost, distance_cost, hour_cost, max_overtime, overtime_cost, shift_start, shift_end "
        "(HH:MM or minutes), depot and end_depot.",
    )
    matrix: Path | None = param(
        None,
        doc="Answer of OSRM's table service (JSON with durations, distances or both), in the order "
        "of the rows of the stops file.",
    )
    backhauls: bool | None = param(
        None,
        doc="Whether everything is delivered before the first pickup; what the stops file says "
        "when empty.",
    )


def _text(path: Path) -> str:
    """Read a file; raise `InputError` where that fails."""
    try:
        data = path.read_bytes()
    except (OSError, RuntimeError) as error:  # a home folder that does not exist, say
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return decode(data, str(path))


def read_stops(
    path: Path, ignore: str = "", *, matrix: Path | None = None, fleet: Path | None = None
) -> Problem:
    """Read a stops file by its ending; raise `InputError` for anything wrong with it.

    Parameters
    ----------
    path
        CSV, unless its ending says another format, or it has the headings of Solomon's or the
        sections of TSPLIB's, whatever its ending (``.vrptw``, ``.txt``).
    ignore
        Columns to ignore, separated by commas; ``*`` stands for all unknown ones.
    matrix, fleet
        As for `Roads`.
    """
    named = [name.strip() for name in ignore.split(",") if name.strip()]
    try:
        text = _text(path)
        legs = None if matrix is None else parse_osrm(_text(matrix), str(matrix))
        solomon = is_solomon(text)
        tsplib = path.suffix.lower() in _TSPLIB or is_tsplib(text)
        if tsplib or solomon:
            if legs is not None:
                raise InputError(f"{matrix}: {path} has distances of its own: expected no matrix")
            problem = (parse_solomon if solomon else parse_tsplib)(text, str(path))
        else:
            parse = parse_json if path.suffix.lower() in _JSON else parse_csv
            problem = parse(text, str(path), ignore=named, legs=legs)
        if fleet is None:
            return problem
        vehicles = parse_fleet(_text(fleet), str(fleet))
    except FormatError as error:
        raise InputError(str(error)) from None
    try:
        return with_fleet(problem, vehicles)
    except ValueError as error:
        raise InputError(f"{fleet}: {error}") from None


def bounded_stops(params: Any, path: Path, prefix: str) -> Problem:
    """Read the stops, and set crew, bounds and objective from a job's parameters."""
    problem = read_stops(
        path,
        getattr(params, "ignore_columns", ""),
        matrix=getattr(params, "matrix", None),
        fleet=getattr(params, "fleet", None),
    )
    given = {name: getattr(params, name) for name in _FIELDS if hasattr(params, name)}
    # Where the parameters are silent, the file's values apply (capacity of a .vrp file).
    given = {name: value for name, value in given.items() if value is not None}
    crew = given.get("dispatchers")
    if problem.fleet and crew not in (None, problem.dispatchers):
        raise InputError(
            f"{prefix}.dispatchers = {crew}: the fleet has {problem.dispatchers} vehicles: "
            "expected none beside a fleet"
        )
    try:
        return problem.replace(**given)
    except ValueError as error:
        raise InputError(f"{prefix}.{error}") from None


def exactly(value: float | None) -> str:
    """Write a number exactly for a later job; empty if there is none."""
    return "" if value is None else f"{value:.17g}"


def read_routes(problem: Problem, path: Path) -> list[list[int]]:
    """Read the routes of a part."""
    return routes_of(problem, read_json(path, ("routes",)), path)


def result_json(problem: Problem, result: Result) -> str:
    """Write a result with ids for stops: integers where all ids of the input are, else strings."""
    names: list[Any] = list(problem.ids)
    if all(_INTEGER.fullmatch(name) for name in names):
        names = [int(name) for name in names]
    routes = [[names[stop] for stop in route] for route in result.routes]
    driven = list(zip(result.routes, result.kinds or [0] * len(routes), strict=True))
    record = {
        "status": result.status.value,
        "cost": result.cost,
        "lower_bound": result.lower_bound,
        "gap": result.gap,
        "routes": routes,
        "vehicles": [problem.vehicles[kind].name for kind in result.kinds],
        "without_balance": [[names[stop] for stop in route] for route in result.without_balance],
        "left_out": [names[stop] for stop in problem.left_out(result.routes)],
        "seconds": round(result.seconds, 3),
        "method": result.method,
        "reason": result.reason,
        **{name: getattr(problem, name) for name in _FIELDS},
        "fleet": [vehicle.record() for vehicle in problem.fleet],
        "work": [work_of(problem, route, kind) for route, kind in driven],
        **({"timetable": [_times(problem, *one) for one in driven]} if problem.scheduled else {}),
        "trace": [[step.seconds, step.cost, step.lower_bound] for step in result.trace],
    }
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def _times(problem: Problem, route: tuple[int, ...], kind: int) -> dict[str, Any]:
    """Return when a route leaves, arrives at each stop, begins service there, and ends."""
    table = problem.timetable(route, kind)
    return {
        "leaves": table.leaves,
        "arrivals": list(table.arrivals),
        "begins": list(table.starts),
        "ends": table.ends,
    }


def write_result(
    run: Run, problem: Problem, result: Result, stops: Path, folder: Path | None = None
) -> Outputs:
    """Log a result and write result.json, to the job's folder by default.

    Returns
    -------
    Outputs
        The outputs for later jobs.
    """
    run.log(result.summary())
    if result.method:
        run.log(f"solved by {result.method}")
    target = (folder or run.dir).absolute() / "result.json"
    write_text(target, result_json(problem, result))
    return {
        "result": target,
        "stops": stops.absolute(),
        "capacity": exactly(problem.capacity),
        "status": result.status.value,
        "cost": shown(result.cost),
    }


def read_result(path: Path) -> dict[str, Any]:
    """Read a ``result.json``; raise `InputError` where its numbers are none."""
    record = read_json(path, ("status", "cost", "lower_bound", "gap", "routes", "seconds"))
    statuses = [status.value for status in Status]
    if record["status"] not in statuses:
        raise InputError(
            f"{path}: status = {record['status']!r}: expected one of {', '.join(statuses)}"
        )
    for name in ("cost", "lower_bound", "gap", "seconds"):
        value = record[name]
        real = isinstance(value, int | float) and not isinstance(value, bool)
        needed = name == "cost" and record["status"] != Status.INFEASIBLE.value
        if not (value is None and not needed) and not (real and math.isfinite(value)):
            raise InputError(f"{path}: {name} = {value!r}: expected a finite number")
    if not _is_trace(record.get("trace", [])):
        raise InputError(f"{path}: trace: expected a list of [seconds, cost, lower_bound]")
    return record


def _is_trace(steps: Any) -> bool:
    """Tell whether a value is what `result_json` makes of a trace."""
    return isinstance(steps, list) and all(
        isinstance(step, list)
        and len(step) == 3
        and all(value is None or isinstance(value, int | float) for value in step)
        for step in steps
    )


def posed(problem: Problem, record: dict[str, Any], path: Path) -> Problem:
    """Set crew, bounds and objective as recorded in a result."""
    fields = {name: record[name] for name in _FIELDS if record.get(name) is not None}
    try:
        if record.get("fleet") and not problem.fleet:
            problem = with_fleet(problem, record["fleet"])
        return problem.replace(**fields)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None


def read_json(path: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Read a JSON object that has all the keys `wanted`."""
    try:
        record = json_value(_text(path), str(path))
    except FormatError as error:
        raise InputError(str(error)) from None
    missing = [key for key in wanted if not isinstance(record, dict) or key not in record]
    if missing:
        raise InputError(
            f"{path}: without {', '.join(missing)}: expected what a routing job writes"
        )
    return dict(record)


def routes_of(problem: Problem, record: dict[str, Any], path: Path) -> list[list[int]]:
    """Turn the ids of a result back into stop indices."""
    index = {name: i for i, name in enumerate(problem.ids)}
    routes = record["routes"]
    if not isinstance(routes, list) or not all(isinstance(route, list) for route in routes):
        raise InputError(f"{path}: routes: expected a list of lists of ids")
    try:
        return [[index[str(name)] for name in route] for route in routes]
    except KeyError as error:
        raise InputError(f"{path}: stop {error.args[0]!r} is not in the stops file") from None


def kinds_of(problem: Problem, record: dict[str, Any], path: Path) -> list[int]:
    """Turn the names of a result's vehicles back into indices; empty where there is no fleet."""
    names = record.get("vehicles") or []
    index = {vehicle.name: kind for kind, vehicle in enumerate(problem.fleet)}
    if not isinstance(names, list) or (problem.fleet and len(names) != len(record["routes"])):
        raise InputError(f"{path}: vehicles: expected the name of one for each route")
    try:
        return [index[name] for name in names]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: vehicle {error.args[0]!r} is not in the fleet") from None


def shown(value: float | None, digits: int = 7) -> str:
    """Format a number for a table; a dash if there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{digits}g}"
