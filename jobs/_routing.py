"""What the routing jobs share: reading stops and results from files."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from core.routing.formats import FormatError, parse_csv, parse_geojson
from core.routing.tsplib import parse_tsplib
from jobs._runtime import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from core.routing import Problem, Result

__all__ = [
    "bounded_stops",
    "read_json",
    "read_result",
    "read_routes",
    "read_stops",
    "result_json",
    "routes_of",
    "shown",
]

_PARSERS = {
    ".geojson": parse_geojson,
    ".json": parse_geojson,
    ".tsp": parse_tsplib,
    ".atsp": parse_tsplib,
    ".vrp": parse_tsplib,
}


def read_stops(path: Path) -> Problem:
    """Read a stops file by its ending; all that can be wrong with it becomes an `InputError`."""
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text (save the file as UTF-8)") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    try:
        return _PARSERS.get(path.suffix.lower(), parse_csv)(text, str(path))
    except FormatError as error:
        raise InputError(str(error)) from None


def bounded_stops(params: Any, path: Path, prefix: str) -> Problem:
    """Read the stops and set what a job's parameters say about crew, bounds and objective."""
    problem = read_stops(path)
    names = ("dispatchers", "min_stops", "max_stops", "objective")
    given = {name: getattr(params, name) for name in names if hasattr(params, name)}
    try:
        return problem.replace(**given)
    except ValueError as error:
        raise InputError(f"{prefix}.{error}") from None


def read_routes(problem: Problem, path: Path) -> list[list[int]]:
    """Read the routes of a part."""
    return routes_of(problem, read_json(path, ("routes",)), path)


def result_json(problem: Problem, result: Result) -> str:
    """Write a result with ids for stops: integers where all ids of the input are, else strings."""
    names: list[Any] = list(problem.ids)
    if all(name.lstrip("-").isdecimal() and str(int(name)) == name for name in names):
        names = [int(name) for name in names]
    routes = [[names[stop] for stop in route] for route in result.routes]
    record = {
        "status": result.status.value,
        "cost": result.cost,
        "lower_bound": result.lower_bound,
        "gap": result.gap,
        "routes": routes,
        "seconds": round(result.seconds, 3),
        "method": result.method,
        "reason": result.reason,
        "dispatchers": problem.dispatchers,
        "min_stops": problem.min_stops,
        "max_stops": problem.max_stops,
        "objective": problem.objective,
        "trace": [[step.seconds, step.cost, step.lower_bound] for step in result.trace],
    }
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def read_result(path: Path) -> dict[str, Any]:
    """Read a ``result.json``."""
    return read_json(path, ("status", "cost", "lower_bound", "gap", "routes", "seconds"))


def read_json(path: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Read a JSON object that has all the keys `wanted`."""
    try:
        record = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    missing = [key for key in wanted if not isinstance(record, dict) or key not in record]
    if missing:
        raise InputError(
            f"{path}: without {', '.join(missing)}: expected what a routing job writes"
        )
    return dict(record)


def routes_of(problem: Problem, record: dict[str, Any], path: Path) -> list[list[int]]:
    """Turn the ids of a result back into stop indices."""
    index = {name: i for i, name in enumerate(problem.ids)}
    try:
        return [[index[str(name)] for name in route] for route in record["routes"]]
    except KeyError as error:
        raise InputError(f"{path}: stop {error.args[0]!r} is not in the stops file") from None
    except TypeError:
        raise InputError(f"{path}: routes: expected a list of lists of ids") from None


def shown(value: float | None, digits: int = 7) -> str:
    """Format a number of a table; a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{digits}g}"
