"""Who died is named, and nothing of what it ran is left."""

from __future__ import annotations

import http.server
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from azkaban_client.job import InputError
from jobs.spark._common import at_once, connected
from setup import environment
from setup.errors import ServerError
from setup.java import Java
from setup.layout import Layout
from setup.life.process import Process
from setup.spark import logs, submit_command
from setup.spark import target as targets
from setup.spark.cluster import Cluster
from setup.spark.install import Spark
from setup.spark.plan import Application
from setup.spark.resource_manager import KerberosError, ResourceManager
from setup.spark.shape import Shape
from setup.spark.submit import Run
from setup.spark.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SLEEP = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[Path], Process]]:
    """Start a process that works in a folder until it is ended."""
    begun: list[Process] = []

    def start(folder: Path) -> Process:
        folder.mkdir(parents=True, exist_ok=True)
        process = Process.start(
            [sys.executable, "-c", _SLEEP],
            folder=folder,
            log=tmp_path / "sleep.log",
            environ=environment.local(),
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.stop(patience=0.0)


@pytest.fixture
def spark(tmp_path: Path) -> Spark:
    """A Spark whose spark-submit is a script that a test writes."""
    layout = Layout(tmp_path / "p", tmp_path / "cache")
    layout.create(need=0)
    spark = Spark(layout)
    (spark.spark_home / "bin").mkdir(parents=True)
    vars(spark)["java"] = Java(Path("/jdk/bin/java"), "17.0.1")
    return spark


@pytest.fixture
def cluster(spark: Spark, begin: Callable[[Path], Process]) -> Cluster:
    """A master with two workers, which do nothing."""
    found = Cluster(spark, "standalone")
    (found.home / "logs").mkdir(parents=True)
    for name in ("master", "worker-1", "worker-2"):
        begin(found.home).write(found.home / f"{name}.pid")
    Shape(workers=2, cores=1, memory=512, ports=(1, 2)).write(found.home / "cluster.json")
    return found


def kill(process: Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    while process.alive():
        time.sleep(0.01)


def test_what_a_dead_worker_ran_is_ended_and_deleted(
    cluster: Cluster, begin: Callable[[Path], Process]
) -> None:
    work = cluster.home / "work"
    lost, kept = begin(work / "1" / "app-1" / "0"), begin(work / "2" / "app-1" / "1")
    assert cluster.clear() == []
    kill(cluster.running()["worker-1"])
    assert cluster.clear() == ["worker-1"]
    assert not lost.alive()
    assert kept.alive()
    assert [path.name for path in work.iterdir()] == ["2"]


def test_stop_clears_up_behind_a_cluster_that_died(
    cluster: Cluster,
    spark: Spark,
    begin: Callable[[Path], Process],
    capsys: pytest.CaptureFixture[str],
) -> None:
    lost = begin(cluster.home / "work" / "1" / "app-1" / "0")
    for process in cluster.running().values():
        kill(process)
    assert cluster.stop()
    assert "the standalone cluster had died" in capsys.readouterr().err
    assert not lost.alive()
    assert not (cluster.home / "work").exists()
    assert not cluster.stop(), "once"
    assert not Cluster(spark, "yarn").stop()


def prepared(spark: Spark, target: Target, body: str) -> tuple[Run, list[str]]:
    """Write a script that stands for spark-submit, and what will run it."""
    script = spark.spark_home / "bin" / "spark-submit"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o700)
    run = Run(spark, target, Application(script="x.py", arguments=()), ships=False)
    return run, [str(script), "x.py"]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (["worker-1"], "worker-1 of the standalone cluster has died"),
        (["worker-1", "worker-2"], "the application was ended: "),
        (["master"], "the application was ended: master of the standalone cluster has died"),
    ],
)
def test_a_death_under_an_application_is_named(
    cluster: Cluster,
    spark: Spark,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    ends: list[str],
    said: str,
) -> None:
    target = Target("spark://127.0.0.1:1", cluster.conf, None, None, cluster)
    up, go = tmp_path / "up", tmp_path / "go"
    body = f"touch '{up}'; while ! [ -e '{go}' ]; do sleep 0.05; done"
    run, command = prepared(spark, target, body)

    def end_them() -> None:
        while not up.exists():
            time.sleep(0.01)
        alive = cluster.running()
        for name in ends:
            kill(alive[name])
        while run._daemons & set(ends):  # until it has noticed
            time.sleep(0.01)
        if len(ends) == 1 and "worker" in ends[0]:
            go.touch()

    killer = threading.Thread(target=end_them)
    killer.start()
    code = run.follow(command)
    killer.join()
    err = capfd.readouterr().err
    assert said in err
    assert str(cluster.log(ends[0])) in err
    assert code == (0 if len(ends) == 1 and ends != ["master"] else ServerError.code)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "printf 'Traceback (most recent call last):\\n  File \"x.py\"\\nmy.Fault: no data\\n'",
            "failed (exit 3): Fault: no data",
        ),
        ("echo 'x.csv: no such table'", "ended with exit code 3; its last words: x.csv: no such"),
        ("echo 'Error: Unrecognized option: --nope' >&2", "Unrecognized option: --nope"),
        ("echo 'Exception in thread \"main\" a.B: gone' >&2", "failed (exit 3): a.B: gone"),
        ("true", "the driver ended with exit code 3"),
        ("kill -9 $$", "failed (exit -9): the driver was killed"),
        ("echo 'x.Y: java.lang.OutOfMemoryError: Java heap space'", "the driver's memory ran out"),
    ],
)
def test_why_a_driver_here_failed(
    spark: Spark, capfd: pytest.CaptureFixture[str], body: str, said: str
) -> None:
    target = Target("local[1]", None, None, None, None, "--master")
    run, command = prepared(spark, target, f"{body}\nexit 3")
    code = run.follow(command)
    out, err = capfd.readouterr()
    assert said in err.splitlines()[-1]
    assert code in (3, 137)
    if body.startswith("echo") and ">&2" not in body:
        assert out == body.split("'")[1] + "\n", "what a driver prints is handed on as it is"


def test_a_page_that_ends_a_driver_is_named() -> None:
    text = (
        "26/12/01 ERROR SparkContext: Error initializing SparkContext.\n"
        "java.util.ConcurrentModificationException\n"
        "\tat java.base/java.util.ArrayList$Itr.next(ArrayList.java:1)\n"
        "\tat org.sparkproject.jetty.ee10.servlet.ServletHandler.initialize(X.java:1)\n"
    )
    assert "Spark's own page failed while it started" in logs.cause(text)
    assert not logs.cause(text.replace("ServletHandler.initialize", "ServletHandler.handle"))


def test_the_exit_code_of_a_driver_counts_more_than_what_spark_wraps_it_in() -> None:
    text = (
        "26/11/30 ERROR ApplicationMaster: User application exited with status 2\n"
        "org.apache.spark.SparkException: Exception thrown in awaitResult: \n\tat a.B\n"
        'Exception in thread "main" org.apache.spark.SparkException: Application application_1_1 '
        "finished with failed status\n"
    )
    assert logs.cause(text) == "the application ended with exit code 2"


@pytest.mark.parametrize(
    ("driver", "executors", "who"),
    [
        ("Lost task 0.0 (TID 0) (h executor 1): java.lang.OutOfMemoryError: x\n", "", "executor"),
        ("a\njava.lang.OutOfMemoryError: Java heap space\n", "", "driver"),
        ("", "ERROR: java.lang.OutOfMemoryError: Java heap space\n", "executor"),
        ("ExecutorLostFailure (executor 1 exited): Exit status: 52\n", "", "executor"),
    ],
)
def test_whose_memory_ran_out(driver: str, executors: str, who: str) -> None:
    assert f"--{who}-memory" in logs.out_of_memory(driver, executors)
    assert logs.out_of_memory("all is well, 52", "so it is") == ""


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"spark.master": "yarn"}, "2 tasks run at the same time.*--num-executors to 3"),
        (
            {"spark.master": "yarn", "spark.executor.cores": "4", "spark.task.cpus": "4"},
            "2 tasks .*--num-executors to 3",
        ),
        ({"spark.master": "spark://h:1", "spark.cores.max": "2"}, "--total-executor-cores to 3"),
        ({"spark.master": "local"}, r"1 tasks .*--master local\[3\]"),
        (
            {
                "spark.master": "yarn",
                "spark.dynamicAllocation.enabled": "true",
                "spark.submit.deployMode": "cluster",
            },
            "refuses with dynamic allocation: add --conf spark.dynamicAllocation.enabled=false",
        ),
    ],
)
def test_tasks_that_never_run_together_are_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        at_once(settings, "spark.train.tasks", 3)


def test_jobs_that_need_rdds_say_so_to_spark_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://h")
    run: Any = SimpleNamespace(module="jobs.spark.train")
    with (
        pytest.raises(InputError, match="train works on Spark's RDDs, which Spark Connect"),
        connected(run),
    ):
        pytest.fail("it connects")


def test_tasks_that_do_run_together() -> None:
    yarn = {"spark.master": "yarn", "spark.executor.cores": "2"}
    assert at_once(yarn, "x", 4) == {}
    assert at_once({"spark.master": "spark://h:1"}, "x", 400) == {}, "only the cluster knows"
    assert at_once({**yarn, "spark.dynamicAllocation.enabled": "true"}, "x", 5) == {
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.instances": "3",
    }


@pytest.fixture
def page() -> Iterator[tuple[str, list[tuple[int, dict[str, str], bytes]]]]:
    """A ResourceManager whose answers a test chooses: ours has neither Kerberos nor a log-in."""
    answers: list[tuple[int, dict[str, str], bytes]] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, headers, body = answers[0]
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"127.0.0.1:{server.server_port}", answers
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AccessControlException: Client cannot authenticate via:[TOKEN, KERBEROS]", "run kinit"),
        (
            "java.io.IOException: Can't get Master Kerberos principal for use as renewer",
            "a yarn-site.xml with yarn.resourcemanager.principal",
        ),
    ],
)
def test_what_kerberos_lacks(text: str, said: str) -> None:
    assert said in logs.cause(text)


def test_kerberos_is_named_when_the_pages_ask_for_a_ticket(
    page: tuple[str, list[tuple[int, dict[str, str], bytes]]],
    spark: Spark,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, answers = page
    answers.append((401, {"WWW-Authenticate": "Negotiate"}, b"<html>Authentication required"))
    with pytest.raises(KerberosError, match="asks for Kerberos: get a ticket by kinit"):
        ResourceManager(f"http://{address}").nodes()
    name = "yarn.resourcemanager.webapp.address"
    (tmp_path / "yarn-site.xml").write_text(
        f"<configuration><property><name>{name}</name><value>{address}</value></property>"
        "</configuration>"
    )
    target = targets.find(spark, conf=str(tmp_path))
    assert target.kerberos
    assert target.nodes() is None
    (tmp_path / "klist").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "klist").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert not submit_command._has_ticket()
    answers[:] = [(401, {"WWW-Authenticate": "Basic realm=x"}, b"who?")]
    with pytest.raises(ServerError, match="answers 401 to nodes: who"):
        ResourceManager(f"http://{address}").nodes()
    answers[:] = [(200, {}, b"<html>log in</html>")]
    with pytest.raises(ServerError, match="a page instead of JSON"):
        ResourceManager(f"http://{address}").nodes()
