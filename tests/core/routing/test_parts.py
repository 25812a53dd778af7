from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.routing import Problem
from core.routing.divide import cut_tour
from core.routing.parts import group_routes, subproblem

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("parts", [1, 3, 20])
def test_parts_share_no_route_and_keep_distances_and_ids(
    random_problem: Callable[..., Problem], parts: int
) -> None:
    problem = random_problem(80, dispatchers=8, min_stops=8, max_stops=12)
    routes = cut_tour(problem).routes
    groups = group_routes(problem, routes, parts)
    assert len(groups) == min(parts, 8)
    assert sorted(number for group in groups for number in group) == list(range(8))
    for group in groups:
        chosen = [routes[number] for number in group]
        part, own = subproblem(problem, chosen)
        assert part.dispatchers == len(group)
        assert [[part.ids[stop] for stop in route] for route in own] == [
            [problem.ids[stop] for stop in route] for route in chosen
        ]
        assert part.cost(own) == pytest.approx(problem.cost(chosen))
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
