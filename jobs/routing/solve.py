"""Plan routes from one depot for K dispatchers and write DIR/result.json.

The result has status (optimal, feasible or infeasible), cost (total distance; with a fleet or
prizes also fixed costs and the prizes of stops left out), lower_bound, gap, routes (lists of stop
ids without the depot), seconds and method, which tells what solved it. Bounds that cannot be met
are a result (infeasible, with the reason), not an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azkaban_client.job import InputError, Outputs, Run, job, param
from core.routing import METHODS, MODELS, SOLVERS, NoRoutesError
from jobs.routing._common import Crew, Roads, bounded_stops, shown, write_result


@dataclass(frozen=True, kw_only=True)
class Params(Crew, Roads):
    """What to plan, and how long to try."""

    input: Path = param(
        doc="Stops: CSV with id,x,y or id,lat,lon (id 0 is the depot; demand, service, ready, due, "
        "prize, pickup and origin, if there are such columns), .json, .geojson, .tsp, .vrp or .txt "
        "as Solomon's."
    )
    output: Path | None = param(None, doc="Folder of result.json; the job's own when empty.")
    objective: str = param(
        "distance",
        doc="What to minimise: the total distance, or the longest route (makespan).",
        choices=("distance", "makespan"),
    )
    method: str = param(
        "auto",
        doc="exact proves, divide is quick, heuristic uses its time and keeps to windows and "
        "prizes, pyvrp is heuristic by PyVRP (optional), which alone keeps to pickups and a fleet; "
        "auto goes by that and by size.",
        choices=METHODS,
    )
    time_limit: float = param(60.0, doc="Seconds to try.", gt=0)
    model: str = param(
        "auto",
        doc="Of exact: two-index needs symmetric distances, three-index is the textbook's.",
        choices=MODELS,
    )
    solver: str = param(
        "cbc", doc="Of exact; scip is optional, and quick with tight bounds.", choices=SOLVERS
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Solve and write the result."""
    from core.routing import solve

    problem = bounded_stops(params, params.input, run.prefix)
    for warning in problem.warnings():
        run.log(f"warning: {params.input}: {warning}")
    folder = params.output or run.dir
    folder.mkdir(parents=True, exist_ok=True)
    run.log(f"{problem.n_stops} stops, {problem.dispatchers} dispatchers, {params.method}")
    try:
        result = solve(
            problem,
            method=params.method,  # type: ignore[arg-type]  # one of METHODS: param checked it
            time_limit=params.time_limit,
            seed=run.seed,
            model=params.model,  # type: ignore[arg-type]
            solver=params.solver,  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise InputError(f"{run.prefix}.{error}") from None
    except NoRoutesError as error:
        raise InputError(f"routing.solve.time_limit = {params.time_limit:g}: {error}") from None
    return {
        **write_result(run, problem, result, params.input, folder),
        "gap": shown(result.gap, 3),
        "seconds": round(result.seconds, 3),
    }


if __name__ == "__main__":
    main.start()
