"""What happens to the machine: a reboot, another name, IPv6 alone, little of what servers need."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from azkaban_client import Bundle
from setup import limits
from setup.azkaban import Wanted, busy, commands
from setup.errors import UsageError
from setup.layout import CHECKOUT
from setup.life.supervise import pid_file
from tests.live.conftest import LiveAzkaban
from tests.live.faults.operations import Execution
from tests.live.faults.site import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.faults.site import Site


def _setup(live: LiveAzkaban, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "setup", *arguments, "--prefix", str(live.layout.prefix)]
    return subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300
    )


def run_a_flow(live: LiveAzkaban, folder: Path) -> None:
    """Run a flow with `azk` alone, as a user who reads its settings."""
    archive = Bundle({"go.job": b"type=command\ncommand=echo it runs\n"}).write(folder / "go.zip")
    for arguments in (
        ("project", "create", "machine"),
        ("upload", "machine", str(archive)),
        ("run", "machine", "go", "--follow"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", "from azkaban_client.cli import main; main()", *arguments],
            cwd=folder,
            env={**os.environ, "AZK_CONFIG": str(live.config), "XDG_STATE_HOME": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "SUCCEEDED" in done.stdout


def test_an_upgrade_during_a_run_is_refused(site: Site, tmp_path: Path) -> None:
    operation = Execution(site, tmp_path, "upgraded")
    execid = operation.act()
    operation.until_job_runs()
    asked = argparse.Namespace(java=None, distribution=[], wait=False, force=False)
    words = f"execution {execid} would be lost: nothing was changed. Add --wait"
    with pytest.raises(UsageError, match=words):
        commands._upgrade(site.live.layout, asked)
    assert busy.settle(site.live.server, wait=False, force=True) == {execid}
    operation.go.touch()
    assert busy.settle(site.live.server, wait=True, force=False) == set()
    assert operation.outcome(execid) == "SUCCEEDED"


@pytest.mark.faults
def test_a_reboot(site: Site, tmp_path: Path) -> None:
    """Everything is gone at once, and other programs have the numbers of the processes."""
    operation = Execution(site, tmp_path, "rebooted")
    execid = operation.act()
    operation.until_job_runs()
    names = ("supervisor", "web", "executor", "mysqld")
    found = [process for name in names if (process := site.process(name))]
    found += [child for process in found for child in process.children()]
    for process in found:
        os.kill(process.pid, signal.SIGKILL)
    site.wait_for_supervisor()
    for process in found:
        process.stop()
    with subprocess.Popen(["sleep", "600"]) as stranger:
        record = {"pid": stranger.pid, "started": found[0].started}
        home = site.live.server.home
        files = [pid_file(site.live.layout.prefix), home / "web.pid", home / "executor.pid"]
        for path in files:
            path.write_text(json.dumps(record))
        socket = site.database.files.socket
        for path in (site.database.files.pid_file, socket.with_name(f"{socket.name}.lock")):
            path.write_text(f"{stranger.pid}\n")
        site.recover("supervisor")
        assert stranger.poll() is None
        stranger.kill()
    assert operation.outcome(execid) == "FAILED"
    operation.usable()


@pytest.mark.faults
def test_a_host_with_another_name(azkaban: LiveAzkaban, tmp_path: Path) -> None:
    path = azkaban.server.home / "settings.json"
    before = path.read_text()
    azkaban.stop()
    path.write_text(json.dumps({**json.loads(before), "host": "old-name.invalid"}))
    try:
        azkaban.start()
        assert azkaban.url.startswith("http://old-name.invalid:")
        run_a_flow(azkaban, tmp_path)
    finally:
        azkaban.stop()
        path.write_text(before)
        azkaban.start()


@pytest.mark.faults
@pytest.mark.parametrize("wanted", [Wanted(listen="::1"), Wanted(listen="::1", tls=True)])
def test_ipv6_alone(tmp_path: Path, wanted: Wanted) -> None:
    live = LiveAzkaban(tmp_path / "p", wanted)
    try:
        assert live.address == "::1"
        run_a_flow(live, tmp_path)
    finally:
        live.stop()


START = """
import sys
from pathlib import Path
from setup.azkaban import Wanted, busy, commands
from setup.errors import UsageError
from setup.life import servers
from tests.live.conftest import LiveAzkaban
live = LiveAzkaban(Path(sys.argv[1]), Wanted(profile="server"))
print(live.config)
"""


@pytest.mark.faults
@pytest.mark.parametrize("limit", ["ulimit -n 256", "ulimit -u {threads}"])
def test_the_least_that_set_up_accepts_is_enough(tmp_path: Path, limit: str) -> None:
    """Servers that were started in a shell with limits run a flow."""
    command = (
        f"{limit.format(threads=limits.threads() + 700)}; exec {shlex.quote(sys.executable)} -c "
    )
    command += f"{shlex.quote(START)} {shlex.quote(str(tmp_path / 'p'))}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    live = LiveAzkaban(tmp_path / "p", Wanted(profile="server"))  # finds it running
    try:
        run_a_flow(live, tmp_path)
    finally:
        _setup(live, "stop")
    eventually(lambda: not live.server.running(), "the end of the servers")


def test_a_heap_that_is_too_small_is_refused(azkaban: LiveAzkaban) -> None:
    done = _setup(azkaban, "up", "--heap", "40m")
    assert done.returncode == 2
    assert "at least 512m are needed" in done.stderr
