from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.routing import Problem
from core.routing.formats import (
    FormatError,
    parse_csv,
    parse_geojson,
    routes_csv,
    routes_geojson,
    stops_csv,
)
from core.routing.tsplib import parse_tsplib

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
        ("id:x:y\n0:0:0\n", "s.csv, line 1: id:x:y: expected the columns"),
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
        ("a" * 200_000, "s.csv, line 1: field larger than field limit"),
        ("id,x,y\n0,0,0\n1,1," + "1" * 200_000, "s.csv, line 3: field larger than field limit"),
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


def test_geojson_that_was_written_is_read_back() -> None:
    problem = parse_csv("id,lat,lon\n0,52,13\na,48,11\nb,50,8\n")
    again = parse_geojson(routes_geojson(problem, [[2, 1]]))
    assert again.metric == "great_circle"
    assert dict(zip(again.ids, again.points.tolist(), strict=True)) == dict(
        zip(problem.ids, problem.points.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "s.geojson, line 1: not JSON"),
        ("[1]", "s.geojson: expected a GeoJSON FeatureCollection"),
        (
            '{"features": [{"geometry": {"type": "Point", "coordinates": [1, 2]}}]}',
            "s.geojson, feature 1: expected a Point",
        ),
        (
            (
                '{"features": [{"geometry": {"type": "Point", "coordinates": [1, 95]},'
                ' "properties": {"id": 0}}]}'
            ),
            "s.geojson, feature 1: lat = '95': expected degrees",
        ),
    ],
)
def test_geojson_errors(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        parse_geojson(text, "s.geojson")


EXPLICIT = "TYPE : ATSP\nDIMENSION : 3\nEDGE_WEIGHT_TYPE : EXPLICIT\n"


@pytest.mark.parametrize(
    ("layout", "numbers", "matrix"),
    [
        ("FULL_MATRIX", "0 1 2\n3 0 4\n5 6 0", [[0, 1, 2], [3, 0, 4], [5, 6, 0]]),
        ("UPPER_ROW", "1 2\n3", [[0, 1, 2], [1, 0, 3], [2, 3, 0]]),
        ("LOWER_DIAG_ROW", "0 1 0\n2 3 0", [[0, 1, 2], [1, 0, 3], [2, 3, 0]]),
        ("UPPER_DIAG_ROW", "0 1 2 0 3 0", [[0, 1, 2], [1, 0, 3], [2, 3, 0]]),
        ("LOWER_ROW", "1 2 3", [[0, 1, 2], [1, 0, 3], [2, 3, 0]]),
    ],
)
def test_tsplib_matrices(layout: str, numbers: str, matrix: list[list[int]]) -> None:
    text = f"{EXPLICIT}EDGE_WEIGHT_FORMAT : {layout}\nEDGE_WEIGHT_SECTION\n{numbers}\nEOF\n"
    assert parse_tsplib(text).matrix.tolist() == matrix


def test_tsplib_depot() -> None:
    text = (
        "NAME : x\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 5 5\n2 1e1 0\n3 7 7\n"
        "DEPOT_SECTION\n2\n-1\nEOF\n"
    )
    problem = parse_tsplib(text)
    assert problem.ids == ("2", "1", "3")
    assert problem.points[0].tolist() == [10.0, 0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.tsp: EDGE_WEIGHT_TYPE = '': expected EUC_2D, EXACT_2D"),
        ("hello\n", "s.tsp, line 1: 'hello': expected KEY : VALUE"),
        (
            "EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 x 0\n",
            "s.tsp, line 4: 'x 0': expected numbers",
        ),
        (
            "EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 nan 0\n",
            "s.tsp, line 4: 'nan 0': expected numbers",
        ),
        (
            EXPLICIT + "EDGE_WEIGHT_FORMAT : UPPER_ROW\nEDGE_WEIGHT_SECTION\n1 2\n",
            "EDGE_WEIGHT_SECTION has 2 numbers: expected 3 for UPPER_ROW of 3 nodes",
        ),
        (EXPLICIT + "EDGE_WEIGHT_FORMAT : SPIRAL\n", "EDGE_WEIGHT_FORMAT = 'SPIRAL'"),
    ],
)
def test_tsplib_errors(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        parse_tsplib(text, "s.tsp")
