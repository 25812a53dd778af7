"""Text of route files to and from `Problem`; errors name the source and the line."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.reading import FormatError, decode
from core.routing.table import AMOUNTS, COORDINATES, DEPOT, canonical, parse_csv, places_of
from core.routing.validate import route_duration, route_length

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from core.routing.problem import Problem

__all__ = [
    "FormatError",
    "decode",
    "fits_a_table",
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


_BOUNDS = ("capacity", "max_distance", "max_time", "speed", "open_routes")
_BESIDE_PLACES = ("matrix", "times", *_BOUNDS)
"""What may stand beside the places in JSON of our own."""


def stops_csv(problem: Problem) -> str:
    """Write the places of a problem as CSV that `parse_csv` reads back exactly."""
    sphere = problem.metric == "great_circle"
    columns = ["id", *(("lat", "lon") if sphere else ("x", "y"))]
    places = problem.points[:, ::-1] if sphere else problem.points
    amounts = {name: getattr(problem, field) for name, field in AMOUNTS.items()}
    kept = {name: values for name, values in amounts.items() if values is not None}
    table = np.column_stack((places, *kept.values())).tolist()
    rows: list[Sequence[object]] = [(*columns, *kept)]
    rows += [
        (name, *(repr(value) for value in values))
        for name, values in zip(_names(problem), table, strict=True)
    ]
    return _csv(rows)


def fits_a_table(problem: Problem) -> bool:
    """Tell whether `stops_csv` says all that `stops_json` says, the capacity apart."""
    beside = (getattr(problem, name) for name in _BESIDE_PLACES if name != "capacity")
    return all(value is None or value is False for value in beside)


def _names(problem: Problem) -> tuple[str, ...]:
    """Return the ids, the depot's as tables have it, whatever another format called it."""
    if DEPOT in problem.ids[1:]:
        raise FormatError(
            f"stop {DEPOT!r} beside the depot {problem.ids[0]!r}: a table calls the depot so: "
            "expected another id"
        )
    return (DEPOT, *problem.ids[1:])


def routes_cvrplib(problem: Problem, routes: Sequence[Sequence[int]]) -> str:
    r"""Write routes as a CVRPLIB solution; customers are numbered from 1, the depot left out.

    Examples
    --------
    >>> from core.routing import Problem
    >>> problem = Problem(points=[[0, 0], [3, 4], [6, 8]], dispatchers=2)
    >>> routes_cvrplib(problem, [[1], [2]])
    'Route #1: 1\nRoute #2: 2\nCost 30\n'
    """
    lines = [
        f"Route #{number}: {' '.join(map(str, route))}" for number, route in enumerate(routes, 1)
    ]
    return "\n".join([*lines, f"Cost {problem.cost(routes):.10g}"]) + "\n"


def routes_csv(problem: Problem, routes: Sequence[Sequence[int]]) -> str:
    """Write routes as CSV, one line per place driven to, the way home included if there is one.

    Columns: dispatcher (from 1), position (from 0, the depot), id, leg (distance from the place
    before), travelled (distance since the depot); minutes (since the depot, service there included)
    where times are known, and load (so far) where there are demands.
    """
    clocked, loaded = problem.clocked, problem.demands is not None
    home = () if problem.open_routes else (0,)
    header = ["dispatcher", "position", "id", "leg", "travelled"]
    rows: list[Sequence[object]] = [
        [*header, *(["minutes"] if clocked else []), *(["load"] if loaded else [])]
    ]
    for number, route in enumerate(routes, 1):
        travelled, minutes, load, previous = 0.0, 0.0, 0.0, 0
        for position, place in enumerate((0, *route, *home)):
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
    home = () if problem.open_routes else (0,)
    features: list[dict[str, Any]] = [
        _feature("Point", points[0], {"id": problem.ids[0], "role": "depot"})
    ]
    for number, route in enumerate(routes, 1):
        line = [points[place] for place in (0, *route, *home)]
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


def parse_json(text: str, source: str = "stops.json", *, ignore: Collection[str] = ()) -> Problem:
    """Read places from JSON: GeoJSON (`parse_geojson`), or an object of our own.

    ``{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": 3, "y": 4, "demand": 2}]}`` has the
    columns of `parse_csv` as keys. Beside it may stand ``matrix``, the distances from each
    place to each in that order (rows: from; coordinates may then be left out), ``times``, the same
    in minutes, and as in `Problem` ``capacity``, ``max_distance``, ``max_time``, ``speed`` and
    ``open_routes``.

    Parameters
    ----------
    text, source, ignore
        As for `parse_csv`.

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
        return parse_geojson(text, source, ignore=ignore)
    places = record.get("places")
    if not isinstance(places, list) or not all(isinstance(place, dict) for place in places):
        raise FormatError(f"{source}: expected places, a list of objects with id, or GeoJSON")
    unknown = sorted(record.keys() - {"places", *_BESIDE_PLACES, *ignore})
    if unknown and "*" not in ignore:
        known = ", ".join(_BESIDE_PLACES)
        raise FormatError(f"{source}: {', '.join(unknown)}: expected places, {known} alone")
    bare = "matrix" in record and not any(set(COORDINATES) & set(place) for place in places)
    keys = [*dict.fromkeys(key for place in places for key in place)]
    header = [*keys, "x", "y"] if bare else keys
    table = [
        (f"place {n}", [*(_cell(place.get(key, ""), key) for key in keys), *(["0", "0"] * bare)])
        for n, place in enumerate(places, 1)
    ]
    problem = places_of(header, table, source, ignore=ignore, place="places")
    at = {name: number for number, name in enumerate(problem.ids)}
    named = keys.index(next(key for key in keys if canonical(key) == "id"))
    order = [at[row[named]] for _, row in table]
    fields = {name: record[name] for name in _BOUNDS if record.get(name) is not None}
    for name in ("matrix", "times"):
        if name in record:
            fields[name] = _ordered(record[name], order, f"{source}: {name}")
    try:
        return problem.replace(**fields, **({"points": None} if bare else {}))
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from None


def _ordered(rows: Any, order: list[int], where: str) -> Any:
    """Bring the rows and columns of a matrix into the order of the problem's places."""
    try:
        given = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(
            f"{where}: expected numbers, as many in each row as there are rows"
        ) from None
    if given.shape != (len(order), len(order)):
        raise FormatError(
            f"{where} has shape {given.shape}: "
            f"expected ({len(order)}, {len(order)}), as many as there are places"
        )
    matrix = np.empty_like(given)
    matrix[np.ix_(order, order)] = given
    return matrix


def _cell(value: Any, key: str) -> str:
    """Write a JSON value as a cell of a table; what is none becomes text that is no number."""
    if isinstance(value, str):
        return value.strip()
    if key in AMOUNTS and value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value)[:40]
    return repr(value)


def stops_json(problem: Problem) -> str:
    """Write the places of a problem, matrices included, as `parse_json` reads them back exactly."""
    names = ("lon", "lat") if problem.metric == "great_circle" else ("x", "y")
    places = []
    for number, name in enumerate(_names(problem)):
        place: dict[str, Any] = {"id": name}
        if problem.points is not None:
            place.update(zip(names, problem.points[number].tolist(), strict=True))
        for key, field in AMOUNTS.items():
            values = getattr(problem, field)
            if values is not None:
                place[key] = float(values[number])
        places.append(place)
    record: dict[str, Any] = {"places": places}
    for key in ("matrix", "times"):
        if getattr(problem, key) is not None:
            record[key] = getattr(problem, key).tolist()
    record |= {name: getattr(problem, name) for name in _BOUNDS if getattr(problem, name)}
    return json.dumps(record)


def _json_object(text: str, source: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(f"{source}, line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise FormatError(f"{source}: not JSON of places: nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise FormatError(f"{source}: not JSON of places: {error}") from None
    if not isinstance(record, dict):
        raise FormatError(
            f"{source}: expected a GeoJSON FeatureCollection or an object with places"
        )
    return record


def parse_geojson(
    text: str, source: str = "stops.geojson", *, ignore: Collection[str] = ()
) -> Problem:
    """Read a GeoJSON FeatureCollection of points (longitude, latitude); lines are passed over.

    Each point needs an ``id``, as a property or as the feature's own; the one with id 0 is the
    depot. It may have the properties ``demand`` and ``service`` (minutes). Distances are
    great-circle kilometres.

    Parameters
    ----------
    text, source, ignore
        As for `parse_csv`; properties are what columns are there.

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
    found = []
    for number, feature in enumerate(features, 1):
        where = f"feature {number}"
        try:
            kind, coordinates = feature["geometry"]["type"], feature["geometry"]["coordinates"]
            if kind in ("LineString", "MultiLineString"):
                continue  # a road, or a route of a result
            lon, lat = coordinates[:2] if kind == "Point" else []
            about = feature.get("properties") or {}
            named = about if "id" in about else {"id": feature["id"], **about}
            found.append((where, {**named, "lat": lat, "lon": lon}))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise FormatError(
                f"{source}, {where}: expected a Point with coordinates and the property id"
            ) from None
    keys = list(dict.fromkeys(["id", "lat", "lon", *(key for _, one in found for key in one)]))
    table = [
        (where, [_cell(one.get(key, _absent(key)), key) for key in keys]) for where, one in found
    ]
    return places_of(keys, table, source, ignore=ignore, place="properties")


def _absent(key: str) -> Any:
    """Return what a point has where it does not say: no demand, and no service."""
    return 0 if key in AMOUNTS else ""
