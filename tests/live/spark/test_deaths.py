"""Whatever dies under an application, alone or together: it is named, and nothing is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from setup.life.process import Process, living
from tests.live.spark.conftest import QUICK, SIZES, another_prefix
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.spark.conftest import LiveSpark

pytestmark = pytest.mark.spark

WAITS = """\
import sys, time
from pathlib import Path
from pyspark import SparkContext
def work(_):
    assert Path("held/large").is_file()
    marker.touch()
    time.sleep(600)
marker = Path(sys.argv[1])
SparkContext().parallelize([0], 1).foreach(work)
"""


@pytest.fixture(scope="module")
def alone(installed: LiveSpark, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSpark]:
    """A prefix whose YARN is started again by each test, if something of it has died."""
    with another_prefix(installed, tmp_path_factory.mktemp("deaths")) as live:
        yield live


def java_with(*words: str) -> Process:
    """Find a Java by words of its command."""
    (found,) = [
        process
        for process in living()
        if b"".join(process.command[:1]).endswith(b"java")
        and all(any(word.encode() in one for one in process.command) for word in words)
    ]
    return found


def victims(live: LiveSpark, submit: int) -> dict[str, int]:
    """Find all whose death matters."""
    daemons = {name: process.pid for name, process in live.cluster.running().items()}
    home = str(live.spark.home)
    return {
        **daemons,
        "submit": submit,
        "driver": java_with("org.apache.spark.deploy.SparkSubmit", home).pid,
    }


def left(live: LiveSpark, application: str) -> list[str]:
    """List what is there of an application and of its environment."""
    home, spark = live.cluster.home, live.spark.home
    files = [
        *home.glob("local/*/usercache/*/filecache/*/*"),
        *home.glob("local/*/usercache/*/appcache/*"),
        *home.glob("staging/*/.sparkStaging/*"),
        *spark.glob("submissions/*"),
    ]
    mine = f"{home}/"
    runs = [
        b" ".join(process.command).decode("utf-8", "replace")[:300]
        for process in living()
        if any(application.encode() in word for word in process.command)
        or (f"{process.folder}/".startswith(mine) and process.folder != str(home))
    ]
    return [*map(str, files), *runs]


DIED = "{} of the yarn cluster ha(s|ve) died"


@pytest.mark.parametrize(
    ("killed", "code", "said"),
    [
        (["resourcemanager"], 5, DIED.format("was ended: resourcemanager")),
        (["nodemanager-1", "nodemanager-2"], 5, DIED.format("nodemanager-[12]")),
        (["nodemanager-1", "nodemanager-2", "resourcemanager"], 5, "yarn cluster ha(s|ve) died"),
        (["driver"], 137, r"failed \(exit -9\): the driver was killed"),
        (["submit"], -9, ""),
        (["submit", "nodemanager-1", "nodemanager-2"], -9, ""),
        (["submit", "resourcemanager"], -9, ""),
        (["submit", "driver"], -9, ""),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_after_deaths_nothing_is_left(
    alone: LiveSpark, tmp_path: Path, killed: list[str], code: int, said: str
) -> None:
    started = alone.run("start", "yarn", "--workers", "2", "--memory", "1g", "--cores", "2")
    assert started.returncode == 0, started.stderr
    (tmp_path / "large").write_bytes(bytes(1_000_000))
    with tarfile.open(tmp_path / "held.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "large", "large")
    marker = tmp_path / "started"
    words = ("--num-executors", "1", *SIZES, *QUICK, "--no-environment")
    words += ("--archives", f"{tmp_path / 'held.tar.gz'}#held")
    command = alone.command("submit", *words, str(alone.script("waits", WAITS)), str(marker))
    log = tmp_path / "said"
    with log.open("w") as stream, subprocess.Popen(command, stderr=stream) as process:
        try:
            eventually(lambda: marker.exists() or process.poll() is not None, log.read_text, 480)
            found = re.search(r"application_\d+_\d+", log.read_text())
            assert found, log.read_text()
            assert left(alone, found[0]) != []
            pids = victims(alone, process.pid)
            for name in killed:
                os.kill(pids[name], signal.SIGKILL)
            ended = process.wait(240)
        finally:
            process.kill()
    text = log.read_text()
    assert ended == code, text
    assert re.search(said, text), text
    assert "Traceback" not in text.rpartition("failed (exit")[2]
    if "submit" in killed and len(killed) > 1:  # nobody was there to see it
        alone.run("status")
    eventually(lambda: left(alone, found[0]) == [], lambda: left(alone, found[0]), 120)
