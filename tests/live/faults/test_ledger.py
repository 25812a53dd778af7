"""Random operations between faults: what was acknowledged is there, and stays."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from setup import environment
from setup.life import servers
from tests.live.faketime import moved
from tests.live.faults.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.live.faults.site import Site

FILES, PROCESSES, LENGTH = resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE
SERVERS = ("web", "executor", "mysqld")


@contextmanager
def starved(site: Site, victim: str, limit: int) -> Iterator[None]:
    """Operations go on meanwhile; a server that dies of it is started again."""
    with site.starved(victim, limit):
        yield
    site.recover(victim)


@contextmanager
def killed(site: Site, victim: str) -> Iterator[None]:
    """Operations go on while it is down and comes up."""
    site.kill(victim)
    yield
    site.recover(victim)


@contextmanager
def stopped(site: Site) -> Iterator[None]:
    """Everything is stopped and started as a user would."""
    servers.stop(site.live.layout)
    yield
    site.recover("supervisor")


@contextmanager
def at_another_time(site: Site, offset: str) -> Iterator[None]:
    """Web server and executor are started by a clock that is wrong, and by a right one again."""
    servers.stop(site.live.layout)
    with pytest.MonkeyPatch.context() as patch:
        local = environment.local
        patch.setattr(
            environment, "local", lambda extra=None: local({**(extra or {}), **moved(offset)})
        )
        site.live.start()
    yield
    site.live.stop()
    site.recover("supervisor")


FAULTS: dict[str, Callable[[Site], AbstractContextManager[None]]] = {
    **{f"{name} killed": partial(killed, victim=name) for name in SERVERS},
    **{f"{name} without files": partial(starved, victim=name, limit=FILES) for name in SERVERS},
    **{
        f"{name} without processes": partial(starved, victim=name, limit=PROCESSES)
        for name in SERVERS
    },
    **{f"{name} without space": partial(starved, victim=name, limit=LENGTH) for name in SERVERS},
    "all stopped": stopped,
    # Within the time for which the certificate is valid.
    **{f"clock {days}": partial(at_another_time, offset=days) for days in ("-20d", "+300d")},
}


@pytest.fixture(autouse=True)
def _short_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azkaban_client._projects._UPLOAD_TIMEOUT", 2.0)


def run(site: Site, folder: Path, seed: int, faults: list[str], times: int) -> Ledger:
    ledger = Ledger(lambda: site.client(timeout=2.0, retries=0), folder, seed)
    ledger.act(2 * times)
    for name in faults:
        with FAULTS[name](site):
            ledger.act(times)
        ledger.act(times)
        ledger.check()
    return ledger


def test_what_was_acknowledged_is_there_after_faults(site: Site, tmp_path: Path) -> None:
    faults = ["web without files", "executor without processes", "mysqld without space"]
    ledger = run(site, tmp_path, 1, faults, 4)
    assert ledger.acknowledged >= 10  # a busy machine answers fewer in time


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(2, 6))
def test_what_was_acknowledged_is_there_after_every_fault(
    site: Site, tmp_path: Path, seed: int
) -> None:
    ledger = run(site, tmp_path, seed, [], 10)
    faults = sorted(FAULTS)
    ledger.random.shuffle(faults)
    again = run(site, tmp_path, 100 + seed, faults, 10)
    ledger.check()
    assert ledger.acknowledged + again.acknowledged > 200
