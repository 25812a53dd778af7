"""Read a table of stops, check it, and write a clean copy for the solver.

The table has the columns id,x,y or id,lat,lon, and may have demand, service (minutes), ready, due,
prize, pickup and origin; the row with id 0 is the depot. Unknown columns are refused. Without an
input, there are 24 stops of an imaginary town, and four dispatchers for 4 to 8 stops each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azkaban_client.job import InputError, Outputs, Run, job, param, write_text
from core.routing.formats import fits_a_table, stops_csv, stops_json
from jobs.routing._common import Roads, exactly, read_stops

SAMPLE = Path(__file__).with_name("stops.csv")
# Files bring their own crew, or are for one dispatcher; the sample is for these.
SAMPLE_CREW: dict[str, Any] = {
    "dispatchers": 4, "crew": "fixed", "min_stops": 4, "max_stops": 8,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Params(Roads):
    """Where the stops come from."""

    input: Path | None = param(
        None,
        doc="Stops: CSV, .json, .geojson, .tsp, .vrp or Solomon's .txt; the shipped sample when "
        "empty.",
    )
    ignore_columns: str = param(
        "", doc="Columns of the input to pass over, by name, or * for all that are not known."
    )
    capacity: float | None = param(
        None, doc="Largest load of a dispatcher; what a .vrp or .json file says when empty.", gt=0
    )
    open_routes: bool | None = param(
        None, doc="Whether routes end at their last stop; what the input says when empty."
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Write the checked stops to the job's folder."""
    source = params.input or SAMPLE
    problem = read_stops(source, params.ignore_columns, matrix=params.matrix, fleet=params.fleet)
    if params.input is None and not problem.fleet:
        problem = problem.replace(**SAMPLE_CREW)
    for warning in problem.warnings():
        run.log(f"warning: {source}: {warning}")
    try:
        for name in ("open_routes", "backhauls"):
            if (asked := getattr(params, name)) is not None:
                problem = problem.replace(**{name: asked})
        plain = fits_a_table(problem)
        text = stops_csv(problem) if plain else stops_json(problem)
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None
    stops = run.dir / ("stops.csv" if plain else "stops.json")
    write_text(stops, text)
    run.log(f"{problem.n_stops} stops and a depot from {source}")
    return {
        "stops": stops,
        "count": problem.n_stops,
        "metric": problem.metric,
        "capacity": exactly(params.capacity or problem.capacity),
    }


if __name__ == "__main__":
    main.start()
