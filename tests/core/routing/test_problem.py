from __future__ import annotations

import math
import re

import numpy as np
import pytest

from core.routing import Problem, Result, Status, route_length, solve

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "points: give points or matrix"),
        ({"points": [[0, 0]]}, "the depot only"),
        ({"points": [[0, 0, 0], [1, 1, 1]]}, "points has shape (2, 3): expected (N + 1, 2)"),
        ({"points": [[0, 0], [1, math.nan]]}, "points[1] = [1.0, nan]: expected finite"),
        ({"points": [["a", 0], [1, 1]]}, "points: expected numbers"),
        ({"points": SQUARE, "dispatchers": 0}, "dispatchers = 0: expected an integer >= 1"),
        ({"points": SQUARE, "dispatchers": 1.5}, "dispatchers = 1.5: expected an integer >= 1"),
        ({"points": SQUARE, "dispatchers": 4}, "dispatchers = 4: expected at most 3"),
        ({"points": SQUARE, "min_stops": 0}, "min_stops = 0: expected an integer >= 1"),
        ({"points": SQUARE, "min_stops": 3, "max_stops": 2}, "contradict each other"),
        ({"points": SQUARE, "metric": "taxi"}, "metric = 'taxi': expected"),
        ({"points": [[0, 0], [5, 91]], "metric": "great_circle"}, "expected (longitude, latitude)"),
        ({"matrix": [[0, 1], [1, 0], [2, 2]]}, "matrix has shape (3, 2): expected (N + 1, N + 1)"),
        ({"matrix": [[0, 1], [-2, 0]]}, "matrix[1, 0] = -2.0: expected a finite distance >= 0"),
        ({"matrix": [[0, math.inf], [1, 0]]}, "matrix[0, 1] = inf"),
        ({"points": SQUARE, "matrix": [[0, 1], [1, 0]]}, "points has 4 rows: expected 2"),
        ({"points": SQUARE, "ids": ("0", "1")}, "ids has 2 names: expected 4"),
        ({"points": SQUARE, "ids": ("0", "1", "1", "2")}, "ids: '1' occurs more than once"),
    ],
)
def test_malformed_data_names_field_and_value(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Problem(**fields)  # type: ignore[arg-type]


def test_problem_does_not_change_with_the_callers_array() -> None:
    points = np.array(SQUARE, dtype=float)
    problem = Problem(points=points)
    points[1] = 99
    assert problem.points[1].tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        problem.points[1] = 99


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dispatchers": 2, "max_stops": 1}, "dispatchers * max_stops = 2 * 1 = 2 < 3 stops"),
        ({"dispatchers": 2, "min_stops": 2}, "dispatchers * min_stops = 2 * 2 = 4 > 3 stops"),
    ],
)
@pytest.mark.parametrize("method", ["auto", "exact", "divide", "heuristic"])
def test_bounds_that_cannot_be_met_are_a_result(
    fields: dict[str, int], reason: str, method: str
) -> None:
    result = solve(Problem(points=SQUARE, **fields), method=method)  # type: ignore[arg-type]
    assert result.status is Status.INFEASIBLE
    assert result.cost is None
    assert result.routes == ()
    assert reason in result.reason
    assert reason in result.summary()


def test_same_place_twice_is_a_warning() -> None:
    problem = Problem(points=[[0, 0], [1, 1], [1, 1]])
    assert problem.warnings() == ["'2' is at the same place as '1' (1, 1)"]
    assert Problem(points=SQUARE).warnings() == []


def test_great_circle_distance() -> None:
    # A quarter of the equator, and pole to pole.
    problem = Problem(points=[[0, 0], [90, 0], [0, 90], [0, -90]], metric="great_circle")
    quarter = math.pi / 2 * 6371.0088
    assert problem.between(0, 1) == pytest.approx(quarter)
    assert problem.between(2, 3) == pytest.approx(2 * quarter)
    assert route_length(problem, [1, 2]) == pytest.approx(3 * quarter)
    assert problem.length([1, 2]) == pytest.approx(3 * quarter)


def test_gap_and_summary() -> None:
    assert Result(status=Status.FEASIBLE).gap is None
    assert Result(status=Status.OPTIMAL, cost=0.0, lower_bound=0.0).gap == 0.0
    result = Result(status=Status.FEASIBLE, cost=200.0, lower_bound=150.0, reason="time")
    assert result.gap == 0.25
    assert result.summary().endswith("gap 25.00%, 0 routes, 0.0 s (time)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "best"}, "method = 'best': expected one of auto, exact, divide, heuristic"),
        ({"time_limit": 0}, "time_limit = 0: expected seconds > 0"),
        ({"time_limit": math.nan}, "time_limit = nan: expected seconds > 0"),
    ],
)
def test_solve_refuses_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        solve(Problem(points=SQUARE), **options)  # type: ignore[arg-type]
