"""Who died is named, and nothing of what it ran is left."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
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
from setup.layout import CHECKOUT, Layout
from setup.life.process import Process
from setup.spark import logs, submit_command
from setup.spark import target as targets
from setup.spark.cluster import Cluster
from setup.spark.install import Spark
from setup.spark.plan import Application
from setup.spark.resource_manager import KerberosError, ResourceManager
from setup.spark.settings import Settings
from setup.spark.shape import Shape
from setup.spark.submit import Run
from setup.spark.target import Target
from tests.waiting import eventually

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


_SUBMIT = """\
import sys
from pathlib import Path
from setup.java import Java
from setup.layout import Layout
from setup.spark.install import Spark
from setup.spark.plan import Application
from setup.spark.submit import Run
from setup.spark.target import Target
spark = Spark(Layout(Path(sys.argv[1]), Path("cache")))
vars(spark)["java"] = Java(Path("/jdk/bin/java"), "17.0.1")
application = Application(script="x.py", arguments=(), tag="setup-1")
Run(spark, Target("local[1]", None, None, None, None), application, ships=False).follow(
    [str(spark.spark_home / "bin" / "spark-submit"), "x.py"]
)
"""


def test_a_submit_that_is_killed_outright_leaves_nothing(spark: Spark, tmp_path: Path) -> None:
    target = Target("local[1]", None, None, None, None)
    up, written = tmp_path / "up", spark.home / "submissions"
    body = f"sleep 600 & echo $$ $! >'{up}.part'; mv '{up}.part' '{up}'; wait"
    prepared(spark, target, body)
    (written / "setup-1").mkdir(parents=True)
    for name in ("setup-1.conf", "setup-1/x", "setup-12.conf"):
        (written / name).touch()
    words = [sys.executable, "-c", _SUBMIT, str(spark.layout.prefix)]
    with subprocess.Popen(words, cwd=CHECKOUT, stderr=subprocess.DEVNULL) as process:
        eventually(up.exists)
        pids = [int(pid) for pid in up.read_text().split()]
        process.kill()
    eventually(lambda: not any(map(Process.of, pids)))
    eventually(lambda: [path.name for path in written.iterdir()] == ["setup-12.conf"])


def test_without_a_head_what_the_workers_ran_is_ended_and_deleted(
    cluster: Cluster, begin: Callable[[Path], Process]
) -> None:
    lost = begin(cluster.home / "work" / "1" / "app-1" / "0")
    kill(cluster.running()["master"])
    assert cluster.clear() == ["master"]
    assert not lost.alive()
    assert not (cluster.home / "work").exists()
    assert sorted(cluster.running()) == ["worker-1", "worker-2"], "they end by stop"


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


_LOST = "26/12/01 WARN TaskSetManager: Lost task {}.0 in stage 0.0 (TID {}) ({} executor 1): "


@pytest.mark.parametrize(
    ("hosts", "error", "said"),
    [
        (
            ["n7"],
            'java.io.IOException: Cannot run program "/opt/py/bin/python3": error=2, No such file',
            "node n7 has no /opt/py/bin/python3: ",
        ),
        (
            ["n7.x.org", "10.0.0.8", "n7.x.org"],
            "PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different "
            "version: 3.9 than that in driver: 3.11, PySpark cannot run",
            "node n7.x.org, 10.0.0.8 has Python 3.9, the driver 3.11: ",
        ),
        (
            ["n7"],
            "Exception: Python in worker has different version 3.9 than that in driver 3.11, P",
            "node n7 has Python 3.9, the driver 3.11: ",
        ),
        (
            ["n7"],
            "SparkException: this node cannot run the shipped environment: its processor is x",
            "node n7 cannot run the shipped environment: its processor is x",
        ),
        (
            [],
            'Exception in thread "main" java.io.IOException: Cannot run program '
            '"./environment/bin/python": error=2, No such file or directory',
            "the driver's machine has no ./environment/bin/python, ",
        ),
        (
            [],
            "26/12/01 ERROR X: invalid LOC header",
            "a node could not unpack an archive (invalid LOC header): ",
        ),
    ],
)
def test_the_node_at_fault_is_named(hosts: list[str], error: str, said: str) -> None:
    lines = [_LOST.format(n, n, host) + error for n, host in enumerate(hosts)]
    before = _LOST.format(9, 9, "another") + "java.io.IOException: of the network"
    assert logs.cause("\n".join([before, *(lines or [error])])).startswith(said)


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
        (
            "failed 1 times due to AM Container for appattempt_1_1_000001 exited with  exitCode: "
            "137\nFailing this attempt.Diagnostics: x",
            "the application's master was killed (exit code 137)",
        ),
        ("AccessControlException: Client cannot authenticate via:[TOKEN, KERBEROS]", "run kinit"),
        (
            "java.lang.IllegalArgumentException: Can't get Kerberos realm",
            "reads /etc/krb5.conf, or",
        ),
        (
            "java.io.IOException: Can't get Master Kerberos principal for use as renewer",
            "a yarn-site.xml with yarn.resourcemanager.principal",
        ),
        (
            "x.DSQuotaExceededException: The DiskSpace quota of /user/me is exceeded: quota = "
            "1048576 B = 1 MB but diskspace consumed = 134217728 B = 128 MB",
            "no room left for this account (DiskSpace quota of /user/me is exceeded: quota",
        ),
        (
            "x.NSQuotaExceededException: The NameSpace quota (directories and files) of directory "
            "/user/me is exceeded: quota=3 file count=4",
            "no room left for this account (NameSpace quota (directories and files) of directory",
        ),
        (
            'AccessControlException: Permission denied: user=me, access=WRITE, inode="/closed":'
            "hdfs:supergroup:dr-xr-xr-x\n\tat x",
            "me may not WRITE /closed (hdfs:supergroup:dr-xr-xr-x): ask its owner",
        ),
        (
            "Unauthorized request to start container. \nThis token is expired. current time is "
            "1796103205769 found 1796102205769\nNote: System times on machines may be out of sync.",
            "the clocks of the cluster's machines differ (current time is 1796103205769 found",
        ),
        ("javax.security.sasl.SaslException: Clock skew too great (37)", "one of them set"),
        (
            "Error: Could not find or load main class org.apache.spark.deploy.yarn."
            "ExecutorLauncher\nCaused by: x",
            "the nodes do not find Spark's jars (org.apache.spark.deploy.yarn.ExecutorLauncher)",
        ),
        (
            "ExecutorLostFailure (executor 2 exited unrelated to the running tasks) Reason: "
            "Diagnostics: Container released on a *lost* node.",
            "a node of the cluster was lost",
        ),
    ],
)
def test_what_a_report_means(text: str, said: str) -> None:
    assert said in logs.cause(text)


_REPORT = """\
Application Report :
\tApplication-Id : application_1_1
\tProgress : 100%
\tState : FINISHED
\tFinal-State : FAILED
\tDiagnostics : no room
\tUnmanaged Application : false
"""


@pytest.mark.parametrize("login", [(), ("me@X", "/the keys")])
def test_with_kerberos_hadoops_client_tells_what_the_pages_do_not(
    spark: Spark,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    login: tuple[str, ...],
) -> None:
    programs = {
        "java": f"printf '%s\\n' \"$KRB5CCNAME\" \"$*\" >>'{tmp_path}/asked'\n"
        f"cat '{tmp_path}/report'",
        "kinit": f'echo "$*" >>\'{tmp_path}/logins\'; echo a ticket >"$5"',
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "report").write_text(_REPORT)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "krb5.conf").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("KRB5CCNAME", "mine")
    monkeypatch.setenv("KRB5_CONFIG", f"/nowhere:{tmp_path / 'krb5.conf'}")
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dx=y")
    vars(spark)["java"] = Java(tmp_path / "java", "17.0.1")
    manager = ResourceManager("http://127.0.0.1:1")
    target = Target("yarn", tmp_path, None, manager, None, kerberos=True, login=login)
    body = (
        f"echo \"$SPARK_SUBMIT_OPTS\" >'{tmp_path}/options'\n"
        "echo ' INFO Client: Application report for application_1_1 (state: ACCEPTED)' >&2\n"
        f"until [ -e '{tmp_path}/seen' ]; do sleep 0.05; done; exit 3"
    )
    run, command = prepared(spark, target, body)
    progress = run._progress

    def seen() -> str:
        if "ACCEPTED" in (now := progress()):
            (tmp_path / "seen").touch()
        return now

    monkeypatch.setattr(run, "_progress", seen)
    assert run.follow(command) == 3
    said = capfd.readouterr().err
    assert "application: application_1_1 ACCEPTED" in said
    assert "application_1_1 failed (exit 3): no room" in said
    kerberos = f"-Djava.security.krb5.conf={tmp_path / 'krb5.conf'}"
    assert (tmp_path / "options").read_text() == f'-Dx=y "{kerberos}"\n'
    tickets, words = (tmp_path / "asked").read_text().splitlines()[-2:]
    assert words.endswith("ApplicationCLI application -status application_1_1")
    assert kerberos in words
    if login:
        assert (tmp_path / "logins").read_text().startswith("-k -t /the keys -c ")
        assert tickets.startswith(f"FILE:{tmp_path / 'tmp'}/")
    else:
        assert tickets == "mine"
    assert list((tmp_path / "tmp").iterdir()) == [], "no ticket stays"


@pytest.mark.parametrize(
    ("passed", "conf", "found"),
    [
        ({"--principal": ["a"], "--keytab": ["b"]}, {}, ("a", "b")),
        ({"--principal": ["a", "c"]}, {"keytab": "b", "principal": "d"}, ("c", "b")),
        ({"--principal": ["a"]}, {}, ()),
        ({}, {}, ()),
    ],
)
def test_who_logs_in(
    passed: dict[str, list[str]], conf: dict[str, str], found: tuple[str, ...]
) -> None:
    given = Settings({f"spark.kerberos.{name}": value for name, value in conf.items()})
    assert submit_command._login(passed, given) == found


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
