"""Servers that are there and do not answer, or that lack what they need, under a supervisor.

It must say so, restart nothing that it was not asked to, and lose nothing that was acknowledged.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from azkaban_client import collect
from azkaban_client.errors import AzkabanError
from setup import servers
from tests.live.faults.operations import Execution
from tests.live.faults.site import Site, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from setup.process import Process
    from tests.live.conftest import LiveAzkaban

pytestmark = pytest.mark.faults

NAMES = {"mysqld": "mysql", "web": "web", "executor": "executor"}
STOPPED_SECONDS = 180.0


@pytest.fixture(scope="module")
def site(split: LiveAzkaban) -> Iterator[Site]:
    supervised = Site(split)
    yield supervised
    supervised.end()


def _log(site: Site) -> str:
    return (site.live.layout.prefix / "supervisor.log").read_text()


def _reason(site: Site, name: str) -> str:
    found = {one.server: one for one in servers.statuses(site.live.layout)}
    return found[name].reason


@contextmanager
def _limited(process: Process, which: int, soft: int) -> Iterator[None]:
    """Lower a limit of a running process; the hard one stays, so that it can be raised again."""
    before = resource.prlimit(process.pid, which)
    resource.prlimit(process.pid, which, (soft, before[1]))
    try:
        yield
    finally:
        if process.alive():
            resource.prlimit(process.pid, which, before)


@pytest.mark.parametrize("victim", NAMES)
def test_a_server_that_is_stopped_for_three_minutes(
    site: Site, tmp_path: Path, victim: str
) -> None:
    name = NAMES[victim]
    operation = Execution(site, tmp_path, f"stopped-{victim}")
    execid = operation.act()
    operation.until_job_runs()
    process = site.process(victim)
    assert process is not None
    before = _log(site)
    begun = time.monotonic()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        said = f"ALERT: {name} (pid {process.pid}) runs, but has not answered for 60 s: it was stop"
        eventually(lambda: said in _log(site).removeprefix(before), said)
        assert "kill -CONT" in _reason(site, name)
        while time.monotonic() - begun < STOPPED_SECONDS:
            time.sleep(1.0)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    eventually(lambda: f"{name} answers again" in _log(site).removeprefix(before), "an answer")
    assert site.process(victim) == process, "nobody asked for a restart"
    site.recover(victim)
    assert operation.outcome(execid) == "SUCCEEDED"
    operation.usable()


@pytest.mark.parametrize("victim", ["web", "executor"])
def test_a_server_without_file_descriptors(site: Site, tmp_path: Path, victim: str) -> None:
    operation = Execution(site, tmp_path, f"files-{victim}")
    process = site.process(victim)
    assert process is not None
    part = next(one for one in site.live.server.settings.parts if one.name == victim)
    used = len(list(os.scandir(f"/proc/{process.pid}/fd")))
    before = _log(site)
    with ExitStack() as stack, _limited(process, resource.RLIMIT_NOFILE, used + 4):
        for _ in range(40):
            stack.enter_context(socket.create_connection(part.ends[0], timeout=10))
        said = f"ALERT: {victim} (pid {process.pid}) runs, but has not answered for 60 s"
        eventually(lambda: said in _log(site).removeprefix(before), said)
    site.recover(victim)
    operation.usable()


def test_an_executor_that_may_start_no_process(site: Site, tmp_path: Path) -> None:
    operation = Execution(site, tmp_path, "processes")
    process = site.process("executor")
    assert process is not None
    with _limited(process, resource.RLIMIT_NPROC, 1):
        try:
            execid = operation.act()
        except AzkabanError:
            execid = None
        if execid is not None and process.alive():
            with site.client() as client:
                eventually(lambda: client.execution(execid).status.final, "an end")
    site.recover("executor")
    operation.usable()


def test_a_heap_of_40_mb(site: Site, tmp_path: Path) -> None:
    """A project that does not fit: the server ends or refuses it; what it took is there."""
    site.end()
    live = site.live
    servers.stop(live.layout)
    heap = live.server.settings.heap
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(4000):
        text = f"type=noop\n{'dependencies=j0' if number else ''}\nx={'y' * 500}\n"
        (folder / f"j{number}.job").write_text(text)
    archive = collect(folder).write(tmp_path / "many.zip")
    taken = []
    try:
        live.wanted = type(live.wanted)(heap="40m")
        live.start()
        site.supervise()
        for number in range(3):
            name = f"many{number}"
            try:
                with site.client() as client:
                    client.create_project(name, "large")
                    client.upload(name, archive)
                    taken.append(name)
            except AzkabanError:
                site.recover("web")
        site.recover("web")
        with site.client() as client:
            for name in taken:
                assert len(client.flows(name)) == 3999
    finally:
        site.end()
        servers.stop(live.layout)
        live.wanted = type(live.wanted)(heap=heap)
        live.start()
        site.supervise()
    site.recover("web")
