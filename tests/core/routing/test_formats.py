from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.routing import Problem
from core.routing.formats import FormatError, parse_csv, routes_csv, routes_geojson, stops_csv

FLOAT = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(st.tuples(FLOAT, FLOAT), min_size=2, max_size=10))
def test_stops_come_back_exactly(points: list[tuple[float, float]]) -> None:
    problem = parse_csv(stops_csv(Problem(points=points)))
    assert problem.points.tolist() == [list(point) for point in points]
    assert problem.metric == "euclidean"


def test_depot_may_stand_anywhere_and_columns_in_any_order() -> None:
    problem = parse_csv("\ufeffname,Y, X ,id\nann,2,1,b\n\nhub,0,0,0\n")
    assert problem.ids == ("0", "b")
    assert problem.points.tolist() == [[0.0, 0.0], [1.0, 2.0]]


def test_latitude_and_longitude() -> None:
    problem = parse_csv("id,lat,lon\n0,52,13\n1,48,11\n")
    assert problem.metric == "great_circle"
    assert problem.points.tolist() == [[13.0, 52.0], [11.0, 48.0]]
    assert float(problem.between(0, 1)) == pytest.approx(467, abs=1)
    assert parse_csv(stops_csv(problem)).points.tolist() == problem.points.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.csv, line 1: nothing: expected the columns id,x,y or id,lat,lon"),
        ("id;x;y\n0;0;0\n", "s.csv, line 1: id;x;y: expected the columns"),
        ("id,x,y\n1,0,0\n", "s.csv: no depot: expected one row with id 0"),
        ("id,x,y\n0,0,0\n", "s.csv: the depot only"),
        ("id,x,y\n0,0,0\n1,1,1\n0,2,2\n", "s.csv, line 4: id = '0': a second depot (line 2)"),
        ("id,x,y\n0,0,0\n1,1,1\n1,2,2\n", "s.csv, line 4: id = '1': used already (line 3)"),
        ("id,x,y\n0,0,0\n1,nan,1\n", "s.csv, line 3: x = 'nan': expected a finite number"),
        ("id,x,y\n0,0,0\n1,2,\n", "s.csv, line 3: y = '': expected a finite number"),
        ("id,x,y\n0,0,0\n1,2\n", "s.csv, line 3: 2 columns: expected id, x, y"),
        ("id,x,y\n0,0,0\n,2,3\n", "s.csv, line 3: id is empty"),
        ("id,lat,lon\n0,0,0\n1,95,3\n", "line 3: lat = '95': expected degrees from -90 to 90"),
        ("id,x,y\n0,0,0\n" + "a,b,c\n" * 8, "s.csv: and 3 more"),
    ],
)
def test_errors_name_source_line_and_value(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        parse_csv(text, "s.csv")


def test_routes_as_csv_and_geojson() -> None:
    problem = Problem(points=[[0, 0], [3, 4], [6, 8], [0, 2]], ids=("0", "a", "b", "c"))
    rows = list(csv.DictReader(io.StringIO(routes_csv(problem, [[1, 2], [3]]))))
    assert [(row["dispatcher"], row["id"]) for row in rows] == [
        *[("1", name) for name in "0ab0"],
        *[("2", name) for name in "0c0"],
    ]
    assert [float(row["travelled"]) for row in rows] == [0, 5, 10, 20, 0, 2, 4]
    features = json.loads(routes_geojson(problem, [[1, 2], [3]]))["features"]
    lines = [f for f in features if f["geometry"]["type"] == "LineString"]
    assert lines[0]["geometry"]["coordinates"] == [[0, 0], [3, 4], [6, 8], [0, 0]]
    assert [line["properties"]["distance"] for line in lines] == [20.0, 4.0]
    assert sum(f["geometry"]["type"] == "Point" for f in features) == 4
