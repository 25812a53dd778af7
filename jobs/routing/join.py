"""Join the parts, repair across their borders, and write result.json."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.routing import NoRoutesError, Result, Status, check
from jobs.routing._common import Crew, bounded_stops, read_routes, write_result


@dataclass(frozen=True, kw_only=True)
class Params(Crew):
    """The parts, and how long to repair."""

    stops: Path = param(doc="The stops file.")
    parts: tuple[Path, ...] = param(doc="The files of the parts.")
    time_limit: float = param(20.0, doc="Seconds to repair.", gt=0)


@job
def main(params: Params, run: Run) -> Outputs:
    """Write the joined result."""
    from core.routing.heuristic import improve

    problem = bounded_stops(params, params.stops, run.prefix)
    routes = [tuple(route) for path in params.parts for route in read_routes(problem, path)]
    # Parts keep the bounds on stops; the others may be met only now that stops can change parts.
    loose = dict.fromkeys(("min_distance", "max_distance", "min_time", "max_time", "capacity"))
    if wrong := check(problem.replace(**loose), routes):
        raise InputError("\n".join(f"routing.join.parts: {line}" for line in wrong[:5]))
    start = Result(status=Status.FEASIBLE, cost=problem.cost(routes), routes=tuple(routes))
    try:
        result = improve(problem, start=start, time_limit=params.time_limit, seed=run.seed)
    except ValueError as error:
        raise InputError(f"{params.stops}: {error}") from None
    except NoRoutesError as error:
        raise InputError(f"routing.join.time_limit = {params.time_limit:g}: {error}") from None
    result = dataclasses.replace(result, method="divide")
    run.log(f"{start.cost:,.7g} before the repair")
    return write_result(run, problem, result, params.stops)


if __name__ == "__main__":
    main.start()
