"""Check written routes against the stops file and the bounds, independently of the solver.

Checks that every stop is visited once (or may be left out), that there are as many routes as
dispatchers, that each keeps its bounds, times and order, that the cost is that of the routes and
that the lower bound is not above it. Each error is printed on a line of its own, and any error
fails the job.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azkaban_client.job import Outputs, Run, job, param
from core.routing import check
from jobs.routing._common import Crew, Roads, bounded_stops, kinds_of, read_result, routes_of


@dataclass(frozen=True, kw_only=True)
class Params(Crew, Roads):
    """The files, and the bounds as they were asked for."""

    stops: Path = param(doc="The stops file that was solved.")
    result: Path = param(doc="The result.json that was written.")
    objective: str = param("distance", doc="What was minimised.", choices=("distance", "makespan"))


@job
def main(params: Params, run: Run) -> Outputs:
    """Fail (exit code 1) when anything is wrong."""
    problem = bounded_stops(params, params.stops, run.prefix)
    record = read_result(params.result)
    if record["status"] == "infeasible":
        wrong = [] if not record["routes"] else ["infeasible, but with routes"]
    else:
        routes = routes_of(problem, record, params.result)
        kinds = kinds_of(problem, record, params.result)
        wrong = check(problem, routes, record["cost"], kinds) + _claims(record)
    for line in wrong:
        print(f"route_check: {params.result}: {line}", file=sys.stderr)
    if wrong:
        raise SystemExit(1)
    run.log(f"{record['status']}: {len(record['routes'])} routes checked")
    return {
        "stops": params.stops.absolute(),
        "result": params.result.absolute(),
        "status": record["status"],
    }


def _claims(record: dict[str, Any]) -> list[str]:
    """Check what the result claims about itself."""
    cost, bound, gap = record["cost"], record["lower_bound"], record["gap"]
    wrong = []
    if bound is not None and bound > cost * (1 + 1e-6):
        wrong.append(f"lower_bound = {bound!r} is above cost = {cost!r}")
    if record["status"] == "optimal" and (gap is None or gap > 1e-6):
        wrong.append(f"optimal, but gap = {gap!r}")
    return wrong


if __name__ == "__main__":
    main.start()
