"""``azk watch`` beside the servers; what it tells is in tests/azkaban_client and tests/live."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from azkaban_client.schedules.book import Book, Entry
from azkaban_client.when import When
from setup.life.process import Process
from setup.life.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.layout import Layout


@pytest.fixture
def watching(ours: Layout) -> Iterator[Watching]:
    """A prefix with rules, and an ``azk`` that waits."""
    azk = ours.env / "bin" / "azk"
    azk.parent.mkdir(parents=True)
    azk.write_text("#!/bin/sh\nexec sleep 60\n")
    azk.chmod(0o755)
    made = Watching(ours)
    made.rules.write_text("")
    yield made
    made.end()


def running(watching: Watching) -> Process | None:
    return Process.read(watching.record)


def test_it_runs_while_there_are_rules_and_anew_when_they_change(watching: Watching) -> None:
    watching.keep()
    first = running(watching)
    assert first
    watching.keep()
    assert running(watching) == first
    os.utime(watching.rules, (1, 1))
    watching.keep()
    second = running(watching)
    assert second
    assert second != first
    assert not first.alive()
    watching.rules.unlink()
    watching.keep()
    assert not second.alive()
    assert not watching.record.exists()


def test_a_long_log_is_put_aside(watching: Watching) -> None:
    watching.keep()
    first = running(watching)
    for number in range(5):
        watching.log.write_bytes(bytes([48 + number]) * (6 << 20))
        watching.keep()
    assert running(watching) not in (None, first)
    kept = sorted(path.name for path in watching.log.parent.glob("watch.log*"))
    assert kept == ["watch.log", "watch.log.1", "watch.log.2", "watch.log.3"]
    assert watching.log.with_name("watch.log.1").read_bytes()[:1] == b"4"
    assert watching.log.stat().st_mode & 0o077 == 0


def test_it_runs_for_schedules_alone(
    ours: Layout, watching: Watching, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    watching.rules.unlink()
    ours.client_config.write_text('url = "http://localhost:1"\n')
    watching.keep()
    assert not running(watching)
    book = Book("http://localhost:1")
    with book.changing() as entries:
        entries.append(Entry("p", "f", "", When("daily", "6:00")))
    watching.keep()
    first = running(watching)
    assert first
    with book.changing() as entries:
        entries[0].paused = True
    watching.keep()
    assert running(watching) == first, "it reads them by itself"
    with book.changing() as entries:
        entries.clear()
    watching.keep()
    assert not running(watching)


def test_it_reaches_the_world_as_set_up_does(
    ours: Layout, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.env.joinpath("bin", "azk").write_text("#!/bin/sh\nenv > seen.new && mv seen.new seen\n")
    given = {"HTTPS_PROXY": "http://proxy.test:3128", "AZK_TRUST": "software", "AZK_URL": "other"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    watching.keep()
    seen = ours.prefix / "seen"
    deadline = time.monotonic() + 20
    while not seen.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    told = seen.read_text().splitlines()
    assert "HTTPS_PROXY=http://proxy.test:3128" in told
    assert "AZK_TRUST=software" in told
    assert f"AZK_CONFIG={ours.client_config}" in told
    assert "AZK_URL=other" not in told


def test_one_that_a_killed_supervisor_has_left_is_ended(ours: Layout, watching: Watching) -> None:
    watching.keep()
    left = running(watching)
    assert left
    after = Watching(ours)
    after.keep()
    assert not left.alive()
    assert running(after)
    Watching(ours).end()  # as `setup stop` does, without a supervisor
    assert not running(after)
    after.end()


def test_one_that_was_left_is_ended_without_rules_as_well(ours: Layout, watching: Watching) -> None:
    watching.keep()
    left = running(watching)
    assert left
    watching.rules.unlink()
    Watching(ours).keep()
    assert not left.alive()


def test_a_program_that_is_not_there_does_not_end_the_supervisor(
    ours: Layout, watching: Watching, capsys: pytest.CaptureFixture[str]
) -> None:
    ours.env.joinpath("bin", "azk").unlink()
    watching.keep()
    captured = capsys.readouterr()
    assert "azk watch cannot be started: " in captured.out + captured.err
    assert running(watching) is None
