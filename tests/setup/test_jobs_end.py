"""Processes of jobs whose server is gone: found by their mark or folder, and ended."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from azkaban_client import keeper
from setup import cli
from setup.azkaban import Server, jobs
from setup.life.process import Process, stop_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from setup.layout import Layout

    Start = Callable[..., subprocess.Popen[bytes]]

_SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
_IGNORE = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(600)"
)


@pytest.fixture
def start() -> Iterator[Start]:
    begun = []

    def start(folder: Path | str, mark: str = "") -> subprocess.Popen[bytes]:
        environ = {**os.environ, **({keeper.VARIABLE: mark} if mark else {})}
        begun.append(subprocess.Popen(_SLEEP, cwd=folder, env=environ))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()


def test_processes_are_found_by_mark_and_by_folder(ours: Layout, start: Start) -> None:
    home = ours.azkaban
    second = home / "executor-2" / "executions" / "4"
    for folder in (home / "executions" / "3", second, home / "projects"):
        folder.mkdir(parents=True)
    mine = [
        start("/", f"{jobs.mark(home)}:7:a_props_1_tmp"),
        start(home / "executions" / "3"),
        start(second),
    ]
    others = [
        start("/", f"{jobs.mark(home)}-2:7:a_props_1_tmp"),  # of a prefix with a longer name
        start("/", keeper.OUTLIVES),
        start(home / "projects"),
    ]
    [line] = jobs.end(home)
    assert line.startswith("ended by SIGTERM: ")
    assert sorted(p.pid for p in mine if f"(pid {p.pid})" in line) == sorted(p.pid for p in mine)
    assert [process.wait(10) for process in mine] == [-15, -15, -15]
    assert [process.poll() for process in others] == [None, None, None]
    assert jobs.end(home) == []


@pytest.mark.parametrize("command", [["stop"], ["wipe", "--yes"]])
def test_stop_and_wipe_end_jobs_that_outlived_their_server(
    ours: Layout, start: Start, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job = start("/", f"{jobs.mark(ours.azkaban)}:7:a")
    assert cli.main([*command, "--prefix", str(ours.prefix)]) == 0
    assert job.wait(10) == -15
    assert "processes of jobs outlived their server; ended by SIGTERM: " in capsys.readouterr().err


def test_a_prefix_behind_a_link(ours: Layout, tmp_path: Path, start: Start) -> None:
    (tmp_path / "link").symlink_to(ours.azkaban)
    job = start("/", f"{jobs.mark(ours.azkaban)}:7:a")
    assert jobs.end(tmp_path / "link")
    assert job.wait(10) == -15


def test_all_are_ended_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, a dozen that ignore SIGTERM would take a minute."""
    monkeypatch.setattr(keeper.end, "__defaults__", (0.5, *keeper.end.__defaults__[1:]))
    begun = [
        subprocess.Popen([sys.executable, "-c", _IGNORE], stdout=subprocess.PIPE) for _ in range(4)
    ]
    for process in begun:
        process.stdout.readline()
    [line] = stop_all([one for process in begun if (one := Process.of(process.pid))])
    assert line.startswith("ended by SIGKILL 0.5 s after SIGTERM: ")
    assert line.count("(pid ") == 4
    for process in begun:
        assert process.wait(10) == -9
        process.stdout.close()


def test_nothing_runs_where_nothing_was_started(ours: Layout) -> None:
    assert Server(ours).end_jobs() is False
