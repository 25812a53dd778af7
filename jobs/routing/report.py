"""Write the routes as CSV, GeoJSON and CVRPLIB solution, and a report with map and loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.job import COLOURS, Outputs, Page, Run, figure, job, param, write_text
from core.routing import Step
from core.routing.bounds import named_bounds
from core.routing.formats import routes_csv, routes_cvrplib, routes_geojson, work_of
from core.routing.plot import plot_load, plot_progress, plot_routes
from core.routing.tsplib import tour_tsplib
from jobs.routing._common import posed, read_result, read_stops, routes_of, shown

if TYPE_CHECKING:
    from core.routing import Problem

_GOAL = {"distance": "total distance", "makespan": "longest route"}


@dataclass(frozen=True, kw_only=True)
class Params:
    """The files to report on."""

    stops: Path = param(doc="The stops file that was solved.")
    result: Path = param(doc="The result.json that was written.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Write the files and the report."""
    record = read_result(params.result)
    problem = posed(read_stops(params.stops), record, params.result)
    routes = routes_of(problem, record, params.result)
    files = _write(run.dir, problem, routes)
    page = Page("Routes", f"{problem.n_stops} stops, {problem.dispatchers} dispatchers")
    _show_result(page, problem, record)
    if problem.points is None:
        page.text("Map", "The input has distances only, no coordinates to draw a map from.")
    else:
        chart = figure(7.0, 5.2)
        plot_routes(problem, routes, ax=chart.subplots(), colours=COLOURS)
        ends = " Routes are open: no way back is driven." if problem.open_routes else ""
        page.plot("Map", chart, f"One colour per dispatcher; the square is the depot.{ends}")
    if routes:
        _show_work(page, problem, routes)
    trace = [Step(*step) for step in record.get("trace", [])]
    if len(trace) > 1:
        chart = figure(7.0, 2.8)
        plot_progress(trace, ax=chart.subplots(), colours=COLOURS)
        page.plot("Search", chart, "Best routes known and the bound that none can be under.")
    report = run.report(page)
    run.log(f"report: {report}")
    return {"report": report, **files, "status": record["status"]}


def _write(folder: Path, problem: Problem, routes: list[list[int]]) -> dict[str, Path]:
    """Write the routes in each format that can hold them; return the files by output."""
    texts = {
        "routes": ("routes.csv", routes_csv(problem, routes)),
        "solution": ("routes.sol", routes_cvrplib(problem, routes) if routes else ""),
    }
    if problem.points is not None:
        texts["geojson"] = ("routes.geojson", routes_geojson(problem, routes))
    if len(routes) == 1 and not problem.open_routes:  # a tour is closed
        texts["tour"] = ("routes.tour", tour_tsplib(problem, routes[0]))
    for name, text in texts.values():
        write_text(folder / name, text)
    return {output: folder / name for output, (name, _) in texts.items()}


def _show_result(page: Page, problem: Problem, record: dict[str, Any]) -> None:
    gap = record["gap"]
    page.facts(
        "Result",
        [
            ("status", record["status"]),
            (f"{_GOAL[problem.objective]} ({problem.distance_unit})", shown(record["cost"])),
            ("lower bound", shown(record["lower_bound"])),
            ("gap", "–" if gap is None else f"{gap:.2%}"),
            ("seconds", shown(record["seconds"], 3)),
            *([("routes", "open: they end at the last stop")] if problem.open_routes else []),
        ],
    )
    if record.get("reason"):
        page.text("Why", str(record["reason"]))
    if bounds := named_bounds(problem):
        page.facts("Bounds of each dispatcher", [(name, f"{v:g}") for name, v in bounds.items()])


def _show_work(page: Page, problem: Problem, routes: list[list[int]]) -> None:
    """Show what each dispatcher has to do, as a table and as bars."""
    works = [work_of(problem, route) for route in routes]
    units = {"distance": f"distance ({problem.distance_unit})", "minutes": "time (min)"}
    page.table(
        "Load per dispatcher",
        ["dispatcher", *(units.get(what, what) for what in works[0]), "route"],
        [
            [number, *(round(v, 3) for v in work.values()), _names(problem.ids, route)]
            for number, (work, route) in enumerate(zip(works, routes, strict=True), 1)
        ],
    )
    rows = (len(works[0]) + 1) // 2
    chart = figure(7.0, 2.8 * rows)
    axes = chart.subplots(rows, 2, squeeze=False).ravel().tolist()
    plot_load(problem, works, axes=axes, colours=COLOURS)
    page.plot("Work per dispatcher", chart, "Dashed: the bounds.")


def _names(ids: tuple[str, ...], route: list[int]) -> str:
    names = [ids[stop] for stop in route]
    return " ".join(names) if len(names) <= 40 else " ".join([*names[:20], "…", *names[-20:]])


if __name__ == "__main__":
    main.start()
