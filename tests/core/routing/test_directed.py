"""Tours and bounds where the two directions of a way differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing import Problem, Status, check, solve
from core.routing.assignment import assign
from core.routing.directed import kick_directed, patched
from core.routing.directed_bound import directed_bound
from core.routing.solver import lower_bound
from core.routing.start import cut_tour
from core.routing.tour import Kicks, tour_length
from tests.core.routing.brute import brute_force

if TYPE_CHECKING:
    from collections.abc import Callable


def crane(n: int, seed: int) -> np.ndarray:
    """Empty ways of a crane between loads, each brought from one shelf to another."""
    start, end = np.random.default_rng(seed).integers(0, 12, (2, n, 2))
    ways: np.ndarray = np.abs(end[:, None] - start[None, :]).max(axis=2)
    return ways


def matrices(least: int, most: int) -> st.SearchStrategy[np.ndarray]:
    return st.builds(
        lambda n, seed, top: np.random.default_rng(seed).integers(0, top, (n, n)),
        st.integers(least, most), st.integers(0, 2**32 - 1), st.sampled_from([2, 9, 1000]),
    )  # fmt: skip


@given(matrices(2, 12))
@settings(max_examples=50, deadline=None)
def test_prices_prove_that_no_assignment_is_cheaper(costs: np.ndarray) -> None:
    costs = costs.astype(float)
    onward, (rows, columns) = assign(costs)
    n = np.arange(len(costs))
    assert sorted(onward) == n.tolist()
    assert (onward != n).all()
    left = costs - rows[:, None] - columns[None, :]
    np.fill_diagonal(left, 0)
    assert left.min() >= -1e-9
    assert rows.sum() + columns.sum() == pytest.approx(costs[n, onward].sum())
    assert sorted(patched(costs, onward)) == n.tolist()


@given(matrices(3, 7), st.integers(1, 3), st.sampled_from(["fixed", "at_most"]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_bound_is_between_the_assignment_and_the_optimum(
    ways: np.ndarray,
    crew: int,
    kind: Any,
    open_routes: bool,
) -> None:
    problem = Problem(
        matrix=ways, dispatchers=min(crew, len(ways) - 1), crew=kind, open_routes=open_routes
    )
    best = brute_force(problem).cost
    assert best is not None
    bound = directed_bound(problem, best)
    assert bound is not None
    assert bound <= best + 1e-6
    found = lower_bound(problem, cut_tour(problem), 0.2)
    assert found is not None
    assert bound - 1e-6 <= found <= best + 1e-6
    if crew == 1:
        onward, _ = assign(problem.closed().distances())
        ways = problem.closed().distances()
        assert bound >= ways[np.arange(len(ways)), onward].sum() * (1 - 1e-6) - 1e-6


@pytest.mark.parametrize("n", [8, 9, 60])
def test_kicks_only_shorten_the_tour_and_keep_its_direction(n: int) -> None:
    problem = Problem(matrix=np.random.default_rng(n).integers(1, 100, (n, n)))
    lengths = [tour_length(problem, np.arange(n))]
    for kicks in (1, 10, 200, 500):
        tour = kick_directed(problem, np.arange(n), Kicks(kicks=kicks, seed=1))
        assert sorted(tour.tolist()) == list(range(n))
        lengths.append(tour_length(problem, tour))
    assert lengths == sorted(lengths, reverse=True)
    if n == 8:
        assert lengths[-1] == brute_force(problem).cost


def test_a_tour_of_a_crane_meets_its_bound() -> None:
    problem = Problem(matrix=crane(150, seed=2))
    result = solve(problem, method="heuristic", time_limit=60)  # much more than it takes
    assert check(problem, result.routes, result.cost) == []
    assert result.status is Status.OPTIMAL
    # The mean of both directions, by which the first tour goes, says nothing here.
    start = cut_tour(problem).cost
    assert start is not None
    assert result.cost is not None
    assert result.cost < 0.9 * start


def test_the_bound_of_a_random_asymmetric_tour_is_near() -> None:
    problem = Problem(matrix=np.random.default_rng(5).integers(100, 1000, (80, 80)))
    tour = kick_directed(problem, np.arange(80), Kicks(kicks=1000))
    length = tour_length(problem, tour)
    bound = directed_bound(problem, length)
    assert bound is not None
    assert 0.98 * length < bound <= length


@pytest.mark.parametrize("bound", ["min_distance", "min_time"])
def test_the_only_route_does_not_become_too_short(
    bound: str, random_problem: Callable[..., Problem]
) -> None:
    problem = random_problem(80, seed=1, service=[0.0] + [1.0] * 80, speed=60.0)
    start, best = cut_tour(problem), solve(problem, method="heuristic", steps=500)
    assert start.cost is not None
    assert best.cost is not None
    assert best.cost < 0.99 * start.cost
    least = 0.995 * start.cost + (80 if bound == "min_time" else 0)
    asked = problem.replace(**{bound: least})
    result = solve(asked, method="heuristic", steps=200)
    assert check(asked, result.routes, result.cost) == []
