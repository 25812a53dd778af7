"""Write the routes as CSV, GeoJSON and CVRPLIB solution, and a report with map and loads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.job import COLOURS, Outputs, Page, Run, figure, job, param, write_text
from core.routing import Step
from core.routing.bounds import named_bounds
from core.routing.formats import routes_csv, routes_cvrplib, routes_geojson, work_of
from core.routing.plot import plot_load, plot_progress, plot_routes
from core.routing.tsplib import tour_tsplib
from jobs.routing._common import kinds_of, posed, read_result, read_stops, routes_of, shown

if TYPE_CHECKING:
    from core.routing import Problem

_TIMES_SHOWN = 1000

_GOAL = {"distance": "total distance", "makespan": "longest route"}


@dataclass(frozen=True, kw_only=True)
class Params:
    """The files to report on."""

    stops: Path = param(doc="The stops file that was solved.")
    result: Path = param(doc="The result.json that was written.")
    matrix: Path | None = param(
        None, doc="OSRM's answer, if the routes were planned with one beside the stops file."
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Write the files and the report."""
    record = read_result(params.result)
    problem = posed(read_stops(params.stops, matrix=params.matrix), record, params.result)
    routes = routes_of(problem, record, params.result)
    kinds = kinds_of(problem, record, params.result)
    files = _write(run.dir, problem, routes, kinds)
    page = Page("Routes", f"{problem.n_stops} stops, {problem.dispatchers} dispatchers")
    _show_result(page, problem, record)
    if problem.points is None:
        page.text("Map", "The input has distances only, no coordinates to draw a map from.")
    else:
        chart = figure(7.0, 5.2)
        plot_routes(problem, routes, ax=chart.subplots(), colours=COLOURS, kinds=kinds)
        ends = " Routes are open: no way back is driven." if problem.open_routes else ""
        page.plot("Map", chart, f"One colour per dispatcher; the square is the depot.{ends}")
    if routes:
        _show_work(page, problem, routes, kinds)
    if routes and problem.balance is not None:
        before = {"routes": record.get("without_balance") or []}
        _show_balance(page, problem, routes, routes_of(problem, before, params.result))
    if problem.scheduled:
        _show_times(page, problem, routes, kinds)
    if left := problem.left_out(routes):
        page.table(
            "Stops left out",
            ["stop", "prize"],
            [[problem.ids[stop], f"{problem.prizes[stop]:g}"] for stop in left],
        )
    trace = [Step(*step) for step in record.get("trace", [])]
    if len(trace) > 1:
        chart = figure(7.0, 2.8)
        plot_progress(trace, ax=chart.subplots(), colours=COLOURS, what=_goal(problem))
        page.plot("Search", chart, "Best routes known and the bound that none can be under.")
    report = run.report(page)
    run.log(f"report: {report}")
    return {"report": report, **files, "status": record["status"]}


def _write(
    folder: Path, problem: Problem, routes: list[list[int]], kinds: list[int]
) -> dict[str, Path]:
    """Write the routes in each format that can hold them; return the files by output."""
    texts = {
        "routes": ("routes.csv", routes_csv(problem, routes, kinds)),
        "solution": ("routes.sol", routes_cvrplib(problem, routes, kinds) if routes else ""),
    }
    if problem.points is not None:
        texts["geojson"] = ("routes.geojson", routes_geojson(problem, routes, kinds))
    if len(routes) == 1 and not problem.open_routes:  # a tour is closed
        texts["tour"] = ("routes.tour", tour_tsplib(problem, routes[0]))
    for name in {"routes.geojson", "routes.tour"} - {name for name, _ in texts.values()}:
        (folder / name).unlink(missing_ok=True)  # an earlier run's routes
    for name, text in texts.values():
        write_text(folder / name, text)
    return {output: folder / name for output, (name, _) in texts.items()}


def _show_result(page: Page, problem: Problem, record: dict[str, Any]) -> None:
    gap = record["gap"]
    page.facts(
        "Result",
        [
            ("status", record["status"]),
            (_goal(problem), shown(record["cost"])),
            ("lower bound", shown(record["lower_bound"])),
            ("gap", "–" if gap is None else f"{gap:.2%}"),
            ("seconds", shown(record["seconds"], 3)),
            ("solved by", record.get("method") or "–"),
            *([("routes", "open: they end at the last stop")] if problem.open_routes else []),
        ],
    )
    if record.get("reason"):
        page.text("Why", str(record["reason"]))
    if bounds := named_bounds(problem):
        page.facts("Bounds of each dispatcher", [(name, f"{v:g}") for name, v in bounds.items()])


def _goal(problem: Problem) -> str:
    """Say what the cost is."""
    if problem.balance is not None:
        return f"distance and price of unequal work ({problem.distance_unit})"
    if problem.fleet or problem.prizes is not None:
        return "cost of vehicles, ways and stops left out"
    return f"{_GOAL[problem.objective]} ({problem.distance_unit})"


def _show_work(page: Page, problem: Problem, routes: list[list[int]], kinds: list[int]) -> None:
    """Show what each dispatcher has to do, as a table and as bars."""
    driving = kinds or [0] * len(routes)
    works = [work_of(problem, route, kind) for route, kind in zip(routes, driving, strict=True)]
    units = {
        "distance": f"distance ({problem.distance_unit})",
        "minutes": "time (min)",
        "waiting": "waiting (min)",
    }
    who = [
        f"{number} ({problem.vehicles[kind].name})" if problem.fleet else str(number)
        for number, kind in enumerate(driving, 1)
    ]
    page.table(
        "Load per dispatcher",
        ["dispatcher", *(units.get(what, what) for what in works[0]), "route"],
        [
            [name, *(round(v, 3) for v in work.values()), _names(problem.ids, route)]
            for name, work, route in zip(who, works, routes, strict=True)
        ],
    )
    rows = (len(works[0]) + 1) // 2
    chart = figure(7.0, 2.8 * rows)
    axes = chart.subplots(rows, 2, squeeze=False).ravel().tolist()
    plot_load(problem, works, axes=axes, colours=COLOURS)
    page.plot("Work per dispatcher", chart, "Dashed: the bounds.")


def _show_balance(
    page: Page, problem: Problem, routes: list[list[int]], before: list[list[int]]
) -> None:
    """Show how equal the work is, beside the best routes that were found without the balance."""
    asked = str(problem.balance)
    what = {"time": "minutes"}.get(asked, asked)
    columns = []
    for plan in (routes, before) if before else (routes,):
        works = [work_of(problem, route)[what] for route in plan]
        total = math.fsum(problem.length(route) for route in plan)
        mean = math.fsum(works) / len(works)
        columns.append([total, min(works), mean, max(works), max(works) - min(works)])
    unit = {"distance": f"distance ({problem.distance_unit})", "minutes": "time (min)"}
    name = unit.get(what, what)
    rows = [f"total distance ({problem.distance_unit})"]
    rows += [f"{which} {name} of a dispatcher" for which in ("least", "mean", "most")]
    rows.append(f"spread of {name}")
    cells = zip(*([round(value, 3) for value in column] for column in columns), strict=True)
    page.table(
        "Balance",
        ["", "with balance", "without"][: 1 + len(columns)],
        [[row, *values] for row, values in zip(rows, cells, strict=True)],
    )


def _show_times(page: Page, problem: Problem, routes: list[list[int]], kinds: list[int]) -> None:
    """Show when each stop is reached and served."""
    rows: list[list[object]] = []
    for number, route in enumerate(routes, 1):
        table = problem.timetable(route, kinds[number - 1] if kinds else 0)
        rows.append([number, "leaves", "", "", _clock(table.leaves), ""])
        for stop, arrival, start in zip(route, table.arrivals, table.starts, strict=True):
            low, high = problem.window(stop)
            window = f"{_clock(low)} to {_clock(high)}" if math.isfinite(high) else _clock(low)
            waits = f"{start - arrival:.1f}" if start > arrival else ""
            rows.append([number, problem.ids[stop], _clock(arrival), waits, _clock(start), window])
        rows.append([number, "ends", _clock(table.ends), "", "", ""])
    page.table(
        "Timetable",
        ["dispatcher", "stop", "arrives", "waits (min)", "begins", "open"],
        rows[:_TIMES_SHOWN],
    )
    if len(rows) > _TIMES_SHOWN:
        page.text("More times", f"{len(rows) - _TIMES_SHOWN} more lines are in routes.csv.")


def _clock(minutes: float) -> str:
    """Write a time of the day in hours, minutes and seconds."""
    seconds = round(minutes * 60)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _names(ids: tuple[str, ...], route: list[int]) -> str:
    names = [ids[stop] for stop in route]
    return " ".join(names) if len(names) <= 40 else " ".join([*names[:20], "…", *names[-20:]])


if __name__ == "__main__":
    main.start()
