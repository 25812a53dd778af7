"""Read problems in TSPLIB 95 files, which CVRPLIB and VRPLIB use too, and write tours.

A file may say more than a `Problem` can hold. So every key and every section is either used,
ignored as a remark, or refused by name; none is dropped silently.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.problem import Problem
from core.routing.reading import FormatError
from core.routing.tsplib_distances import DISTANCES, matrix_of
from core.routing.tsplib_file import REMARKS, File, split
from core.routing.vrplib import SECTIONS as OF_WORK
from core.routing.vrplib import TYPES, depots_outside, work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.routing.problem import FloatArray

__all__ = ["KEYS", "SECTIONS", "is_tsplib", "parse_tsplib", "tour_tsplib"]

KEYS = {
    "TYPE", "DIMENSION", "CAPACITY", "DISTANCE", "SERVICE_TIME", "VEHICLES", "SALESMEN",
    "EDGE_WEIGHT_TYPE", "EDGE_WEIGHT_FORMAT", "NODE_COORD_TYPE",
}  # fmt: skip
"""Keys that are read."""

SECTIONS = {"NODE_COORD_SECTION", "EDGE_WEIGHT_SECTION", "DEPOT_SECTION"} | OF_WORK
"""Sections that are read."""

_SECTION_REMARKS = {"DISPLAY_DATA_SECTION"}

_TYPES = {"TSP", "ATSP", "STSP"} | TYPES

_LAYOUTS: dict[str, Callable[[int], Any]] = {
    "FULL_MATRIX": lambda n: np.nonzero(np.ones((n, n))),
    "UPPER_ROW": lambda n: np.triu_indices(n, 1),
    "UPPER_DIAG_ROW": np.triu_indices,
    "LOWER_ROW": lambda n: np.tril_indices(n, -1),
    "LOWER_DIAG_ROW": np.tril_indices,
    # The matrix is symmetric: columns above the diagonal are rows below it.
    "UPPER_COL": lambda n: np.tril_indices(n, -1),
    "UPPER_DIAG_COL": np.tril_indices,
    "LOWER_COL": lambda n: np.triu_indices(n, 1),
    "LOWER_DIAG_COL": np.triu_indices,
}

_MOST_NODES = 20_000  # of a matrix


_TOLD_BY = re.compile(r"^[ \t]*(NODE_COORD_SECTION\b|EDGE_WEIGHT_TYPE[ \t]*:)", re.MULTILINE)


def is_tsplib(text: str) -> bool:
    r"""Tell whether a text has the keys of the format, and so is no table.

    Examples
    --------
    >>> is_tsplib("EDGE_WEIGHT_TYPE : EUC_2D\n"), is_tsplib("id,x,y\n0,0,0\n")
    (True, False)
    """
    return bool(_TOLD_BY.search(text))


def parse_tsplib(text: str, source: str = "problem.tsp", *, rounded: bool = False) -> Problem:
    r"""Read a TSP, ATSP or CVRP file; the depot is that of DEPOT_SECTION, else the first node.

    CAPACITY and DEMAND_SECTION become capacity and demands, DISTANCE the largest distance of a
    dispatcher, VEHICLES (or SALESMEN) the number of dispatchers there are at most. Routes of TYPE
    OVRP are open. With SERVICE_TIME, which counts as distance there, DISTANCE becomes the largest
    time and a unit of distance takes a minute. So it does with TIME_WINDOW_SECTION. Prizes,
    backhauls, requests and vehicles that differ are those of VRPLIB as PyVRP and LKH-3 write it.
    What a `Problem` cannot hold is refused by its name.

    Parameters
    ----------
    text
        EDGE_WEIGHT_TYPE EUC_2D, EXACT_2D, CEIL_2D, MAN_2D, MAX_2D, ATT or GEO, or EXPLICIT with any
        EDGE_WEIGHT_FORMAT but FUNCTION.
    source
        How error messages call it.
    rounded
        Round EUC_2D, MAN_2D and MAX_2D to integers, as TSPLIB asks for. Otherwise they are exact,
        as drivers have it. CEIL_2D, ATT and GEO are always TSPLIB's own functions, of which
        rounding is a part.

    Raises
    ------
    FormatError
        Names the line, the value and what was expected.

    Examples
    --------
    >>> text = "EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4.5\nEOF\n"
    >>> parse_tsplib(text).points.tolist()
    [[0.0, 0.0], [3.0, 4.5]]
    >>> parse_tsplib(text, rounded=True).length([1])
    10.0
    """
    file = split(text, source)
    _check_names(file)
    kind = file.word("EDGE_WEIGHT_TYPE")
    if kind == "EXPLICIT":
        ids, places = _from_matrix(file)
    elif kind in DISTANCES:
        ids, places = _from_points(file)
        try:
            places |= matrix_of(kind, places["points"], rounded=rounded)
        except ValueError as error:
            raise FormatError(f"{source}: {error}") from None
    else:
        raise FormatError(
            f"{source}: EDGE_WEIGHT_TYPE = {kind!r}: expected {', '.join(DISTANCES)} or EXPLICIT"
        )
    order, depots = depots_outside(file, ids)
    fields: dict[str, Any] = {
        name: values[np.ix_(order, order)] if name == "matrix" else values[order]
        for name, values in places.items()
    }
    fields |= work(file, ids, order)
    if kind == "GEO":
        fields["unit"] = "km"
    try:
        return Problem(depots=len(depots), ids=tuple(ids[i] for i in order), **fields)
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from None


def _check_names(file: File) -> None:
    """Refuse unknown keys and sections, because they may constrain routes."""
    for section, lines in file.body.items():
        if section not in SECTIONS | _SECTION_REMARKS:
            where = f"{file.source}, line {lines[0][0] - 1}" if lines else file.source
            raise FormatError(
                f"{where}: {section} is not supported: expected {', '.join(sorted(SECTIONS))} alone"
            )
    for key, (line, value) in file.head.items():
        if key not in KEYS | REMARKS:
            raise file.wrong(
                line, f"{key} is not supported: expected {', '.join(sorted(KEYS | REMARKS))} alone"
            )
        word = value.split()[0] if value else ""
        if key == "TYPE" and word not in _TYPES:
            raise file.wrong(line, f"TYPE = {value!r}: expected one of {', '.join(sorted(_TYPES))}")
        if key == "NODE_COORD_TYPE" and word not in ("TWOD_COORDS", "NO_COORDS"):
            raise file.wrong(line, f"NODE_COORD_TYPE = {value!r}: expected TWOD_COORDS")


def tour_tsplib(problem: Problem, route: Sequence[int], name: str = "tour") -> str:
    r"""Write one route as a TSPLIB tour, the depot first (nodes are numbered from 1).

    Examples
    --------
    >>> print(tour_tsplib(Problem(points=[[0, 0], [1, 0], [0, 1]]), [2, 1]))
    NAME : tour
    TYPE : TOUR
    DIMENSION : 3
    TOUR_SECTION
    1
    3
    2
    -1
    EOF
    <BLANKLINE>
    """
    nodes = "\n".join(str(place + 1) for place in (0, *route))
    return (
        f"NAME : {name}\nTYPE : TOUR\nDIMENSION : {problem.n_stops + 1}\n"
        f"TOUR_SECTION\n{nodes}\n-1\nEOF\n"
    )


def _from_points(file: File) -> tuple[list[str], dict[str, FloatArray]]:
    if "EDGE_WEIGHT_SECTION" in file.body:
        kind = file.word("EDGE_WEIGHT_TYPE")
        raise FormatError(
            f"{file.source}: EDGE_WEIGHT_SECTION: expected EDGE_WEIGHT_TYPE = EXPLICIT, not {kind}"
        )
    ids, points = _nodes(file)
    if len(ids) < 2:
        raise FormatError(f"{file.source}: NODE_COORD_SECTION: expected at least two nodes")
    _check_dimension(file, len(ids))
    return ids, {"points": np.array(points)}


def _nodes(file: File) -> tuple[list[str], list[list[float]]]:
    found: dict[str, list[float]] = {}
    for line, words in file.body.get("NODE_COORD_SECTION", []):
        if len(words) != 3:
            raise file.wrong(line, "expected a node and two coordinates")
        if words[0] in found:
            raise file.wrong(line, f"NODE_COORD_SECTION: node {words[0]} is there twice")
        found[words[0]] = file.numbers(words[1:], line, "coordinate", -np.inf)
    return list(found), list(found.values())


def _check_dimension(file: File, n: int) -> None:
    dimension = file.count("DIMENSION")
    if dimension is not None and dimension != n:
        raise file.wrong(
            file.head["DIMENSION"][0],
            f"DIMENSION = {dimension}, but NODE_COORD_SECTION has {n} nodes",
        )


def _from_matrix(file: File) -> tuple[list[str], dict[str, FloatArray]]:
    n = file.count("DIMENSION")
    if n is None:
        raise FormatError(f"{file.source}: DIMENSION: expected with EDGE_WEIGHT_TYPE = EXPLICIT")
    if n > _MOST_NODES:
        raise file.wrong(
            file.head["DIMENSION"][0],
            f"DIMENSION = {n}: expected at most {_MOST_NODES} nodes with a matrix",
        )
    layout = file.word("EDGE_WEIGHT_FORMAT")
    if layout not in _LAYOUTS:
        raise FormatError(
            f"{file.source}: EDGE_WEIGHT_FORMAT = {layout!r}: expected one of {', '.join(_LAYOUTS)}"
        )
    values = [
        value
        for line, words in file.body.get("EDGE_WEIGHT_SECTION", [])
        for value in file.numbers(words, line, "EDGE_WEIGHT_SECTION: a distance")
    ]
    places = _LAYOUTS[layout](n)
    if len(values) != len(places[0]):
        raise FormatError(
            f"{file.source}: EDGE_WEIGHT_SECTION has {len(values)} numbers: "
            f"expected {len(places[0])} for {layout} of {n} nodes"
        )
    matrix: FloatArray = np.zeros((n, n))
    matrix[places] = values
    if layout != "FULL_MATRIX":
        matrix = np.maximum(matrix, matrix.T)
    ids, points = _nodes(file)
    if not ids:
        return [str(i) for i in range(1, n + 1)], {"matrix": matrix}
    _check_dimension(file, len(ids))
    return ids, {"matrix": matrix, "points": np.array(points)}  # for plots
