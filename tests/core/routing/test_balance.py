"""A soft balance: against brute force, the bound, what goes with it, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing import Problem, check, solve
from core.routing.bounds import balanced_bound
from core.routing.divide import improve_parts
from core.routing.formats import parse_json, stops_json
from core.routing.start import cut_tour
from tests.core.routing.brute import brute_force

if TYPE_CHECKING:
    from collections.abc import Callable

BALANCES = ("stops", "distance", "time")

# Five stops on one side of the depot and one on the other: alone, they make routes of 5 and 1.
LOPSIDED = Problem(
    points=[[0, 0], [10, 0], [11, 0], [12, 0], [13, 0], [14, 0], [-3, 0]], dispatchers=2
)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Draw small problems with a balance, and bounds beside it."""
    n = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    fields: dict[str, Any] = {
        "points": rng.integers(0, 30, (n + 1, 2)).astype(float),
        "dispatchers": draw(st.integers(1, min(n, 3))),
        "crew": draw(st.sampled_from(["fixed", "at_most"])),
        "open_routes": draw(st.booleans()),
        "balance": draw(st.sampled_from(BALANCES)),
        "balance_price": draw(st.sampled_from([0.01, 0.3, 5.0])),
        "speed": 30.0,
        "service": [0, *rng.integers(0, 9, n)],
    }
    if draw(st.booleans()):
        fields["times"] = rng.integers(1, 60, (n + 1, n + 1)).astype(float)
    if draw(st.booleans()):
        fields["max_stops"] = -(-n // fields["dispatchers"]) + 1
    return Problem(**fields)


@given(problems())
@settings(max_examples=40, deadline=None)
def test_the_search_finds_the_routes_of_brute_force(problem: Problem) -> None:
    truth = brute_force(problem)
    assert truth.cost is not None
    assert check(problem, truth.routes, truth.cost) == []
    assert problem.cost(truth.routes) == pytest.approx(truth.cost)
    found = solve(problem, steps=600, time_limit=None)
    assert found.cost == pytest.approx(truth.cost)
    total = sum(problem.length(route) for route in truth.routes)
    # A bound of the distance alone, whatever it is, gives one of the cost.
    plain = brute_force(problem.replace(balance=None, balance_price=None)).cost
    assert plain is not None
    assert plain <= total + 1e-9
    assert balanced_bound(problem, plain) <= truth.cost * (1 + 1e-9)


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("method", ["auto", "divide"])
def test_a_high_price_makes_equal_shares(balance: Any, method: Any) -> None:
    problem = LOPSIDED.replace(balance=balance, balance_price=50.0, speed=60.0)
    found = solve(problem, method=method, steps=400, time_limit=None)
    assert found.cost == pytest.approx(brute_force(problem).cost)
    assert sorted(map(len, found.without_balance)) == [1, 5]
    assert found.cost is not None
    # With a number of steps, no time is spent on a bound; `divide` spends some in any case.
    assert found.lower_bound is None if method != "divide" else found.lower_bound <= found.cost
    if balance == "stops":
        assert sorted(map(len, found.routes)) == [3, 3]
        cheap = solve(
            problem.replace(balance_price=1e-3), method=method, steps=400, time_limit=None
        )
        assert sorted(map(len, cheap.routes)) == [1, 5]


def test_the_price_decides_how_far_is_driven_for_equal_shares() -> None:
    """Two stops that change hands add 22 units, and save 4 times the price: squares 26 to 18."""
    problem = LOPSIDED.replace(balance="stops", balance_price=2.0)
    assert problem.balance_cost([[1, 2, 3, 4, 5], [6]]) == 26
    for price, sizes in ((5.4, [1, 5]), (5.6, [3, 3])):
        found = solve(problem.replace(balance_price=price), steps=300, time_limit=None)
        assert sorted(map(len, found.routes)) == sizes


def test_the_checker_recomputes_the_price(random_problem: Callable[..., Problem]) -> None:
    for balance in BALANCES:
        problem = random_problem(
            5, seed=1, dispatchers=2, speed=60.0, balance=balance, balance_price=0.5
        )
        routes = [[1, 2], [3, 4, 5]]
        cost = problem.cost(routes)
        assert check(problem, routes, cost) == []
        plain = sum(problem.length(route) for route in routes)
        (wrong,) = check(problem, routes, plain)
        assert "routes and the price of unequal work are" in wrong


def test_parts_keep_the_balance(random_problem: Callable[..., Problem]) -> None:
    """The price is a sum over routes, so improving parts improves the whole."""
    problem = random_problem(60, dispatchers=6, balance="distance", balance_price=0.1)
    start = cut_tour(problem)
    found = improve_parts(problem, start=start, parts=2, steps_per_stop=30)
    assert check(problem, found.routes, found.cost) == []
    assert found.cost is not None
    assert start.cost is not None
    assert found.cost < start.cost


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"balance": "load"}, "balance = 'load': expected 'stops' or 'distance' or 'time'"),
        ({"balance": "stops"}, "balance = 'stops': expected balance_price with it"),
        ({"balance_price": 2.0}, "balance_price = 2: expected balance with it"),
        ({"balance": "stops", "balance_price": -1}, "balance_price = -1: expected a finite number"),
        ({"balance": "time", "balance_price": 1.0}, "balance = 'time': expected speed, times or"),
        (
            {"balance": "stops", "balance_price": 1.0, "objective": "makespan"},
            "balance = 'stops': not with objective = 'makespan'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LOPSIDED.replace(**fields)


@pytest.mark.parametrize(
    ("fields", "method", "words"),
    [
        ({}, "exact", "method = 'exact': not with balance = 'stops'"),
        ({}, "pyvrp", "balance = 'stops': not with pyvrp; use method heuristic"),
        ({"prizes": [float("nan"), 1, 1, 1, 1, 1, 1]}, "auto", "not with pyvrp, which prizes need"),
        ({"prizes": [float("nan"), 1, 1, 1, 1, 1, 1]}, "heuristic", "the stops have prizes"),
    ],
)
def test_what_does_not_go_with_it_is_refused_by_name(
    fields: dict[str, Any], method: Any, words: str
) -> None:
    problem = LOPSIDED.replace(balance="stops", balance_price=1.0, **fields)
    with pytest.raises(ValueError, match=words):
        solve(problem, method=method, time_limit=1.0)


def test_json_holds_it() -> None:
    problem = LOPSIDED.replace(balance="distance", balance_price=0.25)
    again = parse_json(stops_json(problem))
    assert (again.balance, again.balance_price) == ("distance", 0.25)
