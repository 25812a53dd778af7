"""Divide: one tour, cut into K routes, grouped into parts that jobs can improve side by side.

Writes part1.json, part2.json, ... with neighbouring routes each; with few routes the last parts
are empty. The outputs part1, part2, ... are their paths.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)

from core.routing.bounds import contradiction
from core.routing.divide import group_routes
from core.routing.start import cut_tour
from jobs._params import param
from jobs._routing import Crew, bounded_stops, exactly
from jobs._runtime import InputError, Job, Outputs, Spec, main, write_text


@dataclass(frozen=True, kw_only=True)
class Params(Crew):
    """What to plan, and into how many parts to divide it."""

    stops: Path = param(doc="The stops file.")
    parts: int = param(4, doc="Number of parts.", ge=1)


def run(params: Params, job: Job) -> Outputs:
    """Write one file per part."""
    problem = bounded_stops(params, params.stops, "routing_divide")
    if reason := contradiction(problem):
        raise InputError(f"routing_divide: {reason}")
    if problem.points is None:
        raise InputError(f"{params.stops}: parts are sectors of a map: coordinates are needed")
    start = cut_tour(problem)
    job.log(start.summary())
    groups = group_routes(problem, start.routes, params.parts)
    outputs = {}
    for number in range(params.parts):
        chosen = groups[number] if number < len(groups) else []
        routes = [[problem.ids[stop] for stop in start.routes[own]] for own in chosen]
        path = job.dir / f"part{number + 1}.json"
        write_text(path, json.dumps({"routes": routes}))
        outputs[f"part{number + 1}"] = path
        job.log(f"part {number + 1}: {len(routes)} routes, {sum(map(len, routes))} stops")
    return {
        "stops": params.stops.expanduser().absolute(),
        "capacity": exactly(problem.capacity),
        **outputs,
    }


JOB = Spec(prefix="routing_divide", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
