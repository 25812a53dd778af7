"""Text of route files to and from `Problem`; errors name the source and the line."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import TYPE_CHECKING, Any

from core.routing.problem import Problem
from core.routing.validate import route_length

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FormatError", "parse_csv", "parse_geojson", "routes_csv", "routes_geojson", "stops_csv"]

DEPOT = "0"

_SHOWN = 5  # errors listed before "and N more"


class FormatError(ValueError):
    """Text that is not what it should be: source, line, value and what was expected."""


def parse_csv(text: str, source: str = "stops") -> Problem:  # noqa: C901 (a list of checks)
    r"""Read a depot and stops from CSV with the columns ``id,x,y`` or ``id,lat,lon``.

    The row with id 0 is the depot, wherever it stands. Other columns are ignored. Latitudes and
    longitudes are degrees, and distances then great-circle kilometres.

    Parameters
    ----------
    text
        With one header line; empty lines are skipped.
    source
        How error messages call it.

    Returns
    -------
    Problem
        For one dispatcher; ``problem.replace(dispatchers=3)`` plans for more.

    Raises
    ------
    FormatError
        Missing columns, no depot or more than one, an id twice, a coordinate that is no number.

    Examples
    --------
    >>> problem = parse_csv("id,x,y\n7,3,4\n0,0,0\n")
    >>> problem.ids, problem.points.tolist()
    (('0', '7'), [[0.0, 0.0], [3.0, 4.0]])
    >>> parse_csv("id,x,y\n0,0,0\n1,3,north\n", "stops.csv")
    Traceback (most recent call last):
        ...
    core.routing.formats.FormatError: stops.csv, line 3: y = 'north': expected a finite number
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        names, metric = _columns(header, source)
        table = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise FormatError(f"{source}, line {rows.line_num}: {error}") from None
    where = [header.index(name) for name in names]
    lines: dict[str, int] = {}
    found: dict[str, tuple[float, float]] = {}
    errors: list[str] = []
    for line, row in table:
        place = f"{source}, line {line}"
        if len(row) <= max(where):
            errors.append(f"{place}: {len(row)} columns: expected {', '.join(header)}")
            continue
        stop, first, second = (row[column].strip() for column in where)
        try:
            point = (_number(names[1], first), _number(names[2], second))
        except ValueError as error:
            errors.append(f"{place}: {error}")
            continue
        if not stop:
            errors.append(f"{place}: id is empty")
        elif stop in lines:
            what = "a second depot" if stop == DEPOT else "used already"
            errors.append(f"{place}: id = {stop!r}: {what} (line {lines[stop]})")
        else:
            lines[stop] = line
            found[stop] = point
    if not errors and DEPOT not in found:
        errors.append(f"{source}: no depot: expected one row with id {DEPOT}")
    if not errors and len(found) == 1:
        errors.append(f"{source}: the depot only: expected at least one stop")
    if errors:
        more = [f"{source}: and {len(errors) - _SHOWN} more"] if len(errors) > _SHOWN else []
        raise FormatError("\n".join(errors[:_SHOWN] + more))
    ids = (DEPOT, *(stop for stop in found if stop != DEPOT))
    points = [found[stop] for stop in ids]
    if metric == "great_circle":
        points = [(lon, lat) for lat, lon in points]
        return Problem(points=points, metric="great_circle", ids=ids)
    return Problem(points=points, ids=ids)


def _columns(header: list[str], source: str) -> tuple[tuple[str, str, str], str]:
    for names, metric in ((("id", "x", "y"), "euclidean"), (("id", "lat", "lon"), "great_circle")):
        if set(names) <= set(header):
            return names, metric
    shown = ",".join(header) or "nothing"
    raise FormatError(f"{source}, line 1: {shown}: expected the columns id,x,y or id,lat,lon")


def _number(name: str, text: str) -> float:
    wanted = f"{name} = {text!r}: expected a finite number"
    try:
        number = float(text)
    except ValueError:
        raise ValueError(wanted) from None
    if not math.isfinite(number):
        raise ValueError(wanted)
    if name == "lat" and abs(number) > 90:
        raise ValueError(f"{name} = {text!r}: expected degrees from -90 to 90")
    if name == "lon" and abs(number) > 360:
        raise ValueError(f"{name} = {text!r}: expected degrees from -180 to 180")
    return number


def stops_csv(problem: Problem) -> str:
    """Write the places of a problem as CSV that `parse_csv` reads back exactly."""
    sphere = problem.metric == "great_circle"
    rows: list[Sequence[object]] = [("id", "lat", "lon") if sphere else ("id", "x", "y")]
    for name, (x, y) in zip(problem.ids, problem.points.tolist(), strict=True):
        rows.append((name, repr(y), repr(x)) if sphere else (name, repr(x), repr(y)))
    return _csv(rows)


def routes_csv(problem: Problem, routes: Sequence[Sequence[int]]) -> str:
    """Write routes as CSV, one line per place driven to, the way home included.

    Columns: dispatcher (from 1), position (from 0, the depot), id, leg (distance from the place
    before), travelled (distance since the depot).
    """
    rows: list[Sequence[object]] = [("dispatcher", "position", "id", "leg", "travelled")]
    for number, route in enumerate(routes, 1):
        travelled, previous = 0.0, 0
        for position, place in enumerate((0, *route, 0)):
            leg = float(problem.between(previous, place))
            travelled += leg
            rows.append((number, position, problem.ids[place], f"{leg:.6f}", f"{travelled:.6f}"))
            previous = place
    return _csv(rows)


def routes_geojson(problem: Problem, routes: Sequence[Sequence[int]]) -> str:
    """Write routes as GeoJSON: one line per dispatcher, one point per place.

    Coordinates are longitude and latitude for great-circle problems, and x and y as they are
    otherwise (which GeoJSON readers draw, but not where RFC 7946 says).
    """
    points = problem.points.tolist()
    features: list[dict[str, Any]] = [
        _feature("Point", points[0], {"id": problem.ids[0], "role": "depot"})
    ]
    for number, route in enumerate(routes, 1):
        line = [points[place] for place in (0, *route, 0)]
        features.append(
            _feature(
                "LineString",
                line,
                {
                    "dispatcher": number,
                    "stops": len(route),
                    "distance": route_length(problem, route),
                },
            )
        )
        for position, place in enumerate(route, 1):
            about = {"id": problem.ids[place], "dispatcher": number, "position": position}
            features.append(_feature("Point", points[place], about))
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1)


def _feature(kind: str, coordinates: Any, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": about,
    }


def _csv(rows: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def parse_geojson(text: str, source: str = "stops.geojson") -> Problem:
    """Read a GeoJSON FeatureCollection of points (longitude, latitude); others are ignored.

    Each point needs the property ``id``; the one with id 0 is the depot. Distances are great-circle
    kilometres.

    Raises
    ------
    FormatError
        Names the feature and what was expected.

    Examples
    --------
    >>> point = '{"type": "Feature", "properties": {"id": %d}, "geometry": {"type": "Point", '
    >>> point += '"coordinates": [%d, 0]}}'
    >>> text = '{"type": "FeatureCollection", "features": [%s, %s]}'
    >>> problem = parse_geojson(text % (point % (0, 10), point % (1, 11)))
    >>> problem.metric, problem.points.tolist()
    ('great_circle', [[10.0, 0.0], [11.0, 0.0]])
    """
    try:
        features = json.loads(text)["features"]
    except json.JSONDecodeError as error:
        raise FormatError(f"{source}, line {error.lineno}: not JSON: {error.msg}") from None
    except (KeyError, TypeError):
        raise FormatError(f"{source}: expected a GeoJSON FeatureCollection") from None
    rows: list[Sequence[object]] = [("id", "lat", "lon")]
    for number, feature in enumerate(features, 1):
        try:
            if feature["geometry"]["type"] != "Point":
                continue
            lon, lat = feature["geometry"]["coordinates"][:2]
            rows.append((feature["properties"]["id"], lat, lon))
        except (KeyError, TypeError, ValueError):
            raise FormatError(
                f"{source}, feature {number}: expected a Point with coordinates and the property id"
            ) from None
    try:
        return parse_csv(_csv(rows), source)
    except FormatError as error:
        # Line n + 1 of the table is the n-th point.
        raise FormatError(
            re.sub(r"line (\d+)", lambda m: f"point {int(m.group(1)) - 1}", str(error))
        ) from None
