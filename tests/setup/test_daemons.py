"""The processes of a server that has several."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from setup.life.daemons import Daemon, Daemons
from setup.life.process import Process
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENVIRON = {"PATH": os.defpath}


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    (tmp_path / "logs").mkdir()
    found = Daemons(tmp_path, tmp_path / "data", last=("a-database",))
    yield found
    found.end(patience=0.0)


def sleeps(daemons: Daemons, name: str, *before: str) -> Process:
    return daemons.start(
        Daemon(name, ["sh", "-c", "; ".join([*before, "exec sleep 600"])]), ENVIRON
    )


def test_each_is_ended_with_what_it_has_started_and_the_last_one_last(daemons: Daemons) -> None:
    database = sleeps(daemons, "a-database")
    server = sleeps(daemons, "server", "sleep 601 & echo $!")
    eventually(lambda: daemons.log("server").read_text().strip() and len(server.children()) == 1)
    (child,) = server.children()
    assert daemons.running() == {"server": server, "a-database": database}
    assert list(daemons.running()) == ["server", "a-database"]
    assert daemons.end() == 1
    assert not any(one.alive() for one in (server, child, database))
    assert daemons.names() == []


def test_one_that_has_died_keeps_its_name_until_it_is_forgotten(daemons: Daemons) -> None:
    sleeps(daemons, "server").stop()
    assert (daemons.names(), daemons.running()) == (["server"], {})
    daemons.forget()
    assert daemons.names() == []


def test_a_process_of_another_folder_is_not_ours(daemons: Daemons, tmp_path: Path) -> None:
    stranger = Daemons(tmp_path / "other")
    for folder in ("other/logs", "data"):
        (tmp_path / folder).mkdir(parents=True)
    process = sleeps(stranger, "server")
    try:
        process.write(tmp_path / "server.pid")
        assert daemons.running() == {}
        inside = Process.start(
            ["sleep", "600"], folder=tmp_path / "data", log=tmp_path / "l", environ=ENVIRON
        )
        inside.write(tmp_path / "a-database.pid")
        assert daemons.running() == {"a-database": inside}
    finally:
        stranger.end(patience=0.0)


def test_a_start_begins_a_new_log(daemons: Daemons) -> None:
    daemons.log("server").write_text("of before\n")
    sleeps(daemons, "server", "echo now")
    eventually(lambda: daemons.log("server").read_text() == "now\n")


def test_what_is_killed_at_once_is_gone_afterwards(tmp_path: Path) -> None:
    """A process with much memory takes a moment to end, in which it holds its port."""
    code = "held = b'1' * 500_000_000; print('up', flush=True); import time; time.sleep(600)"
    for number in range(5):
        output = tmp_path / f"{number}.out"
        process = Process.start(
            [sys.executable, "-c", code], folder=tmp_path, log=output, environ={}
        )
        eventually(lambda output=output: "up" in output.read_text())
        process.stop(patience=0.0)
        assert not process.alive()
