from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing import Problem, check, solve
from core.routing.heuristic import _Annealing, improve
from core.routing.start import cut_tour
from tests.core.routing.brute import brute_force

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_small_problems_reach_the_optimum_within_their_bounds(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 6))
    crew = data.draw(st.integers(1, min(n, 3)))
    low = data.draw(st.integers(1, n // crew))
    high = data.draw(st.integers(-(-n // crew), n))
    points = data.draw(
        st.lists(st.tuples(*[st.integers(0, 9)] * 2), min_size=n + 1, max_size=n + 1)
    )
    problem = Problem(points=points, dispatchers=crew, min_stops=low, max_stops=high)
    result = improve(problem, start=cut_tour(problem), steps=200)
    assert check(problem, result.routes, result.cost) == []
    assert result.cost == pytest.approx(brute_force(problem).cost, abs=1e-9)


def test_same_seed_and_steps_give_the_same_routes(random_problem: Callable[..., Problem]) -> None:
    problem = random_problem(60, dispatchers=4, min_stops=13, max_stops=17)
    first, again, other = (
        solve(problem, method="heuristic", steps=500, time_limit=None, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.routes == again.routes
    assert first.routes != other.routes
    start = cut_tour(problem)
    assert first.cost is not None
    assert start.cost is not None
    assert first.cost < start.cost


def test_asymmetric_distances(random_problem: Callable[..., Problem]) -> None:
    matrix = np.random.default_rng(3).integers(1, 60, (8, 8))
    problem = Problem(matrix=matrix, dispatchers=2, min_stops=2)
    result = improve(problem, start=cut_tour(problem), steps=1500)
    assert check(problem, result.routes, result.cost) == []
    assert result.cost == pytest.approx(brute_force(problem).cost)


def test_a_limit_is_needed() -> None:
    problem = Problem(points=[[0, 0], [1, 1]])
    with pytest.raises(ValueError, match="time_limit and steps are both None"):
        improve(problem, start=cut_tour(problem))
    with pytest.raises(ValueError, match="'heuristic' needs one of them"):
        solve(problem, method="heuristic", time_limit=None)


def test_makespan_reaches_the_optimum_and_balances(random_problem: Callable[..., Problem]) -> None:
    problem = random_problem(8, seed=4, dispatchers=3, objective="makespan")
    result = improve(problem, start=cut_tour(problem), steps=1500)
    assert check(problem, result.routes, result.cost) == []
    assert result.cost == pytest.approx(brute_force(problem).cost)
    shortest = solve(problem.replace(objective="distance"), method="exact")
    assert result.cost < problem.cost(shortest.routes)


def test_heuristic_carries_a_bound_below_the_optimum(
    random_problem: Callable[..., Problem],
) -> None:
    for crew in (1, 3):
        problem = random_problem(20, seed=9, dispatchers=crew, min_stops=4)
        result = solve(problem, method="heuristic", time_limit=3)
        exact = solve(problem, method="exact")
        assert result.lower_bound is not None
        assert exact.cost is not None
        assert 0.9 * exact.cost < result.lower_bound <= exact.cost + 1e-6
        assert result.cost is not None
        assert result.cost <= 1.05 * exact.cost


def test_search_stays_hot_until_some_routes_keep_all_bounds(
    random_problem: Callable[..., Problem],
) -> None:
    problem = random_problem(12, seed=1, dispatchers=2)
    kept = _Annealing(problem, cut_tour(problem).routes, 0)
    kept._hot = kept._heat.hot / 100
    broken = _Annealing(problem.replace(max_stops=6), [tuple(range(1, 13))], 0)
    broken._hot = broken._heat.hot / 100
    assert kept._temperature(0.0) == pytest.approx(kept._leg * kept._hot)
    assert broken._temperature(0.0) == pytest.approx(broken._leg * broken._heat.hot)
