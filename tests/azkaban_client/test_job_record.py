"""Each run leaves what is needed to run it again, and a report, however it ends."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from azkaban_client.job import Page
from azkaban_client.job import record as recording

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from azkaban_client.job import InputError, Page, Run, job, param

@dataclass(frozen=True, kw_only=True)
class Params:
    text: Path = param(doc="A file.")
    more: str = param("", doc="Others.")
    times: int = param(2, doc="How often.", ge=1)
    how: str = param("", doc="How it goes.")

@job
def main(params: Params, run: Run):
    if params.how == "own file":
        (run.dir / "report.html").write_text("its own")
    elif params.how == "page":
        page = Page("Mine", "of 1")
        page.facts("Seen", [("letters", 3)])
        run.report(page)
    elif params.how == "busy":
        import matplotlib.figure

        end, done = time.monotonic() + 2.2, time.process_time() + 1.2
        while time.monotonic() < end or time.process_time() < done:
            sum(range(10_000))
    elif params.how == "refuse":
        raise InputError("<b>no</b> such thing")
    elif params.how == "crash":
        raise KeyError("lost")
    elif params.how == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    letters = len(params.text.read_text()) * params.times
    return {"letters": letters, "share": letters / 7, "bad": float("nan"), "name": "7"}

main.start()
"""


def _command(folder: Path, *props: str) -> list[str]:
    program = folder / "count.py"
    program.write_text(PROGRAM)
    (folder / "in.txt").write_text("größe")
    words = [f"--prop={prop}" for prop in (f"output.dir={folder}", *props)]
    return [sys.executable, str(program), *words]


def _run(folder: Path, *props: str, code: int = 0) -> Path:
    result = subprocess.run(
        _command(folder, f"count.text={folder / 'in.txt'}", *props),
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == code, result.stderr
    return folder / "local" / "local" / "count"


def _read(folder: Path) -> tuple[dict[str, object], str]:
    return json.loads((folder / "run.json").read_text()), (folder / "report.html").read_text()


def test_run_json_says_how_to_run_it_again(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("more")
    folder = _run(tmp_path, "seed=7", f"count.more={other}, {tmp_path}/none.txt")
    text = tmp_path / "in.txt"
    record, page = _read(folder)
    assert record["parameters"] == {
        "count.text": str(text),
        "count.more": f"{other}, {tmp_path}/none.txt",
        "count.times": 2,
        "count.how": "",
    }
    assert (record["seed"], record["status"], record["attempt"]) == (7, "succeeded", 0)
    assert record["outputs"] == {"letters": "10", "share": str(10 / 7), "bad": "nan", "name": "7"}
    assert record["metrics"] == {"letters": 10, "share": 10 / 7}
    passed = {f"{record['job']}.{key}": text for key, text in record["outputs"].items()}
    assert record["output_properties"] == passed
    assert record["inputs"] == {
        str(path): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in (text, other)
    }
    assert record["environment"]["python"].startswith("3.")
    assert record["peak_memory_bytes"] > 10**6
    took = datetime.fromisoformat(record["ended"]) - datetime.fromisoformat(record["started"])
    assert took.total_seconds() == pytest.approx(record["seconds"], abs=0.5)
    assert hashlib.sha256(text.read_bytes()).hexdigest() in page
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == ["Run", "Metrics", "Outputs", "Parameters", "Inputs", "Environment"]


def test_a_page_of_the_job_comes_first_and_the_rest_is_added(tmp_path: Path) -> None:
    _, page = _read(_run(tmp_path, "count.how=page"))
    assert "<h1>Mine</h1>" in page
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[:3] == ["Seen", "Run", "Metrics"]
    assert {"Parameters", "Inputs", "Environment"} <= set(headings)


def test_a_job_of_some_seconds_shows_what_it_took(tmp_path: Path) -> None:
    record, page = _read(_run(tmp_path, "count.how=busy"))
    assert record["cpu_seconds"] > 1
    plot = page[page.index("<h2>Resources</h2>") :]
    plot = plot[: plot.index("</svg>")]
    for label in ("time (s)", "memory (MB)", "processors busy"):
        assert f">{label}</text>" in plot
    assert "currentColor" in plot  # readable in both colour schemes


@pytest.mark.parametrize(
    ("seconds", "loaded", "plotted"),
    [(9.0, False, False), (11.0, False, True), (1.0, True, False), (3.0, True, True)],
)
def test_a_short_job_does_not_load_matplotlib_to_plot_what_it_took(
    monkeypatch: pytest.MonkeyPatch, *, seconds: float, loaded: bool, plotted: bool
) -> None:
    made: list[object] = []
    monkeypatch.setattr(recording, "plot", made.append)
    monkeypatch.setattr(Page, "plot", lambda *_: None)
    modules = sys.modules.keys() - {"matplotlib"} | ({"matplotlib"} if loaded else set())
    monkeypatch.setattr(recording, "sys", SimpleNamespace(modules=modules))
    entry: dict[str, object] = {"seconds": seconds, "started": "2026-01-01T00:00:00", "seed": 1}
    entry |= dict.fromkeys(("peak_memory_bytes", "status", "cpu_seconds"), 1)
    entry |= {key: {} for key in ("metrics", "outputs", "parameters", "inputs", "environment")}
    recording._describe(Page("a", "b"), entry, [(0.5, 10**6, 0.1), (1.0, 10**6, 0.2)])
    assert bool(made) == plotted


def test_the_memory_of_the_program_that_started_it_is_not_its_own(tmp_path: Path) -> None:
    large = bytearray(600_000_000)
    large[::4096] = b"x" * len(large[::4096])  # resident, as Azkaban's is
    record, _ = _read(_run(tmp_path))
    assert 10**7 < record["peak_memory_bytes"] < len(large)


def test_a_report_of_its_own_is_left_alone_and_a_stale_one_is_not(tmp_path: Path) -> None:
    folder = _run(tmp_path, "count.how=own file")
    assert (folder / "report.html").read_text() == "its own"
    _run(tmp_path)
    assert "its own" not in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [("refuse", 2, "<b>no</b> such thing"), ("crash", 1, "KeyError('lost')")],
)
def test_a_failure_is_recorded_with_its_reason(
    tmp_path: Path, how: str, code: int, said: str
) -> None:
    record, page = _read(_run(tmp_path, f"count.how={how}", code=code))
    assert (record["status"], record["error"]) == ("failed", said)
    assert record["parameters"]["count.how"] == how
    assert "<h2>Error</h2>" in page
    assert "<b>no" not in page


def test_bad_parameters_of_an_execution_are_recorded_as_they_were_given(tmp_path: Path) -> None:
    _run(tmp_path, "azkaban.flow.execid=12", "count.times=0", code=2)
    record, _ = _read(tmp_path / "local" / "12" / "count")
    assert record["status"] == "failed"
    assert "count.times = '0'" in record["error"]
    assert record["parameters"]["count.times"] == "0"


def test_a_slip_at_a_terminal_costs_no_earlier_result(tmp_path: Path) -> None:
    before = _read(_run(tmp_path))
    assert _read(_run(tmp_path, "count.times=0", code=2)) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_job_is_no_success(tmp_path: Path, number: signal.Signals) -> None:
    command = _command(tmp_path, f"count.text={tmp_path / 'in.txt'}", "count.how=wait")
    with subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"
        record = json.loads((tmp_path / "local/local/count/run.json").read_text())
        assert record["status"] == "running"
        process.send_signal(number)
        process.wait(30)
    record = json.loads((tmp_path / "local/local/count/run.json").read_text())
    if number == signal.SIGKILL:  # nothing could be written
        assert record["status"] == "running"
        assert "ended" not in record
    else:
        assert record["status"] == "killed"
        assert "ended" in record
        assert "killed" in (tmp_path / "local/local/count/report.html").read_text()


def test_a_column_of_a_table_is_aligned_as_one() -> None:
    page = Page("a", "b")
    page.table(
        "t", ["name", "mixed", "shares", "few"], [["1", True, "9.5%", None], ["2", 7, "", 2]]
    )
    rows = page.html().partition("<thead>")[2]
    assert rows.splitlines()[0].count("number") == 2
    assert '<td>1</td><td>true</td><td class="number">9.5%</td><td class="number"></td>' in rows
    assert '<td>2</td><td>7</td><td class="number"></td><td class="number">2</td>' in rows
