"""The kernels of the search: routes stay whole, costs stay true, compiled or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.routing import Problem, check
from core.routing import windows as windows_search
from core.routing._two_opt import exchange
from core.routing.heuristic import _Annealing, improve
from core.routing.start import cut_tour

if TYPE_CHECKING:
    from collections.abc import Callable

CASES: dict[str, dict[str, Any]] = {
    "free": {},
    "stops": {"min_stops": 13, "max_stops": 17},
    "all stops alike": {"min_stops": 15, "max_stops": 15},
    "at most": {"crew": "at_most", "min_stops": 10, "max_stops": 30},
    "distance": {"max_distance": 320.0, "min_distance": 100.0},
    "load": {"demands": [0, *range(60)], "capacity": 500.0},
    "time": {"service": [0.0] + [3.0] * 60, "speed": 60.0, "max_time": 300.0, "max_stops": 20},
    "makespan": {"objective": "makespan", "max_stops": 16},
}


def whole(problem: Problem, search: _Annealing) -> None:
    """Lists agree in both directions, and all sums with routes that are measured anew."""
    now, seen = search._now, []
    for own in range(problem.dispatchers):
        forward, stop = [], now.first[own]
        while stop != 0:
            assert now.route[stop] == own
            forward.append(int(stop))
            stop = now.after[stop]
        backward, stop = [], now.last[own]
        while stop != 0:
            backward.append(int(stop))
            stop = now.before[stop]
        assert forward == backward[::-1]
        assert now.size[own] == len(forward)
        assert now.length[own] == pytest.approx(problem.length(forward))
        if search._search.work.bounded:
            assert now.load[own] == pytest.approx(problem.load(forward))
            assert now.clock[own] == pytest.approx(problem.duration(forward))
        seen += forward
    assert sorted(seen) == list(range(1, problem.n_stops + 1))


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
@pytest.mark.parametrize("elastic", [True, False])
def test_exchanges_keep_routes_whole_and_tell_the_change(
    random_problem: Callable[..., Problem],
    fields: dict[str, Any],
    elastic: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.routing.heuristic._ELASTIC_STOPS", 1000 if elastic else 0)
    problem = random_problem(60, seed=7, dispatchers=4, **fields)
    search = _Annealing(problem, cut_tour(problem).routes, seed=0)
    rng, cost, made = np.random.default_rng(3), search.cost, 0
    for tolerance in [30.0] * 60 + [0.0] * 60:
        change = exchange(search._search, tolerance, rng)
        assert change < tolerance or change == 0.0
        made += change != 0.0
        cost += change
        assert cost == pytest.approx(search._worth())
        sizes = [int(size) for size in search._now.size]
        assert max(sizes) <= search._search.limits.most
        assert search._search.limits.optional or min(sizes) >= search._search.limits.least
    whole(problem, search)
    assert made > 10


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES)
def test_steps_keep_routes_whole_and_costs_true(
    random_problem: Callable[..., Problem], fields: dict[str, Any]
) -> None:
    problem = random_problem(60, seed=7, dispatchers=4, **fields)
    search = _Annealing(problem, cut_tour(problem).routes, seed=0)
    for part in range(5):
        search.run(part / 5, 500, None)
        whole(problem, search)
        assert search.cost == pytest.approx(search._worth())
        if search.known is not None:
            assert check(problem, search.routes(), search.known) == []
    assert search.known is not None


def outcomes() -> list[Any]:
    """Routes of short searches of every kind."""
    points = np.random.default_rng(11).uniform(0, 100, (61, 2))
    found: list[Any] = []
    for fields in CASES.values():
        problem = Problem(points=points, dispatchers=4, **fields)
        found.append(improve(problem, start=cut_tour(problem), steps=100, seed=5).routes)
    return found


def test_compiled_and_plain_kernels_find_the_same_routes() -> None:
    folder = Path(__file__).parent
    program = (
        f"import sys; sys.modules['numba'] = None; sys.path[:0] = [{str(folder)!r}, "
        f"{str(folder.parents[2])!r}]\n"
        "import test_kernels\n"
        "from core.routing._jit import COMPILED\n"
        "print((COMPILED, test_kernels.outcomes()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == str((False, outcomes()))


def test_the_search_with_windows_keeps_its_times_and_tells_the_cost(
    random_problem: Callable[..., Problem],
) -> None:
    rng = np.random.default_rng(7)
    low = rng.integers(0, 400, 61)
    windows = [(10.0, 700.0), *zip(low[1:], low[1:] + rng.integers(20, 200, 60), strict=True)]
    prizes = np.where(rng.random(61) < 0.2, 30.0, np.nan)
    problem = random_problem(
        60, windows=windows, speed=60.0, service=[0.0] + [4.0] * 60, demands=[0, *range(60)],
        capacity=300.0, max_stops=9, max_distance=500.0, prizes=prizes, dispatchers=7,
    )  # fmt: skip
    state = windows_search._Annealing(problem, seed=1)
    for done in (0.0, 0.3, 0.6, 0.9):
        state.run(done, 4000, None)
        plan, terms, room = state._search
        routes, total = [], 0.0
        for own, first in enumerate(plan.first):
            route, stop, leaves = [], int(first), 10.0
            while stop != 0:
                route.append(stop)
                assert plan.route[stop] == own
                arrives = leaves + float(problem.between(plan.before[stop], stop))
                assert plan.begin[stop] == pytest.approx(max(arrives, windows[stop][0]))
                leaves, stop = plan.begin[stop] + 4.0, int(plan.after[stop])
            by, onward = 700.0, 0
            for stop in reversed(route):
                by = min(windows[stop][1], by - float(problem.between(stop, onward)) - 4.0)
                assert plan.latest[stop] == pytest.approx(by)
                onward = stop
            assert plan.load[own] == pytest.approx(problem.load(route) if route else 0.0)
            assert plan.length[own] == pytest.approx(problem.length(route) if route else 0.0)
            total += plan.length[own]
            routes.append(tuple(route))
        absent = [int(stop) for stop in room.absent[: room.count[0]]]
        assert sorted([*absent, *(stop for route in routes for stop in route)]) == [*range(1, 61)]
        assert state.cost == pytest.approx(total + sum(terms.price[stop] for stop in absent))
        driven = [route for route in routes if route]
        wrong = [line for line in check(problem, driven) if "is not visited" not in line]
        assert wrong == []
