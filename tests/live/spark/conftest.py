"""A real Spark on a real YARN, installed and started once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from setup.layout import CHECKOUT, Layout
from setup.shell import program
from setup.spark import Cluster, Spark
from setup.spark.resource_manager import ResourceManager
from tests.live.spark import kerberos
from tests.live.spark.hdfs import Hdfs, hdfs_running
from tests.live.spark.secure_yarn import running as secure_yarn_running
from tests.live.spark.store import Store
from tests.live.spark.store import running as store_running
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.live.conftest import LiveAzkaban
    from tests.live.spark.kerberos import Kdc
    from tests.live.spark.secure_yarn import SecureYarn

# A package that neither this machine's Python nor Spark's environment has.
LACKED = "sortedcontainers==2.4.0"

# Small enough for two executors and a driver beside Azkaban on a small machine.
SIZES = ("--driver-memory", "512m", "--executor-memory", "512m")

# Short jobs end before the optimising compiler pays.
QUICK = tuple(
    word
    for process in ("driver", "executor")
    for word in ("--conf", f"spark.{process}.extraJavaOptions=-XX:TieredStopAtLevel=1")
)


@dataclass(frozen=True)
class LiveSpark:
    """A Spark under a prefix, its commands run as a user types them."""

    spark: Spark
    folder: Path

    def run(
        self, *arguments: str, timeout: float = 900, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``setup spark ...`` to its end, with some more variables."""
        return subprocess.run(
            self.command(*arguments),
            cwd=CHECKOUT,
            env={**os.environ, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def command(self, *arguments: str) -> list[str]:
        """Write a command of ``setup spark``."""
        prefix = str(self.spark.layout.prefix)
        setup = [str(self.spark.layout.python), "-m", "setup", "spark"]
        return [*setup, arguments[0], "--prefix", prefix, *arguments[1:]]

    def script(self, name: str, text: str) -> Path:
        """Write a program for Spark."""
        path = self.folder / f"{name}.py"
        path.write_text(text)
        return path

    @property
    def cluster(self) -> Cluster:
        """The YARN."""
        return Cluster(self.spark, "yarn")

    def unpacked(self) -> list[Path]:
        """List what the nodes hold of archives."""
        return list((self.cluster.home / "local").glob("*/usercache/*/filecache/*/*.tar.gz"))


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[str, str]:
    """Send a signal and collect what a program still says."""
    os.kill(process.pid, number)
    return process.communicate(timeout=120)


def executors(application: str) -> dict[int, int]:
    """Find the Java processes of an application's executors, by their numbers."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"java") and application.encode() in words:
            number = int(words[words.index(b"--executor-id") + 1])
            found[number] = int(folder.name)
    return found


@dataclass(frozen=True)
class Long:
    """A flow whose job works on two executors for as long as one lets it.

    `sign` is a file of the job's that is there once it works.
    """

    flow: str
    job: str
    settings: dict[str, str]
    sign: str = ""


def cancel_in_mid_run(azkaban: LiveAzkaban, yarn: LiveSpark, long: Long) -> None:
    """Cancel a flow while executors work for it: the application and its processes end."""
    manager, job = ResourceManager(yarn.cluster.url), long.job
    with azkaban.uploaded("spark", f"cancelled_{long.flow}") as client:
        execid = client.execute(f"cancelled_{long.flow}", long.flow, properties=long.settings)
        folder = azkaban.layout.runs / "spark" / str(execid) / job

        def application() -> str:
            running = {run.id for run in client.execution(execid).walk() if run.start}
            log = "".join(client.log(execid, job)) if job in running else ""
            assert not client.execution(execid).finished, log[-3000:]
            found = re.search(r"application_\d+_\d+", log)
            return found[0] if found else ""

        eventually(application, seconds=480)
        name = application()
        eventually(lambda: len(executors(name)) == 2, seconds=480)
        eventually((folder / long.sign).exists, seconds=480)
        client.cancel(execid)
        eventually(lambda: manager.application(name).final == "KILLED")
        eventually(lambda: not executors(name), "executors go, too")
        execution = client.wait(execid, timeout=120)
        assert {run.id: str(run.status) for run in execution.walk()}[job] == "KILLED"
    eventually(lambda: not yarn.unpacked())


@pytest.fixture(scope="session")
def installed(
    azkaban: LiveAzkaban, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSpark]:
    """Spark under the prefix of the live Azkaban, in the environment that runs the tests."""
    layout: Layout = azkaban.layout
    layout.env.symlink_to(sys.prefix)
    program.write(layout)  # those of this environment may name a prefix of an earlier run
    live = LiveSpark(Spark(layout), tmp_path_factory.mktemp("programs"))
    result = live.run("install")
    assert result.returncode == 0, result.stderr
    yield live
    live.run("stop")


@pytest.fixture(scope="session")
def yarn(installed: LiveSpark) -> LiveSpark:
    """The same with YARN running: one node, room for a driver and two executors."""
    result = installed.run("start", "yarn", "--memory", "3g", "--cores", "4")
    assert result.returncode == 0, result.stderr
    return installed


@contextmanager
def another_prefix(installed: LiveSpark, folder: Path) -> Iterator[LiveSpark]:
    """Give the same Spark a prefix of its own; a cluster there is stopped afterwards."""
    layout = Layout(folder / "prefix", installed.spark.layout.cache)
    layout.create(need=0)
    layout.env.symlink_to(sys.prefix)
    layout.spark.mkdir()
    for name in ("env", "hadoop", "guard", "installed", "java"):
        (layout.spark / name).symlink_to(installed.spark.home / name)
    live = LiveSpark(Spark(layout), folder)
    try:
        yield live
    finally:
        live.run("stop")
        program.write(installed.spark.layout)  # both share an environment, and its programs


@pytest.fixture
def another(installed: LiveSpark, tmp_path: Path) -> Iterator[LiveSpark]:
    """The same Spark under a prefix of its own."""
    with another_prefix(installed, tmp_path) as live:
        yield live


@pytest.fixture(scope="session")
def hdfs(installed: LiveSpark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hdfs]:
    """An HDFS for everybody on this machine."""
    with hdfs_running(installed.spark, tmp_path_factory.mktemp("hdfs")) as found:
        yield found


@pytest.fixture(scope="session")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    """Kerberos, which knows this account and the services of an HDFS."""
    found, process = kerberos.start(tmp_path_factory.mktemp("kerberos"))
    try:
        yield found
    finally:
        process.stop()


@pytest.fixture(scope="session")
def secure_hdfs(
    installed: LiveSpark, kdc: Kdc, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hdfs]:
    """An HDFS that asks for Kerberos, and the ticket of its administrator in the kdc's folder."""
    folder = tmp_path_factory.mktemp("secure")
    with hdfs_running(installed.spark, folder, kdc) as found:
        yield found


@pytest.fixture(scope="session")
def secure_yarn(
    installed: LiveSpark,
    kdc: Kdc,
    secure_hdfs: Hdfs,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SecureYarn]:
    """A YARN that asks for Kerberos, its pages too, beside that HDFS."""
    folder = tmp_path_factory.mktemp("secure-yarn")
    with secure_yarn_running(installed.spark, folder, kdc, secure_hdfs) as found:
        yield found


@pytest.fixture(scope="session")
def store(installed: LiveSpark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that speaks S3."""
    with store_running(installed.spark.layout, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture(scope="session")
def environment(yarn: LiveSpark) -> Path:
    """Pack an environment with a package that the cluster lacks."""
    lock = yarn.folder / "lacked.txt"
    lock.write_text(f"{LACKED}\n")
    result = yarn.run("pack", "--requirements", str(lock), "--import", "sortedcontainers")
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())
