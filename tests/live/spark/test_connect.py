"""Programs as clients of a real Spark Connect server, their packages sent along."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from setup.life.process import Process, free_port
from setup.spark import environments
from tests.live.spark.conftest import interrupt
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.spark.conftest import LiveSpark

pytestmark = pytest.mark.spark

WORK = """\
import sys
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf
spark = SparkSession.builder.getOrCreate()
@udf("string")
def work(number):
    import sys, mine
    from sortedcontainers import SortedList
    return f"{list(SortedList([number, mine.ONE]))} {sys.executable}"
(row,) = spark.range(3, 4).select(work("id")).collect()
print(row[0], spark.conf.get("spark.sql.shuffle.partitions"), sys.argv[1:])
raise LookupError("no such table")
"""

LONG = """\
import sys, time
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf
spark, sign = SparkSession.builder.getOrCreate(), sys.argv[1]
@udf("long")
def work(number):
    for _ in range(3000):
        with open(sign, "a") as stream:
            stream.write("works\\n")
        time.sleep(0.2)
spark.range(1).select(work("id")).collect()
"""


@pytest.fixture(scope="module")
def server(installed: LiveSpark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on this machine, which has no packages besides Spark's."""
    folder, port = tmp_path_factory.mktemp("connect"), free_port("127.0.0.1", 0)
    settings = {"address": "127.0.0.1", "port": str(port)}
    command = [str(installed.spark.spark_home / "bin" / "spark-submit"), "--master", "local[1]"]
    command += ["--driver-memory", "512m", "--conf", "spark.ui.enabled=false"]
    for name, value in settings.items():
        command += ["--conf", f"spark.connect.grpc.binding.{name}={value}"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    log = folder / "server.log"
    environ = installed.spark.environ()
    process = Process.start([*command, "spark-internal"], folder=folder, log=log, environ=environ)

    def answers() -> bool:
        assert process.alive(), log.read_text()[-3000:]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return False
        return True

    try:
        eventually(answers, lambda: log.read_text()[-3000:], 240)
        yield f"sc://localhost:{port}"
    finally:
        process.stop()


@pytest.fixture(scope="module")
def client(installed: LiveSpark) -> Path:
    """An environment with what a client needs."""
    lock = Path(__file__).with_name("connect.txt")
    return environments.make(installed.spark, lock)


def test_a_program_runs_here_and_its_packages_at_the_server(
    installed: LiveSpark, server: str, client: Path
) -> None:
    (installed.folder / "mine.py").write_text("ONE = 1\n")
    done = installed.run(
        *("submit", "--master", server, "--archive", str(client)),
        *("--py-files", str(installed.folder / "mine.py")),
        *("--conf", "spark.sql.shuffle.partitions=7"),
        *(str(installed.script("work", WORK)), "an argument"),
    )
    words = done.stdout.split("\n")[0]
    assert words.startswith("[1, 3] /"), done.stderr
    assert "/environment/bin/python" in words
    assert words.endswith(" 7 ['an argument']")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("failed (exit 1): LookupError: no such table")
    assert not list((installed.spark.home / "submissions").glob("setup-*"))


def test_what_a_session_cannot_set_is_refused(
    installed: LiveSpark, server: str, client: Path
) -> None:
    done = installed.run(
        *("submit", "--remote", server, "--archive", str(client)),
        *("--conf", "spark.executor.memory=1g", str(installed.script("work", WORK))),
    )
    assert done.returncode == 2, done.stderr
    assert "Error: --conf spark.executor.memory: the server lets no session set" in done.stderr
    assert not done.stdout


def test_a_signal_ends_what_the_server_does(
    installed: LiveSpark, server: str, client: Path, tmp_path: Path
) -> None:
    sign = tmp_path / "works"
    script = installed.script("long", LONG)
    words = ("submit", "--master", server, "--archive", str(client), str(script), str(sign))
    with subprocess.Popen(
        installed.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        eventually(lambda: sign.exists() or process.poll() is not None, seconds=480)
        _, said = interrupt(process)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "was ended by signal 15" in said

    def rests() -> bool:
        before = sign.stat().st_size
        time.sleep(2)
        return sign.stat().st_size == before

    eventually(rests, "the server's Python ends, too", 120)
