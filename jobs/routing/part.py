"""Conquer: improve the routes of one part, which no other part shares a stop with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from azkaban_client.job import InputError, Outputs, Run, job, param, write_text
from jobs.routing._common import Work, bounded_stops, read_routes


@dataclass(frozen=True, kw_only=True)
class Params(Work):
    """The part, and how long to try."""

    stops: Path = param(doc="The stops file.")
    part: Path = param(doc="The part, as jobs.routing.divide writes it.")
    time_limit: float = param(20.0, doc="Seconds to try.", gt=0)


@job
def main(params: Params, run: Run) -> Outputs:
    """Write the part again, improved."""
    from core.routing.divide import improve_part, subproblem

    whole = bounded_stops(params, params.stops, run.prefix)
    routes = read_routes(whole, params.part)
    target = run.dir / "part.json"
    if routes:
        problem, own = subproblem(whole, routes)
        try:
            result = improve_part(problem, own, None, run.seed, time_limit=params.time_limit)
        except ValueError as error:
            raise InputError(f"{params.stops}: {error}") from None
        run.log(f"{problem.cost(own):,.7g} before; {result.summary()}")
        named = [[problem.ids[stop] for stop in route] for route in result.routes]
    else:
        run.log("an empty part: nothing to do")
        named = []
    write_text(target, json.dumps({"routes": named}))
    return {"part": target}


if __name__ == "__main__":
    main.start()
