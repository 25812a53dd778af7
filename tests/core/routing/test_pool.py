"""The choice among routes that a search has passed through, against every choice there is."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.routing import Problem, check
from core.routing.heuristic import _Annealing
from core.routing.pool import Pool
from core.routing.start import cut_tour
from core.routing.validate import broken_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

Route = tuple[int, ...]


def some_routes(problem: Problem, rng: Generator) -> list[Route]:
    """Make the routes of many plans, in random orders."""
    found: list[Route] = []
    for _ in range(40):
        order = rng.permutation(problem.n_stops) + 1
        sizes = np.sort(
            rng.choice(np.arange(1, len(order)), problem.dispatchers - 1, replace=False)
        )
        found += [tuple(part.tolist()) for part in np.split(order, sizes)]
    return found


def best_choice(problem: Problem, routes: list[Route]) -> float:
    """Return the least cost of routes that serve every stop once, by trying all."""
    fewest = problem.dispatchers if problem.crew == "fixed" else 1
    least = math.inf
    for count in range(fewest, problem.dispatchers + 1):
        for chosen in itertools.combinations(routes, count):
            stops = sorted(stop for route in chosen for stop in route)
            if stops == list(range(1, problem.n_stops + 1)):
                least = min(least, problem.cost(chosen))
    return least


@pytest.mark.parametrize("objective", ["distance", "makespan"])
@pytest.mark.parametrize("crew", ["fixed", "at_most"])
@pytest.mark.parametrize("seed", range(4))
def test_the_choice_is_the_best_there_is(
    random_problem: Callable[..., Problem], objective: str, crew: str, seed: int
) -> None:
    fields: dict[str, Any] = {"objective": objective, "crew": crew, "dispatchers": 3}
    problem = random_problem(7, seed=seed, **fields)
    routes = some_routes(problem, np.random.default_rng(seed))
    pool = Pool(problem)
    pool.add((problem.cost([route]), route) for route in routes)
    start = routes[:3]
    chosen = pool.choose(start, seconds=30)
    assert chosen is not None
    assert check(problem, chosen) == []
    assert problem.cost(chosen) < problem.cost(start)
    if objective == "distance":
        assert problem.cost(chosen) == pytest.approx(best_choice(problem, routes))
    while objective == "makespan" and (better := pool.choose(chosen, seconds=30)):
        chosen = better
    assert problem.cost(chosen) == pytest.approx(best_choice(problem, routes))
    assert pool.choose(chosen, seconds=30) is None


def test_the_cheapest_order_of_the_same_stops_is_kept() -> None:
    problem = Problem(points=[[0, 0], [1, 0], [2, 0], [3, 0], [9, 9]], dispatchers=2)
    pool = Pool(problem)
    for route in [(1, 2, 3), (2, 1, 3), (4,), (1, 4), (2, 3)]:
        pool.add([(problem.cost([route]), route)])
    assert pool.choose([(1, 4), (2, 3)], seconds=10) == [(1, 2, 3), (4,)]


def test_routes_that_came_first_go_when_room_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.routing.pool._ROOM", 6)
    problem = Problem(points=[[0, 0], [3, 4], [3, 4], [-3, 4], [-3, 4]], dispatchers=2)
    pool = Pool(problem)
    pool.add([(10.0, (1, 2)), (10.0, (3, 4)), (16.0, (1, 3)), (16.0, (2, 4))])
    assert pool.choose([(1, 3), (2, 4)], seconds=10) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"demands": [0, *range(1, 41)], "capacity": 230.0},
        {"max_stops": 11, "min_stops": 8},
        {"max_distance": 260.0, "crew": "at_most"},
        {"balance": "stops", "balance_price": 2.0},
        {"objective": "makespan"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_search_keeps_only_routes_within_the_bounds(
    random_problem: Callable[..., Problem], fields: dict[str, Any]
) -> None:
    problem = random_problem(40, seed=3, dispatchers=4, **fields)
    search = _Annealing(problem, cut_tour(problem).routes, seed=0)
    assert search.pool_routes(100.0) < 100.0
    for part in range(20):
        search.run(part / 20, 4000, None)
    search.choose()
    assert search._pool is not None
    kept = list(search._pool._routes.values())
    assert len(kept) > 4
    for cost, route in kept:
        assert cost == pytest.approx(problem.cost([route]))
        assert broken_bounds(problem, 1, route) == []
    assert search.known is not None
    assert check(problem, search.routes(), search.known) == []
