"""A supervisor over a real server: kills are repaired, stop means stop."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from azkaban_client import Client
from setup.layout import CHECKOUT
from setup.life.process import Process
from setup.life.supervise import pid_file
from tests.commands import run_setup
from tests.live.conftest import LiveAzkaban
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


def _settled(live: LiveAzkaban) -> None:
    """Wait until the server runs, and the start that made it run has ended, too."""
    eventually(lambda: live.server.statuses()[0].state == "running")
    with live.layout.locked():
        pass


def _processes() -> list[Path]:
    return [one for one in Path("/proc").iterdir() if one.name.isdigit()]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAzkaban]:
    server = LiveAzkaban(tmp_path_factory.mktemp("supervised") / "p")
    # The supervisor runs in the prefix's environment: here it is the one of these tests.
    server.layout.env.symlink_to(sys.prefix)
    yield server
    server.stop()


def test_supervisor_restarts_what_was_killed_or_hangs_and_stop_ends_both(
    live: LiveAzkaban, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    live.stop()
    record = pid_file(live.layout.prefix)
    watch = live.layout.prefix / "watch.toml"
    watch.write_text('[tell.me]\nprogram = ["true"]\n[[rule]]\ntell = ["me"]\n')
    supervisor = subprocess.Popen(
        [
            *(sys.executable, "-c", _SUPERVISE, str(live.layout.prefix), str(live.layout.cache)),
            f"cat >> {told}",
        ],
        cwd=CHECKOUT,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: live.server.running() and Process.read(record))
    first = live.server.running()["azkaban"]
    _settled(live)
    with Client(live.url, auth=(live.username, live.password), address=live.address) as client:
        client.create_project("acknowledged")
        os.kill(first.pid, signal.SIGKILL)  # before H2 would write it by default
        eventually(lambda: live.server.running().get("azkaban", first) != first)
        _settled(live)
        assert [project.name for project in client.projects()] == ["acknowledged"]
    second = live.server.running()["azkaban"]
    os.kill(second.pid, signal.SIGSTOP)  # it is there, and takes connections, but says nothing
    eventually(lambda: live.server.running().get("azkaban", second) != second)
    _settled(live)
    log = live.layout.prefix / "watch.log"
    eventually(lambda: log.is_file() and "watching http" in log.read_text())
    assert [one for one in map(_command, _processes()) if str(watch) in one]
    assert run_setup("stop", "--prefix", str(live.layout.prefix)).returncode == 0
    _, messages = supervisor.communicate(timeout=60)
    assert not [one for one in map(_command, _processes()) if str(watch) in one]
    assert supervisor.returncode == 0, messages
    assert "azkaban went down; restart in 1 s" in messages
    silent = rf"azkaban \(pid {second.pid}\) runs, but has not answered for \d+ s: it was"
    assert re.search(silent, messages)
    assert told.read_text().count("it is ended and started again") == 1
    assert live.server.running() == {}
    assert not record.exists()


# `setup supervise` without the making of an environment, which other tests cover.
_SUPERVISE = """
import sys
from pathlib import Path
from setup.life import servers, supervise
from setup.layout import Layout
supervise.HUNG_SECONDS = 1.0
layout = Layout(Path(sys.argv[1]), Path(sys.argv[2]))
policy = supervise.Policy(restart_hung=True, alert=sys.argv[3])
servers.keep_up(layout, Path(sys.executable), policy)
"""


def test_doctor_finds_nothing_wrong_and_names_what_is_down(live: LiveAzkaban) -> None:
    live.start()
    findings = json.loads(run_setup("doctor", "--json", "--prefix", str(live.layout.prefix)).stdout)
    wrong = [f for f in findings if not f["ok"] and f["check"] != "environment"]
    assert wrong == []
    assert {"java", "jars", "disk", "clock", "file modes", "host name", "azkaban"} <= {
        f["check"] for f in findings
    }
    pid = live.server.running()["azkaban"].pid
    os.kill(pid, signal.SIGSTOP)  # it is there, and takes connections, but says nothing
    status = run_setup("status", "--prefix", str(live.layout.prefix))
    assert status.returncode == 1
    assert f"azkaban is unresponsive: it was stopped by a signal; kill -CONT {pid}" in status.stderr
    live.stop()
    result = run_setup("doctor", "--prefix", str(live.layout.prefix))
    assert result.returncode == 1
    assert "azkaban" in result.stdout
    assert "run python3 -m setup up" in result.stdout
