"""Servers whose prefix was deleted under them: named, ended, and never taken for new ones."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from setup import cli
from setup.errors import SetupError
from setup.life import orphans, supervise
from setup.life.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from setup.layout import Layout
    from setup.life.status import Status

# Starts a child, as a server does a job, and says that it is up.
_SERVER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], cwd="/")
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def started(ours: Layout) -> Iterator[Callable[[str], Process]]:
    """Start a process that works in a folder of the prefix and names the prefix."""
    begun: list[Process] = []

    def start(folder: str, *words: str) -> Process:
        place = ours.prefix / folder
        place.mkdir(parents=True, exist_ok=True)
        output = ours.cache / f"{len(begun)}.out"
        command = [sys.executable, "-c", _SERVER, *(words or [str(ours.prefix)])]
        environ = {"PATH": os.environ["PATH"]}
        process = Process.start(command, folder=place, log=output, environ=environ)
        begun.append(process)
        while not output.read_text().strip():
            assert process.alive()
            time.sleep(0.01)
        if child := Process.of(int(output.read_text())):
            begun.append(child)
        process.write(place / "server.pid")
        return process

    yield start
    for process in begun:
        process.stop(patience=0.0)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("azkaban", "azkaban"),
        ("mysql/mysql_data", "mysql"),
        ("mysql/restore/mysql_data", "mysql"),
        ("spark/yarn", "spark yarn"),
        ("spark/standalone", "spark standalone"),
    ],
)
def test_a_server_whose_prefix_was_deleted_is_named_and_ended_with_its_jobs(
    ours: Layout,
    started: Callable[[str], Process],
    folder: str,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    process = started(folder)
    (job,) = process.children()
    record = (ours.prefix / folder / "server.pid").read_text()
    assert orphans.find(ours.prefix) == []
    shutil.rmtree(ours.prefix)
    assert orphans.find(ours.prefix) == [(name, process)]
    assert cli.main(["status", "--prefix", str(ours.prefix)]) == 1
    assert [name, "orphaned"] in [
        [line[: len(name)], line[len(name) :].split()[0]]
        for line in capsys.readouterr().out.splitlines()
    ]
    (ours.prefix / folder).mkdir(parents=True)  # made again, the old records brought back
    (ours.prefix / folder / "server.pid").write_text(record)
    assert Process.read(ours.prefix / folder / "server.pid") == process
    assert Process.read(ours.prefix / folder / "server.pid", ours.prefix / folder) is None
    assert orphans.find(ours.prefix) == [(name, process)]
    assert cli.main(["stop", "--prefix", str(ours.prefix)]) == 0
    assert f"{name} (pid {process.pid})" in capsys.readouterr().err
    assert not process.alive()
    assert not job.alive()
    assert orphans.find(ours.prefix) == []


def test_a_prefix_behind_a_link(tmp_path: Path, started: Callable[[str], Process]) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "p")
    process = started("azkaban", str(tmp_path / "link"))
    shutil.rmtree(tmp_path / "p/azkaban")
    assert orphans.find(tmp_path / "link") == [("azkaban", process)]


def test_what_is_no_server_of_a_deleted_prefix_is_left_alone(
    ours: Layout, tmp_path: Path, started: Callable[[str], Process]
) -> None:
    other = str(tmp_path / "other")
    alive = [started("runs"), started("tmp/x"), started("azkaban", other), started("mysql")]
    ours.prefix.joinpath("mysql").rename(tmp_path / "moved")  # moved is not deleted
    shutil.rmtree(ours.prefix)
    assert orphans.find(ours.prefix) == []
    assert orphans.end(ours.prefix) == 0
    assert all(process.alive() for process in alive)


def test_a_supervisor_ends_when_its_prefix_was_deleted_or_made_again(
    ours: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(supervise.signal, "signal", lambda *_: None)
    record = supervise.pid_file(ours.prefix)
    looks = iter(["", "", "gone", "never"])
    called: list[str] = []
    another = '{"pid": 1, "started": 1}'

    def look() -> list[Status]:
        if next(looks) == "gone":
            record.write_text(another)
        return []

    servers = supervise.Servers(look, lambda: called.append("up"), lambda: called.append("stop"))
    with pytest.raises(SetupError, match="is gone, and so is what this supervisor kept up"):
        supervise.run(record, servers)
    assert called == ["up"]  # what is there now is another's to stop
    assert next(looks) == "never"
    assert record.read_text() == another
