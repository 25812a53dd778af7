"""What people see while set-up works: on a terminal, and in a file or a pipe."""

from __future__ import annotations

import io
import re
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from setup import cli, messages
from setup.errors import UsageError
from setup.layout import Layout
from setup.messages import confirmed, step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Terminal(io.StringIO):
    """Takes what would be shown."""

    def isatty(self) -> bool:
        """Claim to be a terminal."""
        return True


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Take stderr, as a file."""
    stream = io.StringIO()  # pytest puts its own sys.stderr back before the test runs
    monkeypatch.setattr(messages, "sys", SimpleNamespace(stderr=stream, stdin=io.StringIO("yes\n")))
    monkeypatch.setattr(messages, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(messages, "LIVE_SECONDS", 0.01)
    return stream


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_file_gets_the_start_the_way_and_the_end_of_a_step(told: io.StringIO) -> None:
    with step("jars") as shown:
        assert told.getvalue() == "jars ...\n"  # before anything is done
        shown.update("downloading 3/33")
        _wait(lambda: told.getvalue().count("jars ... downloading 3/33 (") > 1)
        shown.done("33 jars")
    last = told.getvalue().splitlines()[-1]
    assert re.fullmatch(r"jars: 33 jars \(\d+\.\d s\)", last)
    told.truncate(0)
    time.sleep(0.1)
    assert told.getvalue() == ""  # nothing after the end


def test_an_update_alone_writes_no_line_to_a_file(
    told: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "EVERY_SECONDS", 3600.0)
    with step("jars") as shown:
        for number in range(1000):
            shown.update(f"downloading {number}/1000")
    assert len(told.getvalue().splitlines()) == 2


def test_of_steps_within_each_other_the_inner_one_speaks(told: io.StringIO) -> None:
    with step("restore"):
        with step("starting MySQL"):
            told.truncate(0)
            _wait(lambda: told.getvalue().count("starting MySQL ...") > 2)
            assert "restore" not in told.getvalue()
        told.truncate(0)
        _wait(lambda: "restore ..." in told.getvalue())


def test_a_terminal_shows_one_line_that_fits_and_goes_on(
    told: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages.sys, "stderr", screen := Terminal())
    monkeypatch.setenv("COLUMNS", "30")
    with step("jars") as shown:
        shown.update("x" * 100)
        _wait(lambda: screen.getvalue().count("jars ... xx") > 3)
        shown.done("33 jars")
    *lines, last = re.split(r"\r\033\[K", screen.getvalue())
    assert max(map(len, lines)) < 30
    assert last.startswith("jars: 33 jars (")
    assert screen.getvalue().count("\n") == 1


def test_a_step_that_is_tried_again_says_so_and_does_not_fail(told: io.StringIO) -> None:
    with step("starting yarn") as shown:
        shown.again("another program took one of its ports meanwhile")
    assert "starting yarn: another program took one of its ports meanwhile; trying again" in (
        told.getvalue().splitlines()
    )
    assert "failed" not in told.getvalue()


def test_who_waits_for_another_setup_says_so_again_and_again(
    told: io.StringIO, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "p", tmp_path / "cache")
    layout.create(need=0)
    entered = threading.Event()

    def second() -> None:
        with layout.locked():
            entered.set()

    with layout.locked():
        thread = threading.Thread(target=second)
        thread.start()
        _wait(lambda: told.getvalue().count(f"another setup works in {layout.prefix}") > 2)
        assert not entered.is_set()
    thread.join(60)
    assert entered.is_set()


def test_what_asks_without_a_terminal_names_the_way_for_every_command(
    told: io.StringIO,
) -> None:
    with pytest.raises(UsageError, match=r"no terminal .*: add --yes"):
        confirmed("what happened since the upgrade", yes=False)
    assert "wipe" not in told.getvalue()


@pytest.mark.parametrize("lines", ["70000", "1"])
def test_logs_takes_any_number_of_lines(lines: str) -> None:
    assert cli._parser().parse_args(["logs", "-n", lines]).n == int(lines)


@pytest.mark.parametrize("lines", ["0", "-1", "many", "1.5", "\u00b2"])
def test_logs_refuses_what_is_no_number_of_lines(
    lines: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli._parser().parse_args(["logs", f"-n={lines}"])
    assert "expected a number of lines, 1 or more" in capsys.readouterr().err
