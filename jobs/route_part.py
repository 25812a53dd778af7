"""Conquer: improve the routes of one part, which no other part shares a stop with."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)

from core.routing.divide import improve_part, subproblem
from jobs._params import param
from jobs._routing import Work, bounded_stops, read_routes
from jobs._runtime import Job, Outputs, Spec, main, write_text


@dataclass(frozen=True, kw_only=True)
class Params(Work):
    """The part, and how long to try."""

    stops: Path = param(doc="The stops file.")
    part: Path = param(doc="The part, as jobs.route_divide writes it.")
    time_limit: float = param(20.0, doc="Seconds to try.", gt=0)


def run(params: Params, job: Job) -> Outputs:
    """Write the part again, improved."""
    whole = bounded_stops(params, params.stops, "routing_part")
    routes = read_routes(whole, params.part)
    target = job.dir / "part.json"
    if routes:
        problem, own = subproblem(whole, routes)
        result = improve_part(problem, own, None, job.seed, time_limit=params.time_limit)
        job.log(f"{problem.cost(own):,.7g} before; {result.summary()}")
        named = [[problem.ids[stop] for stop in route] for route in result.routes]
    else:
        job.log("an empty part: nothing to do")
        named = []
    write_text(target, json.dumps({"routes": named}))
    return {"part": target}


JOB = Spec(prefix="routing_part", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
