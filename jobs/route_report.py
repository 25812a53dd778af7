"""Write the routes as CSV and GeoJSON, and a report with a map and the load per dispatcher."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)

from core.routing import Step
from core.routing.formats import routes_csv, routes_geojson
from core.routing.plot import plot_load, plot_progress, plot_routes
from jobs._params import param
from jobs._report import COLOURS, Page, figure
from jobs._routing import read_result, read_stops, routes_of, shown
from jobs._runtime import InputError, Job, Outputs, Spec, main, write_text

_GOAL = {"distance": "total distance", "makespan": "longest route"}


@dataclass(frozen=True, kw_only=True)
class Params:
    """The files to report on."""

    stops: Path = param(doc="The stops file that was solved.")
    result: Path = param(doc="The result.json that was written.")


def run(params: Params, job: Job) -> Outputs:
    """Write routes.csv, routes.geojson and report.html."""
    problem = read_stops(params.stops)
    if problem.points is None:
        raise InputError(f"{params.stops}: without coordinates there is no map to draw")
    record = read_result(params.result)
    problem = problem.replace(
        dispatchers=record.get("dispatchers", 1),
        min_stops=record.get("min_stops", 1),
        max_stops=record.get("max_stops"),
        objective=record.get("objective", "distance"),
    )
    routes = routes_of(problem, record, params.result)
    unit = "km" if problem.metric == "great_circle" else "units of the input"
    table, lines = job.dir / "routes.csv", job.dir / "routes.geojson"
    write_text(table, routes_csv(problem, routes))
    write_text(lines, routes_geojson(problem, routes))

    page = Page("Routes", f"{problem.n_stops} stops, {problem.dispatchers} dispatchers")
    gap = record["gap"]
    page.facts(
        "Result",
        [
            ("status", record["status"]),
            (f"{_GOAL[problem.objective]} ({unit})", shown(record["cost"])),
            ("lower bound", shown(record["lower_bound"])),
            ("gap", "–" if gap is None else f"{gap:.2%}"),
            ("seconds", shown(record["seconds"], 3)),
        ],
    )
    if record.get("reason"):
        page.text("Why", str(record["reason"]))
    chart = figure(7.0, 5.2)
    plot_routes(problem, routes, ax=chart.subplots(), colours=COLOURS)
    page.plot("Map", chart, "One colour per dispatcher; the square is the depot.")
    if routes:
        page.table(
            "Load per dispatcher",
            ["dispatcher", "stops", f"distance ({unit})", "route"],
            [
                [number, len(route), round(problem.length(route), 3), _names(problem.ids, route)]
                for number, route in enumerate(routes, 1)
            ],
        )
        chart = figure(7.0, 2.8)
        plot_load(problem, routes, axes=chart.subplots(1, 2), colours=COLOURS)
        page.plot("Stops and distance", chart, "Dashed: the bounds on stops.")
    trace = [Step(*step) for step in record.get("trace", [])]
    if len(trace) > 1:
        chart = figure(7.0, 2.8)
        plot_progress(trace, ax=chart.subplots(), colours=COLOURS)
        page.plot("Search", chart, "Best routes known and the bound that none can be under.")
    report = job.report(page)
    job.log(f"report: {report}")
    return {"report": report, "routes": table, "geojson": lines, "status": record["status"]}


def _names(ids: tuple[str, ...], route: list[int]) -> str:
    names = [ids[stop] for stop in route]
    return " ".join(names) if len(names) <= 40 else " ".join([*names[:20], "…", *names[-20:]])


JOB = Spec(prefix="routing_report", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
