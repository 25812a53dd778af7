"""Text of route files to and from `Problem`; errors name the source and the line."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.problem import Problem
from core.routing.validate import route_duration, route_length

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "FormatError",
    "parse_csv",
    "parse_geojson",
    "parse_json",
    "routes_csv",
    "routes_cvrplib",
    "routes_geojson",
    "stops_csv",
    "stops_json",
    "work_of",
]

DEPOT = "0"

_AMOUNTS = {"demand": "demands", "service": "service"}
"""Optional columns, and what `Problem` calls them."""

_COORDINATES = {"x", "y", "lat", "lon"}

_SHOWN = 5  # errors listed before "and N more"


class FormatError(ValueError):
    """Text that is not what it should be: source, line, value and what was expected."""


def parse_csv(text: str, source: str = "stops") -> Problem:  # noqa: C901 (a list of checks)
    r"""Read a depot and stops from CSV with the columns ``id,x,y`` or ``id,lat,lon``.

    The row with id 0 is the depot, wherever it stands. Latitudes and longitudes are degrees, and
    distances then great-circle kilometres. Two more columns are read where they are: ``demand``, in
    the unit of the capacity, and ``service``, in minutes; others are ignored.

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
        columns, metric = _columns(header, source)
        table = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise FormatError(f"{source}, line {rows.line_num}: {error}") from None
    extra = [name for name in _AMOUNTS if name in header]
    names = (*columns, *extra)
    where = [header.index(name) for name in names]
    lines: dict[str, int] = {}
    found: dict[str, list[float]] = {}
    errors: list[str] = []
    for line, row in table:
        place = f"{source}, line {line}"
        if len(row) <= max(where):
            errors.append(f"{place}: {len(row)} columns: expected {', '.join(header)}")
            continue
        stop, *cells = (row[column].strip() for column in where)
        try:
            values = [
                _number(name, cell, at_depot=stop == DEPOT)
                for name, cell in zip(names[1:], cells, strict=True)
            ]
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
            found[stop] = values
    if not errors and DEPOT not in found:
        errors.append(f"{source}: no depot: expected one row with id {DEPOT}")
    if not errors and len(found) == 1:
        errors.append(f"{source}: the depot only: expected at least one stop")
    if errors:
        more = [f"{source}: and {len(errors) - _SHOWN} more"] if len(errors) > _SHOWN else []
        raise FormatError("\n".join(errors[:_SHOWN] + more))
    ids = (DEPOT, *(stop for stop in found if stop != DEPOT))
    first, second, *amounts = zip(*(found[stop] for stop in ids), strict=True)
    fields: dict[str, Any] = {
        _AMOUNTS[name]: column for name, column in zip(extra, amounts, strict=True)
    }
    if metric == "great_circle":
        first, second = second, first
        fields["metric"] = metric
    return Problem(points=list(zip(first, second, strict=True)), ids=ids, **fields)


def _columns(header: list[str], source: str) -> tuple[tuple[str, str, str], str]:
    for names, metric in ((("id", "x", "y"), "euclidean"), (("id", "lat", "lon"), "great_circle")):
        if set(names) <= set(header):
            return names, metric
    shown = ",".join(header) or "nothing"
    raise FormatError(f"{source}, line 1: {shown}: expected the columns id,x,y or id,lat,lon")


def _number(name: str, text: str, *, at_depot: bool = False) -> float:
    """Read one cell; a demand or service at the depot may be left out, and is 0."""
    if name in _AMOUNTS and at_depot and text in ("", "0"):
        return 0.0
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
    if name in _AMOUNTS and number < 0:
        raise ValueError(f"{wanted} >= 0")
    if name in _AMOUNTS and at_depot and number != 0:
        raise ValueError(f"{name} = {text!r}: expected 0 at the depot")
    return number


def stops_csv(problem: Problem) -> str:
    """Write the places of a problem as CSV that `parse_csv` reads back exactly."""
    sphere = problem.metric == "great_circle"
    columns = ["id", *(("lat", "lon") if sphere else ("x", "y"))]
    places = problem.points[:, ::-1] if sphere else problem.points
    amounts = {name: getattr(problem, field) for name, field in _AMOUNTS.items()}
    kept = {name: values for name, values in amounts.items() if values is not None}
    table = np.column_stack((places, *kept.values())).tolist()
    rows: list[Sequence[object]] = [(*columns, *kept)]
    rows += [
        (name, *(repr(value) for value in values))
        for name, values in zip(problem.ids, table, strict=True)
    ]
    return _csv(rows)


def routes_cvrplib(problem: Problem, routes: Sequence[Sequence[int]]) -> str:
    r"""Write routes as a CVRPLIB solution; customers are numbered from 1, the depot left out.

    Examples
    --------
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2)
    >>> routes_cvrplib(problem, [[1], [2]])
    'Route #1: 1\nRoute #2: 2\nCost 30\n'
    """
    lines = [
        f"Route #{number}: {' '.join(map(str, route))}" for number, route in enumerate(routes, 1)
    ]
    return "\n".join([*lines, f"Cost {problem.cost(routes):.10g}"]) + "\n"


def routes_csv(problem: Problem, routes: Sequence[Sequence[int]]) -> str:
    """Write routes as CSV, one line per place driven to, the way home included.

    Columns: dispatcher (from 1), position (from 0, the depot), id, leg (distance from the place
    before), travelled (distance since the depot); minutes (since the depot, service there included)
    where times are known, and load (so far) where there are demands.
    """
    clocked, loaded = problem.clocked, problem.demands is not None
    header = ["dispatcher", "position", "id", "leg", "travelled"]
    rows: list[Sequence[object]] = [
        [*header, *(["minutes"] if clocked else []), *(["load"] if loaded else [])]
    ]
    for number, route in enumerate(routes, 1):
        travelled, minutes, load, previous = 0.0, 0.0, 0.0, 0
        for position, place in enumerate((0, *route, 0)):
            leg = float(problem.between(previous, place))
            travelled += leg
            row = [number, position, problem.ids[place], f"{leg:.6f}", f"{travelled:.6f}"]
            if clocked:
                minutes += float(problem.driving_time(previous, place))
                minutes += 0.0 if problem.service is None else float(problem.service[place])
                row.append(f"{minutes:.6f}")
            if loaded:
                load += float(problem.demands[place])
                row.append(f"{load:.10g}")
            rows.append(row)
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
                {"dispatcher": number, **work_of(problem, route)},
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


def work_of(problem: Problem, route: Sequence[int]) -> dict[str, float]:
    """Sum up what a dispatcher does: stops, distance; minutes and load where they are known."""
    work: dict[str, float] = {"stops": len(route), "distance": route_length(problem, route)}
    if problem.clocked:
        work["minutes"] = route_duration(problem, route)
    if problem.demands is not None:
        work["load"] = problem.load(route)
    return work


def parse_json(text: str, source: str = "stops.json") -> Problem:
    """Read places from JSON: GeoJSON (`parse_geojson`), or an object of our own.

    ``{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": 3, "y": 4, "demand": 2}]}`` has the
    columns of `parse_csv` as keys. Beside it may stand ``matrix``, the distances from each
    place to each in that order (rows: from; coordinates may then be left out), ``times``, the same
    in minutes, and ``capacity``.

    Raises
    ------
    FormatError
        Names the place and what was expected.

    Examples
    --------
    >>> text = '{"places": [{"id": 0}, {"id": "a"}], "matrix": [[0, 2], [3, 0]]}'
    >>> parse_json(text).length([1])
    5.0
    """
    record = _json_object(text, source)
    if "features" in record:
        return parse_geojson(text, source)
    places = record.get("places")
    if not isinstance(places, list) or not all(isinstance(place, dict) for place in places):
        raise FormatError(f"{source}: expected places, a list of objects with id, or GeoJSON")
    bare = "matrix" in record and not any(_COORDINATES & set(place) for place in places)
    keys = [
        key for key in ("id", "x", "y", "lat", "lon", *_AMOUNTS) if any(key in p for p in places)
    ]
    rows: list[Sequence[object]] = [keys if not bare else [*keys, "x", "y"]]
    rows += [[*(place.get(key, "") for key in keys), *([0, 0] if bare else [])] for place in places]
    problem = _numbered(_csv(rows), source, "place")
    order = [problem.ids.index(str(place["id"]).strip()) for place in places]
    fields: dict[str, Any] = {"capacity": record.get("capacity")}
    for name in ("matrix", "times"):
        if name in record:
            try:
                given = np.array(record[name], dtype=np.float64)
            except (TypeError, ValueError):
                raise FormatError(
                    f"{source}: {name}: expected numbers, as many in each row as there are rows"
                ) from None
            if given.shape != (len(order), len(order)):
                raise FormatError(
                    f"{source}: {name} has shape {given.shape}: "
                    f"expected ({len(order)}, {len(order)}), as many as there are places"
                )
            fields[name] = np.empty_like(given)
            fields[name][np.ix_(order, order)] = given
    try:
        return problem.replace(**fields, **({"points": None} if bare else {}))
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from None


def stops_json(problem: Problem) -> str:
    """Write the places of a problem, matrices included, as `parse_json` reads them back exactly."""
    names = ("lon", "lat") if problem.metric == "great_circle" else ("x", "y")
    places = []
    for number, name in enumerate(problem.ids):
        place: dict[str, Any] = {"id": name}
        if problem.points is not None:
            place.update(zip(names, problem.points[number].tolist(), strict=True))
        for key, field in _AMOUNTS.items():
            values = getattr(problem, field)
            if values is not None:
                place[key] = float(values[number])
        places.append(place)
    record: dict[str, Any] = {"places": places}
    for key in ("matrix", "times"):
        if getattr(problem, key) is not None:
            record[key] = getattr(problem, key).tolist()
    return json.dumps(record)


def _json_object(text: str, source: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(f"{source}, line {error.lineno}: not JSON: {error.msg}") from None
    if not isinstance(record, dict):
        raise FormatError(
            f"{source}: expected a GeoJSON FeatureCollection or an object with places"
        )
    return record


def _numbered(table: str, source: str, what: str) -> Problem:
    """Read a table that was made from JSON; errors say which place is meant."""
    try:
        return parse_csv(table, source)
    except FormatError as error:
        # Line n + 1 of the table is the n-th place.
        raise FormatError(
            re.sub(r"line (\d+)", lambda m: f"{what} {int(m.group(1)) - 1}", str(error))
        ) from None


def parse_geojson(text: str, source: str = "stops.geojson") -> Problem:
    """Read a GeoJSON FeatureCollection of points (longitude, latitude); others are ignored.

    Each point needs the property ``id``; the one with id 0 is the depot. It may have ``demand`` and
    ``service`` (minutes). Distances are great-circle kilometres.

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
    features = _json_object(text, source).get("features")
    if not isinstance(features, list):
        raise FormatError(f"{source}: expected a GeoJSON FeatureCollection")
    rows: list[Sequence[object]] = [("id", "lat", "lon", *_AMOUNTS)]
    given: set[str] = set()
    for number, feature in enumerate(features, 1):
        try:
            if feature["geometry"]["type"] != "Point":
                continue
            lon, lat = feature["geometry"]["coordinates"][:2]
            about = feature["properties"]
            given |= _AMOUNTS.keys() & about.keys()
            rows.append((about["id"], lat, lon, *(about.get(name, 0) for name in _AMOUNTS)))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise FormatError(
                f"{source}, feature {number}: expected a Point with coordinates and the property id"
            ) from None
    left_out = {field: None for name, field in _AMOUNTS.items() if name not in given}
    return _numbered(_csv(rows), source, "point").replace(**left_out)
