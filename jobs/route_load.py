"""Read a CSV of stops, check it, and hand a clean copy to the solver.

The CSV has the columns id,x,y or id,lat,lon, and may have demand and service (minutes); the row
with id 0 is the depot. Without an input, 24 generated stops of an imaginary town are planned.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from core.routing.formats import stops_csv, stops_json
from jobs._params import param
from jobs._routing import exactly, read_stops
from jobs._runtime import Job, Outputs, Spec, main, write_text

SAMPLE = Path(__file__).parent / "data" / "stops.csv"


@dataclass(frozen=True, kw_only=True)
class Params:
    """Where the stops come from."""

    input: Path | None = param(
        None, doc="Stops: CSV, .json, .geojson, .tsp or .vrp; the shipped sample when empty."
    )
    capacity: float | None = param(
        None, doc="Largest load of a dispatcher; what a .vrp or .json file says when empty.", gt=0
    )


def run(params: Params, job: Job) -> Outputs:
    """Write the checked stops to the job's folder."""
    source = params.input or SAMPLE
    problem = read_stops(source)
    for warning in problem.warnings():
        job.log(f"warning: {source}: {warning}")
    plain = problem.matrix is None and problem.times is None
    stops = job.dir / ("stops.csv" if plain else "stops.json")
    write_text(stops, stops_csv(problem) if plain else stops_json(problem))
    job.log(f"{problem.n_stops} stops and a depot from {source}")
    return {
        "stops": stops,
        "count": problem.n_stops,
        "metric": problem.metric,
        "capacity": exactly(params.capacity or problem.capacity),
    }


JOB = Spec(prefix="routing_load", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
