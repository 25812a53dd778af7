"""The processes of a server that has several."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from setup.life.parts import Part, Parts
from setup.life.process import Process
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENVIRON = {"PATH": os.defpath}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    (tmp_path / "logs").mkdir()
    found = Parts(tmp_path, tmp_path / "data", last=("a-database",))
    yield found
    found.end(patience=0.0)


def sleeps(parts: Parts, name: str, *before: str) -> Process:
    return parts.start(Part(name, ["sh", "-c", "; ".join([*before, "exec sleep 600"])]), ENVIRON)


def test_each_is_ended_with_what_it_has_started_and_the_last_one_last(parts: Parts) -> None:
    database = sleeps(parts, "a-database")
    server = sleeps(parts, "server", "sleep 601 & echo $!")
    eventually(lambda: parts.log("server").read_text().strip() and len(server.children()) == 1)
    (child,) = server.children()
    assert parts.running() == {"server": server, "a-database": database}
    assert list(parts.running()) == ["server", "a-database"]
    assert parts.end() == 1
    assert not any(one.alive() for one in (server, child, database))
    assert parts.names() == []


def test_one_that_has_died_keeps_its_name_until_it_is_forgotten(parts: Parts) -> None:
    sleeps(parts, "server").stop()
    assert (parts.names(), parts.running()) == (["server"], {})
    parts.forget()
    assert parts.names() == []


def test_a_process_of_another_folder_is_not_ours(parts: Parts, tmp_path: Path) -> None:
    stranger = Parts(tmp_path / "other")
    for folder in ("other/logs", "data"):
        (tmp_path / folder).mkdir(parents=True)
    process = sleeps(stranger, "server")
    try:
        process.write(tmp_path / "server.pid")
        assert parts.running() == {}
        inside = Process.start(
            ["sleep", "600"], folder=tmp_path / "data", log=tmp_path / "l", environ=ENVIRON
        )
        inside.write(tmp_path / "a-database.pid")
        assert parts.running() == {"a-database": inside}
    finally:
        stranger.end(patience=0.0)


def test_a_start_begins_a_new_log(parts: Parts) -> None:
    parts.log("server").write_text("of before\n")
    sleeps(parts, "server", "echo now")
    eventually(lambda: parts.log("server").read_text() == "now\n")
