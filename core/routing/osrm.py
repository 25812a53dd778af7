"""Read the answer of OSRM's table service: driving times and distances from place to place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.routing.problem import Problem
from core.routing.reading import FormatError, json_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routing.checks import FloatArray

__all__ = ["KEYS", "WORDS", "Legs", "legs_of", "parse_osrm", "places_of_answer"]

KEYS = ("durations", "distances")
"""What the service calls its tables: seconds and metres."""

WORDS = {
    *KEYS, "code", "message", "sources", "destinations", "waypoints", "fallback_speed_cells",
    "data_version",
}  # fmt: skip
"""All that an answer may have."""

_FAR = 5.0  # kilometres from a stop to the road that OSRM found for it


@dataclass(frozen=True)
class Legs:
    """Distances in kilometres and times in minutes, in the order of a stops file's rows.

    Attributes
    ----------
    source
        How error messages call the file.
    distances, durations
        One of them may be None.
    locations
        Longitude and latitude of each place; empty if the answer has none.
    """

    source: str
    distances: FloatArray | None
    durations: FloatArray | None
    locations: tuple[tuple[float, float], ...] = ()

    @property
    def size(self) -> int:
        """Number of places."""
        known = self.distances if self.distances is not None else self.durations
        return 0 if known is None else len(known)

    def given_to(self, problem: Problem, order: Sequence[int]) -> Problem:
        """Return a problem with these distances and times.

        Parameters
        ----------
        problem
            What the stops file says.
        order
            Which place of the problem each row of the file is.

        Raises
        ------
        FormatError
            The numbers of places differ, some place cannot be reached, or the places are others.
        """
        if self.size != problem.n_places:
            raise FormatError(
                f"{self.source}: {self.size} places: expected {problem.n_places}, those of the "
                "stops file in the order of its rows, the depot among them"
            )
        fields: dict[str, Any] = {}
        for name, table in (("distances", self.distances), ("durations", self.durations)):
            if table is None:
                continue
            rows = np.empty_like(table)
            rows[np.ix_(order, order)] = table
            lost = np.argwhere(np.isnan(rows))
            if len(lost):
                start, end = (problem.ids[place] for place in lost[0])
                raise FormatError(
                    f"{self.source}: {name}: no way from {start!r} to {end!r}: expected places "
                    "that a road leads to"
                )
            fields["matrix" if name == "distances" else "times"] = rows
        # Without distances, the total time is what is to be small.
        fields["unit"] = "km" if "matrix" in fields else "minutes of driving"
        fields.setdefault("matrix", fields.get("times"))
        self._check_places(problem, order)
        try:
            return problem.replace(**fields)
        except ValueError as error:
            raise FormatError(f"{self.source}: {error}") from None

    def _check_places(self, problem: Problem, order: Sequence[int]) -> None:
        """Refuse a table of other places, or in another order."""
        if not self.locations or problem.points is None or problem.metric != "great_circle":
            return
        n, given = problem.n_places, np.empty((len(order), 2))
        given[list(order)] = self.locations
        both = Problem(points=np.concatenate((problem.points, given)), metric="great_circle")
        away = both.between(np.arange(n), np.arange(n, 2 * n))
        worst = int(np.argmax(away))
        if away[worst] > _FAR:
            raise FormatError(
                f"{self.source}: the road of {problem.ids[worst]!r} is {away[worst]:.1f} km from "
                "it: expected the places in the order of the rows of the stops file"
            )


def parse_osrm(text: str, source: str = "osrm.json") -> Legs:
    """Read the JSON that ``/table/v1/driving/...?annotations=duration,distance`` answers.

    Raises
    ------
    FormatError
        No answer of the service, an error of it, or tables that are not square.

    Examples
    --------
    >>> legs = parse_osrm('{"code": "Ok", "durations": [[0, 60], [90, 0]]}')
    >>> legs.durations.tolist(), legs.distances
    ([[0.0, 1.0], [1.5, 0.0]], None)
    """
    return legs_of(json_object(text, source), source)


def legs_of(record: dict[str, Any], source: str) -> Legs:
    """Read the tables of a JSON object."""
    if record.get("code", "Ok") != "Ok":
        told = record.get("message", "")
        raise FormatError(f"{source}: code = {record['code']!r}: {told}: expected 'Ok'")
    if not any(key in record for key in KEYS):
        raise FormatError(
            f"{source}: expected durations or distances, as OSRM's table service answers"
        )
    tables: dict[str, FloatArray | None] = dict.fromkeys(KEYS)
    for key, unit in zip(KEYS, (60.0, 1000.0), strict=True):
        if record.get(key) is None:
            continue
        try:
            table = np.array(record[key], dtype=np.float64) / unit
        except (TypeError, ValueError, OverflowError):
            raise FormatError(
                f"{source}: {key}: expected numbers, as many in each row as there are rows"
            ) from None
        if table.ndim != 2 or table.shape[0] != table.shape[1]:
            raise FormatError(
                f"{source}: {key} has shape {table.shape}: expected a square, from every place to "
                "every place: ask without sources= and destinations="
            )
        tables[key] = table
    sizes = {len(table) for table in tables.values() if table is not None}
    if len(sizes) > 1:
        raise FormatError(f"{source}: durations and distances have different numbers of places")
    return Legs(source, tables["distances"], tables["durations"], _locations(record, sizes))


def places_of_answer(legs: Legs) -> list[dict[str, Any]]:
    """Return the places of an answer, numbered from 0, with coordinates if it has them."""
    if not legs.locations:
        return [{"id": number} for number in range(legs.size)]
    return [
        {"id": number, "lon": lon, "lat": lat} for number, (lon, lat) in enumerate(legs.locations)
    ]


def _locations(record: dict[str, Any], sizes: set[int]) -> tuple[tuple[float, float], ...]:
    """Return where the places are, if the answer tells that of each."""
    try:
        found = tuple(
            (float(lon), float(lat)) for lon, lat in (one["location"] for one in record["sources"])
        )
    except (KeyError, TypeError, ValueError):
        return ()
    return found if {len(found)} == sizes else ()
