"""Bounds on distance, time and load; lower bounds; a published instance; PyVRP."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing import NoRoutesError, Problem, Status, _pyvrp, check, solve
from core.routing import solver as solving
from core.routing.ascent import _Ascent, ascent_bound
from core.routing.bounds import contradiction
from core.routing.formats import parse_json, stops_csv, stops_json
from core.routing.heuristic import improve
from core.routing.radial import radial_bound
from core.routing.start import cut_tour
from core.routing.tour import Kicks, greedy_tour, kick_tour, tour_length
from core.routing.tsplib import parse_tsplib
from tests.core.routing.brute import brute_force

if TYPE_CHECKING:
    from collections.abc import Callable

# From the tests of PyVRP (MIT licence, Copyright (c) 2022 the PyVRP contributors), where it is
# called E-n22-k4.txt; after Christofides and Eilon (1969).
E_N22_K4 = Path(__file__).parent / "E-n22-k4.vrp"

LINE = [[0, 0], [3, 4], [6, 8]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"capacity": 3}, "capacity = 3: expected demands of the stops with it"),
        ({"demands": [0, 1]}, "demands has shape (2,): expected (3,)"),
        ({"demands": [1, 1, 1]}, "demands[0] = 1: expected 0 at the depot"),
        ({"demands": [0, -1, 1]}, "demands[1] = -1.0: expected a finite number >= 0"),
        ({"service": [0, np.nan, 1]}, "service[1] = nan: expected a finite number >= 0"),
        ({"max_time": 5}, "max_time = 5: expected speed, times or service with it"),
        ({"speed": 0}, "speed = 0: expected a finite number > 0"),
        ({"max_distance": np.inf}, "max_distance = inf: expected a finite number > 0"),
        ({"min_distance": 5, "max_distance": 4}, "max_distance = 4: expected at least min_dist"),
        ({"times": [[0, 1], [1, 0]]}, "times has 2 rows: expected 3"),
        ({"times": [[0, 1, np.inf], [1, 0, 1], [1, 1, 0]]}, "times[0, 2] = inf: expected a finite"),
        ({"crew": "some"}, "crew = 'some': expected 'fixed' or 'at_most'"),
    ],
)
def test_malformed_work_names_field_and_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Problem(points=LINE, **fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"max_distance": 12}, "stop '2' is too far: there and back is 20 > max_distance = 12"),
        (
            {"max_time": 25, "speed": 60, "service": [0, 0, 6]},
            "stop '2' takes too long: there, service and back is 26 minutes > max_time = 25",
        ),
        ({"demands": [0, 2, 7], "capacity": 6}, "stop '2' demands 7 > capacity = 6"),
        (
            {"demands": [0, 5, 5], "capacity": 6},
            "dispatchers * capacity = 1 * 6 = 6 < 10, the demand of all stops",
        ),
        ({"min_distance": 31}, "dispatchers * min_distance = 1 * 31 = 31 > 30, more than all"),
        ({"min_time": 16, "speed": 120}, "dispatchers * min_time = 1 * 16 = 16 > 15, more than"),
        (
            {"crew": "at_most", "dispatchers": 5, "min_stops": 3},
            "no number of dispatchers up to 5 can share 2 stops with min_stops = 3",
        ),
        (
            {"max_time": 3, "service": [0, 2, 2]},
            "dispatchers * max_time = 1 * 3 = 3 < 4 minutes of service at all stops",
        ),
    ],
)
def test_work_that_cannot_be_done_is_a_result(fields: dict[str, Any], reason: str) -> None:
    result = solve(Problem(points=LINE, **fields))
    assert result.status is Status.INFEASIBLE
    assert result.reason.startswith(reason)


def test_a_proof_names_the_bounds_that_cannot_be_met_together() -> None:
    # Three loads of 6 do not fit two dispatchers of 10, though their sum does.
    square = [[0, 0], [1, 0], [0, 1], [-1, 0]]
    problem = Problem(
        points=square, dispatchers=2, demands=[0, 6, 6, 6], capacity=10, max_distance=9, max_stops=3
    )
    assert contradiction(problem) == ""
    for solver in ("cbc", "highs", "scip"):
        result = solve(problem, method="exact", solver=solver)  # type: ignore[arg-type]
        assert result.status is Status.INFEASIBLE
        assert "no routes of 2 dispatchers meet capacity = 10: widen" in result.reason
    with pytest.raises(NoRoutesError, match=r"has load 12 > capacity = 10"):
        solve(problem, method="heuristic", steps=50, time_limit=None)


def test_at_most_so_many_dispatchers_means_fewer_where_that_is_shorter() -> None:
    problem = Problem(points=[[0, 0], [1, 0], [2, 0], [-1, 0]], dispatchers=3, crew="at_most")
    for method in ("exact", "divide", "heuristic"):
        result = solve(problem, method=method, steps=200)  # type: ignore[arg-type]
        assert result.cost == pytest.approx(6.0)
        assert 1 <= len(result.routes) <= 2
    assert solve(problem.replace(crew="fixed")).cost == pytest.approx(8.0)


def test_a_published_instance_is_read_and_solved_to_its_optimum() -> None:
    problem = parse_tsplib(E_N22_K4.read_text(), "E-n22-k4.vrp").replace(dispatchers=4)
    assert (problem.n_stops, problem.capacity, problem.demands.sum()) == (21, 6000.0, 22500.0)
    # Its optimum of 375 is that of distances rounded to integers.
    rounded = problem.replace(matrix=np.rint(problem.distances()))
    exact = solve(rounded, method="exact", solver="scip", time_limit=120)
    assert (exact.status, exact.cost) == (Status.OPTIMAL, 375.0)
    found = solve(rounded, method="heuristic", steps=4000, time_limit=None)
    assert found.cost is not None
    assert 375 <= found.cost <= 1.02 * 375
    other = solve(rounded, method="pyvrp", steps=1000, time_limit=None)
    assert other.cost is not None
    assert 375 <= other.cost <= 1.02 * 375


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("DISTANCE : 40\n", {"max_distance": 40.0, "max_time": None}),
        ("DISTANCE : 40\nSERVICE_TIME : 3\n", {"max_distance": None, "max_time": 40.0}),
    ],
)
def test_cvrp_limits(text: str, fields: dict[str, Any]) -> None:
    nodes = "EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4\n3 6 8\n"
    problem = parse_tsplib(text + nodes)
    assert {name: getattr(problem, name) for name in fields} == fields
    if problem.service is not None:
        assert problem.duration([1, 2]) == pytest.approx(20 + 6)


def test_stops_with_all_they_have_come_back_exactly() -> None:
    points = np.random.default_rng(1).uniform(0, 9, (4, 2))
    problem = Problem(points=points, demands=[0, 1.5, 2, 3], service=[0, 0.1, 7, 1e-3])
    text = stops_csv(problem)
    assert text.splitlines()[0] == "id,x,y,demand,service"
    matrix = problem.replace(matrix=np.random.default_rng(2).uniform(1, 9, (4, 4)))
    for again in (parse_json(stops_json(problem)), parse_json(stops_json(matrix))):
        assert again.points.tolist() == points.tolist()
        assert again.demands.tolist() == [0, 1.5, 2, 3]
        assert again.service.tolist() == [0, 0.1, 7, 1e-3]
    assert parse_json(stops_json(matrix)).matrix.tolist() == matrix.matrix.tolist()


# --- PyVRP ----------------------------------------------------------------------------------------


def test_pyvrp_keeps_the_bounds_that_it_knows(random_problem: Callable[..., Problem]) -> None:
    problem = random_problem(
        7, seed=5, dispatchers=2, min_stops=3, speed=40.0, max_time=420.0, service=[0] + [5] * 7,
        demands=[0, 1, 2, 3, 1, 2, 3, 1], capacity=7, max_distance=300.0,
    )  # fmt: skip
    result = solve(problem, method="pyvrp", steps=200, time_limit=None)
    assert check(problem, result.routes, result.cost) == []
    assert result.cost == pytest.approx(brute_force(problem).cost)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"objective": "makespan"}, "objective = 'makespan': pyvrp minimises the total"),
        ({"min_distance": 3.0}, "min_distance = 3: pyvrp knows no least work"),
        ({"crew": "at_most", "min_stops": 2}, "min_stops = 2: pyvrp knows none with crew"),
    ],
)
def test_pyvrp_says_what_it_cannot_do(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(Problem(points=LINE, **fields), method="pyvrp")


# --- lower bounds ---------------------------------------------------------------------------------


@st.composite
def bounded_problems(draw: st.DrawFn) -> Problem:
    """Draw small problems with every bound that the lower bounds make use of."""
    n = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    where: dict[str, Any] = {"points": rng.integers(0, 20, (n + 1, 2))}
    kind = draw(st.sampled_from(["points", "symmetric", "but for the depot", "any"]))
    if kind != "points":  # with no triangle inequality, and with places at no distance
        table = rng.integers(0, 20, (n + 1, n + 1))
        if kind != "any":
            table = table + table.T
        if kind == "but for the depot":
            table[0] = rng.integers(0, 20, n + 1)
        where = {"matrix": table}
    crew = draw(st.integers(1, min(4, n)))
    work: dict[str, Any] = {}
    if draw(st.booleans()):
        work["demands"] = np.append(0, rng.integers(0, 9, n))
        work["capacity"] = float(rng.integers(8, 20))
    if draw(st.booleans()):
        work |= {"service": np.append(0, rng.integers(0, 9, n)), "max_time": 18.0}
    if draw(st.booleans()):
        work["max_stops"] = draw(st.integers(1, n))
    return Problem(
        **where,
        **work,
        dispatchers=crew,
        min_stops=draw(st.integers(1, work.get("max_stops", n // crew))),
        crew=draw(st.sampled_from(["fixed", "at_most"])),
        objective=draw(st.sampled_from(["distance", "makespan"])),
        open_routes=draw(st.booleans()),
    )


@given(bounded_problems())
@settings(max_examples=150, deadline=None)
def test_lower_bounds_are_below_the_optimum(problem: Problem) -> None:
    found = brute_force(problem)
    if found.cost is None:
        return
    slack = 1e-9 * (1 + found.cost)
    assert 0 <= ascent_bound(problem, cost=found.cost + 1) <= found.cost + slack
    total = sum(problem.length(route) for route in found.routes)
    bound, away, routes = radial_bound(problem)
    assert bound <= total + slack
    assert routes <= len(found.routes)
    assert away[0] == 0
    # Any prices give a bound, with any part of the radial one, and of near neighbours alone.
    rng = np.random.default_rng(0)
    for degree, share in itertools.product((1, 2, 9), (0.0, 0.4, 1.0)):
        ascent = _Ascent(
            problem.closed(), complete=False, degree=min(degree, max(1, problem.n_stops - 1))
        )
        for scale in (0.0, 3.0):
            prices = rng.normal(0, scale, problem.n_stops)
            assert ascent.proved(prices, share) <= total + slack


def test_the_radial_bound_counts_whole_routes_that_reach_so_far() -> None:
    line = [[0, 0], [1, 0], [2, 0], [5, 0], [5, 0]]
    problem = Problem(points=line, dispatchers=4, crew="at_most")
    assert radial_bound(problem)[::2] == (10.0, 1)
    loaded = problem.replace(demands=[0, 1, 1, 6, 6], capacity=10)
    assert radial_bound(loaded)[::2] == (20.0, 2)
    assert radial_bound(problem.replace(max_stops=1))[::2] == (26.0, 4)
    assert radial_bound(problem.replace(service=[0, 5, 5, 5, 5], max_time=10))[::2] == (14.0, 2)
    # Of three who drive, with one stop or more each, two go to 2 or farther.
    assert radial_bound(problem.replace(dispatchers=3, crew="fixed"))[::2] == (16.0, 3)
    # What exceeds the capacity by rounding alone takes no route more.
    assert radial_bound(loaded.replace(capacity=14 * (1 - 1e-12)))[::2] == (10.0, 1)
    # The short way to stop 1 is by way of stop 2.
    detour = Problem(matrix=[[0, 9, 1], [9, 0, 1], [1, 1, 0]])
    assert radial_bound(detour).away.tolist() == [0, 2, 1]


def test_the_radial_bound_helps_where_routes_are_many(
    random_problem: Callable[..., Problem],
) -> None:
    problem = random_problem(120, seed=4, dispatchers=8, max_stops=17, crew="at_most")
    alone = ascent_bound(problem.replace(max_stops=None), cost=1500.0)
    together = ascent_bound(problem, cost=1500.0)
    assert together > 1.05 * max(radial_bound(problem).bound, alone)


def ray() -> Problem:
    """Stops on a ray, of which two fill a route: the radial bound is the optimum."""
    at = np.arange(71)
    return Problem(
        matrix=np.abs(at[:, None] - at),
        dispatchers=40,
        crew="at_most",
        demands=[0] + [1] * 70,
        capacity=2,
    )


def circle() -> Problem:
    angles = np.linspace(0, 2 * np.pi, 70, endpoint=False)
    return Problem(points=np.column_stack([np.cos(angles), np.sin(angles)]))


@pytest.mark.parametrize(
    ("method", "place", "problem", "cost"),
    [
        ("heuristic", "core.routing.solver.improve", ray(), 2 * sum(range(2, 71, 2))),
        ("pyvrp", "core.routing._pyvrp.solve_pyvrp", ray(), 2 * sum(range(2, 71, 2))),
        ("heuristic", "core.routing.solver.kick_tour", circle(), 140 * np.sin(np.pi / 70)),
    ],
)
def test_a_search_is_told_the_bound_and_the_cost_that_meets_it_is_proved(
    method: Any, place: str, problem: Problem, cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, name = place.rpartition(".")
    true, given = getattr(sys.modules[module], name), []

    def noted(*args: Any, **options: Any) -> Any:
        given.append(args[-1].enough if isinstance(args[-1], Kicks) else options.get("enough"))
        return true(*args, **options)

    monkeypatch.setattr(place, noted)
    result = solve(problem, method=method, time_limit=60)  # much more than it takes
    assert (result.status, result.cost) == (Status.OPTIMAL, pytest.approx(cost))
    assert given[-1] == pytest.approx(cost)
    solve(problem, method=method, time_limit=60, steps=1)  # the same routes whatever the bound is
    assert given[-1] == -np.inf


def test_a_search_ends_at_a_cost_that_is_enough(
    random_problem: Callable[..., Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = random_problem(40, seed=3, dispatchers=4)
    start = cut_tour(problem)
    assert start.cost is not None
    assert improve(problem, start=start, steps=300, enough=start.cost).cost == start.cost
    better = improve(problem, start=start, steps=300, enough=0.999 * start.cost).cost
    assert better is not None
    assert better < start.cost

    tour = greedy_tour(problem, np.arange(41))
    few, many, ended = (
        tour_length(problem, kick_tour(problem, tour, Kicks(kicks=kicks, enough=enough)))
        for kicks, enough in ((100, 0.0), (500, 0.0), (500, 1e9))
    )
    assert many < few == ended

    calls: list[int] = []
    monkeypatch.setattr(
        _pyvrp._stopping,
        "MaxIterations",
        lambda n: lambda cost: calls.append(cost) or n <= len(calls),
    )
    _pyvrp.solve_pyvrp(problem, steps=50)
    assert len(calls) == 50
    calls.clear()
    _pyvrp.solve_pyvrp(problem, steps=50, enough=1e9)
    assert len(calls) < 5


def test_bounds_of_whole_distances_are_whole(random_problem: Callable[..., Problem]) -> None:
    problem = random_problem(70, seed=1, dispatchers=3)
    whole = problem.replace(matrix=np.rint(problem.distances()))
    bound = solve(whole, method="divide").lower_bound
    assert bound is not None
    assert bound == round(bound)
    assert solving._whole(whole, 374.0000001) == 374
    assert solving._whole(whole, 374.01) == 375
    assert solving._whole(problem, 374.01) == 374.01


def test_the_bound_of_near_neighbours_holds_for_all_edges(
    random_problem: Callable[..., Problem],
) -> None:
    problem = random_problem(250, seed=3, dispatchers=3)
    few = _Ascent(problem, complete=False, degree=5)
    every = _Ascent(problem, complete=True)
    rng = np.random.default_rng(0)
    lower = 0
    for scale, floor in itertools.product((0.0, 1.0, 6.0), (-np.inf, -4.0, 0.0)):
        prices = np.maximum(rng.normal(0, scale, problem.n_stops), floor)
        limit = 2 * float((prices + few._reach / 2).min())
        found, truth = few.value(prices, limit)[0], every.value(prices)[0]
        assert found <= truth + 1e-6
        assert few.proved(prices) >= found - 1e-6
        lower += found < truth - 1e-6
    assert lower > 0  # the limit did something


def test_bound_of_a_large_problem_is_close_to_what_is_known_of_it(
    random_problem: Callable[..., Problem],
) -> None:
    # The bound of Held and Karp is about 0.7080 sqrt(N A) (1 + 0.551 / N) for uniform points
    # (Johnson, McGeoch and Rothberg, 1996), a little more with the edge of the square.
    problem = random_problem(1500, seed=2)
    start = cut_tour(problem)
    assert start.cost is not None
    bound = ascent_bound(problem, start.cost, iterations=100)
    expected = 0.7080 * np.sqrt(1501 * 100.0**2)
    assert 0.99 * expected < bound < 1.06 * expected
    assert bound < start.cost


def test_divide_and_heuristic_carry_a_bound_at_any_size(
    random_problem: Callable[..., Problem],
) -> None:
    problem = random_problem(300, dispatchers=3, min_stops=80, max_stops=120)
    for method in ("divide", "heuristic"):
        result = solve(problem, method=method, time_limit=1)  # type: ignore[arg-type]
        assert result.lower_bound is not None
        assert result.cost is not None
        assert 0.85 * result.cost < result.lower_bound < result.cost
