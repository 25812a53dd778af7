"""A cluster whose processes cannot come up is not waited for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from setup import environment
from setup.errors import ServerError
from setup.layout import Layout
from setup.life.process import Process
from setup.spark import cluster as module
from setup.spark.cluster import Cluster
from setup.spark.install import Spark
from setup.spark.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of two processes that live and never answer."""
    layout = Layout(tmp_path / "p", tmp_path / "cache")
    layout.create(need=0)
    found = Cluster(Spark(layout), "standalone")
    (found.home / "logs").mkdir(parents=True)
    processes = []
    for name in ("master", "worker-1"):
        program = "import time; print('INFO begins', flush=True); time.sleep(600)"
        process = Process.start(
            [sys.executable, "-c", program],
            folder=found.home,
            log=found.log(name),
            environ=environment.local(),
        )
        process.write(found.home / f"{name}.pid")
        processes.append(process)
    yield found
    for process in processes:
        process.stop(patience=0.0)


def test_a_daemon_whose_main_thread_has_died(cluster: Cluster) -> None:
    words = 'Exception in thread "main" java.lang.IllegalArgumentException: bad\n\tat a.B\n'
    with cluster.log("worker-1").open("a") as log:
        log.write(f"{words}Caused by: java.io.IOException: why\n")
    shape = Shape(workers=1, cores=1, memory=512, ports=(1, 2))
    with pytest.raises(
        ServerError, match=r"worker-1 does not come up: .*bad: java.io.IOException: why"
    ):
        cluster._wait(shape, print)


def test_daemons_that_do_nothing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.probe, "IDLE_SECONDS", 1.5)
    shape = Shape(workers=1, cores=1, memory=512, ports=(1, 2))
    with pytest.raises(ServerError, match=r"does not come up: it has done nothing for \d s"):
        cluster._wait(shape, print)
