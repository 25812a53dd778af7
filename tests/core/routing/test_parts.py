from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.routing.divide import cut_tour
from core.routing.parts import group_routes, subproblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.routing import Problem


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
