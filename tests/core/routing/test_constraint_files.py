"""Windows, prizes, pickups, origins, fleets, depots and OSRM's tables in files."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.routing.fleet_table import parse_fleet, with_fleet
from core.routing.formats import (
    FormatError,
    fits_a_table,
    parse_csv,
    parse_json,
    stops_csv,
    stops_json,
)
from core.routing.osrm import parse_osrm
from core.routing.solomon import is_solomon, parse_solomon
from core.routing.tsplib import parse_tsplib

if TYPE_CHECKING:
    from core.routing import Problem

NAN, INF = math.nan, math.inf

TABLE = """id,x,y,demand,service,tw_start,Due time,prize,pickup,origin
a,1,0,0,5,8:00,9:30:30,,,
0,0,0,,,7:30,17:00,,,
b,2,0,4,5,,,,1,a
c,3,0,2,5,480,,2.5,7,
"""


def same(one: Problem, other: Problem) -> None:
    for name in (
        "points",
        "windows",
        "prizes",
        "pickups",
        "demands",
        "service",
        "origins",
        "times",
    ):
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None), name
        assert first is None or np.array_equal(first, second, equal_nan=name == "prizes"), name
    for name in ("ids", "fleet", "depots", "crew", "dispatchers", "backhauls"):
        assert getattr(one, name) == getattr(other, name), name


def test_columns_of_a_table_say_what_stops_ask_for() -> None:
    problem = parse_csv(TABLE)
    assert problem.windows.tolist() == [[450, 1020], [480, 570.5], [0, INF], [480, INF]]
    assert problem.ids == ("0", "a", "b", "c")
    assert [problem.optional(stop) for stop in range(4)] == [False, False, False, True]
    assert (problem.origins.tolist(), problem.pickups.tolist()) == ([0, 0, 1, 0], [0, 0, 1, 7])
    assert problem.crew == "at_most"
    same(parse_csv(stops_csv(problem)), problem)
    same(parse_json(stops_json(problem)), problem)
    assert fits_a_table(problem)
    assert not fits_a_table(problem.replace(origins=None, pickups=None, backhauls=True))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("8:00", "8:60", r"line 2: ready = '8:60': expected minutes >= 0, or HH:MM"),
        ("8:00", "-1", r"line 2: ready = '-1': expected minutes >= 0"),
        ("8:00", "10:00", r"line 2: due = '9:30:30': expected no less than ready"),
        ("2.5", "-2", r"line 5: prize = '-2': expected a finite number >= 0"),
        ("1,a", "1,z", r"s.csv: stop 'b': origin = 'z': expected the id of a stop"),
        ("17:00,,", "17:00,3,", r"line 3: prize = '3': expected 0 at the depot"),
        ("4,5,,,,1,a", "4,5,,,,1,b", r"origins\[2\] = 2: expected another stop"),
        ("Due time", "ready", "'tw_start' and 'ready': expected one of them"),
    ],
)
def test_cells_that_are_wrong_are_named(old: str, new: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_csv(TABLE.replace(old, new), "s.csv")


def test_a_fleet_makes_depots_of_the_places_where_it_starts() -> None:
    stops = parse_csv("id,x,y,demand\n0,0,0,\nnorth,9,9,0\na,1,1,2\nb,8,8,3\n")
    fleet = parse_fleet(
        "Vehicle;Number;capacity;range;fixed cost;cost per km;start;end;depot\n"
        "van;2;8;100;30;0.5;7:30;16:00;\nbike;1;3;;;;;;north\n"
    )
    problem = with_fleet(stops, fleet)
    assert (problem.ids, problem.depots, problem.n_stops) == (("0", "a", "b", "north"), 2, 2)
    assert (problem.dispatchers, problem.crew) == (3, "at_most")
    assert (problem.depot_of(1), problem.open_hours(0)) == (3, (450, 960))
    assert (problem.limit("capacity", 0), problem.limit("max_distance", 1)) == (8, None)
    same(parse_json(stops_json(problem)), problem)
    assert not fits_a_table(problem)
    same(with_fleet(stops, json.loads(json.dumps([v.record() for v in fleet]))), problem)
    with pytest.raises(ValueError, match="depot = 'south': expected the id of a place"):
        with_fleet(stops, [{"depot": "south"}])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,size\nvan,3\n", "f.csv, line 1: size: expected name, count, capacity"),
        ("name,capacity\n", "f.csv: no vehicles: expected a header and one line for each kind"),
        ("", "f.csv: no vehicles"),
        ("name,capacity\nvan,many\n", "f.csv, line 2: capacity = 'many': expected a finite number"),
        ("name,count\nvan,1.5\n", "f.csv, line 2: count = 1.5: expected an integer >= 1"),
        ("name,count\nvan\n", "f.csv, line 2: 1 columns: expected name, count"),
        ("name,capacity\nvan,0\n", "f.csv, line 2: capacity = 0.0: expected a finite number > 0"),
        ("count,number\n1,1\n", "f.csv, line 1: count, count: a column is there twice"),
        ("name,end\nvan,noon\n", "f.csv, line 2: shift_end = 'noon': expected minutes"),
        ("name\na\na\n", "f.csv: fleet: two vehicles are named 'a'"),
        ('[{"size": 3}]', "f.csv: fleet, vehicle 1: size: expected"),
        ("[1,", "f.csv, line 1: not JSON: Expecting value"),
        ("[" * 100_000, "f.csv: not JSON: nested too deeply"),
        ("[" + "1" * 5000 + "]", "f.csv: not JSON: Exceeds the limit"),
        ("name\n" + "a" * 200_000, "f.csv, line 2: field larger than field limit"),
        ("name;capacity\nvan;1.000,5\n", "f.csv, line 2: capacity = '1.000.5': expected a finite"),
    ],
)
def test_fleets_that_are_wrong_are_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_fleet(text, "f.csv")


def test_fleets_are_read_as_spreadsheets_save_them() -> None:
    for text in (
        "name;capacity\rvan;2,5\r",
        "name|capacity\r\n\r\nvan|2,5",
        "name\tcapacity\nvan\t2.5\n",
    ):
        (van,) = parse_fleet(text)
        assert (van.name, van.capacity) == ("van", 2.5)


def answer(**keys: Any) -> dict[str, Any]:
    tables = {
        "durations": [[0, 60, 120], [90, 0, 30], [150, 45, 0]],
        "distances": [[0, 1000, 2000], [1100, 0, 500], [2200, 600, 0]],
    }
    return {"code": "Ok", **tables, **keys}


def test_tables_of_osrm_follow_the_rows_of_the_stops_file() -> None:
    legs = parse_osrm(json.dumps(answer()), "osrm.json")
    stops = "id,lat,lon\na,50.1,8\n0,50,8\nb,50.2,8\n"
    problem = parse_csv(stops, legs=legs)
    assert problem.ids == ("0", "a", "b")
    assert problem.matrix.tolist() == [[0, 1.1, 0.5], [1, 0, 2], [0.6, 2.2, 0]]
    assert problem.driving_time(0, 1) == 1.5
    places = [{"id": "a", "lat": 50.1, "lon": 8}, {"id": 0, "lat": 50, "lon": 8}]
    places.append({"id": "b", "lat": 50.2, "lon": 8})
    same(parse_json(json.dumps({"places": places, **answer()})), problem)
    alone = parse_json(
        json.dumps(answer(sources=[{"location": [8, 50 + n / 10]} for n in range(3)]))
    )
    assert (alone.ids, alone.points.tolist()[1]) == (("0", "1", "2"), [8, 50.1])
    assert alone.matrix[0, 1] == 1
    bare = parse_json(json.dumps({"durations": answer()["durations"]}))
    assert (bare.points, bare.matrix[0, 2], bare.times[0, 2]) == (None, 2, 2)
    assert parse_csv(stops, legs=parse_osrm(json.dumps(answer(durations=None)))).times is None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"code": "InvalidQuery", "message": "no"}, "o.json: code = 'InvalidQuery': no: expected"),
        ({"durations": None, "distances": None}, "o.json: 3|o.json: 0 places"),
        ({"durations": [[0, 1]]}, r"durations has shape \(1, 2\): expected a square"),
        ({"durations": [[0, "x"], [1, 0]]}, "durations: expected numbers, as many in each row"),
        ({"durations": [[0, 1], [1, 0]]}, "durations and distances have different numbers"),
        ({"durations": [[0, 1], [1, 0]], "distances": None}, "o.json: 2 places: expected 3, those"),
        ({"durations": [[0, 1, 2], [1, 0, None], [1, 2, 0]]}, "durations: no way from '0' to 'b'"),
        ({"distances": [[0, -1, 2], [1, 0, 1], [1, 2, 0]]}, r"o.json: matrix\[1, 0\] = -0.001"),
        (
            {"sources": [{"location": [8, 50]}, {"location": [8, 50.1]}, {"location": [8, 50.2]}]},
            "the road of '0' is 11.1 km from it: expected the places in the order",
        ),
    ],
)
def test_tables_of_osrm_that_do_not_fit_are_refused(keys: dict[str, Any], message: str) -> None:
    def read() -> Problem:
        legs = parse_osrm(json.dumps(answer(**keys)), "o.json")
        return parse_csv("id,lat,lon\na,50.1,8\n0,50,8\nb,50.2,8\n", legs=legs)

    with pytest.raises(FormatError, match=message):
        read()


def test_a_matrix_beside_a_matrix_is_refused() -> None:
    legs = parse_osrm(json.dumps(answer()), "o.json")
    places = {"places": [{"id": n} for n in range(3)]}
    with pytest.raises(
        FormatError, match=r"s\.json: durations or distances beside o\.json: expected one"
    ):
        parse_json(json.dumps(places | answer()), "s.json", legs=legs)
    with pytest.raises(FormatError, match=r"s\.json: a matrix beside OSRM's tables"):
        parse_json(json.dumps(places | {"matrix": [[0]]}), "s.json", legs=legs)
    assert parse_json(json.dumps(places), legs=legs).matrix[0, 1] == 1


SOLOMON = """T101

VEHICLE
NUMBER     CAPACITY
  3         200

CUSTOMER
CUST NO.   XCOORD.   YCOORD.    DEMAND   READY TIME   DUE DATE   SERVICE TIME

    0      35         35          0          0       230          0
    1      41         49         10        161       171         10
    2      35         17          7         50        60         10
"""


def test_files_as_solomons_are_read() -> None:
    assert is_solomon(SOLOMON)
    assert not is_solomon("id,x,y\n")
    for text in (SOLOMON, SOLOMON.replace("T101", "101").replace("\n", "\r\n"), SOLOMON.lower()):
        problem = parse_solomon(text)
        assert (problem.dispatchers, problem.crew, problem.capacity) == (3, "at_most", 200)
        assert problem.windows.tolist() == [[0, 230], [161, 171], [50, 60]]
        assert problem.demands.tolist() == [0, 10, 7]
        assert problem.duration([2]) == 46
    same(parse_json(stops_json(problem)), problem)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3         200", "3.5 200", "s.txt, line 5: NUMBER = 3.5: expected an integer >= 1"),
        ("3         200", "3", "s.txt: VEHICLE: expected a line with NUMBER and CAPACITY"),
        ("161       171", "161", "s.txt, line 11: 6 columns: expected CUST NO., XCOORD."),
        ("161       171", "161 1x1", "s.txt, line 11: '1x1': expected a finite number"),
        ("161       171", "171 161", r"s.txt: windows\[1\] = \[171.0, 161.0\]: expected minutes"),
        ("    0      35", "    9      35", "s.txt: CUSTOMER: expected the depot, 0, first"),
        ("    2      35", "    1      35", "s.txt: ids: '1' occurs more than once"),
    ],
)
def test_files_as_solomons_that_are_wrong_are_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_solomon(SOLOMON.replace(old, new), "s.txt")


NODES = "EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4\n3 6 8\n4 9 9\n"


def test_sections_of_vrplib_are_read() -> None:
    timed = parse_tsplib(
        f"TYPE : VRPTW\nVEHICLES : 2\nCAPACITY : 9\n{NODES}DEMAND_SECTION\n1 0\n2 3\n3 4\n4 5\n"
        "TIME_WINDOW_SECTION\n1 0 99\n2 5 9\n3 0 50\n4 20 30\nSERVICE_TIME_SECTION\n1 0\n2 1\n3 1\n"
        "4 2\nPRIZE_SECTION\n1 0\n2 0\n3 7\n4 0\nDEPOT_SECTION\n1\n-1\nEOF\n"
    )
    assert timed.windows.tolist() == [[0, 99], [5, 9], [0, 50], [20, 30]]
    assert [timed.optional(stop) for stop in range(4)] == [False, False, True, False]
    assert (timed.duration([1]), timed.dispatchers, timed.crew) == (11, 2, "at_most")
    goods = "LINEHAUL_SECTION\n1 0\n2 3\n3 4\n4 0\nBACKHAUL_SECTION\n1 0\n2 0\n3 0\n4 5\n"
    back = parse_tsplib(f"TYPE : VRPB\nCAPACITY : 9\n{NODES}{goods}")
    assert (back.backhauls, back.pickups.tolist()) == (True, [0, 0, 0, 5])
    assert parse_tsplib(f"TYPE : VRPSPD\nCAPACITY : 9\n{NODES}{goods}").backhauls is False
    fleet = parse_tsplib(
        f"TYPE : MDVRP\nVEHICLES : 3\n{NODES}DEMAND_SECTION\n1 0\n2 3\n3 0\n4 5\n"
        "DEPOT_SECTION\n1\n3\n-1\nVEHICLES_DEPOT_SECTION\n1 1\n2 3\n3 3\n"
        "CAPACITY_SECTION\n1 9\n2 8\n3 8\nVEHICLES_FIXED_COST_SECTION\n1 5\n2 0\n3 0\n"
        "VEHICLES_UNIT_DISTANCE_COST_SECTION\n1 1\n2 2\n3 2\n# a remark\n"
        "VEHICLES_MAX_DISTANCE_SECTION\n1 50\n2 60\n3 60\n"
    )
    assert (fleet.ids, fleet.depots) == (("1", "2", "4", "3"), 2)
    assert [(v.count, v.capacity, v.distance_cost, v.depot) for v in fleet.fleet] == [
        (1, 9, 1, ""), (2, 8, 2, "3"),
    ]  # fmt: skip
    again = parse_json(stops_json(fleet))
    assert (again.fleet, again.ids) == (fleet.fleet, ("0", "2", "4", "3"))
    pairs = parse_tsplib(
        f"TYPE : PDPTW\nCAPACITY : 9\n{NODES}PICKUP_AND_DELIVERY_SECTION\n1 0 0 99 0 0 0\n"
        "2 -4 0 40 1 4 0\n3 0 0 99 0 0 0\n4 4 5 30 2 0 2\n"
    )
    assert (pairs.origins.tolist(), pairs.demands.tolist()) == ([0, 3, 0, 0], [0, 4, 0, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DEPOT_SECTION\n1\n2\n-1\n", "depots 1, 2: expected one depot, or VEHICLES_DEPOT_SECTION"),
        ("TIME_WINDOW_SECTION\n1 0 9\n2 0\n", "TIME_WINDOW_SECTION: '2 0': expected a node and 2"),
        ("TIME_WINDOW_SECTION\n1 0 9\n", "TIME_WINDOW_SECTION has 1 nodes: expected 4"),
        ("VEHICLES_DEPOT_SECTION\n1 7\n", "vehicle 1: 7 is no node"),
        ("VEHICLES_DEPOT_SECTION\n1 2\n", "depot = '2': expected one of the depots"),
        ("CAPACITY_SECTION\n1 0\n", "vehicle 1: capacity = 0.0: expected a finite number > 0"),
        (
            "DEMAND_SECTION\n1 0\n2 1\n3 1\n4 1\nLINEHAUL_SECTION\n1 0\n2 1\n3 1\n4 1\n",
            "LINEHAUL_SECTION beside DEMAND_SECTION: expected one",
        ),
        (
            "PICKUP_AND_DELIVERY_SECTION\n1 0 0 9 0 0 0\n2 -4 0 9 0 3 0\n3 0 0 9 0 0 0\n"
            "4 0 0 9 0 0 0\n",
            "node 2 has demand -4: expected a node of demand 4 where it is picked up, not 3",
        ),
        ("PRIZE_SECTION\n1 5\n2 0\n3 0\n4 0\n", r"prizes\[0\] = 5: expected 0 at a depot"),
    ],
)
def test_sections_of_vrplib_that_are_wrong_are_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_tsplib(f"TYPE : CVRP\n{NODES}{text}", "s.vrp")


FIXED = "VEHICLES_FIXED_COST_SECTION\n1 4\n"


def test_as_many_vehicles_are_told_as_there_are() -> None:
    with pytest.raises(FormatError, match="has 1 vehicles: expected 3"):
        parse_tsplib(f"TYPE : HVRP\nVEHICLES : 3\n{NODES}{FIXED}")
