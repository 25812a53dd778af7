"""Longer tests on real clusters: what breaks while an application runs, other kinds, the flow.

python3 -m setup test --spark
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.decipher import ENGLISH
from jobs.textclass.load import docstrings
from setup.layout import CHECKOUT
from setup.life.process import Process, free_port
from setup.spark import Cluster, cluster
from setup.spark import target as targets
from setup.spark.bigdl import BigDL
from setup.spark.resource_manager import ResourceManager
from setup.spark.submit import client
from setup.spark.yarn import Yarn
from tests.live.spark.conftest import (
    QUICK,
    SIZES,
    LiveSpark,
    interrupt,
)
from tests.waiting import eventually

if TYPE_CHECKING:
    from setup.life.daemons import Daemon
    from setup.spark import Spark
    from tests.live.conftest import LiveAzkaban

pytestmark = pytest.mark.spark

SLEEP = """\
import os, sys, time
from pathlib import Path
from pyspark import SparkContext
def work(number):
    if not marker.exists():
        marker.write_text(str(os.getppid()))
        time.sleep(600)
    return number * number
marker = Path(sys.argv[1])
context = SparkContext()
print("SUM", context.parallelize([1, 2, 3], 1).map(work).sum(), flush=True)
"""

FAIL = """\
from pyspark import SparkContext
def work(number):
    {what}
SparkContext().parallelize([0], 1).map(work).collect()
"""

THEIRS = """\
from pyspark import SparkContext
def work(number):
    from sortedcontainers import SortedList
    return list(SortedList([number, 1]))
context = SparkContext()
print(context.version, context.parallelize([42], 1).map(work).collect()[0])
"""

HOLD = """\
import sys, time
from pyspark import SparkContext
def hold(_):
    held = []
    for _ in range(100):
        held.append(b"x" * (32 << 20))
        time.sleep(0.1)
    return "HELD"
context = SparkContext()
print(hold(0) if sys.argv[1] == "driver" else context.parallelize([0], 1).map(hold).collect())
"""


def start(yarn: LiveSpark, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        yarn.command("submit", "--num-executors", "1", *SIZES, *QUICK, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def state(yarn: LiveSpark, said: str) -> str:
    match = re.search(r"application_\d+_\d+", said)
    assert match, said
    return ResourceManager(yarn.cluster.url).application(match[0]).final


def clean(yarn: LiveSpark) -> bool:
    staging = list((yarn.cluster.home / "staging").glob("*/.sparkStaging/*"))
    return not (yarn.unpacked() or staging)


def java_of(pid: int) -> int:
    """Find the executor among the ancestors of a Python worker."""
    while "java" not in str(Path(f"/proc/{pid}/exe").readlink()):
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


@pytest.mark.parametrize("tries", [4, 1])
def test_executor_killed_in_mid_job(
    yarn: LiveSpark, environment: Path, tmp_path: Path, tries: int
) -> None:
    marker = tmp_path / "started"
    script = yarn.script("sleep", SLEEP)
    limit = f"spark.task.maxFailures={tries}"
    options = ("--conf", limit, "--archive", str(environment))
    process = start(yarn, *options, str(script), str(marker))
    eventually(marker.is_file, seconds=480)
    eventually(marker.read_text)
    os.kill(java_of(int(marker.read_text())), signal.SIGKILL)
    out, said = process.communicate(timeout=600)
    if tries > 1:  # another executor does the work again
        assert process.returncode == 0, said
        assert "SUM 14" in out
    else:
        assert process.returncode == 1, said
        last = said[said.rindex("failed (exit 1)") :]
        assert "executors were lost" in last
        assert "SUM 14" not in out
    eventually(lambda: clean(yarn))


def test_sigterm_ends_the_application(yarn: LiveSpark, environment: Path, tmp_path: Path) -> None:
    marker = tmp_path / "started"
    script = yarn.script("sleep", SLEEP)
    options = ("--deploy-mode", "cluster", "--archive", str(environment))
    process = start(yarn, *options, str(script), str(marker))
    eventually(lambda: marker.is_file() and marker.read_text(), seconds=480)
    worker = int(marker.read_text())
    _, said = interrupt(process)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "was ended by signal 15" in said
    eventually(lambda: state(yarn, said) == "KILLED")
    eventually(lambda: Process.of(worker) is None, "the worker still runs")
    eventually(lambda: clean(yarn))


def test_ctrl_c_before_the_application_is_known(yarn: LiveSpark, environment: Path) -> None:
    script = yarn.script("sleep", SLEEP)
    options = ("--deploy-mode", "cluster", "--archive", str(environment))
    process = start(yarn, *options, str(script), "/nowhere/marker")
    assert process.stderr is not None
    while "--master" not in process.stderr.readline():
        assert process.poll() is None
    _, said = interrupt(process, signal.SIGINT)
    assert process.returncode == 128 + signal.SIGINT, said
    manager = ResourceManager(yarn.cluster.url)
    found = manager._ask("apps", query={"states": "NEW,SUBMITTED,ACCEPTED,RUNNING"})
    assert not (found.get("apps") or {}).get("app")


@pytest.mark.parametrize("mode", ["client", "cluster"])
def test_application_killed_by_somebody(
    yarn: LiveSpark, environment: Path, tmp_path: Path, mode: str
) -> None:
    marker = tmp_path / "started"
    script = yarn.script("sleep", SLEEP)
    options = ("--deploy-mode", mode, "--archive", str(environment))
    process = start(yarn, *options, str(script), str(marker))
    eventually(marker.is_file, seconds=480)
    manager = ResourceManager(yarn.cluster.url)
    (name,) = [
        app["id"] for app in manager._ask("apps", query={"states": "RUNNING"})["apps"]["app"]
    ]
    manager.kill(name)
    _, said = process.communicate(timeout=600)
    assert process.returncode not in (0, None)
    assert f"{name} failed" in said
    assert "killed" in said[said.rindex("failed (exit") :]
    eventually(lambda: clean(yarn))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("import a_package_nobody_has", "the environment has no module a_package_nobody_has"),
        ("raise ValueError('the data are wrong')", "ValueError: the data are wrong"),
    ],
)
def test_why_it_failed_is_said(yarn: LiveSpark, environment: Path, what: str, said: str) -> None:
    script = yarn.script("fail", FAIL.format(what=what))
    options = ("--deploy-mode", "cluster", "--conf", "spark.task.maxFailures=1")
    process = start(yarn, *options, "--archive", str(environment), str(script))
    _, text = process.communicate(timeout=600)
    assert process.returncode == 1
    last = text[text.rindex("failed (exit 1)") :]
    assert said in last, text
    logs = re.search(r"all its logs: (\S+)", last)
    assert logs
    assert "container_" in Path(logs[1]).read_text()
    eventually(lambda: clean(yarn))


@pytest.mark.parametrize(("mode", "who"), [("client", "executor"), ("cluster", "driver")])
def test_too_little_memory(yarn: LiveSpark, mode: str, who: str) -> None:
    """A container that outgrows what was asked for is ended, and the option to raise is named."""
    script = yarn.script("hold", HOLD)
    options = ("--deploy-mode", mode, "--no-environment", "--conf", "spark.task.maxFailures=1")
    process = start(yarn, *options, str(script), who)
    out, said = process.communicate(timeout=600)
    assert process.returncode not in (0, None), said
    last = said[said.rindex(f"failed (exit {process.returncode})") :].splitlines()[0]
    assert re.search(r"container has \([\d.]+ [MG]B of 896 MB\): raise", last), last
    assert f"--{who}-memory" in last
    assert "HELD" not in out + said
    eventually(lambda: clean(yarn))


def test_exit_status_of_the_driver(yarn: LiveSpark) -> None:
    script = yarn.script("status", "raise SystemExit(7)")
    process = start(yarn, "--no-environment", str(script))
    _, said = process.communicate(timeout=600)
    assert process.returncode == 7
    assert "failed (exit 7): the driver ended with exit code 7" in said


def test_why_a_driver_here_failed(yarn: LiveSpark) -> None:
    """Spark prints a driver's traceback among its output."""
    text = (
        "print('FIRST')\nfrom pyspark import SparkContext\nSparkContext()\nraise KeyError('no x')"
    )
    script = yarn.script("raises", text)
    out, said = start(yarn, "--no-environment", str(script)).communicate(timeout=600)
    assert out.startswith("FIRST\n")
    assert "failed (exit 1): KeyError: 'no x'" in said


def test_hadoops_client_lists_the_nodes_that_the_pages_list(yarn: LiveSpark) -> None:
    target = targets.find(yarn.spark)
    assert client(yarn.spark, target).nodes() == target.nodes()


def test_a_node_manager_killed_under_a_run(another: LiveSpark, tmp_path: Path) -> None:
    assert another.run("start", "yarn", "--memory", "2g").returncode == 0
    marker = tmp_path / "started"
    script = another.script("sleep", SLEEP)
    process = start(another, "--no-environment", str(script), str(marker))
    eventually(lambda: marker.is_file() and marker.read_text(), seconds=480)
    worker = int(marker.read_text())
    os.kill(another.cluster.running()["nodemanager-1"].pid, signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 5
    assert "was ended: nodemanager-1 of the yarn cluster has died" in said
    eventually(lambda: Process.of(worker) is None, "its executor has ended")
    assert not (another.cluster.home / "local" / "nodemanager-1").exists()
    assert another.run("stop").returncode == 0


def test_one_of_three_node_managers_is_lost_for_good(another: LiveSpark, tmp_path: Path) -> None:
    """Each has its own folder, and room for the application's master or an executor, not both."""
    done = another.run("start", "yarn", "--workers", "3", "--cores", "1", "--memory", "1g")
    assert done.returncode == 0, done.stderr
    local = another.cluster.home / "local"
    names = {f"nodemanager-{number}" for number in (1, 2, 3)}
    assert {folder.name for folder in local.iterdir()} == names
    marker = tmp_path / "started"
    script = another.script("sleep", SLEEP)
    process = start(another, "--no-environment", str(script), str(marker))
    eventually(lambda: marker.is_file() and marker.read_text(), seconds=480)
    worker = int(marker.read_text())
    place = Path(f"/proc/{worker}/cwd").readlink()
    lost = place.relative_to(local).parts[0]
    os.kill(another.cluster.running()[lost].pid, signal.SIGKILL)
    out, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert "SUM 14" in out
    assert f"note: {lost} of the yarn cluster has died" in said
    assert "the application goes on with what remains" in said
    eventually(lambda: Process.of(worker) is None, "its executor has ended")
    eventually(lambda: not place.exists(), "what it held of the application is gone")
    assert another.run("stop").returncode == 0
    assert list(local.glob("*/usercache/*/appcache/*")) == []
    assert another.cluster.running() == {}


def test_what_an_application_waits_for_is_told(another: LiveSpark, tmp_path: Path) -> None:
    """The only core of the cluster is that of the application's master."""
    assert another.run("start", "yarn", "--cores", "1", "--memory", "1g").returncode == 0
    words = ("--no-environment", "--force", "--num-executors", "1", *SIZES, *QUICK)
    script = another.script("sleep", SLEEP)
    log = tmp_path / "said"
    command = another.command("submit", *words, str(script), str(tmp_path / "started"))
    with log.open("w") as stream, subprocess.Popen(command, stderr=stream) as process:
        try:
            assert eventually(lambda: "has waited for" in log.read_text(), 480), log.read_text()
        finally:
            process.terminate()
    assert process.returncode == 143
    size = "a container of 896 MB and 1 core for 40 s: nodes or queue have no room"
    assert re.search(rf"note: application_\d+_\d+ has waited for {size}\.", log.read_text())


def test_the_spark_of_a_cluster(yarn: LiveSpark, environment: Path) -> None:
    """Spark 3.5.9, with the user's own configuration, on the same YARN."""
    assert yarn.run("install", "--bigdl").returncode == 0
    theirs = BigDL(yarn.spark.layout).spark_home
    script = yarn.script("theirs", THEIRS)
    options = ("--spark-home", str(theirs), "--archive", str(environment))
    process = start(yarn, *options, str(script))
    out, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert "3.5.9 [1, 42]" in out


def test_wrong_python_on_the_workers(yarn: LiveSpark) -> None:
    script = yarn.script("fail", FAIL.format(what="return 1"))
    missing = "spark.pyspark.python=./environment/bin/python"
    for driver, what in {
        f"spark.pyspark.driver.python={sys.executable}": "node localhost has no ./environment/bin",
        "spark.task.cpus=1": "the driver's machine has no ./environment/bin",
    }.items():
        words = ("--no-environment", "--conf", missing, "--conf", driver)
        process = start(yarn, *words, str(script))
        _, said = process.communicate(timeout=600)
        assert process.returncode == 1
        assert what in said[said.rindex("failed (exit 1)") :]


OLDER = """\
import sys
from collections import namedtuple
fields = ("major", "minor", "micro", "releaselevel", "serial")
sys.version_info = namedtuple("version_info", fields)(3, 4, 0, "final", 0)
"""


def test_machines_with_pythons_of_their_own(
    another: LiveSpark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three, one has another release, one has none; the application's master needs none."""
    daemon = Yarn._daemon

    def with_own_path(self: Yarn, spark: Spark, home: Path, name: str, main: str) -> Daemon:
        made = daemon(self, spark, home, name, main)
        own = {"PATH": f"{tmp_path / name}:/usr/bin:/bin"}
        return replace(made, variables={**made.variables, **own})

    monkeypatch.setattr(Yarn, "_daemon", with_own_path)
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "sitecustomize.py").write_text(OLDER)
    older = f"PYTHONPATH={tmp_path / 'older'}:$PYTHONPATH "
    for number, variables in (("1", older), ("3", "")):
        program = tmp_path / f"nodemanager-{number}" / "python-of-theirs"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\n{variables}exec {sys.executable} "$@"\n')
        program.chmod(0o755)
    Cluster(another.spark, "yarn").start(workers=3, cores=1, memory=1024)
    text = FAIL.format(what="import time; time.sleep(20)").replace("[0], 1", "[0, 1], 2")
    script = another.script("fail", text)
    options = ("--num-executors", "2", "--no-environment", "--conf", "spark.task.maxFailures=1")
    python = "spark.pyspark.python=python-of-theirs"
    driver = f"spark.pyspark.driver.python={sys.executable}"
    process = start(another, *options, "--conf", python, "--conf", driver, str(script))
    _, said = process.communicate(timeout=600)
    assert process.returncode == 1, said
    release = ".".join(map(str, sys.version_info[:2]))
    other = rf"has no python-of-theirs: |has Python 3\.4, the driver {re.escape(release)}: "
    assert re.search(rf"failed \(exit 1\): node localhost ({other})", said), said


def test_python_of_another_machine_is_refused(
    yarn: LiveSpark, environment: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to("/opt/other/bin/python3.9")
    archive = shutil.make_archive(str(tmp_path / "other"), "gztar", folder)
    script = yarn.script("never", "raise SystemExit('this must not run')")
    result = yarn.run("submit", *SIZES, "--archive", archive, str(script))
    assert result.returncode == 2
    assert "/opt/other/bin/python3.9, which is not on this machine" in result.stderr
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").write_bytes(b"\x7fELF of another processor")
    (folder / "bin" / "python").chmod(0o755)
    archive = shutil.make_archive(str(tmp_path / "elf"), "gztar", folder)
    result = yarn.run("submit", *SIZES, "--archive", archive, str(script))
    assert result.returncode == 2
    assert "does not run" in result.stderr
    assert "Traceback" not in result.stderr


def test_zip_of_the_notes(yarn: LiveSpark, tmp_path: Path) -> None:
    """``zip -r venv.zip path/to/venv``: links followed, folders kept."""
    venv = tmp_path / "my" / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    (site / "only_here.py").write_text("ANSWER = 42\n")
    archive = tmp_path / "venv.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((tmp_path / "my").rglob("*")):
            if path.is_file():
                packed.write(path, path.relative_to(tmp_path))
    text = FAIL.format(what="import only_here; return only_here.ANSWER")
    script = yarn.script("zipped", text.replace("SparkContext()", "print(SparkContext()", 1) + ")")
    script.write_text(script.read_text().replace(".collect()\n)", ".collect())\n"))
    own = ("--hadoop-conf", str(yarn.cluster.conf))
    own += ("--properties-file", str(yarn.cluster.properties))
    refused = yarn.run(
        "submit", *SIZES, *own, "--num-executors", "1", "--archive", str(archive), str(script)
    )
    assert refused.returncode == 2
    assert "has no Python of its own" in refused.stderr
    assert "--python-on-nodes" in refused.stderr
    process = start(yarn, *own, "--python-on-nodes", "--archive", str(archive), str(script))
    out, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert "[42]" in out


def test_nodes_of_another_kind_say_so(yarn: LiveSpark, environment: Path, tmp_path: Path) -> None:
    """A cluster that is not ours: its nodes, here of another processor, look before Python runs."""
    (tmp_path / "uname").write_text("#!/bin/sh\necho riscv64\n")
    (tmp_path / "uname").chmod(0o755)
    script = yarn.script("fail", FAIL.format(what="return 1"))
    own = ("--hadoop-conf", str(yarn.cluster.conf), "--conf", "spark.task.maxFailures=1")
    own += ("--properties-file", str(yarn.cluster.properties))
    other = f"spark.executorEnv.PATH={tmp_path}:/usr/bin:/bin"
    process = start(yarn, *own, "--conf", other, "--archive", str(environment), str(script))
    _, said = process.communicate(timeout=600)
    assert process.returncode == 1
    last = said[said.rindex("failed (exit 1)") :].splitlines()[0]
    assert "node localhost cannot run the shipped environment: its processor is riscv64" in last


@pytest.mark.parametrize("kind", ["yarn", "standalone"])
def test_a_port_taken_in_the_last_moment(
    another: LiveSpark, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """As when two clusters start at the same time: the second chooses other ports."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        asked: list[int] = []

        def choose(address: str, preferred: int, *used: int) -> int:
            asked.append(preferred)
            return taken if len(asked) == 1 else free_port(address, preferred, *used)

        monkeypatch.setattr(cluster, "free_port", choose)
        shape = Cluster(another.spark, kind).start(memory=1024)
    ports = cluster.KINDS[kind].ports
    assert asked == [*ports, *ports], "one start failed, the next did not"
    assert taken not in shape.ports
    assert another.run("status").returncode == 0


def test_a_resource_manager_that_died(another: LiveSpark) -> None:
    result = another.run("start", "yarn", "--memory", "1g")
    assert result.returncode == 0, result.stderr
    another.cluster.running()["resourcemanager"].stop()
    assert another.run("status").returncode == 1
    script = another.script("never", "raise SystemExit('this must not run')")
    result = another.run("submit", "--no-environment", str(script))
    assert result.returncode == 5
    assert "cannot be reached" in result.stderr
    assert "setup spark stop, then start, brings this cluster back" in result.stderr
    assert result.stderr.count("setup: ") == 1
    assert another.run("stop").returncode == 0
    assert another.cluster.running() == {}


def test_standalone(another: LiveSpark, environment: Path) -> None:
    result = another.run("start", "standalone", "--workers", "2", "--memory", "1g")
    assert result.returncode == 0, result.stderr
    home = another.spark.home / "standalone"
    assert (home / "conf" / "spark-defaults.conf").stat().st_mode & 0o77 == 0
    script = another.script(
        "sorted",
        FAIL.format(what="import sortedcontainers, sys; return sys.prefix").replace(
            "SparkContext()", "found = SparkContext()"
        )
        + "print('FOUND', found)\n",
    )
    process = start(another, "--archive", str(environment), str(script))
    out, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert f"FOUND ['{home}/work/" in out
    assert list(home.glob("work/*/app-*")) != []
    assert list(home.glob("work/*/app-*/*/environment")) == []
    result = another.run("submit", "--deploy-mode", "cluster", str(script))
    assert result.returncode == 2
    assert "client" in result.stderr
    stopped = another.run("stop")
    assert stopped.returncode == 0
    assert another.run("status").returncode == 1


def test_flow(azkaban: LiveAzkaban, yarn: LiveSpark) -> None:
    settings = {"executors": "1"}
    with azkaban.uploaded("spark", "spark") as client:
        execid = client.execute("spark", "spark", properties=settings)
        done = client.wait(execid, timeout=900)
        log = "".join(client.log(execid, "spark"))
        assert done.succeeded, log
        table = (azkaban.layout.runs / "spark" / str(execid) / "spark" / "words.tsv").read_text()
        rows = (line.split("\t") for line in table.splitlines())
        expected: Counter[str] = Counter()
        for text, _ in docstrings():
            expected.update(ENGLISH.words(text))
        assert {word: int(n) for word, n in rows} == dict(expected)
        assert state(yarn, log) == "SUCCEEDED"

        execid = client.execute("spark", "spark", properties=settings)
        manager = ResourceManager(yarn.cluster.url)

        def running() -> list[str]:
            found = manager._ask("apps", query={"states": "ACCEPTED,RUNNING"}).get("apps") or {}
            return [app["id"] for app in found.get("app", [])]

        eventually(running, seconds=480)
        (name,) = running()
        client.cancel(execid)
        eventually(lambda: manager.application(name).final == "KILLED")
        assert not client.wait(execid, timeout=120).succeeded
    eventually(lambda: clean(yarn))


def test_commands_of_the_page(yarn: LiveSpark) -> None:
    page = (CHECKOUT / "docs" / "how-to" / "spark.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("python3 -m setup spark stop\n", "")  # others use it still
    for name in ("my.txt", "squares.py"):
        lines = lines.replace(name, str(yarn.folder / name))
    prefix = str(yarn.spark.layout.prefix)
    environ = {**os.environ, "AZK_HOME": prefix, "AZK_CACHE": str(yarn.spark.layout.cache)}
    environ["PATH"] = f"{yarn.spark.layout.env / 'bin'}:{environ['PATH']}"  # its python3
    result = subprocess.run(
        ["bash", "-c", f"set -eux\n{lines}"],
        cwd=CHECKOUT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[[1, 3], [1, 2]]" in result.stderr
    assert "--archives" in result.stdout
