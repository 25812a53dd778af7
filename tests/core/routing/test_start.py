from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing import Problem, check, solve, start
from core.routing._routes import strains
from core.routing.geometry import geometry, leg, neighbours
from core.routing.heuristic import _Annealing
from core.routing.split import split
from core.routing.start import cut_tour, kick_routes
from core.routing.tour import Kicks, greedy_tour, improve_tour, kick_tour, tour_length

if TYPE_CHECKING:
    from collections.abc import Callable

COORDINATES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=40)


@given(COORDINATES)
@settings(max_examples=60, deadline=None)
def test_tours_visit_every_place_once_and_moves_only_shorten(points: list[tuple[int, int]]) -> None:
    problem = Problem(points=points)
    places = np.arange(len(points))
    tour = greedy_tour(problem, places)
    assert sorted(tour.tolist()) == places.tolist()
    better = improve_tour(problem, tour)
    assert sorted(better.tolist()) == places.tolist()
    assert tour_length(problem, better) <= tour_length(problem, tour) + 1e-9


def test_two_opt_and_or_opt_reach_the_published_quality(
    random_problem: Callable[..., Problem],
) -> None:
    # Greedy is 14 to 20% above the best tour of random points, 2-opt with near neighbours about 5%
    # (Johnson and McGeoch, 1997); best is about 0.7124 * sqrt(n * area) * (1 + 0.33 / n).
    problem = random_problem(2000)
    expected = 0.7124 * np.sqrt(2001 * 100.0**2)
    start = greedy_tour(problem, np.arange(2001))
    assert 1.10 < tour_length(problem, start) / expected < 1.30
    assert tour_length(problem, improve_tour(problem, start)) / expected < 1.09


@pytest.mark.parametrize("metric", ["euclidean", "great_circle"])
def test_routes_of_many_stops_begin_as_petals(
    monkeypatch: pytest.MonkeyPatch, metric: Literal["euclidean", "great_circle"]
) -> None:
    """Around a depot in the middle of 1,200 uniform stops, which four dispatchers share."""
    points = np.random.default_rng(1).uniform(-1, 1, (1201, 2))
    points[0] = 0
    if metric == "great_circle":
        points = points / [np.cos(np.radians(60)), 1] + [10, 60]  # longitude, latitude
    problem = Problem(points=points, metric=metric, dispatchers=4, min_stops=270, max_stops=330)
    with_petals = cut_tour(problem)
    assert check(problem, with_petals.routes) == []
    assert sorted(start._petals(problem).tolist()) == list(range(1, 1201))
    monkeypatch.setattr(start, "_PETALS", 1201)
    assert with_petals.cost < 0.995 * cut_tour(problem).cost


def _packed(seed: int) -> Problem:
    """Make three large demands for each of 30 dispatchers, who have 4% of room beside them."""
    rng = np.random.default_rng(seed)
    demands = rng.integers(20, 45, (30, 2))
    demands = np.column_stack([demands, 100 - demands.sum(1)]).ravel()
    rng.shuffle(demands)
    points = rng.uniform(0, 100, (91, 2))
    return Problem(points=points, dispatchers=30, demands=[0, *demands], capacity=104)


@pytest.mark.parametrize("crew", ["fixed", "at_most"])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_loads_that_no_cuts_of_a_tour_meet_are_packed(seed: int, crew: str) -> None:
    problem = _packed(seed).replace(crew=crew)
    assert check(problem, cut_tour(problem).routes) == []


@pytest.mark.parametrize("seed", [2, 4])
def test_where_packing_fails_no_route_has_much_too_much(seed: int) -> None:
    problem = _packed(seed)
    routes = cut_tour(problem).routes
    assert check(problem, routes) != []
    assert max(map(problem.load, routes)) <= 1.2 * 104
    found = solve(problem, method="heuristic", steps=3000, time_limit=None)
    assert check(problem, found.routes) == []


def test_bounds_on_stops_are_kept_where_loads_are_packed() -> None:
    problem = _packed(0).replace(max_stops=3, min_stops=3)
    assert {len(route) for route in cut_tour(problem).routes} == {3}


def test_a_search_that_keeps_no_bounds_goes_back_to_the_best_routes() -> None:
    problem = _packed(0)
    search = _Annealing(problem, cut_tour(problem).routes, seed=0)
    best = search.best_cost
    search.run(0.0, 100, None)  # the price is low at first
    assert strains(search._now, search._search.work) > 0
    search._return()
    assert strains(search._now, search._search.work) == 0
    assert search.cost == pytest.approx(min(best, search.best_cost))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_split_finds_the_best_cuts_of_the_tour(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 9))
    crew = data.draw(st.integers(1, min(n, 4)))
    low = data.draw(st.integers(1, n // crew))
    high = data.draw(st.integers(-(-n // crew), n))
    seed = data.draw(st.integers(0, 1000))
    points = np.random.default_rng(seed).uniform(0, 10, (n + 1, 2))
    problem = Problem(points=points, dispatchers=crew, min_stops=low, max_stops=high)
    tour = np.arange(1, n + 1)
    routes = split(problem, tour, starts=n)
    assert check(problem, [route.tolist() for route in routes]) == []
    cost = sum(problem.length(route) for route in routes)
    best = np.inf
    for turn in range(n):
        rolled = np.roll(tour, -turn)
        for cuts in itertools.combinations(range(1, n), crew - 1):
            parts = np.split(rolled, cuts)
            if all(low <= len(part) <= high for part in parts):
                best = min(best, sum(problem.length(part) for part in parts))
    assert cost == pytest.approx(best)


@pytest.mark.parametrize("metric", ["euclidean", "great_circle", "matrix"])
def test_kernels_see_the_distances_of_the_problem(metric: str) -> None:
    points = np.random.default_rng(2).uniform(-60, 60, (30, 2))
    problem = Problem(points=points)
    if metric == "matrix":
        problem = Problem(matrix=np.random.default_rng(2).uniform(1, 9, (30, 30)))
    elif metric == "great_circle":
        problem = Problem(points=points, metric="great_circle")
    geo, full = geometry(problem), problem.distances()
    found = [[leg(geo, i, j) for j in range(30)] for i in range(30)]
    assert np.allclose(found, full, rtol=1e-9)
    near = neighbours(problem, 5)
    both = np.minimum(full, full.T) + np.diag(np.full(30, np.inf))
    assert np.allclose(np.take_along_axis(both, near, 1), np.sort(both, axis=1)[:, :5])


def test_divide_is_the_same_every_time_and_close_to_the_optimum(
    random_problem: Callable[..., Problem],
) -> None:
    problem = random_problem(15, dispatchers=3, min_stops=3, max_stops=7)
    first, second = solve(problem, method="divide"), solve(problem, method="divide")
    assert first.routes == second.routes
    exact = solve(problem, method="exact")
    assert exact.cost is not None
    assert first.cost is not None
    assert exact.cost - 1e-9 <= first.cost <= 1.03 * exact.cost


def test_kicks_only_shorten_the_tour_and_come_close_to_the_optimum(
    random_problem: Callable[..., Problem],
) -> None:
    problem = random_problem(14, seed=8)
    tour = improve_tour(problem, greedy_tour(problem, np.arange(15)))
    lengths = [round(tour_length(problem, tour), 6)]
    for kicks in (1, 5, 50, 300):
        better = kick_tour(problem, tour, Kicks(kicks=kicks, seed=1))
        assert sorted(better.tolist()) == list(range(15))
        lengths.append(round(tour_length(problem, better), 6))
    assert lengths == sorted(lengths, reverse=True)
    optimum = solve(problem, method="exact").cost
    assert optimum is not None
    assert optimum - 1e-5 <= lengths[-1] <= 1.02 * optimum


def test_kicks_shorten_routes_and_leave_their_stops(random_problem: Callable[..., Problem]) -> None:
    problem = random_problem(120, seed=8, dispatchers=4)
    rng = np.random.default_rng(8)
    routes = [(120,), *np.split(rng.permutation(119) + 1, [3, 60])]
    routes = [tuple(map(int, route)) for route in routes]
    better = kick_routes(problem, routes, time_limit=0.5, seed=1)
    for route, found in zip(routes, better, strict=True):
        assert sorted(found) == sorted(route)
        assert problem.length(found) <= problem.length(route)
    assert problem.cost(better) < 0.5 * problem.cost(routes)
    in_no_time = kick_routes(problem, routes, time_limit=0.0, seed=1)
    assert problem.cost(better) <= problem.cost(in_no_time) < 0.5 * problem.cost(routes)
