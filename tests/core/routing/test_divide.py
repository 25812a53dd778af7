"""Parts improved side by side, wherever that is."""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.routing import NoRoutesError, Problem, Result, Status, check, solve
from core.routing.divide import (
    ROUNDS,
    divide,
    group_routes,
    improve_parts,
    routes_are_long,
    subproblem,
)
from core.routing.start import cut_tour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


def improved(whole: Problem, parts: int = 3, **options: Any) -> Result:
    return improve_parts(whole, start=cut_tour(whole), parts=parts, **options)


@pytest.mark.parametrize("parts", [1, 3, 50])
def test_routes_are_valid_no_worse_and_the_same_elsewhere(parts: int) -> None:
    whole = problem()
    here = improved(whole, parts, steps_per_stop=10, seed=3)
    assert check(whole, here.routes, here.cost) == []
    assert here.cost is not None
    assert here.cost < cut_tour(whole).cost
    there = improved(problem(), parts, steps_per_stop=10, seed=3, share=elsewhere)
    assert (there.routes, there.cost) == (here.routes, here.cost)
    assert improved(whole, parts, steps_per_stop=10, seed=4).routes != here.routes


@pytest.mark.parametrize("rounds", [1, 2, 5])
@pytest.mark.parametrize(
    "options",
    [{}, {"objective": "makespan"}, {"crew": "at_most"}, {"max_distance": 500.0}],
    ids=lambda options: next(iter(options), "plain"),
)
def test_no_round_makes_the_plan_worse_or_loses_a_stop(
    rounds: int, options: dict[str, Any]
) -> None:
    whole = problem(**options)
    handed: list[list[str]] = []

    def share(function: Any, *columns: Any) -> list[Any]:
        rows = list(zip(*columns, strict=True))
        handed.append([name for part, *_ in rows for name in part.ids[1:]])
        return [function(*row) for row in rows]

    result = improved(whole, rounds=rounds, steps_per_stop=3, share=share)
    assert len(handed) == rounds
    for stops in handed:
        assert sorted(stops, key=int) == [str(i) for i in range(1, 91)]
    costs = [step.cost for step in result.trace]
    assert len(costs) == rounds + 1
    assert costs == sorted(costs, reverse=True)
    assert check(whole, result.routes, result.cost) == []


def test_a_later_round_repairs_a_border_of_an_earlier_one() -> None:
    """Two routes on each side of the border between both parts have swapped a stop."""
    angles = np.repeat(np.arange(8) * np.pi / 4 + np.pi / 8, 5)
    radii = np.tile(np.arange(10.0, 15.0), 8)
    points = np.vstack(([0, 0], np.column_stack((radii * np.cos(angles), radii * np.sin(angles)))))
    whole = Problem(points=points, dispatchers=8, min_stops=4, max_stops=6)
    right = [list(range(5 * i + 1, 5 * i + 6)) for i in range(8)]
    cost = whole.cost(right)
    split = [[right[i] for i in group] for group in group_routes(whole, right, 2)]
    ends = split[0][0], split[1][-1]
    assert sorted(right.index(route) for route in ends) == [3, 4]
    ends[0][2], ends[1][2] = ends[1][2], ends[0][2]
    start = Result(
        status=Status.FEASIBLE, cost=whole.cost(right), routes=tuple(tuple(r) for r in right)
    )
    once = improve_parts(whole, start=start, parts=2, rounds=1, steps_per_stop=50)
    again = improve_parts(whole, start=start, parts=2, rounds=2, steps_per_stop=50)
    assert once.cost is not None
    assert once.cost > cost + 1
    assert again.cost == pytest.approx(cost)


def test_each_part_has_a_seed_of_its_own_and_rounds_share_steps_and_cooling() -> None:
    calls: list[Any] = []

    def share(function: Any, *columns: Any) -> list[Any]:
        rows = list(zip(*columns, strict=True))
        calls.extend((*row, function.keywords["cooled"]) for row in rows)
        return [function(*row) for row in rows]

    improved(problem(), rounds=2, steps_per_stop=4, share=share)
    assert len(calls) == 6
    assert len({seed for *_, seed, _ in calls}) == 6
    assert [steps for _, _, steps, *_ in calls] == [2 * part.n_stops for part, *_ in calls]
    assert [cooled for *_, cooled in calls] == [0.0] * 3 + [0.5] * 3


def test_dispatchers_without_a_route_may_get_one() -> None:
    """Of six dispatchers, who may all drive, the start uses two."""
    points = np.random.default_rng(1).uniform(-9, 9, (41, 2))
    points[0] = 0
    whole = Problem(
        points=points, dispatchers=6, crew="at_most", demands=[0] + [1] * 40, capacity=11
    )
    routes = tuple(tuple(range(i, i + 10)) for i in range(1, 41, 10))
    start = Result(status=Status.FEASIBLE, cost=whole.cost(routes), routes=routes)
    seen: list[int] = []

    def share(function: Any, *columns: Any) -> list[Any]:
        rows = list(zip(*columns, strict=True))
        seen.append(sum(part.dispatchers for part, *_ in rows))
        return [function(*row) for row in rows]

    result = improve_parts(whole, start=start, parts=2, rounds=1, steps_per_stop=20, share=share)
    assert seen == [6]
    assert check(whole, result.routes, result.cost) == []


def test_an_interrupt_ends_all_parts_and_rounds() -> None:
    whole, handed = problem(), list[Any]()

    def share(function: Any, *columns: Any) -> Iterator[Result]:
        for row in zip(*columns, strict=True):
            handed.append(row)
            result = function(*row)
            yield dataclasses.replace(result, reason="interrupted" if len(handed) == 2 else "")

    result = improved(whole, parts=3, rounds=3, steps_per_stop=10, share=share)
    assert (len(handed), result.reason) == (2, "interrupted")
    assert check(whole, result.routes, result.cost) == []


@pytest.mark.parametrize("whole", [50_000, 500])
def test_long_routes_are_improved_within_their_bounds(
    whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.routing.divide._WHOLE", whole)
    monkeypatch.setattr("core.routing.divide._PART", 600)
    points = np.random.default_rng(2).uniform(0, 100, (1201, 2))
    long = Problem(points=points, dispatchers=6, min_stops=190, max_stops=210)
    assert routes_are_long(long)
    result = solve(long, method="heuristic", time_limit=3.0)
    assert check(long, result.routes, result.cost) == []
    assert result.cost is not None
    assert result.cost < cut_tour(long).cost
    assert result.method == "heuristic"


@pytest.mark.parametrize(
    "fields",
    [
        {"dispatchers": 7},
        {"objective": "makespan"},
        {"min_distance": 1.0},
        {"speed": 1.0, "min_time": 1.0},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_routes_that_may_not_become_shorter_are_left_to_the_search(fields: dict[str, Any]) -> None:
    points = np.random.default_rng(2).uniform(0, 100, (601, 2))
    assert routes_are_long(Problem(points=points, dispatchers=6))
    assert not routes_are_long(Problem(**{"points": points, "dispatchers": 6} | fields))


def test_bounds_that_no_part_meets_are_told() -> None:
    whole = Problem(
        points=[[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], dispatchers=2, demands=[0, 3, 3, 2, 2],
        capacity=5,
    )  # fmt: skip
    start = Result(status=Status.FEASIBLE, cost=9.0, routes=((1, 2), (3, 4)))
    with pytest.raises(NoRoutesError, match="load 6 > capacity = 5"):
        improve_parts(whole, start=start, parts=2, rounds=1)
    found = improve_parts(whole, start=start, parts=1)
    assert check(whole, found.routes, found.cost) == []


def test_many_stops_are_divided_into_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.routing.divide._WHOLE", 50)
    monkeypatch.setattr("core.routing.divide._PART", 30)
    whole = problem()
    result = divide(whole)
    assert len(result.trace) == ROUNDS + 1
    assert result.method == "divide"
    assert result.routes == divide(whole).routes
    assert check(whole, result.routes, result.cost) == []


def test_bad_numbers_are_refused() -> None:
    for name in ("parts", "rounds", "steps_per_stop"):
        with pytest.raises(ValueError, match=f"{name} = 0"):
            improved(problem(), **{"parts": 2, name: 0})
    distances = Problem(matrix=np.ones((5, 5)) - np.eye(5))
    with pytest.raises(ValueError, match="coordinates"):
        improved(distances, 2)


@pytest.mark.parametrize("turn", [0.25, 0.5, 0.99])
def test_turned_sectors_have_other_borders(turn: float) -> None:
    angles = np.arange(12) * np.pi / 6 - np.pi + 0.1
    points = np.vstack(([5, 5], 5 + np.column_stack((np.cos(angles), np.sin(angles)))))
    whole = Problem(points=points, dispatchers=12)
    routes = [[stop] for stop in range(1, 13)]
    assert group_routes(whole, routes, 3) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    turned = group_routes(whole, routes, 3, turn=turn)
    by = round(4 * turn)
    expected = [{(number - by) % 12 for number in range(4 * g, 4 * g + 4)} for g in range(3)]
    assert [set(group) for group in turned] == expected


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
