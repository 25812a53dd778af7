"""Parts improved side by side, wherever that is."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from core.routing import Problem, Status, check
from core.routing.divide import cut_tour
from core.routing.parts import divide_parts


def problem(**options: Any) -> Problem:
    points = np.random.default_rng(4).uniform(0, 100, (91, 2))
    return Problem(points=points, dispatchers=6, min_stops=8, max_stops=25, **options)


def elsewhere(function: Any, *columns: Any) -> list[Any]:
    """Run as on other machines: everything is pickled, and the last comes first."""
    rows = [pickle.dumps((function, row)) for row in zip(*columns, strict=True)]
    found = []
    for data in reversed(rows):
        work, row = pickle.loads(data)  # noqa: S301 (our own)
        found.append(work(*row))
    return found[::-1]


@pytest.mark.parametrize("parts", [1, 3, 50])
def test_routes_are_valid_no_worse_and_the_same_elsewhere(parts: int) -> None:
    whole = problem()
    here = divide_parts(whole, parts=parts, steps_per_stop=10, seed=3)
    assert check(whole, here.routes, here.cost) == []
    assert here.cost is not None
    assert here.cost < cut_tour(whole).cost
    there = divide_parts(problem(), parts=parts, steps_per_stop=10, seed=3, share=elsewhere)
    assert (there.routes, there.cost) == (here.routes, here.cost)
    assert divide_parts(whole, parts=parts, steps_per_stop=10, seed=4).routes != here.routes


def test_each_part_is_handed_out_once_with_a_seed_of_its_own() -> None:
    calls: list[Any] = []

    def share(function: Any, *columns: Any) -> list[Any]:
        calls.extend(zip(*columns, strict=True))
        return [function(*row) for row in calls]

    divide_parts(problem(), parts=3, steps_per_stop=2, share=share)
    assert len(calls) == 3
    assert len({seed for _, _, _, seed in calls}) == 3
    assert [steps for _, _, steps, _ in calls] == [2 * part.n_stops for part, _, _, _ in calls]
    stops = [name for part, _, _, _ in calls for name in part.ids[1:]]
    assert sorted(stops, key=int) == [str(i) for i in range(1, 91)]


def test_infeasible_is_a_result() -> None:
    points = np.random.default_rng(4).uniform(0, 100, (10, 2))
    result = divide_parts(Problem(points=points, dispatchers=3, min_stops=4), parts=2)
    assert result.status is Status.INFEASIBLE
    assert result.reason


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="parts = 0"):
        divide_parts(problem(), parts=0)
    with pytest.raises(ValueError, match="steps_per_stop = 0"):
        divide_parts(problem(), parts=2, steps_per_stop=0)
    distances = Problem(matrix=np.ones((5, 5)) - np.eye(5))
    with pytest.raises(ValueError, match="coordinates"):
        divide_parts(distances, parts=2)
