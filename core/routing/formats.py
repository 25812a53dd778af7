"""Text of route files to and from `Problem`; errors name the source and the line."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.fleet_table import with_fleet
from core.routing.osrm import KEYS as OSRM_KEYS
from core.routing.osrm import WORDS as OSRM_WORDS
from core.routing.osrm import legs_of, places_of_answer
from core.routing.reading import FormatError, decode, json_object
from core.routing.table import (
    AMOUNTS,
    COORDINATES,
    DEPOT,
    OPTIONAL,
    canonical,
    columns_of,
    parse_csv,
    places_of,
)
from core.routing.validate import route_duration, route_length

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from core.routing.osrm import Legs
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


_BOUNDS = (
    "capacity", "min_stops", "max_stops", "min_distance", "max_distance", "min_time", "max_time",
    "speed", "open_routes", "backhauls", "balance", "balance_price", "unit",
)  # fmt: skip
_CREW = ("dispatchers", "crew")
_FLEET = ("fleet", "depots")
_BESIDE_PLACES = ("matrix", "times", *_BOUNDS, *_CREW, *_FLEET)
"""What may stand beside the places in JSON of our own."""


def stops_csv(problem: Problem) -> str:
    """Write the places of a problem as CSV that `parse_csv` reads back exactly."""
    sphere = problem.metric == "great_circle"
    columns = ["id", *(("lat", "lon") if sphere else ("x", "y"))]
    places = problem.points[:, ::-1] if sphere else problem.points
    kept = columns_of(problem)
    table = zip(*np.transpose(places).tolist(), *kept.values(), strict=True)
    rows: list[Sequence[object]] = [(*columns, *kept)]
    rows += [
        (name, *("" if v is None else v if isinstance(v, str) else repr(v) for v in values))
        for name, values in zip(_names(problem), table, strict=True)
    ]
    return _csv(rows)


def fits_a_table(problem: Problem) -> bool:
    """Tell whether `stops_csv` says all that `stops_json` says, the capacity apart."""
    return not _beside(problem).keys() - {"capacity"}


def _beside(problem: Problem) -> dict[str, Any]:
    """Return what stands beside the places in our JSON."""
    record: dict[str, Any] = {}
    first = problem.ids[0]  # places call it 0
    for key in ("matrix", "times"):
        if getattr(problem, key) is not None:
            record[key] = getattr(problem, key).tolist()
    given = {name: getattr(problem, name) for name in _BOUNDS}
    plain = {"min_stops": 1}
    record |= {name: value for name, value in given.items() if value and value != plain.get(name)}
    if problem.fleet:
        record["fleet"] = [
            vehicle.record() | ({"end_depot": DEPOT} if vehicle.end_depot == first else {})
            for vehicle in problem.fleet
        ]
    elif problem.dispatchers > 1:
        record |= {name: getattr(problem, name) for name in _CREW}
    if problem.depots > 1:
        record["depots"] = [problem.ids[place] for place in problem.depot_places[1:]]
    return record


def _names(problem: Problem) -> tuple[str, ...]:
    """Return the ids, the depot's as tables have it, whatever another format called it."""
    if DEPOT in problem.ids[1:]:
        raise FormatError(
            f"stop {DEPOT!r} beside the depot {problem.ids[0]!r}: a table calls the depot so: "
            "expected another id"
        )
    return (DEPOT, *problem.ids[1:])


def routes_cvrplib(
    problem: Problem, routes: Sequence[Sequence[int]], kinds: Sequence[int] = ()
) -> str:
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
    return "\n".join([*lines, f"Cost {problem.cost(routes, kinds):.10g}"]) + "\n"


def routes_csv(problem: Problem, routes: Sequence[Sequence[int]], kinds: Sequence[int] = ()) -> str:
    """Write routes as CSV, one line per place driven to, the way home included if there is one.

    Columns: dispatcher (from 1), position (from 0, the depot), id, leg (distance from the place
    before), travelled (distance since the depot); minutes (since leaving the depot, service there
    included) where times are known, and load (so far; on board where there are pickups) where there
    are demands. With a fleet also vehicle, and with windows or shifts arrive, wait and leave.
    """
    rows = [
        row
        for number, (route, kind) in enumerate(
            zip(routes, kinds or [0] * len(routes), strict=True), 1
        )
        for row in _places_driven_to(problem, number, route, kind)
    ]
    header = ["dispatcher", "position", "id", "leg", "travelled"]
    known = {
        "minutes": problem.clocked,
        "load": problem.demands is not None or problem.pickups is not None,
        "vehicle": bool(problem.fleet),
        **dict.fromkeys(("arrive", "wait", "leave"), problem.scheduled),
    }
    header += [name for name, given in known.items() if given]
    return _csv([header, *([row[name] for name in header] for row in rows)])


def _places_driven_to(
    problem: Problem, number: int, route: Sequence[int], kind: int
) -> Iterator[dict[str, object]]:
    """Yield what there is to say of each place of a route."""
    table = problem.timetable(route, kind)
    on_board = problem.loads(route)
    brings = problem.pickups is not None or problem.origins is not None
    if not brings:  # what has been delivered so far
        on_board = [on_board[0] - left for left in on_board]
    path = problem.path(route, kind).tolist()
    travelled, previous = 0.0, path[0]
    for position, place in enumerate(path):
        leg = float(problem.between(previous, place))
        travelled += leg
        row: dict[str, object] = {
            "dispatcher": number, "position": position, "id": problem.ids[place],
            "leg": f"{leg:.6f}", "travelled": f"{travelled:.6f}",
            "vehicle": problem.vehicles[kind].name, "arrive": "", "wait": "", "leave": "",
        }  # fmt: skip
        if position == 0:
            leaving = table.leaves
            row["leave"] = f"{leaving:.6f}"
        elif position > len(route):
            leaving = table.ends
            row["arrive"] = f"{leaving:.6f}"
        else:
            arrival, start = table.arrivals[position - 1], table.starts[position - 1]
            leaving = start + (0.0 if problem.service is None else float(problem.service[place]))
            row |= {
                "arrive": f"{arrival:.6f}",
                "wait": f"{start - arrival:.6f}",
                "leave": f"{leaving:.6f}",
            }
        row["minutes"] = f"{leaving - table.leaves:.6f}"
        row["load"] = f"{on_board[min(position, len(route))]:.10g}"
        yield row
        previous = place


def routes_geojson(
    problem: Problem, routes: Sequence[Sequence[int]], kinds: Sequence[int] = ()
) -> str:
    """Write routes as GeoJSON: one line per dispatcher, one point per place visited, and depots.

    Coordinates are longitude and latitude for great-circle problems, and x and y as they are
    otherwise (which GeoJSON readers draw, but not where RFC 7946 says).
    """
    points = problem.points.tolist()
    features: list[dict[str, Any]] = [
        _feature("Point", points[place], {"id": problem.ids[place], "role": "depot"})
        for place in problem.depot_places
    ]
    driving = kinds or [0] * len(routes)
    for number, (route, kind) in enumerate(zip(routes, driving, strict=True), 1):
        line = [points[place] for place in problem.path(route, kind).tolist()]
        about: dict[str, Any] = {"dispatcher": number, **work_of(problem, route, kind)}
        if problem.fleet:
            about["vehicle"] = problem.vehicles[kind].name
        features.append(_feature("LineString", line, about))
        begins = problem.timetable(route, kind).starts
        for position, (place, begin) in enumerate(zip(route, begins, strict=True), 1):
            about = {"id": problem.ids[place], "dispatcher": number, "position": position}
            if problem.scheduled:
                about["service_begins"] = begin
            features.append(_feature("Point", points[place], about))
    features += [
        _feature("Point", points[place], {"id": problem.ids[place], "role": "left out"})
        for place in problem.left_out(routes)
    ]
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


def work_of(problem: Problem, route: Sequence[int], kind: int = 0) -> dict[str, float]:
    """Sum up what a dispatcher does: stops, distance; minutes, waiting, load, cost where known."""
    length = route_length(problem, route, kind)
    work: dict[str, float] = {"stops": len(route), "distance": length}
    if problem.clocked:
        work["minutes"] = route_duration(problem, route, kind)
    if problem.scheduled:
        work["waiting"] = problem.timetable(route, kind).waiting
    if problem.demands is not None or problem.pickups is not None:
        work["load"] = problem.load(route)
    if problem.fleet:
        work["cost"] = problem.route_cost(route, kind)
    return work


def parse_json(
    text: str,
    source: str = "stops.json",
    *,
    ignore: Collection[str] = (),
    legs: Legs | None = None,
) -> Problem:
    """Read places from JSON: GeoJSON (`parse_geojson`), or an object of our own.

    ``{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": 3, "y": 4, "demand": 2}]}`` has the
    columns of `parse_csv` as keys. Beside it may stand ``matrix``, the distances from each
    place to each in that order (rows: from; coordinates may then be left out), ``times``, the same
    in minutes, and as in `Problem` ``capacity``, ``min_stops``, ``max_stops``, ``min_distance``,
    ``max_distance``, ``min_time``, ``max_time``, ``speed``, ``open_routes``, ``backhauls``,
    ``balance``, ``balance_price``, ``unit``, ``dispatchers``, ``crew`` and ``fleet``; ``depots``
    are the ids of further depots. An answer of OSRM's table service is read, too: its ``durations``
    and ``distances`` may stand beside places, or alone, and then the first of its ``sources`` is
    the depot, and they are numbered from 0.

    Parameters
    ----------
    text, source, ignore, legs
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
    record = json_object(text, source)
    if "features" in record:
        return parse_geojson(text, source, ignore=ignore, legs=legs)
    record, legs = _without_legs(record, source, legs)
    places = record.get("places")
    if not isinstance(places, list) or not all(isinstance(place, dict) for place in places):
        raise FormatError(f"{source}: expected places, a list of objects with id, or GeoJSON")
    unknown = sorted(record.keys() - {"places", *_BESIDE_PLACES, *ignore})
    if unknown and "*" not in ignore:
        known = ", ".join(_BESIDE_PLACES)
        raise FormatError(f"{source}: {', '.join(unknown)}: expected places, {known} alone")
    bare = ("matrix" in record or legs is not None) and not any(
        set(COORDINATES) & set(place) for place in places
    )
    keys = [*dict.fromkeys(key for place in places for key in place)]
    header = [*keys, "x", "y"] if bare else keys
    table = [
        (f"place {n}", [*(_cell(place.get(key, ""), key) for key in keys), *(["0", "0"] * bare)])
        for n, place in enumerate(places, 1)
    ]
    problem = places_of(header, table, source, ignore=ignore, place="places", legs=legs)
    at = {name: number for number, name in enumerate(problem.ids)}
    named = keys.index(next(key for key in keys if canonical(key) == "id"))
    order = [at[row[named]] for _, row in table]
    fields = {name: record[name] for name in (*_BOUNDS, *_CREW) if record.get(name) is not None}
    for name in ("matrix", "times"):
        if name in record:
            fields[name] = _ordered(record[name], order, f"{source}: {name}")
    try:
        problem = problem.replace(**fields, **({"points": None} if bare else {}))
        return with_fleet(problem, record.get("fleet") or (), _names_of_depots(record))
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from None


def _without_legs(
    record: dict[str, Any], source: str, legs: Legs | None
) -> tuple[dict[str, Any], Legs | None]:
    """Take OSRM's tables out of a record."""
    if any(key in record for key in OSRM_KEYS):
        if legs is not None:
            raise FormatError(
                f"{source}: durations or distances beside {legs.source}: expected one"
            )
        legs = legs_of(record, source)
        if "places" not in record:
            record = {"places": places_of_answer(legs)}
        record = {key: value for key, value in record.items() if key not in OSRM_WORDS}
    if legs is not None and record.keys() & {"matrix", "times"}:
        raise FormatError(f"{source}: a matrix beside OSRM's tables: expected one of them")
    return record, legs


def _names_of_depots(record: dict[str, Any]) -> list[str]:
    depots = record.get("depots") or []
    if type(depots) is not list:
        raise ValueError(f"depots = {depots!r}: expected a list of ids")
    return [str(name) for name in depots]


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
    if canonical(key) in OPTIONAL and value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value)[:40]
    return repr(value)


def stops_json(problem: Problem) -> str:
    """Write the places of a problem, matrices included, as `parse_json` reads them back exactly."""
    names = ("lon", "lat") if problem.metric == "great_circle" else ("x", "y")
    columns = columns_of(problem)
    places = []
    for number, name in enumerate(_names(problem)):
        place: dict[str, Any] = {"id": name}
        if problem.points is not None:
            place.update(zip(names, problem.points[number].tolist(), strict=True))
        told = {key: values[number] for key, values in columns.items()}
        place |= {key: value for key, value in told.items() if value is not None}
        places.append(place)
    return json.dumps({"places": places, **_beside(problem)})


def parse_geojson(
    text: str,
    source: str = "stops.geojson",
    *,
    ignore: Collection[str] = (),
    legs: Legs | None = None,
) -> Problem:
    """Read a GeoJSON FeatureCollection of points (longitude, latitude); lines are passed over.

    Each point needs an ``id``, as a property or as the feature's own; the one with id 0 is the
    depot. It may have the other columns of `parse_csv` as properties. Distances are great-circle
    kilometres.

    Parameters
    ----------
    text, source, ignore, legs
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
    features = json_object(text, source).get("features")
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
    return places_of(keys, table, source, ignore=ignore, place="properties", legs=legs)


def _absent(key: str) -> Any:
    """Return what a point has where it does not say: no demand, and no service."""
    return 0 if canonical(key) in AMOUNTS else ""
