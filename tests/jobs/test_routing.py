"""The routing jobs as Azkaban runs them: a process, properties in, files and outputs out."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from azkaban_client.flow.collect import collect
from azkaban_client.flow.local import run
from azkaban_client.job import InputError
from core.routing import Problem, solve
from core.routing.formats import fits_a_table, parse_csv, parse_json, stops_csv, stops_json
from core.routing.tsplib import parse_tsplib
from jobs.routing._common import bounded_stops, read_result, read_stops, result_json, routes_of
from tests.jobs.process import command

ROOT = Path(__file__).parents[2]

SQUARE = "id,x,y\n0,0,0\n1,2,0\n2,2,2\n3,0,2\n4,-2,0\n5,-2,-2\n6,0,-2\n"


def job(module: str, folder: Path, **props: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(module, {"output.dir": folder / "runs", **props}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def stops(tmp_path: Path) -> Path:
    path = tmp_path / "stops.csv"
    path.write_text(SQUARE)
    return path


def outputs(module: str, done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    node = module.replace(".", "_")
    lines = [line for line in done.stdout.splitlines() if line.startswith(f"{node}.")]
    return dict(line.removeprefix(f"{node}.").split(" = ", 1) for line in lines)


def test_the_flow_from_the_shipped_stops_to_the_report(tmp_path: Path) -> None:
    bounds = {"dispatchers": 3, "min_stops": 6, "max_stops": 10}
    loaded = job("routing.load", tmp_path)
    assert loaded.returncode == 0, loaded.stderr
    assert outputs("routing.load", loaded)["count"] == "24"
    solved = job(
        "routing.solve",
        tmp_path,
        input=outputs("routing.load", loaded)["stops"],
        **bounds,
    )
    assert solved.returncode == 0, solved.stderr
    made = outputs("routing.solve", solved)
    assert made["status"] == "optimal"
    checked = job(
        "routing.check",
        tmp_path,
        stops=made["stops"],
        result=made["result"],
        **bounds,
    )
    assert checked.returncode == 0, checked.stderr
    passed = outputs("routing.check", checked)
    reported = job(
        "routing.report",
        tmp_path,
        stops=passed["stops"],
        result=passed["result"],
    )
    assert reported.returncode == 0, reported.stderr
    files = outputs("routing.report", reported)

    record = json.loads(Path(made["result"]).read_text())
    sizes = [len(route) for route in record["routes"]]
    assert all(6 <= size <= 10 for size in sizes)
    assert sorted(stop for route in record["routes"] for stop in route) == list(range(1, 25))
    with Path(files["routes"]).open() as stream:
        rows = list(csv.DictReader(stream))
    driven = {row["dispatcher"]: float(row["travelled"]) for row in rows}
    assert sum(driven.values()) == pytest.approx(record["cost"], abs=1e-4)
    assert len(json.loads(Path(files["geojson"]).read_text())["features"]) == 1 + 24 + 3
    html = Path(files["report"]).read_text()
    assert html.count("<svg") >= 3  # a long run adds one of its memory
    for word in ("optimal", "Load per dispatcher", "depot", "gap"):
        assert word in html


@pytest.mark.parametrize("method", ["auto", "exact", "divide", "heuristic"])
def test_methods_write_the_fixed_names(method: str, stops: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    done = job(
        "routing.solve",
        tmp_path,
        input=stops,
        output=folder,
        dispatchers=2,
        min_stops=3,
        max_stops=3,
        method=method,
        time_limit=1 if method == "heuristic" else 60,
        seed=3,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "result.json").read_text())
    wanted = {"status", "cost", "lower_bound", "gap", "routes", "seconds"}
    assert wanted <= set(record)
    assert sorted(map(sorted, record["routes"])) == [[1, 2, 3], [4, 5, 6]]
    assert record["cost"] == pytest.approx(16.0)
    assert record["status"] == ("optimal" if method in ("auto", "exact") else record["status"])


def test_ids_that_are_words_stay_words(tmp_path: Path) -> None:
    path = tmp_path / "stops.csv"
    path.write_text("id,lat,lon\n0,3.14,101.69\nklcc,3.158,101.712\n007,3.16,101.7\n")
    done = job("routing.solve", tmp_path, input=path, output=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "result.json").read_text())
    assert sorted(record["routes"][0]) == ["007", "klcc"]
    assert 5 < record["cost"] < 10  # kilometres


@pytest.mark.parametrize(
    "name", ["--5", "-0", "+1", "٣", "1" * 5000, "-", "1e3", "a,b", "\N{BELL}"]
)
def test_ids_of_any_kind_are_in_the_result(name: str, tmp_path: Path) -> None:
    record = json.loads(
        result_json(
            problem := Problem(points=[[0, 0], [1, 0], [2, 0]], ids=("0", name, "7")),
            solve(problem, method="exact"),
        )
    )
    assert sorted(record["routes"][0]) == sorted([name, "7"])


def test_columns_that_are_not_known_need_consent(tmp_path: Path) -> None:
    path = tmp_path / "stops.csv"
    path.write_bytes("id;x;y;zone\n0;0;0;9\n1;1,5;0;9\n".encode("utf-16"))
    refused = job("routing.solve", tmp_path, input=path, output=tmp_path / "out")
    assert refused.returncode == 2
    assert refused.stderr.strip().splitlines()[-1].endswith("name them in ignore_columns")
    assert f"{path}, line 1: columns that are not known: zone" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = job(
        "routing.solve",
        tmp_path,
        input=path,
        output=tmp_path / "out",
        ignore_columns="zone",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "result.json").read_text())["cost"] == 3.0


def test_bounds_that_cannot_be_met_are_a_result(stops: Path, tmp_path: Path) -> None:
    bounds = {"dispatchers": 2, "max_stops": 2}
    done = job(
        "routing.solve",
        tmp_path,
        input=stops,
        output=tmp_path,
        **bounds,
    )
    assert done.returncode == 0, done.stderr
    result = tmp_path / "result.json"
    record = json.loads(result.read_text())
    assert (record["status"], record["cost"], record["routes"]) == ("infeasible", None, [])
    assert "dispatchers * max_stops = 2 * 2 = 4 < 6 stops" in record["reason"]
    checked = job(
        "routing.check",
        tmp_path,
        stops=stops,
        result=result,
        **bounds,
    )
    assert checked.returncode == 0, checked.stderr
    reported = job("routing.report", tmp_path, stops=stops, result=result)
    assert reported.returncode == 0, reported.stderr
    assert "more dispatchers" in Path(outputs("routing.report", reported)["report"]).read_text()


@pytest.mark.parametrize(
    ("text", "props", "message"),
    [
        ("id,x,y\n1,0,0\n", {}, "stops.csv: no depot: expected one row with id 0"),
        (SQUARE + "0,1,1\n", {}, "stops.csv, line 9: id = '0': a second depot (line 2)"),
        (SQUARE + "7,nan,1\n", {}, "stops.csv, line 9: x = 'nan': expected a finite number"),
        (SQUARE, {"dispatchers": 0}, "routing.solve.dispatchers = '0': expected an integer >= 1"),
        (SQUARE, {"dispatchers": 7}, "routing.solve.dispatchers = 7: expected at most 6"),
        (
            SQUARE,
            {"min_stops": 4, "max_stops": 3},
            "routing.solve.max_stops = 3: expected at least",
        ),
        (SQUARE, {"method": "best"}, "routing.solve.method = 'best': expected one of auto, exact"),
        (SQUARE, {"time_limit": 0}, "routing.solve.time_limit = '0': expected a number > 0"),
        (SQUARE, {"pace": 3}, "routing.solve.pace = '3': no such parameter"),
        (SQUARE, {"max_distance": 0}, "routing.solve.max_distance = '0': expected a number > 0"),
        (
            SQUARE,
            {"min_time": 9, "max_time": 5, "speed": 1},
            "routing.solve.max_time = 5: expected at",
        ),
        (
            SQUARE,
            {"max_time": 5},
            "routing.solve.max_time = 5: expected speed, times or service with it",
        ),
        (
            SQUARE,
            {"capacity": 5},
            "routing.solve.capacity = 5: expected demands of the stops with it",
        ),
        (
            SQUARE,
            {"method": "exact", "model": "two-index", "min_distance": 1},
            "routing.solve.min_distance = 1: use model='three-index'",
        ),
        (SQUARE, {"input": "/no/such.csv"}, "/no/such.csv: No such file or directory"),
    ],
)
def test_bad_input_is_one_clear_line(
    text: str, props: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "stops.csv"
    path.write_text(text)
    fields = {"input": path, "output": tmp_path / "out", **props}
    done = job("routing.solve", tmp_path, **fields)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert message in lines[0]
    assert not (tmp_path / "out" / "result.json").exists()


def test_text_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "stops.csv"
    path.write_bytes(SQUARE.encode() + b"caf\xe9,1,1\n")
    done = job("routing.load", tmp_path, input=path)
    assert done.returncode == 2
    assert "line 9: not UTF-8 text" in done.stderr


def test_duplicate_stops_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "stops.csv"
    path.write_text(SQUARE + "7,2,0\n")
    done = job("routing.load", tmp_path, input=path)
    assert done.returncode == 0
    assert "warning:" in done.stdout
    assert "'7' is at the same place as '1' (2, 0)" in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["routes"][0].pop(), "is not visited"),
        (lambda r: r.update(cost=1.0), "but the routes are"),
        (lambda r: r.update(gap=0.1), "optimal, but gap = 0.1"),
        (lambda r: r.update(lower_bound=99.0), "lower_bound = 99.0 is above cost"),
    ],
)
def test_check_fails_on_tampered_results(
    change: object, message: str, stops: Path, tmp_path: Path
) -> None:
    done = job("routing.solve", tmp_path, input=stops, output=tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "result.json"
    record = json.loads(path.read_text())
    change(record)  # type: ignore[operator]
    path.write_text(json.dumps(record))
    done = job("routing.check", tmp_path, stops=stops, result=path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cost", "much", "cost = 'much': expected a finite number"),
        ("cost", None, "cost = None: expected a finite number"),
        ("gap", math.nan, "gap = nan: expected a finite number"),
        ("lower_bound", [1], "lower_bound = [1]: expected a finite number"),
        ("status", "done", "status = 'done': expected one of optimal, feasible, infeasible"),
        ("routes", "123", "routes: expected a list of lists of ids"),
        ("routes", ["12"], "routes: expected a list of lists of ids"),
        ("trace", [[1]], "trace: expected a list of [seconds, cost, lower_bound]"),
    ],
)
def test_results_that_are_none_are_one_clear_line(
    name: str, value: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    record: dict[str, object] = {
        "status": "optimal", "cost": 10.0, "lower_bound": 10.0, "gap": 0.0, "routes": [[1]],
        "seconds": 1.0,
    }  # fmt: skip
    path.write_text(json.dumps(record | {name: value}))
    problem = Problem(points=[[0, 0], [3, 4]])
    with pytest.raises(InputError, match=re.escape(f"{path}: {message}")):
        routes_of(problem, read_result(path), path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_killed_while_solving_ends_the_solver_and_leaves_no_files(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    path, scratch = tmp_path / "stops.csv", tmp_path / "scratch"
    scratch.mkdir()
    spots = [f"{i},{i * 37 % 101},{i * 53 % 97}" for i in range(26)]
    path.write_text("\n".join(["id,x,y", *spots]) + "\n")
    props = {
        "output.dir": tmp_path / "runs",
        "input": path,
        "output": tmp_path / "out",
        "dispatchers": 3,
        "min_stops": 8,
        "method": "exact",
        "model": "three-index",
    }
    process = subprocess.Popen(
        command("routing.solve", props),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        solvers = _wait_for_solver(process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == code, errors
    assert not any(Path(f"/proc/{pid}").exists() for pid in solvers)
    assert list(scratch.iterdir()) == []
    assert "Traceback" not in errors
    if code == 0:
        record = json.loads((tmp_path / "out" / "result.json").read_text())
        assert record["status"] == "feasible"
        assert record["reason"] == "interrupted"
        assert len(record["routes"]) == 3
    else:
        assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.parametrize(
    ("method", "solver"), [("exact", "highs"), ("exact", "scip"), ("pyvrp", "cbc")]
)
def test_interrupt_gives_the_best_routes_and_says_so(
    method: str, solver: str, tmp_path: Path
) -> None:
    path = tmp_path / "stops.csv"
    spots = [f"{i},{i * 37 % 101},{i * 53 % 97}" for i in range(56)]
    path.write_text("\n".join(["id,x,y", *spots]) + "\n")
    props = {
        "output.dir": tmp_path / "runs",
        "input": path,
        "output": tmp_path / "out",
        "dispatchers": 5,
        "min_stops": 11,
        "method": method,
        "solver": solver,
        "time_limit": 300,
    }
    process = subprocess.Popen(
        command("routing.solve", props),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_for_work(process, seconds=5.0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (record["status"], record["reason"]) == ("feasible", "interrupted")
    assert [len(route) for route in record["routes"]] == [11] * 5


def _wait_for_work(process: subprocess.Popen[str], *, seconds: float) -> None:
    """Wait until the process has had so many seconds of the processor: it is past its start."""
    ticks = os.sysconf("SC_CLK_TCK")
    while process.poll() is None:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        if (int(fields[11]) + int(fields[12])) / ticks >= seconds:
            return
        time.sleep(0.05)
    raise AssertionError("it ended by itself")


def _wait_for_solver(process: subprocess.Popen[str]) -> list[str]:
    """Process ids of CBC, once it has been at work for a moment."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        found = children.read_text().split()
        if found:
            time.sleep(0.5)
            return found
        time.sleep(0.02)
    raise AssertionError("no solver process was started")


def test_divided_flow_improves_parts_and_joins_them(tmp_path: Path) -> None:
    bounds = {"dispatchers": 3, "min_stops": 6, "max_stops": 10}
    limits = {key: bounds[key] for key in ("min_stops", "max_stops")}
    stops = ROOT / "jobs" / "routing" / "stops.csv"

    def made(module: str, **props: object) -> dict[str, str]:
        done = job(module, tmp_path, **props)
        assert done.returncode == 0, done.stderr
        return outputs(module, done)

    divided = made("routing.divide", stops=stops, parts=4, **bounds)
    parts = []
    for number in range(1, 5):
        source = Path(divided[f"part{number}"])
        done = made("routing.part", stops=stops, part=source, time_limit=0.5, **limits)
        target = tmp_path / f"improved{number}.json"
        Path(done["part"]).rename(target)
        before, after = (
            sorted(stop for route in json.loads(path.read_text())["routes"] for stop in route)
            for path in (source, target)
        )
        assert before == after
        parts.append(target)
    joined = made(
        "routing.join",
        stops=stops,
        parts=",".join(map(str, parts)),
        time_limit=0.5,
        **bounds,
    )
    made("routing.check", stops=stops, result=joined["result"], **bounds)
    record = json.loads(Path(joined["result"]).read_text())
    assert record["status"] == "feasible"
    assert record["cost"] < 75

    done = job(
        "routing.join",
        tmp_path,
        stops=stops,
        parts=parts[0],
        **bounds,
    )
    assert done.returncode == 2
    assert "is not visited" in done.stderr


def test_tsplib_and_geojson_by_their_endings(tmp_path: Path) -> None:
    tsp = tmp_path / "x.tsp"
    tsp.write_text("EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4\n3 6 8\nEOF\n")
    done = job("routing.solve", tmp_path, input=tsp, output=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["cost"] == pytest.approx(20.0)
    assert sorted(record["routes"][0]) == [2, 3]
    bad = tmp_path / "x.geojson"
    bad.write_text("{")
    done = job("routing.load", tmp_path, input=bad)
    assert done.returncode == 2
    assert "x.geojson, line 1: not JSON" in done.stderr


MATRIX = '{"places": [{"id": 0}, {"id": 1}], "matrix": %s}'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.json", MATRIX % "[[0, 1]]", "s.json: matrix has shape (1, 2): expected (2, 2)"),
        ("s.json", MATRIX % "[[0, Infinity], [1, 0]]", "matrix[0, 1] = inf: expected a finite"),
        ("s.json", MATRIX % "[[0, -1], [1, 0]]", "matrix[0, 1] = -1.0: expected a finite distance"),
        ("s.json", '{"places": 3}', "s.json: expected places, a list of objects with id"),
        ("s.csv", "id,x,y,demand\n0,0,0,\n1,1,1,-2\n", "s.csv, line 3: demand = '-2': expected"),
        ("s.vrp", "CAPACITY : much\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 1 1\n",
         "s.vrp, line 1: 'much': expected numbers"),
    ],
)  # fmt: skip
def test_bad_files_are_one_clear_line(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    done = job("routing.solve", tmp_path, input=path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_all_bounds_from_the_file_to_the_report(tmp_path: Path) -> None:
    path = tmp_path / "stops.csv"
    rows = [f"{i},{i * 37 % 101 / 10},{i * 53 % 97 / 10},{i % 4 + 1},3" for i in range(1, 13)]
    path.write_text("\n".join(["id,x,y,demand,service", "0,5,5,,", *rows]) + "\n")
    bounds = {
        "dispatchers": 4, "crew": "at_most", "max_distance": 28, "max_time": 90, "speed": 30,
        "capacity": 12,
    }  # fmt: skip
    solved = job(
        "routing.solve",
        tmp_path,
        input=path,
        **bounds,
    )
    assert solved.returncode == 0, solved.stderr
    made = outputs("routing.solve", solved)
    record = json.loads(Path(made["result"]).read_text())
    assert record["status"] == "optimal"
    assert 2 <= len(record["routes"]) <= 4
    assert sum(work["load"] for work in record["work"]) == 30
    for work in record["work"]:
        assert work["load"] <= 12
        assert work["distance"] <= 28 + 1e-6
        assert work["minutes"] == pytest.approx(2 * work["distance"] + 3 * work["stops"])
        assert work["minutes"] <= 90 + 1e-6
    check = dict(bounds)
    files = {"stops": path, "result": made["result"]}
    assert job("routing.check", tmp_path, **files, **check).returncode == 0
    tight = job("routing.check", tmp_path, **files, **{**check, "capacity": 7})
    assert tight.returncode == 1
    assert "> capacity = 7" in tight.stderr
    reported = job("routing.report", tmp_path, stops=path, result=made["result"])
    assert reported.returncode == 0, reported.stderr
    made = outputs("routing.report", reported)
    html = Path(made["report"]).read_text()
    for word in ("time (min)", "load", "max_distance", "capacity", "distance (input units)"):
        assert word in html
    assert Path(made["solution"]).read_text().startswith("Route #1: ")


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"max_distance": 3}, "too far: there and back is 5.65685 > max_distance = 3"),
        ({"dispatchers": 2, "max_distance": 7.5}, "2 dispatchers meet max_distance = 7.5:"),
        ({"max_time": 5, "speed": 60}, "there, service and back is 5.65685 minutes > max_time = 5"),
        ({"dispatchers": 2, "min_distance": 30}, "dispatchers * min_distance = 2 * 30 = 60 >"),
    ],
)  # fmt: skip
def test_work_that_cannot_be_done_names_the_bound(
    bounds: dict[str, object], reason: str, stops: Path, tmp_path: Path
) -> None:
    done = job("routing.solve", tmp_path, input=stops, output=tmp_path, **bounds)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["status"] == "infeasible"
    assert reason in record["reason"]


def test_a_time_limit_too_small_for_any_routes_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "stops.csv"
    rows = [f"{i},{i * 37 % 101},{i * 53 % 97},{5 + i % 3}" for i in range(1, 41)]
    path.write_text("\n".join(["id,x,y,demand", "0,50,50,0", *rows]) + "\n")
    done = job(
        "routing.solve",
        tmp_path,
        input=path,
        output=tmp_path,
        dispatchers=8,
        capacity=30.1,
        time_limit=0.001,
        method="heuristic",
    )
    assert done.returncode == 2
    assert (
        "routing.solve.time_limit = 0.001: no routes that meet all bounds were found" in done.stderr
    )
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "result.json").exists()


def test_a_matrix_is_planned_loaded_and_reported_without_a_map(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    places = [{"id": name} for name in ("a", "0", "b")]
    path.write_text(json.dumps({"places": places, "matrix": [[0, 2, 9], [1, 0, 7], [3, 4, 0]]}))
    loaded = job("routing.load", tmp_path, input=path)
    assert loaded.returncode == 0, loaded.stderr
    stops = outputs("routing.load", loaded)["stops"]
    done = job("routing.solve", tmp_path, input=stops, output=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "result.json").read_text())
    assert (record["cost"], record["routes"]) == (12.0, [["b", "a"]])
    reported = job(
        "routing.report",
        tmp_path,
        stops=stops,
        result=tmp_path / "result.json",
    )
    assert reported.returncode == 0, reported.stderr
    made = outputs("routing.report", reported)
    assert "no coordinates" in Path(made["report"]).read_text()
    assert "TOUR_SECTION" in Path(made["tour"]).read_text()


def test_open_routes_from_the_input_to_the_report(stops: Path, tmp_path: Path) -> None:
    def made(module: str, **props: object) -> dict[str, str]:
        done = job(module, tmp_path, **props)
        assert done.returncode == 0, done.stderr
        return outputs(module, done)

    loaded = Path(made("routing.load", input=stops, open_routes="true")["stops"])
    result = made("routing.solve", input=loaded, method="exact")["result"]
    record = json.loads(Path(result).read_text())
    assert record["open_routes"] is True
    assert record["cost"] == pytest.approx(10 + 8**0.5)  # five sides and a diagonal
    assert record["work"][0]["distance"] == pytest.approx(record["cost"])
    # Of a table, the parameter tells; the checker takes its own word for it.
    made("routing.check", stops=stops, result=result, open_routes="true")
    closed = job("routing.check", tmp_path, stops=stops, result=result)
    assert closed.returncode == 1
    assert "but the routes are" in closed.stderr
    of_an_earlier_run = Path(result).parent.with_name("routing_report") / "routes.tour"
    of_an_earlier_run.parent.mkdir()
    of_an_earlier_run.write_text("closed")
    files = made("routing.report", stops=loaded, result=result)
    assert "no way back is driven" in Path(files["report"]).read_text()
    last = list(csv.DictReader(Path(files["routes"]).read_text().splitlines()))[-1]
    assert last["id"] != "0"
    assert float(last["travelled"]) == pytest.approx(record["cost"], abs=1e-5)
    assert "tour" not in files
    assert not of_an_earlier_run.exists()

    assert bounded_stops(SimpleNamespace(open_routes=None), loaded, "x").open_routes is True
    assert bounded_stops(SimpleNamespace(open_routes=False), loaded, "x").open_routes is False


def test_files_bring_their_own_crew_into_the_flow(stops: Path, tmp_path: Path) -> None:
    """The flow's properties are empty, so nothing has to be emptied for a fleet; and they win."""
    fleet = tmp_path / "fleet.csv"
    fleet.write_text("name,count,hour_cost\nvan,2,30\n")
    given = {"input": stops, "fleet": fleet, "speed": 60, "time_limit": 1, "output.dir": tmp_path}
    bundle = collect(ROOT / "flows" / "routing", [ROOT / "jobs", ROOT / "core"])
    events = list(run(bundle, "routing", properties={k: str(v) for k, v in given.items()}))
    assert "SUCCEEDED" in str(events[-1]), events[-5:]
    (found,) = tmp_path.rglob("result.json")
    record = json.loads(found.read_text())
    assert (record["dispatchers"], set(record["vehicles"])) == (2, {"van"})
    # A unit costs 1, and the minute that it takes half of that.
    assert record["cost"] == pytest.approx(1.5 * sum(w["distance"] for w in record["work"]))

    sample = Path(outputs("routing.load", job("routing.load", tmp_path))["stops"])
    own, wider = SimpleNamespace(), SimpleNamespace(dispatchers=3, max_stops=12)
    told = bounded_stops(own, sample, "x")
    assert (told.dispatchers, told.crew, told.min_stops, told.max_stops) == (4, "fixed", 4, 8)
    told = bounded_stops(wider, sample, "x")
    assert (told.dispatchers, told.min_stops, told.max_stops) == (3, 4, 12)


def test_reports_say_what_distances_are_measured_in(tmp_path: Path) -> None:
    """A matrix of OSRM has kilometres, or minutes where it has durations alone."""
    stops, osrm = tmp_path / "stops.csv", tmp_path / "osrm.json"
    stops.write_text("id,lat,lon\n0,50,8\na,50,8.01\n")
    for key, unit, cost in (("distances", "km", 4.0), ("durations", "minutes of driving", 40.0)):
        osrm.write_text(json.dumps({"code": "Ok", key: [[0, cost * 500], [cost * 500, 0]]}))
        if key == "durations":
            osrm.write_text(json.dumps({"code": "Ok", key: [[0, cost * 30], [cost * 30, 0]]}))
        problem = read_stops(stops, matrix=osrm)
        assert (problem.distance_unit, problem.length([1])) == (unit, cost)
        assert parse_json(stops_json(problem)).distance_unit == unit
    loaded = outputs("routing.load", job("routing.load", tmp_path, input=stops, matrix=osrm))
    solved = outputs("routing.solve", job("routing.solve", tmp_path, input=loaded["stops"]))
    files = {"stops": loaded["stops"], "result": solved["result"]}
    made = outputs("routing.report", job("routing.report", tmp_path, **files))
    page = Path(made["report"]).read_text()
    assert "total distance (minutes of driving)" in page
    assert "input units" not in page


def test_formats_are_known_by_their_text_where_endings_do_not_tell(tmp_path: Path) -> None:
    solomon = (
        "T\n\nVEHICLE\nNUMBER CAPACITY\n 2 10\n\nCUSTOMER\nCUST NO. XCOORD. YCOORD. DEMAND "
        "READY TIME DUE DATE SERVICE TIME\n\n0 0 0 0 0 90 0\n1 3 4 5 0 30 1\n"
    )
    vrp = "TYPE : CVRP\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4\n"
    for name, text in (("a.vrptw", vrp), ("b.txt", vrp), ("c.vrp", solomon), ("d.csv", solomon)):
        path = tmp_path / name
        path.write_text(text)
        assert read_stops(path).length([1]) == 10


def test_a_balance_from_the_parameters_to_the_report(tmp_path: Path) -> None:
    stops = tmp_path / "stops.csv"
    stops.write_text("id,x,y\n0,0,0\n1,10,0\n2,11,0\n3,12,0\n4,13,0\n5,14,0\n6,-3,0\n")
    balance = {"balance": "stops", "balance_price": 6, "dispatchers": 2}
    done = job("routing.solve", tmp_path, input=stops, **balance, time_limit=1)
    assert done.returncode == 0, done.stderr
    made = outputs("routing.solve", done)
    record = json.loads(Path(made["result"]).read_text())
    assert record["cost"] == pytest.approx(34 + 22 + 6 / 2 * 18)  # 22 more to drive
    assert sorted(map(len, record["without_balance"])) == [1, 5]
    checked = job("routing.check", tmp_path, stops=stops, result=made["result"], **balance)
    assert checked.returncode == 0, checked.stderr
    without = job("routing.check", tmp_path, stops=stops, result=made["result"], dispatchers=2)
    assert "but the routes are" in without.stderr
    reported = job("routing.report", tmp_path, stops=stops, result=made["result"])
    page = Path(outputs("routing.report", reported)["report"]).read_text()
    for words in ("with balance", "spread of stops", "distance and price of unequal work"):
        assert words in page
    refused = job("routing.solve", tmp_path, input=stops, **balance, method="exact")
    assert refused.returncode == 2
    assert "routing.solve.method = 'exact': not with balance = 'stops'" in refused.stderr


def test_what_a_file_says_stays_when_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "far.vrp"
    nodes = (
        "EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n7 0 0\n8 3 4\n9 6 8\nDEPOT_SECTION\n7\n-1\n"
    )
    path.write_text(f"TYPE : OVRP\nDISTANCE : 19\nSERVICE_TIME : 3\n{nodes}")
    done = job("routing.load", tmp_path, input=path)
    problem = read_stops(Path(outputs("routing.load", done)["stops"]))
    assert problem.ids == ("0", "8", "9")
    assert (problem.open_routes, problem.max_time, problem.speed) == (True, 19, 60)
    assert problem.duration([1, 2]) == 16

    path.write_text(nodes.replace("8 3 4", "0 3 4"))
    done = job("routing.load", tmp_path, input=path)
    assert done.returncode == 2
    assert "stop '0' beside the depot '7': a table calls the depot so" in done.stderr

    problem = parse_tsplib(nodes)
    assert fits_a_table(problem)
    assert parse_csv(stops_csv(problem)).ids == ("0", "8", "9")
    limited = problem.replace(max_distance=19.0)
    assert not fits_a_table(limited)
    assert parse_json(stops_json(limited)).max_distance == 19


def test_what_does_not_go_with_open_routes_is_one_clear_line(stops: Path, tmp_path: Path) -> None:
    done = job("routing.solve", tmp_path, input=stops, model="two-index", open_routes="true")
    assert done.returncode == 2
    assert "routing.solve.model = 'two-index': open_routes has no ways back" in done.stderr


def test_windows_and_a_fleet_from_the_files_to_the_report(tmp_path: Path) -> None:
    stops, fleet, osrm = (tmp_path / name for name in ("stops.csv", "fleet.csv", "osrm.json"))
    stops.write_text(
        "id,lat,lon,demand,ready,due,prize\na,50,8.01,3,8:00,9:00,\n0,50,8,,7:00,12:00,\n"
        "b,50,8.02,3,8:00,8:40,\nc,50.9,8,3,,,4\nnorth,50.03,8,0,,,\n"
    )
    fleet.write_text("name,count,capacity,fixed_cost,depot\nvan,1,4,2,\nbike,2,3,1,north\n")
    minutes = [[0, 10, 5, 90, 9], [10, 0, 15, 95, 5], [5, 15, 0, 90, 9]]
    minutes += [[90, 95, 90, 0, 80], [9, 5, 9, 80, 0]]
    tables = {"code": "Ok", "durations": [[60 * v for v in row] for row in minutes]}
    tables["distances"] = [[1000 * v for v in row] for row in minutes]
    osrm.write_text(json.dumps(tables))
    loaded = job("routing.load", tmp_path, input=stops, fleet=fleet, matrix=osrm)
    assert loaded.returncode == 0, loaded.stderr
    whole = outputs("routing.load", loaded)["stops"]
    direct = {"input": stops, "fleet": fleet, "matrix": osrm}
    done = job("routing.solve", tmp_path, **direct, output=tmp_path / "out", time_limit=3)
    assert done.returncode == 0, done.stderr
    assert "solved by pyvrp" in done.stdout + done.stderr
    result = tmp_path / "out" / "result.json"
    record = json.loads(result.read_text())
    # Two bikes from the north, 9 km to each stop and back; the far stop is left out.
    assert record["cost"] == pytest.approx(2 * (1 + 18) + 4)
    assert (record["method"], record["left_out"]) == ("pyvrp", ["c"])
    assert (record["vehicles"], len(record["routes"])) == (["bike", "bike"], 2)
    assert record["timetable"][0]["begins"][0] >= 480
    checked = job("routing.check", tmp_path, stops=whole, result=result)
    assert checked.returncode == 0, checked.stderr
    reported = job("routing.report", tmp_path, stops=whole, result=result)
    assert reported.returncode == 0, reported.stderr
    files = outputs("routing.report", reported)
    page = Path(files["report"]).read_text()
    for words in ("Timetable", "Stops left out", "solved by", "bike", "08:00:00"):
        assert words in page
    rows = list(csv.DictReader(Path(files["routes"]).read_text().splitlines()))
    assert {row["vehicle"] for row in rows} <= {"van", "bike"}
    assert all(row["arrive"] or row["position"] == "0" for row in rows)


def test_parts_refuse_stops_whose_constraints_they_do_not_know(tmp_path: Path) -> None:
    stops = tmp_path / "stops.csv"
    stops.write_text("id,x,y,pickup\n0,0,0,\n1,1,1,2\n2,2,2,\n")
    part = tmp_path / "part1.json"
    part.write_text('{"routes": [[1, 2]]}')
    for step, given in (("divide", {}), ("part", {"part": part}), ("join", {"parts": part})):
        done = job(f"routing.{step}", tmp_path, stops=stops, **given)
        assert done.returncode == 2
        assert "the stops have pickups, to which only pyvrp keeps" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_constraints_that_do_not_go_are_one_clear_line(tmp_path: Path) -> None:
    stops = tmp_path / "stops.csv"
    stops.write_text("id,x,y,ready,due\n0,0,0,,\n1,1,1,5,9\n")
    fleet = tmp_path / "fleet.csv"
    fleet.write_text("name,count\nvan,2\n")
    done = job("routing.solve", tmp_path, input=stops, method="divide", speed=60)
    assert done.returncode == 2
    assert "routing.solve.method = 'divide': the stops have windows, to which" in done.stderr
    assert "Traceback" not in done.stderr
    divided = job("routing.divide", tmp_path, stops=stops)
    assert divided.returncode == 2
    assert f"{stops}: method = 'divide': the stops have windows, to which only" in divided.stderr
    assert "Traceback" not in divided.stderr
    vrp = tmp_path / "two.vrp"
    vrp.write_text("EDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4\n")
    wrong: list[tuple[Path, dict[str, object], str]] = [
        (stops, {"fleet": fleet, "dispatchers": 3}, "x.dispatchers = 3: the fleet has 2 vehicles"),
        (stops, {"fleet": tmp_path / "no.csv"}, "no.csv: No such file or directory"),
        (stops, {"matrix": fleet}, "fleet.csv, line 1: not JSON"),
        (vrp, {"matrix": fleet}, "fleet.csv, line 1: not JSON"),
        (stops, {"fleet": stops}, "stops.csv, line 1: x, y, ready, due: expected name, count"),
    ]
    for path, given, message in wrong:
        with pytest.raises(InputError, match=message):
            bounded_stops(SimpleNamespace(**given), path, "x")
    told = bounded_stops(SimpleNamespace(fleet=fleet), stops, "x")
    assert (told.dispatchers, told.crew) == (2, "at_most")
    vrp.write_text(f"VEHICLES : 2\n{vrp.read_text()}3 6 8\n")
    assert bounded_stops(SimpleNamespace(dispatchers=None, crew=None), vrp, "x").dispatchers == 2
