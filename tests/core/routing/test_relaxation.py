from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.routing import Problem
from core.routing.exact.cuts import Needs
from core.routing.exact.relaxation import Relaxation, _minimum_cuts, separate
from tests.core.routing.brute import brute_force

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.routing.problem import FloatArray


def _valid(problem: Problem) -> list[FloatArray]:
    """Edge values of every valid pair of routes of a problem with two dispatchers."""
    n = problem.n_stops
    points = []
    for order in itertools.permutations(range(1, n + 1)):
        for size in range(problem.min_stops, n + 1):
            parts = (order[:size], order[size:])
            if all(problem.min_stops <= len(part) <= problem.most_stops for part in parts):
                weights = np.zeros((n + 1, n + 1))
                for part in parts:
                    for i, j in itertools.pairwise((0, *part, 0)):
                        weights[i, j] += 1
                        weights[j, i] += 1
                points.append(weights)
    return points


@pytest.mark.parametrize(("low", "high"), [(1, None), (2, 4), (3, 3), (1, 4)])
def test_cuts_of_fractional_points_hold_for_all_valid_routes(
    random_problem: Callable[..., Problem], low: int, high: int | None
) -> None:
    problem = random_problem(6, seed=2, dispatchers=2, min_stops=low, max_stops=high)
    valid = _valid(problem)
    cost = brute_force(problem).cost
    assert cost is not None
    relaxation, bounds = Relaxation(problem), []
    while True:
        solution = relaxation.solve()
        assert solution is not None
        bounds.append(solution.bound)
        weights = relaxation.weights(solution)
        cuts = separate(problem, weights)
        if not cuts:
            break
        for cut in cuts:
            stops = sorted(cut.stops)
            for point in (*valid, weights):
                left = point[np.ix_(stops, stops)].sum() / 2
                left += point[0, stops].sum() if cut.with_depot else 0
                assert (left > cut.limit + 1e-4) == (point is weights)
        relaxation.add(cuts)
    assert bounds == sorted(bounds)
    assert bounds[-1] <= cost + 1e-6
    # Reduced costs are a bound too: no valid solution is below it.
    for point in valid:
        x = point[relaxation.tail, relaxation.head]
        total = float((problem.distances()[relaxation.tail, relaxation.head] * x).sum())
        used = solution.reduced[(x > 0) & (solution.x < 1e-9)]
        assert total >= solution.bound + used.sum() - 1e-6


def test_minimum_cuts_find_a_loop_that_is_tied_to_the_rest_by_half_edges() -> None:
    problem = Problem(points=np.random.default_rng(0).uniform(0, 1, (7, 2)))
    weights = np.zeros((7, 7))
    for i, j, value in [(0, 1, 1), (1, 2, 1), (2, 3, 1), (0, 3, 0.5), (3, 4, 0.5), (0, 4, 0.5),
                        (4, 5, 1), (5, 6, 1), (4, 6, 1)]:  # fmt: skip
        weights[i, j] = weights[j, i] = value
    assert {frozenset({4, 5, 6})} <= {
        cut.stops for cut in _minimum_cuts(problem, Needs(problem), weights)
    }
    assert {frozenset({4, 5, 6})} <= {cut.stops for cut in separate(problem, weights)}
