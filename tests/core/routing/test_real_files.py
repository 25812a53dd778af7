"""Files as people and libraries have them: read as they mean it, or refused by name and line."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing import Problem, solve
from core.routing.formats import FormatError, decode, parse_csv, parse_geojson, parse_json
from core.routing.tsplib import KEYS, SECTIONS, parse_tsplib

# --- tables ----------------------------------------------------------------------------------

TABLES = {
    "semicolons and decimal commas": "id;lat;lon\n0;50,5;8,25\n1;51;8\n",
    "tabs": "id\tlat\tlon\n0\t50.5\t8.25\n1\t51\t8\n",
    "tabs and decimal commas": "id\tlat\tlon\n0\t50,5\t8,25\n1\t51\t8\n",
    "bars": "id|lat|lon\n0|50.5|8.25\n1|51|8\n",
    "long names": "Stop_ID,Latitude,Longitude\n0,50.5,8.25\n1,51,8\n",
    "lng": "id,lat,lng\n0,50.5,8.25\n1,51,8\n",
    "quotes": '"id","lat","lon"\n"0","50.5","8.25"\n"1","51","8"\n',
    "a spreadsheet's hint": "sep=;\nid;lat;lon\n0;50,5;8,25\n1;51;8\n",
    "Windows": "\ufeffid;lat;lon\r\n0;50,5;8,25\r\n1;51;8\r\n",
    "remarks": 'name,id,lat,lon,address\nDepot,0,50.5,8.25,\nAnn,1,51,8,"Hauptstr. 3, Ulm"\n',
    "a column without a name": ",id,lat,lon\n0,0,50.5,8.25\n1,1,51,8\n",
    "cells that are empty at the end": "id,lat,lon,,\n0,50.5,8.25,,\n1,51,8,,\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_tables_as_spreadsheets_save_them(text: str) -> None:
    problem = parse_csv(text)
    assert problem.metric == "great_circle"
    assert problem.ids == ("0", "1")
    assert problem.points.tolist() == [[8.25, 50.5], [8.0, 51.0]]


@pytest.mark.parametrize(
    "coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_codings_of_spreadsheets(coding: str) -> None:
    text = "id;x;y\n0;0;0\nKöln;1,5;2\n"
    assert parse_csv(decode(text.encode(coding))).ids == ("0", "Köln")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,x,y,priority,skill\n0,0,0,0,9\n1,1,1,0,9\n", "not known: priority, skill: routes"),
        ("id,x,y,zone\n0,0,0,\n1,1,1,5\n", "columns that are not known: zone"),
        ("id,x,y,x\n0,0,0,0\n", "line 1: 'x' and 'x': expected one of them"),
        ("id,lat,lon,lng\n0,0,0,0\n", "line 1: 'lon' and 'lng': expected one of them"),
        ("id,lat,lon,x,y\n0,0,0,0,0\n", "line 1: id,lat,lon,x,y: expected the columns"),
        ("id,lat,lon,x\n0,0,0,0\n", "line 1: 'x' beside lat,lon"),
        ("id,x,y\n0,0,0\n1,3,5,4,2\n", "line 3: 5 columns: expected id, x, y"),
        ("id;x;y\n0;0,5;0\n1;1.5;2\n", "line 3: x = '1.5': other numbers of this file have a"),
        ("id;x;y\n0;0;0\n1;1.234,5;2\n", "line 3: x = '1.234,5': other numbers of this file"),
        ("id,x,y\n0,0,0\n1,1_0,2\n", "line 3: x = '1_0': expected a finite number"),
        ("id,x,y\n0,0,0\n1,1e999,2\n", "line 3: x = '1e999': expected a finite number"),
        ("id,x,y\n0,0,0\n1,1e120,2\n", "s.csv: points[1] = [1e+120, 2.0]"),
        ("id,x,y\n0,0,0\n1,1,2\x00\n", "line 3: "),
    ],
)
def test_tables_that_would_be_misread_are_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        parse_csv(decode(text.encode(), "s.csv"), "s.csv")


@pytest.mark.parametrize("ignore", [["tw_start", "TW_end"], ["*"]])
def test_columns_are_passed_over_with_consent(ignore: list[str]) -> None:
    text = "id,x,y,tw_start,tw_end\n0,0,0,0,9\n1,1,1,0,9\n"
    assert parse_csv(text, ignore=ignore).n_stops == 1
    places = [{"id": i, "x": i, "y": 0, "tw_start": 0, "tw_end": 9} for i in range(3)]
    assert parse_json(json.dumps({"places": places}), ignore=ignore).n_stops == 2


# --- JSON ------------------------------------------------------------------------------------


def collection(**feature: Any) -> str:
    depot = {"id": 0, "geometry": {"type": "Point", "coordinates": [8, 50]}}
    stop = {"id": "a", "geometry": {"type": "Point", "coordinates": [9, 50, 120.5]}}
    return json.dumps({"type": "FeatureCollection", "features": [depot, {**stop, **feature}]})


def test_features_may_have_their_own_id() -> None:
    assert parse_geojson(collection()).ids == ("0", "a")
    assert parse_geojson(collection(properties=None)).ids == ("0", "a")
    assert parse_geojson(collection(properties={"id": "b", "demand": 3})).ids == ("0", "b")
    assert parse_geojson(collection(properties={"demand": 3})).demands.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (collection(properties={"skill": 8}), "s.json, properties: columns that are not known"),
        (collection(geometry=None), "s.json, feature 2: expected a Point"),
        (
            collection(geometry={"type": "Polygon", "coordinates": [[[1, 2]]]}),
            "feature 2: expected a",
        ),
        (collection(geometry={"type": "Point", "coordinates": ["a", "b"]}), "feature 2: lat = 'b'"),
        (
            collection(geometry={"type": "Point", "coordinates": [None, 1]}),
            "feature 2: lon = 'null'",
        ),
        ("[" * 100_000, "s.json: not JSON: nested too deeply"),
        ('{"places": 9' + "9" * 5000 + "}", "s.json: not JSON: Exceeds the limit"),
        (
            '{"places": [], "vehicles": 3}',
            "s.json: vehicles: expected places, matrix, times, cap",
        ),
        ('{"places": [{"x": 1, "y": 2}]}', "s.json, places: x,y: expected the columns"),
        ('{"places": [{"id": 0}, {"id": 1}], "matrix": 5}', "s.json: matrix has shape ()"),
        (
            '{"places": [{"id": 0}, {"id": 1}], "matrix": [[0, 1], [2]]}',
            "s.json: matrix: expected num",
        ),
        (
            '{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": 1, "y": 1}], "capacity": [1]}',
            "s.json: capacity = [1]: expected a finite number > 0",
        ),
        (
            '{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": true, "y": 1}]}',
            "place 2: x = 'true'",
        ),
        (
            '{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": [1], "y": 1}]}',
            "place 2: x = '[1]'",
        ),
        (
            '{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": NaN, "y": 1}]}',
            "place 2: x = 'nan'",
        ),
    ],
)
def test_json_that_would_be_misread_is_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        parse_json(text, "s.json")


# --- TSPLIB ----------------------------------------------------------------------------------

ULYSSES = """NAME: ulysses16.tsp
TYPE: TSP
COMMENT: Odyssey of Ulysses (Groetschel/Padberg)
DIMENSION: 16
EDGE_WEIGHT_TYPE: GEO
DISPLAY_DATA_TYPE: COORD_DISPLAY
NODE_COORD_SECTION
 1 38.24 20.42
 2 39.57 26.15
 3 40.56 25.32
 4 36.26 23.12
 5 33.48 10.54
 6 37.56 12.19
 7 38.42 13.11
 8 37.52 20.44
 9 41.23 9.10
 10 41.17 13.05
 11 36.08 -5.21
 12 38.47 15.13
 13 38.15 15.35
 14 37.51 15.17
 15 35.49 14.32
 16 39.36 19.56
EOF
"""


def test_ulysses_costs_what_the_library_says() -> None:
    problem = parse_tsplib(ULYSSES)
    assert problem.distance_unit == "km"
    assert solve(problem, method="exact").cost == 6859
    assert problem.points[0].tolist() == pytest.approx([20.7, 38.4])  # degrees, for plots


TRIANGLE = "DIMENSION : 3\nEDGE_WEIGHT_TYPE : {kind}\nNODE_COORD_SECTION\n1 0 0\n2 3 4.4\n3 -10 0\n"


@pytest.mark.parametrize(
    ("kind", "exact", "rounded"),
    [
        ("EUC_2D", 5.3254, 5.0),
        ("EXACT_2D", 5.3254, 5.3254),
        ("CEIL_2D", 6.0, 6.0),
        ("MAN_2D", 7.4, 7.0),
        ("MAX_2D", 4.4, 4.0),
        ("ATT", 2.0, 2.0),
    ],
)
def test_distances_of_the_library(kind: str, exact: float, rounded: float) -> None:
    text = TRIANGLE.format(kind=kind)
    assert float(parse_tsplib(text).between(0, 1)) == pytest.approx(exact, abs=1e-4)
    assert float(parse_tsplib(text, rounded=True).between(0, 1)) == pytest.approx(rounded, abs=1e-4)


VRP = """NAME : small
TYPE : CVRP
DIMENSION : 3
VEHICLES : 2
CAPACITY : 10
EDGE_WEIGHT_TYPE : EUC_2D
NODE_COORD_SECTION
1 0 0
2 3 4
3 6 8
DEMAND_SECTION
1 0
2 4
3 5
DEPOT_SECTION
 1
 -1
EOF
"""


def test_the_fleet_of_a_file() -> None:
    problem = parse_tsplib(VRP)
    assert (problem.dispatchers, problem.crew, problem.capacity) == (2, "at_most", 10.0)
    served = VRP.replace("EOF", "SERVICE_TIME_SECTION\n1 0\n2 7\n3 8\nEOF")
    assert parse_tsplib(served).service.tolist() == [0, 7, 8]


FOREIGN = {
    "RELEASE_TIME_SECTION": "1 0\n2 5\n3 0",
    "MUTUALLY_EXCLUSIVE_GROUP_SECTION": "1 2\n1 3",
    "VEHICLES_ALLOWED_CLIENTS_SECTION": "1 2 3",
    "FIXED_EDGES_SECTION": "1 2\n-1",
    "TOUR_SECTION": "1\n2\n3\n-1",
    "EDGE_DATA_SECTION": "1 2\n-1",
    "CTSP_SET_SECTION": "1 2 3 -1",
    "PICKUP_SECTION": "2 5",
    "X2_SECTION": "2 5",
}


@pytest.mark.parametrize(("section", "lines"), FOREIGN.items(), ids=FOREIGN)
def test_sections_that_no_problem_holds_are_refused_by_name(section: str, lines: str) -> None:
    for text in (
        VRP.replace("EOF", f"{section}\n{lines}\nEOF"),
        VRP.replace("DEMAND_SECTION", f"{section} :\n{lines}\nDEMAND_SECTION"),
    ):
        with pytest.raises(FormatError, match=f"s.vrp, line [0-9]+: {section} is not supported"):
            parse_tsplib(text, "s.vrp")


@pytest.mark.parametrize(
    "key", ["VEHICLES_MAX_DURATION", "NUM_DEPOTS", "MTSP_MIN_SIZE", "K", "type"]
)
def test_keys_that_no_problem_holds_are_refused_by_name(key: str) -> None:
    with pytest.raises(FormatError, match=f"s.vrp, line 2: {key} is not supported"):
        parse_tsplib(VRP.replace("TYPE : CVRP", f"{key} : 3"), "s.vrp")


@given(st.from_regex(r"[A-Z][A-Z_]{0,20}(_SECTION)?", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_no_word_is_dropped(word: str) -> None:
    """Whatever stands at the head of a file or of a section: read, a remark, or refused."""
    known = {
        *KEYS,
        *SECTIONS,
        "NAME",
        "COMMENT",
        "DISPLAY_DATA_TYPE",
        "DISPLAY_DATA_SECTION",
        "EOF",
    }
    if word in known:
        return
    line = f"{word}\n1 1\n" if word.endswith("_SECTION") else f"{word} : 1\n"
    for text in (line + VRP, VRP.replace("EOF", line + "EOF")):
        with pytest.raises(FormatError, match=word):
            parse_tsplib(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "DIMENSION : 3",
            "DIMENSION : 9",
            "s.vrp, line 3: DIMENSION = 9, but NODE_COORD_SECTION has 3",
        ),
        (
            "DIMENSION : 3",
            "DIMENSION : -3",
            "s.vrp, line 3: DIMENSION = '-3': expected an integer >= 1",
        ),
        ("DIMENSION : 3", "DIMENSION : 3\nDIMENSION : 3", "s.vrp, line 4: a second DIMENSION"),
        ("3 6 8\n", "", "line 3: DIMENSION = 3, but NODE_COORD_SECTION has 2 nodes"),
        ("3 6 8\n", "3 6 8 1\n", "line 10: expected a node and two coordinates"),
        ("3 6 8\n", "2 6 8\n", "line 10: NODE_COORD_SECTION: node 2 is there twice"),
        ("3 5\n", "", "s.vrp: DEMAND_SECTION has 2 nodes: expected 3; node 3 is missing"),
        ("3 5\n", "3 -5\n", "line 14: DEMAND_SECTION: node 3 = -5: expected a number >= 0"),
        ("3 5\n", "4 5\n", "line 14: DEMAND_SECTION: '4 5': expected a node and a number"),
        ("3 5\n", "2 5\n", "line 14: DEMAND_SECTION: node 2 is there twice"),
        (" 1\n -1\n", " 1\n 2\n -1\n", "line 17: depots 1, 2: expected one depot"),
        (" 1\n -1\n", " 1 2 -1\n", "line 16: depots 1, 2: expected one depot"),
        (" 1\n -1\n", " 7\n -1\n", "line 16: DEPOT_SECTION: '7' is no node"),
        ("CAPACITY : 10", "CAPACITY : ten", "line 5: 'ten': expected numbers"),
        ("CAPACITY : 10", "CAPACITY : -10", "line 5: CAPACITY = -10: expected a number >= 0"),
        (
            "DEMAND_SECTION\n1 0\n2 4\n3 5\n",
            "",
            "line 5: CAPACITY: expected a DEMAND_SECTION with it",
        ),
        ("VEHICLES : 2", "VEHICLES : 2.5", "line 4: VEHICLES = '2.5': expected an integer >= 1"),
        ("VEHICLES : 2", "VEHICLES : 2\nSALESMEN : 2", "line 5: SALESMEN beside VEHICLES"),
        ("TYPE : CVRP", "TYPE : GVRP", "line 2: TYPE = 'GVRP': expected one of"),
        (
            "TYPE : CVRP",
            "NODE_COORD_TYPE : THREED_COORDS",
            "line 2: NODE_COORD_TYPE = 'THREED_COORDS'",
        ),
        ("EUC_2D", "XRAY1", "s.vrp: EDGE_WEIGHT_TYPE = 'XRAY1': expected EUC_2D"),
        ("EUC_2D", "EXPLICIT", "s.vrp: EDGE_WEIGHT_FORMAT = '': expected one of FULL_MATRIX"),
        ("DEPOT_SECTION", "DEMAND_SECTION", "line 15: a second DEMAND_SECTION"),
        (
            "DEPOT_SECTION",
            "EDGE_WEIGHT_SECTION",
            "EDGE_WEIGHT_SECTION: expected EDGE_WEIGHT_TYPE = EXP",
        ),
    ],
)
def test_damaged_files_are_refused_with_the_line(old: str, new: str, message: str) -> None:
    assert old in VRP
    with pytest.raises(FormatError, match=re.escape(message)):
        parse_tsplib(VRP.replace(old, new, 1), "s.vrp")


MATRIX = (
    "DIMENSION : 3\nEDGE_WEIGHT_TYPE : EXPLICIT\nEDGE_WEIGHT_FORMAT : {layout}\n"
    "EDGE_WEIGHT_SECTION\n{numbers}\nEOF\n"
)


@pytest.mark.parametrize(
    ("layout", "numbers"),
    [
        ("UPPER_COL", "1\n2 3"),
        ("UPPER_DIAG_COL", "0\n1 0\n2 3 0"),
        ("LOWER_COL", "1 2\n3"),
        ("LOWER_DIAG_COL", "0 1 2\n0 3\n0"),
    ],
)
def test_matrices_by_columns(layout: str, numbers: str) -> None:
    matrix = parse_tsplib(MATRIX.format(layout=layout, numbers=numbers)).matrix
    assert matrix.tolist() == [[0, 1, 2], [1, 0, 3], [2, 3, 0]]


def test_a_negative_distance_is_refused_with_its_line() -> None:
    with pytest.raises(
        FormatError, match=r"line 6: EDGE_WEIGHT_SECTION: a distance = -2: expected"
    ):
        parse_tsplib(MATRIX.format(layout="LOWER_ROW", numbers="1\n-2 3"))


# --- any damage ------------------------------------------------------------------------------

WHOLE = {
    "csv": "id,x,y,demand\n0,0,0,0\n1,3,4,2\n2,6,8,3\n",
    "json": '{"places": [{"id": 0, "x": 0, "y": 0}, {"id": 1, "x": 3, "y": 4}], "capacity": null}',
    "geojson": collection(),
    "vrp": VRP,
    "tsp": ULYSSES,
}
PARSERS: dict[str, Any] = {
    "csv": parse_csv,
    "json": parse_json,
    "geojson": parse_json,
    "vrp": parse_tsplib,
    "tsp": parse_tsplib,
}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    kind = draw(st.sampled_from(sorted(WHOLE)))
    data = bytearray(WHOLE[kind].encode(draw(st.sampled_from(["utf-8", "utf-16", "latin-1"]))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(["cut", "insert", "drop", "repeat"]))
        if what == "cut":
            del data[at:]
        elif what == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=6))
        elif what == "drop":
            del data[at : at + draw(st.integers(1, 30))]
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 200))]
    return kind, bytes(data)


@given(damaged())
@settings(max_examples=400, deadline=None)
def test_damaged_text_is_read_or_refused_in_words(case: tuple[str, bytes]) -> None:
    kind, data = case
    try:
        problem = PARSERS[kind](decode(data, "s.file"), "s.file")
    except FormatError as error:
        assert all(line.startswith("s.file") for line in str(error).split("\n") if line)  # noqa: PT017
    else:
        assert isinstance(problem, Problem)
        assert np.isfinite(problem.cost([range(1, problem.n_stops + 1)]))
