"""The main job as a newcomer types it, from nothing, under a prefix with letters beyond ASCII."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from setup.demo import FLOWS
from setup.layout import CHECKOUT, Layout
from setup.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The newcomer's Python, not the environment in which these tests run.
PYTHON = getattr(sys, "_base_executable", sys.executable)


@dataclass
class Demo:
    """A finished ``setup demo`` and where it put things."""

    layout: Layout
    result: subprocess.CompletedProcess[str]


def _command(prefix: Path, *arguments: str) -> list[str]:
    return [PYTHON, "-m", "setup", *arguments, "--prefix", str(prefix)]


def _environ() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "AZK_CACHE": str(Layout.of().cache)}


def _setup(prefix: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(prefix, *arguments),
        cwd=CHECKOUT,
        env=_environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    prefix = tmp_path_factory.mktemp("demo") / "größe"
    result = _setup(prefix, "demo")
    yield Demo(Layout(prefix, Layout.of().cache), result)
    _setup(prefix, "stop")


def test_demo_runs_three_flows_to_succeeded(demo: Demo) -> None:
    assert demo.result.returncode == 0, demo.result.stderr + demo.result.stdout
    for name in FLOWS:
        assert f"== {name}: " in demo.result.stderr
        reports = list((demo.layout.runs / name).glob(f"*/{name}/report.html"))
        assert len(reports) == 1
        assert f"report: {reports[0]}" in demo.result.stdout
        page = reports[0].read_text()
        assert page.count("<svg") >= 1
        assert not re.search(r"(src|href)=.https?:", page), "the report must stand alone"


def test_each_flow_has_at_least_three_jobs_that_succeeded(demo: Demo) -> None:
    for name in FLOWS:
        jobs = [path.stem for path in (CHECKOUT / "flows" / name).glob("*.job")]
        assert len(jobs) >= 3
        for job in jobs:
            assert re.search(rf"\b{job}\b.*SUCCEEDED", demo.result.stdout), (name, job)


def test_nothing_of_it_is_a_terminal_code(demo: Demo) -> None:
    assert "\x1b" not in demo.result.stdout + demo.result.stderr


def test_second_demo_reuses_the_running_server_and_streams_logs(demo: Demo) -> None:
    before = Process.read(demo.layout.azkaban / "azkaban.pid")
    assert "INFO - Starting job nn_load" not in demo.result.stdout
    result = _setup(demo.layout.prefix, "demo", "--logs")
    assert result.returncode == 0, result.stderr
    for name in FLOWS:
        assert f"{name} INFO - Starting job {name}" in result.stdout
    assert "already running" in result.stderr
    assert "Python environment" not in result.stderr
    assert Process.read(demo.layout.azkaban / "azkaban.pid") == before


def test_azk_beside_the_interpreter_finds_the_server(demo: Demo) -> None:
    azk = demo.layout.env / "bin" / "azk"
    result = subprocess.run(
        [str(azk), "project", "list", "--json"],
        env={**_environ(), "AZK_CONFIG": str(demo.layout.client_config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert set(FLOWS) <= {project["name"] for project in json.loads(result.stdout)}


def test_demo_on_a_terminal_shows_live_progress(demo: Demo) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        _command(demo.layout.prefix, "demo"),
        cwd=CHECKOUT,
        env={**_environ(), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error to its reader
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    assert b"\x1b[" in shown
    assert b"RUNNING" in shown


def test_server_killed_half_way_is_one_message_and_the_next_demo_works(demo: Demo) -> None:
    process = subprocess.Popen(
        _command(demo.layout.prefix, "demo"),
        cwd=CHECKOUT,
        env=_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "execution" in line:
            break
    server = Process.read(demo.layout.azkaban / "azkaban.pid")
    assert server is not None
    os.kill(server.pid, signal.SIGKILL)
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == 5, stderr
    assert "the server no longer answers" in stderr
    assert "Traceback" not in stderr
    assert _setup(demo.layout.prefix, "status").returncode == 1
    again = _setup(demo.layout.prefix, "demo")
    assert again.returncode == 0, again.stderr


def test_failing_flow_shows_its_log_and_exits_1(demo: Demo) -> None:
    runs, kept = demo.layout.runs, demo.layout.prefix / "runs.kept"
    runs.rename(kept)
    runs.write_text("a file where every job wants to make a folder")
    try:
        result = _setup(demo.layout.prefix, "demo")
    finally:
        runs.unlink()
        kept.rename(runs)
    assert result.returncode == 1, result.stderr
    assert "--- log of nn_load, last" in result.stderr
    assert f"Not a directory: '{runs}" in result.stderr


def test_wipe_stops_the_server_and_deletes_everything(demo: Demo) -> None:
    server = Process.read(demo.layout.azkaban / "azkaban.pid")
    assert server is not None
    result = _setup(demo.layout.prefix, "wipe", "--yes")
    assert result.returncode == 0, result.stderr
    assert not server.alive()
    assert not demo.layout.prefix.exists()
    assert _setup(demo.layout.prefix, "status").returncode == 1
