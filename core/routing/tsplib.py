"""TSPLIB 95 files: problems in, tours out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.formats import FormatError
from core.routing.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.problem import FloatArray

__all__ = ["parse_tsplib", "tour_tsplib"]

_Body = dict[str, list[tuple[int, list[str]]]]
"""Lines of each section: number and words."""

_SECTION = re.compile(r"^([A-Z_]+_SECTION)\s*:?\s*$")


def parse_tsplib(text: str, source: str = "problem.tsp") -> Problem:
    r"""Read a TSP, ATSP or CVRP file; the depot is the first of DEPOT_SECTION, else the first node.

    Distances are the plain Euclidean ones, not rounded to integers as TSPLIB asks for EUC_2D.
    CAPACITY and DEMAND_SECTION become capacity and demands, DISTANCE the largest distance of a
    dispatcher. With SERVICE_TIME, which counts as distance there, DISTANCE becomes the largest time
    and a unit of distance takes a minute. Time windows are refused.

    Parameters
    ----------
    text
        EDGE_WEIGHT_TYPE EUC_2D, or EXPLICIT with FULL_MATRIX, UPPER_ROW, LOWER_ROW,
        UPPER_DIAG_ROW or LOWER_DIAG_ROW.
    source
        How error messages call it.

    Raises
    ------
    FormatError
        Names the line, the value and what was expected.

    Examples
    --------
    >>> text = "EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4\nEOF\n"
    >>> parse_tsplib(text).points.tolist()
    [[0.0, 0.0], [3.0, 4.0]]
    """
    head: dict[str, str] = {}
    body: _Body = {}
    section: list[tuple[int, list[str]]] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped in ("", "EOF"):
            continue
        if found := _SECTION.match(stripped):
            section = body.setdefault(found.group(1), [])
        elif section is not None and not stripped[0].isalpha():
            section.append((number, stripped.split()))
        else:
            key, colon, value = stripped.partition(":")
            if not colon:
                raise FormatError(
                    f"{source}, line {number}: {stripped!r}: expected KEY : VALUE or a section"
                )
            head[key.strip()] = value.strip()
    if "TIME_WINDOW_SECTION" in body:
        raise FormatError(f"{source}: TIME_WINDOW_SECTION: time windows are not supported")
    kind = head.get("EDGE_WEIGHT_TYPE", "")
    if kind == "EUC_2D":
        ids, places = _from_points(body, source)
    elif kind == "EXPLICIT":
        ids, places = _from_matrix(head, body, source)
    else:
        raise FormatError(f"{source}: EDGE_WEIGHT_TYPE = {kind!r}: expected EUC_2D or EXPLICIT")
    order = _depot_first(ids, body, source)
    fields: dict[str, Any] = {
        name: values[np.ix_(order, order)] if name == "matrix" else values[order]
        for name, values in places.items()
    }
    fields |= _work(head, body, ids, order, source)
    try:
        return Problem(ids=tuple(ids[i] for i in order), **fields)
    except ValueError as error:
        raise FormatError(f"{source}: {error}") from None


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


def _depot_first(ids: list[str], body: _Body, source: str) -> list[int]:
    """Order of the nodes with the depot at the front."""
    depots = [words[0] for _, words in body.get("DEPOT_SECTION", []) if words[0] != "-1"]
    depot = depots[0] if depots else ids[0]
    if depot not in ids:
        raise FormatError(f"{source}: DEPOT_SECTION: {depot!r} is no node")
    first = ids.index(depot)
    return [first, *(i for i in range(len(ids)) if i != first)]


def _work(
    head: dict[str, str], body: _Body, ids: list[str], order: list[int], source: str
) -> dict[str, Any]:
    """Demands and bounds of a CVRP file."""
    fields: dict[str, Any] = {}
    if "DEMAND_SECTION" in body:
        demands = dict.fromkeys(ids, 0.0)
        for number, words in body["DEMAND_SECTION"]:
            if len(words) != 2 or words[0] not in demands:
                raise FormatError(f"{source}, line {number}: expected a node and its demand")
            demands[words[0]] = _numbers(words[1:], number, source)[0]
        fields["demands"] = [demands[ids[i]] for i in order]
    given = {key: _amount(head, key, source) for key in ("CAPACITY", "DISTANCE", "SERVICE_TIME")}
    if given["CAPACITY"] is not None and "demands" in fields:
        fields["capacity"] = given["CAPACITY"]
    if given["SERVICE_TIME"]:
        fields["service"] = [0.0] + [given["SERVICE_TIME"]] * (len(ids) - 1)
        fields.update(speed=60.0, max_time=given["DISTANCE"])
    elif given["DISTANCE"] is not None:
        fields["max_distance"] = given["DISTANCE"]
    return fields


def _amount(head: dict[str, str], key: str, source: str) -> float | None:
    if key not in head:
        return None
    try:
        return float(head[key])
    except ValueError:
        raise FormatError(f"{source}: {key} = {head[key]!r}: expected a number") from None


def _from_points(body: _Body, source: str) -> tuple[list[str], dict[str, FloatArray]]:
    ids: list[str] = []
    points: list[list[float]] = []
    for number, words in body.get("NODE_COORD_SECTION", []):
        if len(words) != 3:
            raise FormatError(f"{source}, line {number}: expected a node and two coordinates")
        ids.append(words[0])
        points.append(_numbers(words[1:], number, source))
    if len(points) < 2:
        raise FormatError(f"{source}: NODE_COORD_SECTION: expected at least two nodes")
    return ids, {"points": np.array(points)}


def _from_matrix(
    head: dict[str, str], body: _Body, source: str
) -> tuple[list[str], dict[str, FloatArray]]:
    try:
        n = int(head.get("DIMENSION", ""))
    except ValueError:
        raise FormatError(
            f"{source}: DIMENSION = {head.get('DIMENSION')!r}: expected an integer"
        ) from None
    layout = head.get("EDGE_WEIGHT_FORMAT", "")
    values = [
        value
        for number, words in body.get("EDGE_WEIGHT_SECTION", [])
        for value in _numbers(words, number, source)
    ]
    places = {
        "FULL_MATRIX": np.nonzero(np.ones((n, n))),
        "UPPER_ROW": np.triu_indices(n, 1),
        "UPPER_DIAG_ROW": np.triu_indices(n),
        "LOWER_ROW": np.tril_indices(n, -1),
        "LOWER_DIAG_ROW": np.tril_indices(n),
    }.get(layout)
    if places is None:
        raise FormatError(f"{source}: EDGE_WEIGHT_FORMAT = {layout!r}: not known")
    if len(values) != len(places[0]):
        raise FormatError(
            f"{source}: EDGE_WEIGHT_SECTION has {len(values)} numbers: "
            f"expected {len(places[0])} for {layout} of {n} nodes"
        )
    matrix: FloatArray = np.zeros((n, n))
    matrix[places] = values
    if layout != "FULL_MATRIX":
        matrix = np.maximum(matrix, matrix.T)
    return [str(i) for i in range(1, n + 1)], {"matrix": matrix}


def _numbers(words: list[str], number: int, source: str) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        raise FormatError(
            f"{source}, line {number}: {' '.join(words)!r}: expected numbers"
        ) from None
