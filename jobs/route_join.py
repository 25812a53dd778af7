"""Join: put the parts together and repair across their borders; writes result.json."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

from core.routing import Result, Status, check
from core.routing.heuristic import improve
from jobs._params import param
from jobs._routing import bounded_stops, read_routes, result_json, shown
from jobs._runtime import InputError, Job, Outputs, Spec, main, write_text


@dataclass(frozen=True, kw_only=True)
class Params:
    """The parts, and how long to repair."""

    stops: Path = param(doc="The stops file.")
    parts: str = param(doc="The parts' files, comma-separated.")
    dispatchers: int = param(1, doc="Number of dispatchers, K.", ge=1)
    min_stops: int = param(1, doc="Least number of stops of a dispatcher.", ge=1)
    max_stops: int | None = param(
        None, doc="Largest number of stops of a dispatcher; no limit when empty.", ge=1
    )
    time_limit: float = param(20.0, doc="Seconds to repair.", gt=0)


def run(params: Params, job: Job) -> Outputs:
    """Write the joined result."""
    problem = bounded_stops(params, params.stops, "routing_join")
    paths = [Path(name.strip()) for name in params.parts.split(",") if name.strip()]
    routes = [tuple(route) for path in paths for route in read_routes(problem, path)]
    if wrong := check(problem, routes):
        raise InputError("\n".join(f"routing_join.parts: {line}" for line in wrong[:5]))
    start = Result(status=Status.FEASIBLE, cost=problem.cost(routes), routes=tuple(routes))
    result = improve(problem, start=start, time_limit=params.time_limit, seed=job.seed)
    result = dataclasses.replace(result, method="divide")
    job.log(f"{start.cost:,.7g} before the repair; {result.summary()}")
    target = job.dir / "result.json"
    write_text(target, result_json(problem, result))
    return {
        "result": target,
        "stops": params.stops.expanduser().absolute(),
        "status": result.status.value,
        "cost": shown(result.cost),
    }


JOB = Spec(prefix="routing_join", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
