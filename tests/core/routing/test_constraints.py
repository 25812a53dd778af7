"""Windows, prizes, pickups, origins, fleets and depots: against brute force, and the checker."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from core.routing import NoRoutesError, Problem, Status, check, route_duration, solve, solver
from core.routing.bounds import contradiction
from core.routing.divide import divide
from core.routing.fleet import Vehicle
from core.routing.formats import parse_json, routes_csv, routes_geojson, stops_json
from core.routing.heuristic import improve
from core.routing.plain import never_driven
from core.routing.plot import plot_routes
from core.routing.result import Result
from core.routing.windows import windows_refusal
from tests.core.routing.brute import brute_force

if TYPE_CHECKING:
    from collections.abc import Callable

NAN, INF = float("nan"), float("inf")

# One unit of distance takes a minute; stops at 5, 10 and 15 from the depot on one road.
ROAD = Problem(points=[[0, 0], [3, 4], [6, 8], [9, 12]], speed=60.0)


def asked(draw: st.DrawFn, rng: np.random.Generator, n: int) -> dict[str, Any]:
    """Draw what stops ask for: windows, prizes, and goods to deliver, fetch or carry over."""
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        low = rng.integers(0, 60, n + 1)
        windows = np.stack([low, low + rng.integers(10, 90, n + 1)], 1).astype(float)
        windows[0] = rng.integers(0, 20), rng.integers(90, 250)
        fields |= {"windows": windows, "speed": 60.0, "service": [0, *rng.integers(0, 9, n)]}
        if draw(st.booleans()):
            fields["times"] = rng.integers(1, 30, (n + 1, n + 1)).astype(float)
        if draw(st.booleans()):
            fields["max_time"] = float(rng.integers(60, 160))
    if draw(st.booleans()):
        fields["prizes"] = [NAN, *np.where(rng.random(n) < 0.6, rng.integers(0, 40, n), NAN)]
    goods = draw(st.sampled_from(["none", "demands", "both", "backhauls", "origins"]))
    if goods != "none":
        fields |= {"demands": [0, *rng.integers(1, 9, n)], "capacity": float(rng.integers(9, 25))}
    if goods == "both":
        fields["pickups"] = [0, *rng.integers(0, 9, n)]
    if goods == "backhauls":
        linehaul = rng.random(n) < 0.5
        fields["demands"] = [0, *np.where(linehaul, rng.integers(1, 9, n), 0)]
        fields |= {"pickups": [0, *np.where(linehaul, 0, rng.integers(1, 9, n))]}
        fields["backhauls"] = True
    if goods == "origins" and n > 1:
        fields["origins"] = [0, 0, 1, *[0] * (n - 2)]
        fields["demands"][1] = 0
        if "prizes" in fields:
            fields["prizes"][1] = NAN
    return fields


@st.composite
def problems(draw: st.DrawFn, most: int = 5) -> Problem:
    """Draw small problems with any mixture of constraints."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    fields = {"points": rng.integers(0, 30, (n + 1, 2)).astype(float)} | asked(draw, rng, n)
    if draw(st.booleans()):
        fields["open_routes"] = True
    if not draw(st.booleans()):
        return Problem(**fields, dispatchers=draw(st.integers(1, 3)), crew="at_most")
    fleet = [
        {"count": int(rng.integers(1, 3)), "fixed_cost": 20.0 * kind, "distance_cost": 1 + kind / 2}
        for kind in range(draw(st.integers(1, 2)))
    ]
    if "capacity" in fields:
        fleet[0]["capacity"] = float(rng.integers(9, 30))
    if "speed" in fields:
        fleet[-1] |= {"shift_start": 9.0, "shift_end": float(rng.integers(100, 220))}
    if "speed" in fields and draw(st.booleans()):
        fleet[0] |= {"hour_cost": float(rng.integers(0, 90)), "max_time": 60.0}
        fleet[0] |= {"max_overtime": 50.0, "overtime_cost": float(rng.integers(1, 200))}
    last = {name: fields[name][-1] for name in ("demands", "service", "pickups") if name in fields}
    if draw(st.booleans()) and n > 3:
        fleet[-1]["depot"] = str(n)
        if not fields.get("open_routes") and draw(st.booleans()):
            fleet[-1]["end_depot"] = "0"
        fields["depots"] = 2
        for name in last:
            fields[name] = [*fields[name][:-1], 0]
        if "prizes" in fields:
            fields["prizes"][-1] = NAN
    return Problem(**fields, fleet=fleet)


@given(problems(4))
@settings(max_examples=60, deadline=None)
def test_all_parts_agree_on_the_best_routes(problem: Problem) -> None:
    truth, why = brute_force(problem), contradiction(problem)
    if truth.cost is None:
        return
    assert why == ""
    assert check(problem, truth.routes, truth.cost, truth.kinds) == []
    assert problem.cost(truth.routes, truth.kinds) == pytest.approx(truth.cost)
    for route, kind in zip(truth.routes, truth.kinds, strict=True):
        shortest = route_duration(problem, route, kind)
        assert problem.duration(route, kind) == pytest.approx(shortest)
        table = problem.timetable(route, kind)
        assert problem.scheduled is False or table.duration == pytest.approx(shortest)


def check_search(problem: Problem, steps: int) -> None:
    truth = brute_force(problem)
    methods = ["auto"]
    if problem.beyond:
        methods = ["pyvrp"] if windows_refusal(problem) else ["pyvrp", "heuristic"]
    for method in methods:
        try:
            found = solve(problem, method=method, steps=steps, time_limit=None)  # type: ignore[arg-type]
        except NoRoutesError:
            assert truth.cost is None
            continue
        assert found.cost == (None if truth.cost is None else pytest.approx(truth.cost))
        if found.cost is not None and problem.beyond:
            assert found.method == method


@pytest.mark.long
@given(problems(5))
@settings(max_examples=150, deadline=None)
def test_more_searches_find_the_routes_of_brute_force(problem: Problem) -> None:
    check_search(problem, 2000)


@pytest.mark.parametrize(
    "fields",
    [
        {"windows": [(0, 200), (60, 80), (0, 20), (30, 45), (0, 99), (20, 60)]},
        {"windows": [(0, 300)] + [(0, INF)] * 4 + [(150, 160)], "max_time": 290.0},
        {
            "windows": [(5, 300), (80, 95), (0, INF), (0, 90), (60, 75), (0, 200)],
            "demands": [0, 4, 0, 3, 2, 5], "capacity": 9.0, "max_stops": 2, "max_distance": 220.0,
            "prizes": [NAN, NAN, 5.0, NAN, 60.0, NAN],
        },
        {"windows": [(0, 300)] * 6, "crew": "fixed", "dispatchers": 2, "min_stops": 2},
        {"prizes": [NAN, 3.0, NAN, 40.0, 1.0, 9.0]},
        {"prizes": [NAN, 0.0, 0.0, 0.0, 0.0, 0.0]},
        {"demands": [0, 4, 0, 3, 2, 5], "pickups": [0, 2, 6, 0, 4, 1], "capacity": 10.0},
        {
            "demands": [0, 4, 0, 3, 0, 5], "pickups": [0, 0, 6, 0, 4, 0], "capacity": 13.0,
            "backhauls": True,
        },
        {"demands": [0, 0, 3, 3, 0, 3], "origins": [0, 0, 1, 0, 0, 4], "capacity": 6.0},
        {"fleet": [{"count": 1, "max_distance": 90.0}, {"distance_cost": 0.5, "fixed_cost": 70.0}]},
        {
            "demands": [0, 4, 1, 3, 2, 0], "depots": 2,
            "fleet": [{"count": 2, "capacity": 6.0}, {"depot": "5", "capacity": 4.5}],
        },
        {"fleet": [{"shift_start": 50.0, "shift_end": 290.0}, {"shift_end": 230.5}]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("open_routes", [False, True])
def test_the_search_finds_the_routes_of_brute_force(
    random_problem: Callable[..., Problem], fields: dict[str, Any], open_routes: bool
) -> None:
    service = [0, 5, 5, 5, 5, 0]
    problem = random_problem(
        5, seed=3, **{"dispatchers": 3, "crew": "at_most", **fields}, speed=60.0, service=service,
        open_routes=open_routes,
    )  # fmt: skip
    assert brute_force(problem).cost is not None
    check_search(problem, 400)


def test_bounds_that_are_met_exactly_are_met() -> None:
    """Legs of 5 and 15 beside one of sqrt(2): whole numbers must stay whole for PyVRP."""
    points = [[0, 0], [3, 4], [12, 16], [13, 17]]
    windows = [(0, INF), (5, 5), (22, 22), (0, INF)]
    problem = Problem(points=points, windows=windows, service=[0, 2, 0, 0], speed=60)
    for method in ("pyvrp", "heuristic"):
        assert solve(problem, method=method, steps=50, time_limit=None).routes == ((1, 2, 3),)  # type: ignore[arg-type]
    late = problem.replace(service=[0, 2.1, 0, 0])
    with pytest.raises(NoRoutesError, match=r"is at '2' at 22\.1 > 22, the end of its window"):
        solve(late, method="pyvrp", steps=50, time_limit=None)
    tight = Problem(points=points[:3], dispatchers=1, max_distance=40.0, prizes=[NAN, NAN, 99.0])
    assert solve(tight, steps=50, time_limit=None).cost == pytest.approx(40)


def test_the_timetable_leaves_late_and_waits_only_where_it_must() -> None:
    windows = [(0, 200), (30, 40), (0, 200), (90, 99)]
    problem = ROAD.replace(windows=windows, service=[0, 2, 2, 2])
    table = problem.timetable([1, 2, 3])
    assert (table.leaves, table.arrivals, table.starts) == (35, (40, 47, 54), (40, 47, 90))
    assert (table.ends, table.duration, table.waiting) == (107, 72, 36)
    # The checker tries every time to leave that matters.
    assert route_duration(problem, [1, 2, 3]) == 72
    assert check(problem.replace(max_time=72.0), [[1, 2, 3]]) == []
    assert "72 minutes > max_time = 71" in check(problem.replace(max_time=71.0), [[1, 2, 3]])[0]
    rows = list(csv.DictReader(io.StringIO(routes_csv(problem, [[1, 2, 3]]))))
    assert [float(row["leave"] or 0) for row in rows] == [35, 42, 49, 92, 0]
    assert [float(row["wait"] or 0) for row in rows] == [0, 0, 0, 36, 0]
    assert [float(row["minutes"]) for row in rows] == [0, 7, 14, 57, 72]
    early = problem.replace(windows=[(50, 200), *windows[1:]])
    assert "is at '1' at 55 > 40, the end of its window" in check(early, [[1, 2, 3]])[0]
    closing = problem.replace(windows=[(0, 106), *windows[1:]])
    assert check(closing, [[1, 2, 3]]) == ["dispatcher 1 ends at 107 > 106, the end of the shift"]


def test_the_checker_sees_every_broken_constraint() -> None:
    goods = ROAD.replace(demands=[0, 4, 0, 2], pickups=[0, 0, 3, 4], capacity=6.0)
    assert check(goods, [[1, 2, 3]]) == ["dispatcher 1 has load 7 > capacity = 6"]
    assert check(goods.replace(capacity=7.0), [[1, 2, 3]]) == []
    first = ROAD.replace(demands=[0, 4, 0, 2], pickups=[0, 0, 3, 0], backhauls=True)
    assert check(first, [[1, 2, 3]]) == ["dispatcher 1 delivers at '3' after the pickup at '2'"]
    assert check(first, [[3, 1, 2]]) == []
    carried = ROAD.replace(demands=[0, 0, 4, 3], origins=[0, 0, 1, 0], capacity=5.0)
    assert "visits '2', but not before that '1'" in check(carried, [[2, 1, 3]])[0]
    assert check(carried, [[1, 2, 3]]) == ["dispatcher 1 has load 7 > capacity = 5"]
    assert check(carried, [[3, 1, 2]]) == []
    apart = carried.replace(dispatchers=2, prizes=[NAN, NAN, 5.0, NAN])
    assert "loads at '1' and does not visit '2'" in check(apart, [[1], [3]])[0]
    assert check(apart, [[3]], cost=35.0) == []
    assert check(apart, [[3]], cost=30.0) == [
        "cost = 30.0, but routes and stops left out cost 35.0"
    ]
    assert check(apart, [[1, 2]]) == ["stop '3' is not visited"]
    fleet = ROAD.replace(
        fleet=[Vehicle(name="van", fixed_cost=7), Vehicle(name="bike", max_distance=12.0, count=2)],
        crew="at_most",
    )
    assert check(fleet, [[1], [2, 3]], cost=47.0, kinds=[1, 0]) == []
    assert check(fleet, [[1], [2, 3]], kinds=[0, 0]) == ["2 vehicles 'van' drive: there are 1"]
    assert check(fleet, [[1], [2, 3]], kinds=[0, 1]) == [
        "dispatcher 2 has 30 distance > max_distance = 12"
    ]
    assert check(fleet, [[1, 2, 3]], kinds=[0, 1]) == ["2 vehicles for 1 routes"]


def test_what_no_vehicle_can_do_is_told_in_words() -> None:
    def why(**fields: Any) -> str:
        result = solve(ROAD.replace(**fields))
        assert result.status is Status.INFEASIBLE
        return result.reason

    late = why(windows=[(0, 99), (0, 9), (0, 9), (0, 99)])
    assert late == "stop '2' cannot be reached before 10 > 9, the end of its window"
    over = why(windows=[(0, 29), (0, 99), (0, 99), (0, 99)])
    assert over == "stop '3': who serves it is back 1 minutes after the end of the shift"
    assert why(fleet=[{"capacity": 3}, {"capacity": 4}], demands=[0, 5, 1, 1], crew="at_most") == (
        "stop '1' demands 5 > 4, the largest capacity"
    )
    assert why(fleet=[{"capacity": 3}], demands=[0, 2, 1, 1], crew="at_most") == (
        "all vehicles together hold 3 < 4, the demands of all stops"
    )
    assert why(
        windows=[(0, INF), (50, 60), (0, 40), (0, INF)], demands=[0, 0, 1, 1], origins=[0, 0, 1, 0]
    ).startswith("stop '2' closes at 40, before '1', where its demand is loaded, opens at 50")
    assert "max_distance = 29" in why(pickups=[0, 1, 1, 1], max_distance=29.0)
    # Whether optional stops can be reached does not matter.
    prized = ROAD.replace(windows=[(0, 29)] + [(0, 99)] * 3, prizes=[NAN, NAN, NAN, 4.0])
    assert solve(prized, steps=50, time_limit=None).cost == pytest.approx(24)
    with pytest.raises(NoRoutesError, match="the last routes tried: stop '"):
        solve(
            ROAD.replace(windows=[(0, 99), (15, 15), (0, 10), (15, 15)]), steps=50, time_limit=None
        )


def test_what_cannot_be_combined_is_refused_by_name() -> None:
    timed = ROAD.replace(windows=[(0, 99)] * 4, crew="at_most")
    for method in ("exact", "divide"):
        with pytest.raises(ValueError, match=f"method = '{method}': the stops have windows, to"):
            solve(timed, method=method)  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match="windows and pickups, and the search for these knows no pickups"
    ):
        solve(timed.replace(pickups=[0, 1, 1, 1], max_time=99.0), method="heuristic")
    start = Result(status=Status.FEASIBLE, cost=30.0, routes=((1, 2, 3),))
    searches = (
        divide,
        lambda problem: improve(problem, start=start, steps=1),
    )
    for entry in searches:
        with pytest.raises(ValueError, match="the stops have windows, to which only pyvrp"):
            entry(timed)
    refused = {
        "objective = 'makespan'": timed.replace(objective="makespan"),
        "min_time = 5: pyvrp": timed.replace(min_time=5.0),
        "min_stops = 2: pyvrp": timed.replace(min_stops=2),
        "speed = None: windows and shifts": timed.replace(speed=None),
        "crew = 'fixed': not with prizes": ROAD.replace(prizes=[NAN, 1, 1, 1], crew="fixed"),
        "crew = 'fixed': not with fleet": ROAD.replace(fleet=[Vehicle()], crew="fixed"),
        "backhauls = True: stop '3' has no": ROAD.replace(
            demands=[0, 1, 0, 0],
            pickups=[0, 0, 1, 0],
            backhauls=True,
        ),
        "max_stops = 3: not with origins": ROAD.replace(
            demands=[0, 0, 1, 0],
            origins=[0, 0, 1, 0],
            max_stops=3,
        ),
        "pickups: stop '2' has one, and": ROAD.replace(
            demands=[0, 0, 1, 0],
            origins=[0, 0, 1, 0],
            pickups=[0, 0, 1, 0],
        ),
    }
    for message, problem in refused.items():
        with pytest.raises(ValueError, match=message) as error:
            solve(problem)
        assert "heuristic" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"windows": [(0, 9)] * 3}, r"windows has shape \(3, 2\): expected \(4, 2\)"),
        ({"windows": [(0, 9), (5, 4), (0, 1), (0, 1)]}, r"windows\[1\] = \[5.0, 4.0\]: expected"),
        ({"windows": [(0, 9), (-1, 4), (0, 1), (0, 1)]}, r"windows\[1\] = \[-1.0, 4.0\]"),
        ({"windows": [(0, 9), (NAN, 4), (0, 1), (0, 1)]}, r"windows\[1\] = \[nan, 4.0\]"),
        ({"prizes": [NAN, -1, 1, 1]}, r"prizes\[1\] = -1.0: expected a finite number >= 0"),
        ({"prizes": [2, 1, 1, 1]}, r"prizes\[0\] = 2: expected 0 at a depot"),
        ({"origins": [0, 1, 0, 0]}, r"origins\[1\] = 1: expected another stop, or 0"),
        ({"origins": [0, 4, 0, 0]}, r"origins\[1\] = 4: expected another stop, or 0"),
        ({"origins": [0, 0, 1, 1]}, "origins: stop '1' is that of 2 stops"),
        ({"origins": [0, 0, 1, 0], "demands": [0, 2, 1, 1]}, "demands: stop '1' has one, and"),
        ({"origins": [0, 0, 1, 0], "prizes": [NAN, 0, 1, 1]}, "prizes: stop '1' has one, and"),
        ({"backhauls": 1}, "backhauls = 1: expected True or False"),
        (
            {"backhauls": True, "demands": [0, 1, 1, 1], "pickups": [0, 0, 2, 0]},
            "backhauls = True: stop '2' has a demand and a pickup",
        ),
        ({"fleet": [{"capasity": 3}]}, "fleet, vehicle 1: capasity: expected capacity, count"),
        ({"fleet": [{"count": 0}]}, "fleet, vehicle 1: count = 0: expected an integer >= 1"),
        ({"fleet": [{"distance_cost": None}]}, "vehicle 1: distance_cost = None: expected"),
        ({"fleet": [{"capacity": 3}]}, "vehicle '1': capacity = 3: expected demands"),
        ({"fleet": [{"name": "a"}, {"name": "a"}]}, "fleet: two vehicles are named 'a'"),
        ({"fleet": [{"shift_start": 9, "shift_end": 8}]}, "shift_end = 8: expected at least"),
        ({"fleet": [{"depot": "north"}]}, "depot = 'north': expected one of the depots 0"),
        ({"fleet": "van"}, "fleet = 'van': expected a list of vehicles"),
        ({"depots": 4}, "points has the depot only"),
        ({"depots": 2, "demands": [0, 0, 0, 1]}, r"demands\[3\] = 1: expected 0 at a depot"),
    ],
)  # fmt: skip
def test_malformed_constraints_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ROAD.replace(**fields, crew="at_most")


def test_maps_and_lines_start_at_the_vehicles_depots() -> None:
    problem = Problem(
        points=[[0, 0], [1, 0], [8, 0], [5, 5], [9, 0]], ids=("0", "a", "b", "c", "north"),
        depots=2, fleet=[{"name": "van"}, {"name": "bike", "depot": "north"}],
        prizes=[NAN, NAN, NAN, 1.0, NAN],
    )  # fmt: skip
    found = solve(problem, steps=100, time_limit=None)
    assert (found.routes, found.kinds, found.cost) == (((1,), (2,)), (0, 1), pytest.approx(5))
    assert problem.left_out(found.routes) == [3]
    features = json.loads(routes_geojson(problem, found.routes, found.kinds))["features"]
    lines = [one for one in features if one["geometry"]["type"] == "LineString"]
    assert lines[1]["geometry"]["coordinates"] == [[9, 0], [8, 0], [9, 0]]
    assert lines[1]["properties"]["vehicle"] == "bike"
    roles = [one["properties"].get("role") for one in features]
    assert (roles.count("depot"), roles.count("left out")) == (2, 1)
    axes = Figure().subplots()
    plot_routes(problem, found.routes, ax=axes, colours=["#000000"], kinds=found.kinds)
    assert axes.lines[1].get_xdata().tolist() == [9, 8, 9]
    labels = [line.get_label() for line in axes.lines]
    assert labels == ["1 (van): 1 stops", "2 (bike): 1 stops", "left out", "depots"]


def test_the_bound_of_the_problem_without_windows_holds(
    random_problem: Callable[..., Problem],
) -> None:
    windows = [(0, INF), (60, 70), *[(0, INF)] * 4]
    problem = random_problem(5, dispatchers=2, windows=windows, speed=60.0, max_stops=3)
    found = solve(problem, time_limit=0.3)
    assert found.lower_bound is not None
    assert 0 < found.lower_bound <= brute_force(problem).cost * (1 + 1e-9)
    # Four may drive, and one is best: a bound for four who do would be above that.
    many = problem.replace(dispatchers=4, max_stops=None, windows=[(0, INF)] * 6)
    found = solve(many, time_limit=0.3)
    assert found.lower_bound is not None
    assert found.lower_bound <= brute_force(many).cost * (1 + 1e-9)
    assert found.cost == pytest.approx(brute_force(many).cost)
    assert solve(problem.replace(prizes=[NAN] + [9.0] * 5), time_limit=0.1).lower_bound is None


@given(problems(5))
@settings(max_examples=80, deadline=None)
def test_bounds_without_some_constraints_are_never_above_the_best_routes(problem: Problem) -> None:
    truth = brute_force(problem)
    bound = solver._bound_without(problem.closed(), 0.2)
    if bound is None:
        assert problem.prizes is not None or problem.depots > 1
    elif truth.cost is not None:
        assert bound <= truth.cost * (1 + 1e-9)
        lost = never_driven(problem.closed())
        for route, kind in zip(truth.routes, truth.kinds or [0] * 9, strict=False):
            path = problem.path(route, kind)
            assert not lost[path[:-1], path[1:]].any()


def test_more_dispatchers_than_stops_may_stay_at_home() -> None:
    problem = Problem(points=[[0, 0], [3, 4]], dispatchers=3, pickups=[0, 1])
    assert solve(problem, time_limit=0.1).routes == ((1,),)


@pytest.mark.parametrize(
    "fleet",
    [
        [{"hour_cost": 90.0, "distance_cost": 0.0, "count": 2}],
        [{"hour_cost": 7.3}, {"distance_cost": 0.0, "hour_cost": 60.0, "fixed_cost": 3.0}],
        [{"max_time": 40.0, "max_overtime": 60.0, "overtime_cost": 200.0, "count": 3}],
        [{"max_time": 40.0, "max_overtime": 200.0, "hour_cost": 30.0, "overtime_cost": 15.0}],
        [{"end_depot": "5", "count": 2}],
        [{"depot": "5", "end_depot": "0"}, {"fixed_cost": 9.0}],
        [{"depot": "5", "end_depot": "0", "shift_start": 20.0, "hour_cost": 40.0, "count": 2}],
    ],
)  # fmt: skip
@pytest.mark.parametrize("windows", [False, True])
def test_hours_overtime_and_ends_are_those_of_brute_force(
    random_problem: Callable[..., Problem], fleet: list[dict[str, Any]], windows: bool
) -> None:
    ends = any("5" in (v.get("depot"), v.get("end_depot")) for v in fleet)
    problem = random_problem(
        5, seed=4, speed=60.0, service=[0, 5, 5, 5, 5, 0], fleet=fleet, depots=1 + ends
    )
    if windows:
        rows = [(0, INF), (60, 200), (0, INF), (0, 90), (100, 220), (0, 400)]
        problem = problem.replace(windows=rows)
    truth = brute_force(problem)
    assert truth.cost is not None
    assert check(problem, truth.routes, truth.cost, truth.kinds) == []
    assert problem.cost(truth.routes, truth.kinds) == pytest.approx(truth.cost)
    check_search(problem, 400)
    # The checker counts hours and ends by itself.
    (wrong, *_) = check(problem, truth.routes, truth.cost + 1, truth.kinds)
    assert "cost = " in wrong


def test_an_end_at_another_depot_is_in_files_and_on_the_map() -> None:
    points = [[0, 0], [1, 0], [9, 0]]
    fleet = [Vehicle(name="there", end_depot="2"), Vehicle(name="back", depot="2", end_depot="0")]
    problem = Problem(points=points, ids=("0", "1", "2"), depots=2, fleet=fleet)
    assert (problem.length([1], 0), problem.length([1], 1)) == (9, 9)
    ways = [row["id"] for row in csv.DictReader(io.StringIO(routes_csv(problem, [[1]], [1])))]
    assert ways == ["2", "1", "0"]
    lines = json.loads(routes_geojson(problem, [[1]], [1]))["features"]
    assert next(f for f in lines if f["geometry"]["type"] == "LineString")["geometry"][
        "coordinates"
    ] == [[9, 0], [1, 0], [0, 0]]
    # Another format calls the first depot otherwise; files of our own call it 0.
    named = Problem(points=points, ids=("hub", "1", "2"), depots=2, fleet=[
        Vehicle(name="back", depot="2", end_depot="hub")
    ])  # fmt: skip
    again = parse_json(stops_json(named))
    assert (again.depot_of(0), again.end_of(0)) == (2, 0)
    assert again.length([1]) == named.length([1]) == 9


@pytest.mark.parametrize(
    ("vehicle", "fields", "words"),
    [
        ({"end_depot": "1"}, {}, "end_depot = '1': expected one of the depots 0"),
        ({"end_depot": "0"}, {"open_routes": True}, "end_depot = '0': not with open_routes"),
        ({"overtime_cost": 2}, {}, "overtime_cost = 2: expected max_overtime with it"),
        ({"hour_cost": -1}, {}, "hour_cost = -1: expected a finite number >= 0"),
        ({"hour_cost": 5.0}, {}, "hour_cost = 5: expected speed, times or service with it"),
        ({"max_time": 5.0}, {}, "max_time = 5: expected speed, times or service with it"),
        ({"max_overtime": 5.0}, {}, "max_overtime = 5: expected max_time with it"),
    ],
)
def test_vehicles_that_make_no_sense_are_refused(
    vehicle: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        solve(Problem(points=[[0, 0], [3, 4]], fleet=[vehicle], **fields), time_limit=1.0)


@pytest.mark.parametrize(
    ("fields", "search"),
    [
        ({"windows": [(0, 300)] * 6, "speed": 60.0}, "improve_windows"),
        ({"demands": [0, 5, 4, 3, 3, 3], "capacity": 9.0, "dispatchers": 2}, "improve"),
    ],
)
def test_pyvrp_has_the_rest_of_the_time_where_the_search_finds_no_routes(
    random_problem: Callable[..., Problem],
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    search: str,
) -> None:
    problem = random_problem(5, seed=3, **fields)
    solver.compile_search()
    solver._compile_windows()
    given: dict[str, float] = {}
    ended = ["within the limit"]

    def fails(_problem: Problem, **options: Any) -> Result:
        given.update(options)
        raise NoRoutesError(ended[-1])

    # Routes that are hard to find for one search and easy for another cannot be had on demand.
    monkeypatch.setattr(solver, search, fails)
    monkeypatch.setattr(solver, "_EXACT_STOPS", 0)
    monkeypatch.setattr(solver, "cut_tour", lambda problem, **_: Result(
        status=Status.FEASIBLE, cost=1.0, routes=((1, 2, 3), *((4, 5),) * (problem.dispatchers - 1))
    ))  # fmt: skip
    found = solve(problem, time_limit=0.4)
    assert found.method == "pyvrp"
    assert found.cost == pytest.approx(brute_force(problem).cost)
    assert 0 < given.get("patience", given["time_limit"]) <= 0.5
    for method in ("heuristic", "auto"):
        ended.append("interrupted" if method == "auto" else "within the limit")
        with pytest.raises(NoRoutesError, match=ended[-1]):
            solve(problem, method=method, time_limit=0.4)  # type: ignore[arg-type]
