"""Divide: cut one tour into K routes, and group them into parts that jobs can improve in parallel.

Writes part1.json, part2.json, ... with neighbouring routes each; with few routes the last parts
are empty. The outputs part1, part2, ... are their paths.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from azkaban_client.job import InputError, Outputs, Run, job, param, write_text
from core.routing.bounds import contradiction
from jobs.routing._common import Crew, bounded_stops, exactly


@dataclass(frozen=True, kw_only=True)
class Params(Crew):
    """What to plan, and into how many parts to divide it."""

    stops: Path = param(doc="The stops file.")
    parts: int = param(4, doc="Number of parts.", ge=1)


@job
def main(params: Params, run: Run) -> Outputs:
    """Write one file per part."""
    from core.routing.divide import group_routes
    from core.routing.start import cut_tour

    problem = bounded_stops(params, params.stops, run.prefix)
    if reason := contradiction(problem):
        raise InputError(f"{run.prefix}: {reason}")
    if problem.points is None:
        raise InputError(f"{params.stops}: parts are sectors of a map: coordinates are needed")
    try:
        start = cut_tour(problem)
    except ValueError as error:
        raise InputError(f"{params.stops}: {error}") from None
    run.log(start.summary())
    groups = group_routes(problem, start.routes, params.parts)
    outputs = {}
    for number in range(params.parts):
        chosen = groups[number] if number < len(groups) else []
        routes = [[problem.ids[stop] for stop in start.routes[own]] for own in chosen]
        path = run.dir / f"part{number + 1}.json"
        write_text(path, json.dumps({"routes": routes}))
        outputs[f"part{number + 1}"] = path
        run.log(f"part {number + 1}: {len(routes)} routes, {sum(map(len, routes))} stops")
    return {
        "stops": params.stops.absolute(),
        "capacity": exactly(problem.capacity),
        **outputs,
    }


if __name__ == "__main__":
    main.start()
