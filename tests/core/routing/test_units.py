"""Results do not depend on the unit of the distances, of the times and of the loads."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.routing import Problem, Result, Status, check, solve
from core.routing.exact import solve_exact
from core.routing.solver import bounded
from core.routing.start import cut_tour
from core.routing.tour import Kicks, greedy_tour, improve_tour, kick_tour, tour_length
from tests.core.routing.brute import brute_force

UNITS = st.floats(-12, 12).map(lambda exponent: 10.0**exponent)


def in_unit(problem: Problem, distance: float, time: float = 1.0, load: float = 1.0) -> Problem:
    """Write a problem in other units: so many of the new ones make an old one."""
    factors = {
        "points": distance,
        "matrix": distance,
        "min_distance": distance,
        "max_distance": distance,
        "speed": distance / time,
        "times": time,
        "service": time,
        "min_time": time,
        "max_time": time,
        "demands": load,
        "capacity": load,
    }
    changed = {
        name: getattr(problem, name) * factor
        for name, factor in factors.items()
        if getattr(problem, name) is not None
    }
    return problem.replace(**changed)


def planned(seed: int, n: int, **fields: Any) -> Problem:
    points = np.random.default_rng(seed).uniform(-1, 1, (n + 1, 2))
    return Problem(points=points, **fields)


@given(seed=st.integers(0, 9999), unit=UNITS)
@example(seed=0, unit=1e9)
@example(seed=0, unit=1e-9)
@settings(max_examples=25, deadline=None)
def test_what_is_called_optimal_is_optimal_in_every_unit(seed: int, unit: float) -> None:
    problem = planned(seed, 6, dispatchers=2, min_stops=2)
    truth = brute_force(problem).cost
    assert truth is not None
    for method in ("exact", "heuristic", "divide"):
        changed = in_unit(problem, unit)
        result = solve(changed, method=method, steps=200, time_limit=None)  # type: ignore[arg-type]
        assert result.cost is not None
        assert check(changed, result.routes, result.cost) == []
        assert result.cost >= truth * unit * (1 - 1e-9)
        if result.lower_bound is not None:
            assert result.lower_bound <= truth * unit * (1 + 1e-9)
        if result.status is Status.OPTIMAL or method == "exact":
            assert result.status is Status.OPTIMAL
            assert result.cost == pytest.approx(truth * unit, rel=1e-7, abs=0)


CASES: dict[str, dict[str, Any]] = {
    "one tour": {"dispatchers": 1},
    "makespan": {"dispatchers": 2, "objective": "makespan"},
    "distance": {"dispatchers": 2, "max_distance": 4.4, "min_distance": 0.5},
    "load": {"dispatchers": 2, "demands": [0, 1, 2, 3, 4, 5, 6], "capacity": 12.0},
    "time": {"dispatchers": 2, "speed": 2.0, "service": [0.0] + [9.0] * 6, "max_time": 200.0},
}


@pytest.mark.parametrize("model", ["two-index", "three-index"])
@pytest.mark.parametrize("solver", ["cbc", "highs"])
@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_proofs_do_not_depend_on_any_unit(
    fields: dict[str, Any], model: Any, solver: Any, unit: float
) -> None:
    if model == "two-index" and ("objective" in fields or "min_distance" in fields):
        fields = {k: v for k, v in fields.items() if k not in ("objective", "min_distance")}
    problem = planned(3, 6, **fields)
    truth = brute_force(problem)
    changed = in_unit(problem, unit, time=1e9 / unit, load=unit)
    result = solve_exact(changed, model=model, solver=solver)
    assert result.status is truth.status
    if truth.cost is not None:
        assert result.cost == pytest.approx(truth.cost * unit, rel=1e-7, abs=0)
        assert check(changed, result.routes, result.cost) == []


@given(st.integers(0, 9999), st.integers(7, 60), st.integers(-40, 40))
@settings(max_examples=30, deadline=None)
def test_a_unit_that_is_a_power_of_two_changes_no_route(seed: int, n: int, exponent: int) -> None:
    problem = planned(seed, n, dispatchers=3)
    changed = in_unit(problem, 2.0**exponent)
    assert solve(changed, method="heuristic", steps=50, time_limit=None).routes == (
        solve(problem, method="heuristic", steps=50, time_limit=None).routes
    )


@given(st.integers(0, 9999), UNITS, st.booleans())
@settings(max_examples=30, deadline=None)
def test_searches_of_one_tour_end_in_every_unit(seed: int, unit: float, far: bool) -> None:
    problem = in_unit(planned(seed, 40), unit)
    if far:  # national grids: coordinates much larger than distances
        problem = problem.replace(points=problem.points + 1e6 * unit)
    tour = greedy_tour(problem, np.arange(41))
    better = improve_tour(problem, tour)
    kicked = kick_tour(problem, better, Kicks(kicks=50))
    assert tour_length(problem, kicked) <= tour_length(problem, better) * (1 + 1e-9)
    assert tour_length(problem, better) <= tour_length(problem, tour) * (1 + 1e-9)
    assert sorted(kicked.tolist()) == list(range(41))


def test_a_first_place_that_is_near_to_all_others_does_not_hide_the_unit() -> None:
    matrix = np.random.default_rng(0).uniform(1e9, 2e9, (30, 30))
    matrix += matrix.T
    matrix[0] = matrix[:, 0] = 0.0
    tour = improve_tour(Problem(matrix=matrix), np.arange(30))
    assert sorted(tour.tolist()) == list(range(30))


def test_a_bound_far_below_the_cost_is_no_proof_in_any_unit() -> None:
    for unit in (1e-12, 1.0, 1e12):
        found = Result(status=Status.FEASIBLE, cost=1.05 * unit, routes=((1,),))
        assert bounded(found, unit).status is Status.FEASIBLE
        assert bounded(found, 1.05 * unit * (1 - 1e-9)).status is Status.OPTIMAL


def test_a_rectangle_of_a_few_metres_on_the_globe_is_proved() -> None:
    points = [[8.0, 50.0]] + [[8.0 + 1e-5 * i, 50.0 + 1e-5 * j] for i in range(2) for j in (1, 2)]
    problem = Problem(points=points, metric="great_circle", dispatchers=2)
    truth = brute_force(problem)
    result = solve(problem, method="exact")
    assert result.status is Status.OPTIMAL
    assert result.cost == pytest.approx(truth.cost, rel=1e-7, abs=0)


def test_routes_of_places_that_coincide_cost_nothing_and_are_found() -> None:
    problem = Problem(points=[[5.0, 5.0]] * 9, dispatchers=2)
    for method in ("exact", "heuristic", "divide"):
        result = solve(problem, method=method, steps=20)  # type: ignore[arg-type]
        assert (result.cost, len(result.routes)) == (0.0, 2)
    start = cut_tour(problem)
    assert dataclasses.replace(start, seconds=0.0).cost == 0.0
