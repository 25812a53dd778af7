"""Servers that are there and do nothing: said after a minute, and nothing is lost by it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from setup.life import servers
from setup.life.supervise import trouble
from tests.live.faults.ledger import Ledger
from tests.live.faults.operations import Execution
from tests.live.faults.site import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.faults.site import Site

STOPPED = 180.0  # seconds
SERVERS = ["web", "executor", "mysqld"]


def _said(site: Site, victim: str) -> str:
    """Return what the supervisor says of the server that hangs, once it does."""
    name = "mysql" if victim == "mysqld" else victim
    found: str = eventually(
        lambda: (words := trouble(site.live.layout.prefix)) and f"{name} (pid" in words and words,
        f"an alert about {victim}",
    )
    return found


@pytest.mark.faults
@pytest.mark.parametrize("victim", SERVERS)
def test_a_server_that_is_stopped_for_three_minutes(
    site: Site, tmp_path: Path, victim: str
) -> None:
    seed = SERVERS.index(victim)
    ledger = Ledger(lambda: site.client(timeout=5.0, retries=0), tmp_path, 300 + seed)
    ledger.act(20)
    operation = Execution(site, tmp_path, f"stopped_{victim}")
    execid = operation.act()
    operation.until_job_runs()
    process = site.process(victim)
    assert process is not None
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        assert "it was stopped by a signal" in _said(site, victim)
        while time.monotonic() - begun < STOPPED:
            ledger.act()
            time.sleep(1.0)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    eventually(lambda: not trouble(site.live.layout.prefix), "the end of the alert")
    assert site.process(victim) == process, "it was not restarted: nobody asked for that"
    assert all(one.state == "running" for one in servers.statuses(site.live.layout))
    ledger.act(20)
    ledger.check()
    assert operation.outcome(execid) == "SUCCEEDED"


@pytest.mark.faults
@pytest.mark.parametrize("victim", SERVERS)
def test_a_server_that_hangs_is_restarted_if_asked(site: Site, tmp_path: Path, victim: str) -> None:
    ledger = Ledger(
        lambda: site.client(timeout=5.0, retries=0), tmp_path, 400 + SERVERS.index(victim)
    )
    ledger.act(20)
    process = site.process(victim)
    assert process is not None
    site.end()
    site.supervise(restart_hung=True)
    os.kill(process.pid, signal.SIGSTOP)
    eventually(lambda: site.process(victim) not in (None, process), f"another {victim}")
    site.whole(f"the end of {victim}")
    ledger.act(20)
    ledger.check()
    site.end()
    site.supervise()
