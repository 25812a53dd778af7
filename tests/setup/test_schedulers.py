"""Other schedulers without one of them; with them: tests/live and tests/distribution."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from setup.errors import ServerError
from setup.life.daemons import Daemon
from setup.life.process import Process
from setup.schedulers.airflow import takes_questions
from setup.schedulers.kind import Place
from setup.schedulers.scheduler import Scheduler

if TYPE_CHECKING:
    from setup.layout import Layout


def test_a_part_that_is_to_end_must_end_well(ours: Layout) -> None:
    scheduler = Scheduler(ours, "luigi")
    (scheduler.home / "logs").mkdir(parents=True)
    scheduler._launch(Daemon("tables", [sys.executable, "-c", "print('made')"], once=True))
    assert scheduler.log("tables").read_text() == "made\n"
    failing = [sys.executable, "-c", "import sys; print('no room'); sys.exit(3)"]
    with pytest.raises(ServerError, match=r"(?s)tables ended with exit code 3; .*no room"):
        scheduler._launch(Daemon("tables", failing, once=True))


def test_what_a_killed_database_has_left_does_not_count(ours: Layout) -> None:
    place = Place(ours, ours.prefix / "airflow", 0)
    (place.home / "data").mkdir(parents=True)
    file = place.home / "data" / "postmaster.pid"
    assert not takes_questions(place)
    process = Process.of(os.getpid())
    assert process is not None
    process.write(place.home / "database.pid")
    assert not takes_questions(place)
    for pid, state, answer in (
        (1, "ready", False),  # of the one before
        (os.getpid(), "starting", False),
        (os.getpid(), "ready", True),
    ):
        file.write_text(f"{pid}\n/data\n1780000000\n5432\n/home\n\n  5432001  3\n{state}   \n")
        assert takes_questions(place) is answer
    file.write_text("")  # it is being written
    assert not takes_questions(place)


def test_an_environment_whose_python_is_gone_is_made_again(ours: Layout) -> None:
    scheduler = Scheduler(ours, "luigi")
    scheduler.python.parent.mkdir(parents=True)
    (scheduler.home / ".lock").write_text(scheduler._digest())
    base = ours.prefix / "python3"
    base.touch()
    scheduler.python.symlink_to(base)
    assert scheduler.installed
    base.unlink()  # as by an upgrade of the machine
    assert not scheduler.installed
    assert [status.state for status in scheduler.statuses()] == ["not installed"]
