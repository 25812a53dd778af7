"""Open routes: against brute force by every method, in files, and what they rule out."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from core.routing import Problem, Status, check, route_duration, route_length, solve
from core.routing.ascent import ascent_bound
from core.routing.bounds import contradiction
from core.routing.divide import improve_parts
from core.routing.formats import FormatError, parse_json, routes_csv, routes_geojson, stops_json
from core.routing.heuristic import improve
from core.routing.plot import plot_routes
from core.routing.start import cut_tour
from core.routing.tsplib import parse_tsplib
from tests.core.routing.brute import brute_force

if TYPE_CHECKING:
    from collections.abc import Callable

LINE = Problem(points=[[0, 0], [3, 4], [6, 8]], open_routes=True)


@st.composite
def open_problems(draw: st.DrawFn, most: int = 6) -> Problem:
    """Draw small problems with open routes, of any kind of distances and any bounds."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    kind = draw(st.sampled_from(["plane", "sphere", "matrix"]))
    fields: dict[str, Any] = {"points": rng.integers(0, 20, (n + 1, 2))}
    if kind == "sphere":
        fields["metric"] = "great_circle"
    if kind == "matrix":
        fields = {"matrix": rng.integers(1, 20, (n + 1, n + 1))}
    crew = draw(st.integers(1, min(3, n)))
    far = float(Problem(**fields).between(0, range(n + 1)).max()) + 1.0
    if draw(st.booleans()):
        fields |= {"demands": [0, *rng.integers(0, 9, n)], "capacity": float(rng.integers(9, 25))}
    if draw(st.booleans()):
        fields["max_distance"] = far * draw(st.sampled_from([0.9, 1.5, 3.0]))
    if draw(st.booleans()):
        fields |= {"service": [0, *rng.integers(0, 9, n)], "max_time": far + 20.0}
        if draw(st.booleans()):
            fields["times"] = rng.uniform(1, far, (n + 1, n + 1))
        else:
            fields["speed"] = 60.0
    if draw(st.booleans()):
        fields["min_distance"] = min(fields.get("max_distance", np.inf), 0.7 * far)
    return Problem(
        **fields,
        dispatchers=crew,
        crew=draw(st.sampled_from(["fixed", "at_most"])),
        min_stops=draw(st.integers(1, n // crew)),
        objective=draw(st.sampled_from(["distance", "makespan"])),
        open_routes=True,
    )


@given(open_problems())
@settings(max_examples=60, deadline=None)
def test_no_way_back_counts_anywhere(problem: Problem) -> None:
    truth, why = brute_force(problem), contradiction(problem)
    if truth.cost is None:
        return
    assert why == ""
    assert problem.cost(truth.routes) == pytest.approx(truth.cost)
    for route in truth.routes:
        assert problem.length(route) == pytest.approx(route_length(problem, route))
        assert problem.duration(route) == pytest.approx(route_duration(problem, route))
        assert problem.closed().length(route) == pytest.approx(route_length(problem, route))
        assert problem.closed().duration(route) == pytest.approx(route_duration(problem, route))
    assert ascent_bound(problem, truth.cost) <= truth.cost * (1 + 1e-9)
    assert check(problem, truth.routes, truth.cost) == []
    closed = problem.replace(open_routes=False, max_distance=None, max_time=None)
    assert check(closed, truth.routes, truth.cost)  # the ways back are missing in the cost


@pytest.mark.parametrize("solver", ["cbc", "highs"])
@pytest.mark.parametrize(
    "fields",
    [
        {"dispatchers": 1},
        {"dispatchers": 2, "objective": "makespan", "crew": "at_most"},
        {"dispatchers": 2, "min_distance": 90.0, "max_distance": 140.0},
        {"dispatchers": 2, "service": [0, 9, 9, 9, 9], "speed": 60.0, "max_time": 120.0},
    ],
)
def test_the_proved_routes_are_those_of_brute_force(
    random_problem: Callable[..., Problem], fields: dict[str, Any], solver: str
) -> None:
    check_proof(random_problem(4, seed=6, open_routes=True, **fields), solver)


@pytest.mark.long
@given(open_problems(6))
@settings(max_examples=60, deadline=None)
def test_more_proved_routes_are_those_of_brute_force(problem: Problem) -> None:
    check_proof(problem)


def check_proof(problem: Problem, solver: Any = "cbc") -> None:
    truth = brute_force(problem)
    result = solve(problem, method="exact", solver=solver)
    assert result.status is truth.status
    if truth.cost is not None:
        assert result.cost == pytest.approx(truth.cost, abs=1e-6)


@pytest.mark.parametrize("objective", ["distance", "makespan"])
@pytest.mark.parametrize("crew", ["fixed", "at_most"])
@pytest.mark.parametrize("dispatchers", [1, 3])
def test_the_search_finds_the_routes_of_brute_force(
    random_problem: Callable[..., Problem], dispatchers: int, crew: Any, objective: Any
) -> None:
    problem = random_problem(
        8, seed=2, dispatchers=dispatchers, crew=crew, objective=objective, open_routes=True,
        demands=[0] + [1] * 8, capacity=9 - 2 * dispatchers + 1,
    )  # fmt: skip
    truth = brute_force(problem).cost
    found = solve(problem, method="heuristic", steps=1500, time_limit=None)
    assert found.cost == pytest.approx(truth)
    start = cut_tour(problem)
    assert improve(problem, start=start, steps=1500).cost == pytest.approx(truth)
    if objective == "distance":
        other = solve(problem, method="pyvrp", steps=300, time_limit=None)
        assert other.cost == pytest.approx(truth)


def test_parts_and_divide_keep_to_open_routes(random_problem: Callable[..., Problem]) -> None:
    problem = random_problem(60, dispatchers=4, min_stops=10, max_stops=20, open_routes=True)
    parts = improve_parts(problem, start=cut_tour(problem), parts=2, steps_per_stop=5)
    whole = solve(problem, method="divide")
    for result in (parts, whole):
        assert check(problem, result.routes, result.cost) == []
    assert whole.lower_bound is not None
    assert whole.cost is not None
    assert 0 < whole.lower_bound < whole.cost
    assert 0.8 * whole.cost < ascent_bound(problem, whole.cost) < whole.cost
    closed = solve(problem.replace(open_routes=False), method="divide").cost
    assert closed is not None
    assert whole.cost < 0.95 * closed


def test_a_route_that_cannot_be_driven_is_told_in_words() -> None:
    result = solve(LINE.replace(max_distance=9))
    assert result.status is Status.INFEASIBLE
    assert result.reason == "stop '2' is too far: the way there is 10 > max_distance = 9"
    assert solve(LINE.replace(max_distance=10)).cost == pytest.approx(10)
    timed = LINE.replace(speed=60, service=[0, 0, 6])
    assert solve(timed.replace(max_time=15)).reason == (
        "stop '2' takes too long: the way there and service is 16 minutes > max_time = 15"
    )
    assert solve(timed.replace(max_time=16)).cost == pytest.approx(10)
    tabled = LINE.replace(times=[[0, 5, 10], [5, 0, 5], [10, 5, 0]], max_time=10)
    assert solve(tabled).cost == pytest.approx(10)
    assert "is 10 minutes > max_time = 9" in solve(tabled.replace(max_time=9)).reason


def test_what_does_not_go_together_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="model = 'two-index': open_routes has no ways back"):
        solve(LINE, method="exact", model="two-index")
    for value in ("false", 1, None):
        with pytest.raises(ValueError, match=f"open_routes = {value!r}: expected True or False"):
            Problem(points=[[0, 0], [1, 1]], open_routes=value)  # type: ignore[arg-type]
    many = np.zeros((20_001, 2))
    with pytest.raises(ValueError, match=r"points has 20001 rows: open_routes keeps a matrix"):
        Problem(points=many, open_routes=True)
    assert Problem(points=many[:-1], open_routes=True).n_stops == 19_999


def test_files_say_that_routes_are_open() -> None:
    assert parse_json(stops_json(LINE)).open_routes is True
    assert parse_json(stops_json(LINE.replace(open_routes=False))).open_routes is False
    text = '{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": 1, "y": 1}], "open_routes": %s}'
    assert parse_json(text % "null").open_routes is False
    with pytest.raises(FormatError, match=r"s\.json: open_routes = 'yes': expected True or False"):
        parse_json(text % '"yes"', "s.json")
    nodes = "EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4\n"
    assert parse_tsplib(f"TYPE : OVRP\n{nodes}").open_routes is True
    assert parse_tsplib(f"TYPE : OVRP (open)\n{nodes}").open_routes is True
    assert parse_tsplib(f"TYPE : CVRP\n{nodes}").open_routes is False
    assert parse_tsplib(nodes).open_routes is False


def test_written_routes_and_the_map_end_at_the_last_stop() -> None:
    rows = list(csv.DictReader(io.StringIO(routes_csv(LINE.replace(speed=60), [[1, 2]]))))
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert [float(row["travelled"]) for row in rows] == [0, 5, 10]
    assert [float(row["minutes"]) for row in rows] == [0, 5, 10]
    features = json.loads(routes_geojson(LINE, [[1, 2]]))["features"]
    line = next(one for one in features if one["geometry"]["type"] == "LineString")
    assert line["geometry"]["coordinates"] == [[0, 0], [3, 4], [6, 8]]
    assert line["properties"]["distance"] == 10
    axes = Figure().subplots()
    plot_routes(LINE, [[1, 2]], ax=axes, colours=["#000000"])
    assert axes.lines[0].get_xdata().tolist() == [0, 3, 6]
