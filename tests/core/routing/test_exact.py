"""Brute force, both models, both solvers; the notes' model without subtour elimination."""

from __future__ import annotations

import itertools
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from core.routing import MODELS, SOLVERS, NoRoutesError, Problem, Status, check, solve
from core.routing.exact import backend, cuts, solve_three_index, solve_two_index, three_index
from tests.core.routing.brute import brute_force

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COORDINATE = st.integers(0, 20)

# A failing example is small already, and to make it smaller takes minutes of integer programming.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@st.composite
def problems(draw: st.DrawFn, most: int = 7, goals: tuple[Any, ...] = ("distance",)) -> Problem:
    """Small problems over all combinations of crew and bounds on stops, also infeasible ones."""
    n = draw(st.integers(1, most))
    points = draw(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=n + 1, max_size=n + 1))
    crew = draw(st.integers(1, min(n, 3)))
    low = draw(st.integers(1, n + 1))
    high = draw(st.none() | st.integers(low, n + 2))
    goal = draw(st.sampled_from(goals))
    return Problem(
        points=points,
        dispatchers=crew,
        crew=draw(st.sampled_from(["fixed", "at_most"])),
        min_stops=low,
        max_stops=high,
        objective=goal,
    )


@st.composite
def worked(draw: st.DrawFn, most: int = 8, *, least: bool, goals: Any = ("distance",)) -> Problem:
    """Add bounds on distance, time and load, any combination of them, near what routes need."""
    problem = draw(problems(most, goals))
    n, crew = problem.n_stops, problem.dispatchers
    problem = problem.replace(
        min_stops=draw(st.integers(1, 2)), max_stops=draw(st.none() | st.integers(2, n + 1))
    )
    fields: dict[str, Any] = {}
    spread = float(problem.between(0, np.arange(1, n + 1)).sum()) / crew
    share = st.none() | st.sampled_from([0.5, 0.9, 1.3, 1.8, 2.5])
    if (part := draw(share)) is not None:
        fields["max_distance"] = part * spread + 1
    if (part := draw(share)) is not None:
        fields.update(speed=30.0, max_time=2 * part * spread + 10)
        fields["service"] = [0, *draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))]
    if draw(st.booleans()):
        demands = draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
        room = sum(demands) / crew * draw(st.sampled_from([0.9, 1.0, 1.2, 2.0])) + 1
        fields.update(demands=[0, *demands], capacity=room)
    if least and draw(st.booleans()):
        fields["min_distance"] = min(fields.get("max_distance", np.inf), 0.8 * spread)
    if least and "speed" in fields and draw(st.booleans()):
        fields["min_time"] = min(fields["max_time"], 1.2 * spread)
    return problem.replace(**fields)


def agrees(problem: Problem, **options: Any) -> None:
    truth = brute_force(problem)
    result = solve(problem, method="exact", **options)
    assert result.status is truth.status
    if truth.cost is None:
        assert result.reason
    else:
        assert result.cost == pytest.approx(truth.cost, abs=1e-6)
        assert result.gap == 0.0


@given(problems(6))
@settings(max_examples=25, deadline=None, phases=PHASES)
def test_two_index_is_brute_force(problem: Problem) -> None:
    agrees(problem)


@given(worked(7, least=False), st.sampled_from(["cbc", "highs", "scip"]))
@settings(max_examples=25, deadline=None, phases=PHASES)
def test_two_index_is_brute_force_over_all_bounds(problem: Problem, solver: str) -> None:
    agrees(problem, model="two-index", solver=solver)


@given(problems(most=5, goals=("distance", "makespan")))
@settings(max_examples=12, deadline=None, phases=PHASES)
def test_three_index_is_brute_force(problem: Problem) -> None:
    agrees(problem, model="three-index")


@given(worked(5, least=True, goals=("distance", "makespan")), st.sampled_from(["cbc", "highs"]))
@settings(max_examples=20, deadline=None, phases=PHASES)
def test_three_index_is_brute_force_over_all_bounds(problem: Problem, solver: str) -> None:
    agrees(problem, model="three-index", solver=solver)


@given(
    worked(7, least=True, goals=("distance", "makespan")), st.sampled_from(["divide", "heuristic"])
)
@settings(max_examples=40, deadline=None, phases=PHASES)
def test_other_methods_keep_all_bounds_and_their_own_is_below_the_optimum(
    problem: Problem, method: Any
) -> None:
    truth = brute_force(problem)
    try:
        result = solve(problem, method=method, time_limit=None, steps=300)
    except NoRoutesError:
        return  # it may be that there are none, which these methods cannot prove
    if truth.cost is None:
        assert result.status is Status.INFEASIBLE
        assert result.reason
        return
    assert result.cost is not None
    assert check(problem, result.routes, result.cost) == []
    assert result.cost >= truth.cost - 1e-6
    if result.lower_bound is not None:
        assert result.lower_bound <= truth.cost + 1e-6


@pytest.mark.parametrize(("crew", "low", "high"), [(1, 1, None), (2, 3, 4), (3, 1, 3)])
def test_models_and_solvers_agree(
    random_problem: Callable[..., Problem], crew: int, low: int, high: int | None
) -> None:
    problem = random_problem(7, seed=crew, dispatchers=crew, min_stops=low, max_stops=high)
    pairs = [*itertools.product(MODELS[1:], SOLVERS[:2]), ("two-index", "scip")]
    costs = [
        solve(problem, method="exact", model=model, solver=solver).cost for model, solver in pairs
    ]
    assert costs == pytest.approx([costs[0]] * 5, rel=1e-7)


def test_asymmetric_distances_are_solved_by_arcs() -> None:
    matrix = np.random.default_rng(5).integers(1, 50, (6, 6))
    problem = Problem(matrix=matrix, dispatchers=2)
    result = solve(problem, method="exact")
    assert result.method == "three-index"
    assert result.cost == pytest.approx(brute_force(problem).cost)
    with pytest.raises(ValueError, match="matrix is not symmetric"):
        solve_two_index(problem)


def test_cost_scales_with_the_points_and_ignores_where_they_are(
    random_problem: Callable[..., Problem],
) -> None:
    problem = random_problem(12, seed=3, dispatchers=3, min_stops=2, max_stops=6)
    cost = solve(problem, method="exact").cost
    assert cost is not None
    moved = problem.replace(points=problem.points[:, ::-1] * 10 + [1000, -5])
    assert solve(moved, method="exact").cost == pytest.approx(10 * cost)
    # One more dispatcher never helps where distances obey the triangle inequality.
    more = problem.replace(dispatchers=4, min_stops=1, max_stops=None)
    fewer = more.replace(dispatchers=3)
    costs = [solve(p, method="exact").cost for p in (more, fewer)]
    assert costs[0] is not None
    assert costs[1] is not None
    assert costs[0] >= costs[1] - 1e-9


# --- the notes' formulation -----------------------------------------------------------------------

TOWNS = [[0, 0], [1, 0], [0, 1], [9, 9], [10, 9], [9, 10]]


def _notes(problem: Problem) -> tuple[float, list[Any], list[Any]]:
    model, x = three_index.build(problem, subtours="allowed")
    found = backend.run(model)
    assert found.objective is not None
    arcs = [arc for arc, variable in x.items() if found.values[variable.name] > 0.5]
    return found.objective, *three_index.trace_arcs(arcs)


def test_the_notes_model_has_subtours_that_no_dispatcher_reaches() -> None:
    problem = Problem(points=TOWNS)
    cost, routes, loops = _notes(problem)
    assert sorted(routes[0]) == [1, 2]
    assert [sorted(loop) for loop in loops] == [[3, 4, 5]]
    assert check(problem, routes)
    put_right = solve_three_index(problem)
    assert check(problem, put_right.routes, put_right.cost) == []
    assert put_right.cost is not None
    assert cost < put_right.cost - 10


def test_the_notes_model_forbids_a_dispatcher_with_one_stop() -> None:
    problem = Problem(points=[[0, 0], [1, 0], [2, 0], [-1, 0]], dispatchers=2)
    model, _ = three_index.build(problem, subtours="allowed")
    assert backend.run(model).end is backend.End.INFEASIBLE
    assert solve_three_index(problem).cost == brute_force(problem).cost == 6.0


# --- cuts -----------------------------------------------------------------------------------------


def test_points_that_are_no_routes_are_left_to_the_constraints_on_degrees() -> None:
    problem = Problem(points=[[0, 0], [1, 0], [2, 0], [3, 0]], max_distance=100)
    assert (
        cuts.find_cuts(problem, {(0, 1): 1, (1, 2): 1, (2, 3): 1}) == []
    )  # ends away from the depot
    assert cuts.find_cuts(problem, {(1, 2): 1, (2, 3): 1}) == []  # never leaves the depot


def test_every_cut_holds_for_every_valid_solution_and_is_broken_where_found(
    random_problem: Callable[..., Problem],
) -> None:
    problem = random_problem(6, dispatchers=2, min_stops=2, max_stops=4)
    rng = np.random.default_rng(1)
    # Every valid set of routes of 6 stops over two dispatchers, as edges.
    valid = []
    for order in itertools.permutations(range(1, 7)):
        for size in (2, 3, 4):
            edges: dict[tuple[int, int], int] = {}
            for route in (order[:size], order[size:]):
                path = [0, *route, 0]
                for pair in itertools.pairwise(path):
                    edge = (min(pair), max(pair))
                    edges[edge] = edges.get(edge, 0) + 1
            valid.append(edges)
            assert cuts.find_cuts(problem, edges) == []
    seen = 0
    for _ in range(30):
        broken: dict[tuple[int, int], int] = {}
        for i, j in rng.integers(0, 7, (7, 2)):
            if i != j:
                broken[min(i, j), max(i, j)] = 1
        for cut in cuts.find_cuts(problem, broken):
            seen += 1
            assert _left(cut, broken) > cut.limit or cut.with_depot
            assert all(_left(cut, edges) <= cut.limit for edges in valid)
    assert seen > 20


def _left(cut: cuts.Cut, edges: dict[tuple[int, int], int]) -> int:
    return sum(
        count
        for (i, j), count in edges.items()
        if (i in cut.stops and j in cut.stops) or (cut.with_depot and i == 0 and j in cut.stops)
    )


# --- time limit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["two-index", "three-index"])
def test_time_limit_gives_the_known_routes_with_a_bound(
    random_problem: Callable[..., Problem], model: Any
) -> None:
    problem = random_problem(40, dispatchers=3, min_stops=12, max_stops=15)
    result = solve(problem, method="exact", model=model, time_limit=2.0)
    assert result.status is Status.FEASIBLE
    assert "time limit" in result.reason
    assert check(problem, result.routes, result.cost) == []
    assert result.lower_bound is not None
    assert result.gap is not None
    assert 0 < result.gap < 1


def test_solver_works_in_a_folder_with_a_space_and_cleans_up(
    random_problem: Callable[..., Problem], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "with a space"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert solve(random_problem(8, dispatchers=2), method="exact").status is Status.OPTIMAL
    assert list(folder.iterdir()) == []
