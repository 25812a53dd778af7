"""Read tables of places: comma-separated text, and what other formats share with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.routing.problem import Problem
from core.routing.reading import FormatError, cells_of, clock, number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from core.routing.osrm import Legs

__all__ = [
    "AMOUNTS",
    "COORDINATES",
    "DEPOT",
    "OPTIONAL",
    "canonical",
    "columns_of",
    "parse_csv",
    "places_of",
]

DEPOT = "0"

AMOUNTS = {"demand": "demands", "service": "service", "pickup": "pickups"}
"""Optional columns of amounts, and what `Problem` calls them."""

_TIMES = ("ready", "due")

OPTIONAL = (*AMOUNTS, *_TIMES, "prize", "origin")
"""All optional columns."""

COORDINATES = ("x", "y", "lat", "lon")

_ALSO: dict[str, tuple[str, ...]] = {
    "id": ("stop", "stop_id", "node", "node_id", "customer", "customer_id"),
    "x": ("x_coord", "xcoord", "easting"),
    "y": ("y_coord", "ycoord", "northing"),
    "lat": ("latitude",),
    "lon": ("lng", "long", "longitude"),
    "demand": ("demands",),
    "service": ("service_time",),
    "pickup": ("pickups", "pick_up"),
    "ready": (
        "ready_time",
        "tw_start",
        "tw_early",
        "window_start",
        "time_window_start",
        "earliest",
        "opens",
    ),
    "due": (
        "due_date",
        "due_time",
        "tw_end",
        "tw_late",
        "window_end",
        "time_window_end",
        "latest",
        "closes",
    ),
    "prize": ("prizes",),
    "origin": ("pickup_at", "picked_up_at", "pickup_stop"),
}
"""Other names of columns."""

_NAMES = {other: name for name, others in _ALSO.items() for other in (name, *others)}

# Columns that no route depends on (the last three are in our own results). A column that is neither
# here nor known is refused, because it may constrain routes.
_REMARKS = {
    "name", "label", "title", "description", "comment", "comments", "note", "notes", "remark",
    "remarks", "address", "street", "city", "town", "postcode", "zip", "zip_code",
    "postal_code", "region", "state", "country", "phone", "telephone", "email", "url", "role",
    "dispatcher", "position",
}  # fmt: skip

_DELIMITERS = (",", ";", "\t", "|")

_SHOWN = 5  # errors listed before "and N more"


def parse_csv(
    text: str,
    source: str = "stops",
    *,
    ignore: Collection[str] = (),
    legs: Legs | None = None,
) -> Problem:
    r"""Read a depot and stops from CSV with the columns ``id,x,y`` or ``id,lat,lon``.

    The row with id 0 is the depot, wherever it stands. Latitudes and longitudes are degrees, and
    distances then great-circle kilometres. More columns are read where they are: ``demand`` and
    ``pickup``, in the unit of the capacity, ``service``, in minutes, ``ready`` and ``due``, between
    which service begins (minutes or HH:MM, empty for any time; at the depot when dispatchers leave
    and are back), ``prize``, the cost of leaving a stop out (empty where it must be visited), and
    ``origin``, the id of the stop where the demand is loaded (empty for the depot). Usual other
    names of these columns are known (``latitude``, ``tw_start``, ...), and remarks such as ``name``
    and ``address`` passed over.
    Cells are parted by commas, semicolons, tabs or bars; numbers may have a decimal comma where
    cells are not parted by commas.

    Parameters
    ----------
    text
        With one header line; empty lines are skipped.
    source
        How error messages call it.
    ignore
        Further columns to pass over, by name; ``"*"`` stands for all that are not known.
    legs
        Distances and times between the rows, in their order.

    Returns
    -------
    Problem
        For one dispatcher; ``problem.replace(dispatchers=3)`` plans for more.

    Raises
    ------
    FormatError
        Missing columns or unknown ones, no depot or more than one, an id twice, a coordinate that
        is no number.

    Examples
    --------
    >>> problem = parse_csv("id,x,y\n7,3,4\n0,0,0\n")
    >>> problem.ids, problem.points.tolist()
    (('0', '7'), [[0.0, 0.0], [3.0, 4.0]])
    >>> parse_csv("Stop;Latitude;Longitude\n0;50,5;8\n1;51;8\n").points.tolist()
    [[8.0, 50.5], [8.0, 51.0]]
    >>> parse_csv("id,x,y\n0,0,0\n1,3,north\n", "stops.csv")
    Traceback (most recent call last):
        ...
    core.routing.reading.FormatError: stops.csv, line 3: y = 'north': expected a finite number
    """
    lines = text.removeprefix("\ufeff")
    skipped, told = 0, ""
    first, _, rest = lines.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        skipped, told, lines = 1, first.strip()[-1], rest  # a spreadsheet's first line
    delimiter = told or _delimiter(lines, source)
    rows = cells_of("\n" * skipped + lines, source, delimiter)
    line, header = rows[0] if rows else (1, [])
    table = [(f"line {at}", row) for at, row in rows[1:]]
    columns = _Columns.of(header, f"{source}, line {line}", ignore)
    if delimiter != ",":
        table = _with_points(table, columns, source)
    return places_of(columns.header, table, source, ignore=ignore, legs=legs)


def _delimiter(text: str, source: str) -> str:
    """Find what parts the cells of the first line so that its names are known."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def known(delimiter: str) -> tuple[int, int]:
        cells = next((row for _, row in cells_of(first, source, delimiter)), [])
        return sum(_folded(cell) in _NAMES for cell in cells), len(cells)

    return max(_DELIMITERS, key=known)


def _folded(name: str) -> str:
    return "_".join(name.strip().strip(".").lower().split())


def canonical(name: str) -> str:
    """Return what we call a column; its own name if we know no such column.

    Examples
    --------
    >>> canonical("Longitude"), canonical("Zip code")
    ('lon', 'zip_code')
    """
    return _NAMES.get(_folded(name), _folded(name))


def _with_points(
    table: list[tuple[str, list[str]]], columns: _Columns, source: str
) -> list[tuple[str, list[str]]]:
    """Write decimal points for decimal commas, if the numbers of the table have those."""
    where = columns.numbers
    if not any("," in row[at] for _, row in table for at in where if at < len(row)):
        return table
    for place, row in table:
        for at in where:
            if at < len(row):
                if "." in row[at] or row[at].count(",") > 1:
                    raise FormatError(
                        f"{source}, {place}: {columns.header[at]} = {row[at]!r}: other numbers of "
                        "this file have a decimal comma: expected no point, and one comma at most"
                    )
                row[at] = row[at].replace(",", ".")
    return table


@dataclass(frozen=True)
class _Columns:
    """Which column is what.

    Attributes
    ----------
    header
        The names as they stand.
    at
        Index of each column that is used, by its canonical name, ``id`` first.
    metric
        As in `Problem`.
    """

    header: list[str]
    at: dict[str, int]
    metric: str

    @classmethod
    def of(cls, header: Sequence[str], place: str, ignore: Collection[str]) -> _Columns:
        """Find the columns; FormatError if some are missing, unknown or there twice."""
        header = [name.strip() for name in header]
        passed = {_folded(name) for name in ignore} | _REMARKS | {""}
        at: dict[str, int] = {}
        unknown = []
        for index, name in enumerate(header):
            known = _NAMES.get(_folded(name))
            if _folded(name) in {_folded(other) for other in ignore}:
                continue
            if known in at:
                raise FormatError(
                    f"{place}: {header[at[known]]!r} and {name!r}: expected one of them"
                )
            if known is not None:
                at[known] = index
            elif "*" not in ignore and _folded(name) not in passed:
                unknown.append(name)
        metrics = [
            metric
            for pair, metric in ((("x", "y"), "euclidean"), (("lat", "lon"), "great_circle"))
            if set(pair) <= set(at)
        ]
        if "id" not in at or len(metrics) != 1:
            shown = ",".join(header) or "nothing"
            raise FormatError(f"{place}: {shown}: expected the columns id,x,y or id,lat,lon")
        pair = ("x", "y") if metrics == ["euclidean"] else ("lat", "lon")
        if lone := [name for name in COORDINATES if name in at and name not in pair]:
            raise FormatError(f"{place}: {lone[0]!r} beside {pair[0]},{pair[1]}: expected one pair")
        if unknown:
            raise FormatError(
                f"{place}: columns that are not known: {', '.join(unknown)}: routes would not "
                "keep to what they say; to pass over them, name them in ignore_columns"
            )
        names = ("id", *pair, *(name for name in OPTIONAL if name in at))
        return cls(header, {name: at[name] for name in names}, metrics[0])

    @property
    def numbers(self) -> list[int]:
        """Indices of the columns that hold numbers."""
        return [index for name, index in self.at.items() if name not in ("id", "origin")]


def places_of(
    header: Sequence[str],
    table: Iterable[tuple[str, Sequence[str]]],
    source: str,
    *,
    ignore: Collection[str] = (),
    place: str = "line 1",
    legs: Legs | None = None,
) -> Problem:
    """Make a problem of rows of cells, the depot first.

    Parameters
    ----------
    header
        Names of the columns.
    table
        Each row with what error messages call it (``"line 3"``).
    source, ignore, legs
        As for `parse_csv`.
    place
        What error messages call the header.

    Raises
    ------
    FormatError
        As for `parse_csv`.
    """
    columns = _Columns.of(header, f"{source}, {place}", ignore)
    rows: dict[str, str] = {}
    found: dict[str, dict[str, Any]] = {}
    errors: list[str] = []
    for row, cells in table:
        where = f"{source}, {row}"
        if len(cells) < len(header) or any(cells[len(header) :]):
            # More cells than names: a number was cut in two at its decimal comma, say.
            errors.append(f"{where}: {len(cells)} columns: expected {', '.join(header)}")
            continue
        stop = cells[columns.at["id"]]
        try:
            values = _row(columns, cells, at_depot=stop == DEPOT)
        except ValueError as error:
            errors.append(f"{where}: {error}")
            continue
        if not stop:
            errors.append(f"{where}: id is empty")
        elif stop in rows:
            what = "a second depot" if stop == DEPOT else "used already"
            errors.append(f"{where}: id = {stop!r}: {what} ({rows[stop]})")
        else:
            rows[stop] = row
            found[stop] = values
    if not errors and DEPOT not in found:
        errors.append(f"{source}: no depot: expected one row with id {DEPOT}")
    if not errors and len(found) == 1:
        errors.append(f"{source}: the depot only: expected at least one stop")
    if errors:
        more = [f"{source}: and {len(errors) - _SHOWN} more"] if len(errors) > _SHOWN else []
        raise FormatError("\n".join(errors[:_SHOWN] + more))
    problem = _problem(columns, found, source)
    if legs is not None:
        at = {name: number for number, name in enumerate(problem.ids)}
        problem = legs.given_to(problem, [at[stop] for stop in found])
    return problem


def _row(columns: _Columns, cells: Sequence[str], *, at_depot: bool) -> dict[str, Any]:
    """Read the cells of a row, by column."""
    values = {
        name: _value(name, cells[at], at_depot=at_depot)
        for name, at in columns.at.items()
        if name not in ("id", "origin")
    }
    if values.get("due", math.inf) < values.get("ready", 0.0):
        due = cells[columns.at["due"]]
        raise ValueError(f"due = {due!r}: expected no less than ready")
    if "origin" in columns.at:
        return values | {"origin": cells[columns.at["origin"]]}
    return values


def _problem(columns: _Columns, found: dict[str, dict[str, Any]], source: str) -> Problem:
    ids = (DEPOT, *(stop for stop in found if stop != DEPOT))
    given = {name: [found[stop][name] for stop in ids] for name in columns.at if name != "id"}
    pair = ("lon", "lat") if columns.metric == "great_circle" else ("x", "y")
    fields: dict[str, Any] = {
        field: given[name] for name, field in AMOUNTS.items() if name in given
    }
    if "prize" in given:
        fields["prizes"] = given["prize"]
    if given.keys() & set(_TIMES):
        lows = given.get("ready", [0.0] * len(ids))
        highs = given.get("due", [math.inf] * len(ids))
        fields["windows"] = list(zip(lows, highs, strict=True))
    try:
        if "origin" in given:
            fields["origins"] = _origins(ids, given["origin"])
        return Problem(
            points=list(zip(given[pair[0]], given[pair[1]], strict=True)),
            ids=ids,
            metric=columns.metric,  # type: ignore[arg-type]  # one of the two
            **fields,
        )
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from None


def _origins(ids: Sequence[str], named: Sequence[str]) -> list[int]:
    """Return the index of each origin, 0 where there is none."""
    at = {name: place for place, name in enumerate(ids)} | {"": 0}
    for stop, origin in zip(ids, named, strict=True):
        if origin not in at or (stop == DEPOT and origin not in ("", DEPOT)):
            wanted = "none at the depot" if origin in at else "the id of a stop"
            raise ValueError(f"stop {stop!r}: origin = {origin!r}: expected {wanted}")
    return [at[origin] for origin in named]


def columns_of(problem: Problem) -> dict[str, list[Any]]:
    """Return the optional columns of a problem: amounts, times, prizes and origins.

    Values are numbers or ids, and None where a cell is empty.
    """
    columns: dict[str, list[Any]] = {}
    for name, field in AMOUNTS.items():
        if getattr(problem, field) is not None:
            columns[name] = getattr(problem, field).tolist()
    if problem.windows is not None:
        for name, side in zip(_TIMES, problem.windows.T.tolist(), strict=True):
            columns[name] = [value if math.isfinite(value) else None for value in side]
    if problem.prizes is not None:
        columns["prize"] = [None if math.isnan(v) else v for v in problem.prizes.tolist()]
    if problem.origins is not None:
        names = [problem.ids[place] if place else None for place in problem.origins.tolist()]
        columns["origin"] = names
    return columns


def _value(name: str, text: str, *, at_depot: bool = False) -> float:
    """Read one cell; a demand or service at the depot may be left out, and is 0."""
    if (name == "pickup" and not text) or (name in AMOUNTS and at_depot and text in ("", "0")):
        return 0.0
    if name in _TIMES:
        return _time(name, text)
    if name == "prize" and (text == "" or (at_depot and text == "0")):
        return math.nan
    constrained = (*AMOUNTS, "prize")
    try:
        value = number(text)
    except ValueError as error:
        least = " >= 0" if name in constrained else ""
        raise ValueError(f"{name} = {error}{least}") from None
    if name == "lat" and abs(value) > 90:
        raise ValueError(f"{name} = {text!r}: expected degrees from -90 to 90")
    if name == "lon" and abs(value) > 360:
        raise ValueError(f"{name} = {text!r}: expected degrees from -180 to 180")
    if name in constrained and value < 0:
        raise ValueError(f"{name} = {text!r}: expected a finite number >= 0")
    if name in constrained and at_depot and value != 0:
        raise ValueError(f"{name} = {text!r}: expected 0 at the depot")
    return value


def _time(name: str, text: str) -> float:
    """Read a time; where a cell is empty, a stop is open from the first minute, without an end."""
    if not text:
        return 0.0 if name == "ready" else math.inf
    try:
        return clock(text)
    except ValueError as error:
        raise ValueError(f"{name} = {error}") from None
