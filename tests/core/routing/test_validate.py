from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing import Problem, check, solve

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = [[0, 0], [3, 1], [5, 4], [1, 6], [-2, 3], [-4, 1], [-3, -3], [0, -5], [4, -3]]
PROBLEM = Problem(points=POINTS, dispatchers=2, min_stops=3, max_stops=5)
RESULT = solve(PROBLEM, method="exact")
ROUTES = [list(route) for route in RESULT.routes]


def test_a_solution_passes() -> None:
    assert check(PROBLEM, ROUTES, RESULT.cost) == []


@pytest.mark.parametrize(
    ("mutate", "message"),
    [
        (lambda r: [r[0][1:], r[1]], "is not visited"),
        (lambda r: [[*r[0], r[1][0]], r[1]], "is visited 2 times"),
        (lambda r: [r[0], [*r[1][1:], 9]], "9 is no stop"),
        (lambda r: [[0, *r[0]], r[1]], "0 is no stop"),
        (lambda r: [*r, []], "3 routes for 2 dispatchers"),
        (lambda r: [[*r[0], *r[1]]], "1 routes for 2 dispatchers"),
        (lambda r: [[*r[0], *r[1][:-2]], r[1][-2:]], "has 2 stops < min_stops = 3"),
        (lambda r: [[*r[0], *r[1][:-2]], r[1][-2:]], "has 6 stops > max_stops = 5"),
        (lambda r: [[r[0][1], r[0][0], *r[0][2:]], r[1]], "but the routes are"),
    ],
)
def test_each_mutation_is_found(
    mutate: Callable[[list[list[int]]], list[list[int]]], message: str
) -> None:
    assert message in "; ".join(check(PROBLEM, mutate(ROUTES), RESULT.cost))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_moving_or_dropping_any_stop_is_found_or_costs_more(data: st.DataObject) -> None:
    routes = [list(route) for route in ROUTES]
    source = data.draw(st.integers(0, 1))
    stop = routes[source].pop(data.draw(st.integers(0, len(routes[source]) - 1)))
    if data.draw(st.booleans()):
        target = routes[data.draw(st.integers(0, 1))]
        target.insert(data.draw(st.integers(0, len(target))), stop)
    if routes != ROUTES:
        assert check(PROBLEM, routes, RESULT.cost)
