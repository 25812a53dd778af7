"""Parts improved side by side, wherever that is."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.routing import Problem, Status, check
from core.routing.divide import divide_parts, group_routes, subproblem
from core.routing.start import cut_tour

if TYPE_CHECKING:
    from collections.abc import Callable


def problem(**options: Any) -> Problem:
    points = np.random.default_rng(4).uniform(0, 100, (91, 2))
    return Problem(points=points, dispatchers=6, min_stops=8, max_stops=25, **options)


def elsewhere(function: Any, *columns: Any) -> list[Any]:
    """Run as on other machines: everything is pickled, and the last comes first."""
    rows = [pickle.dumps((function, row)) for row in zip(*columns, strict=True)]
    found = []
    for data in reversed(rows):
        work, row = pickle.loads(data)
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


@pytest.mark.parametrize("parts", [1, 3, 20])
def test_parts_share_no_route_and_keep_distances_and_ids(
    random_problem: Callable[..., Problem], parts: int
) -> None:
    whole = random_problem(80, dispatchers=8, min_stops=8, max_stops=12)
    routes = cut_tour(whole).routes
    groups = group_routes(whole, routes, parts)
    assert len(groups) == min(parts, 8)
    assert sorted(number for group in groups for number in group) == list(range(8))
    for group in groups:
        chosen = [routes[number] for number in group]
        part, own = subproblem(whole, chosen)
        assert part.dispatchers == len(group)
        assert [[part.ids[stop] for stop in route] for route in own] == [
            [whole.ids[stop] for stop in route] for route in chosen
        ]
        assert part.cost(own) == pytest.approx(whole.cost(chosen))
    stops = [sum(len(routes[number]) for number in group) for group in groups]
    if parts == 3:
        assert max(stops) <= 80 / 3 + 12


def test_a_part_keeps_the_loads_and_times_of_its_own_stops() -> None:
    points = [[0, 0], [1, 0], [2, 0], [3, 0]]
    whole = Problem(
        points=points, dispatchers=2, demands=[0, 5, 6, 7], service=[0, 1, 2, 3], capacity=20
    )
    part, _ = subproblem(whole, [[3, 1]])
    assert part.demands is not None
    assert part.service is not None
    assert part.demands.tolist() == [0, 7, 5]
    assert part.service.tolist() == [0, 3, 1]
