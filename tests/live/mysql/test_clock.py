"""A clock that is set back or ahead: nothing is mistaken, nothing is lost.

The clock of one process is moved by libfaketime; monotonic clocks go on, as they do when a real
clock is set.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from setup.layout import CHECKOUT
from setup.life.process import Process
from setup.mysql import dump
from setup.mysql.program import Build
from setup.mysql.restore import restore
from tests.live.faketime import moved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = 86400


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the clock of mysqld, also while it runs: within a second or two."""
    file = tmp_path / "offset"
    # libfaketime ends the program when two threads read its file at once: it is read once a second
    variables = {**moved("+0"), "FAKETIME_CACHE_DURATION": "1"}
    del variables["FAKETIME"]
    environ = Build.environ.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Build,
        "environ",
        property(lambda p: {**environ(p), **variables, "FAKETIME_TIMESTAMP_FILE": str(file)}),
    )

    def set_to(offset: str) -> None:
        fresh = file.with_suffix(".new")
        fresh.write_text(offset + "\n")
        fresh.replace(file)

    set_to("+0")
    return set_to


@pytest.mark.long
def test_clock_of_mysqld_jumps(
    server: Any,
    copy: Callable[[str], Any],
    clock: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows, answers, crash recovery, backup and stop, whatever the time is."""
    server.start()
    row = "INSERT INTO azkaban.projects VALUES (%s,%s,1,1,1,1,'u','d',1,NULL)"
    for number, (offset, days) in enumerate((("+0", 0), ("-400d", -400), ("+400d", 400))):
        clock(offset)
        for _ in range(30):
            if abs(server.ask("SELECT UNIX_TIMESTAMP()")[0][0] - time.time() - days * DAY) < DAY:
                break
            time.sleep(0.5)
        else:
            pytest.fail(f"mysqld has not seen the clock move by {offset}")
        server.ask(row, number + 1, offset)
        assert server.status().state == "running"
        server.kill()
        server.start()
    clock("-400d")
    path = dump.backup(server, tmp_path / "b.sql.gz")
    assert server.stop()
    server.start()
    kept = [("+0",), ("-400d",), ("+400d",)]
    assert server.ask("SELECT name FROM azkaban.projects ORDER BY id") == kept
    monkeypatch.undo()  # the backup is for machines whose clock is right
    other = copy("other")
    other.start()
    restore(other, path)
    assert other.ask("SELECT name FROM azkaban.projects ORDER BY id") == kept


@pytest.mark.parametrize("offset", ["-400d", "+400d"])
def test_clock_of_setup_jumps(server: Any, setup: Callable[..., Any], offset: str) -> None:
    """A process is known by its start since boot: it stays the same one, and can be stopped."""
    server.start()
    process = server.running()
    record = server.layout.prefix / "pid"
    process.write(record)
    started = setup(server.layout.prefix, "start()", **moved(offset))
    told = started.communicate()[0]
    assert (started.returncode, "already running" in told) == (0, True), told
    code = (
        "import sys, time; from pathlib import Path; from setup.life.process import Process\n"
        "print(time.time(), Process.read(Path(sys.argv[1])).pid)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(record)],
        cwd=CHECKOUT, env=moved(offset), capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert abs(float(found[0]) - time.time()) > 399 * DAY
    assert int(found[1]) == process.pid
    assert server.script("status").returncode == 0
    stopped = setup(server.layout.prefix, "stop()", **moved(offset))
    assert stopped.wait() == 0
    stopped.stdout.close()
    assert Process.read(record) is None
