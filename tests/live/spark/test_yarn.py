"""What CI has time for: a real YARN, a shipped environment, and what goes wrong beforehand."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import time
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from jobs._texts import Corpus
from setup.layout import CHECKOUT
from setup.life.process import Process, free_port
from setup.spark.resource_manager import ResourceManager
from tests.jobs.numbered import assert_same, in_one_process, write_table
from tests.live.spark.conftest import QUICK, SIZES
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.spark.conftest import LiveSpark

SORTED = """\
import sys
from pyspark import SparkContext
def work(number):
    from sortedcontainers import SortedList
    return list(SortedList([3, 1, number])), sys.prefix
context = SparkContext()
for name in ("executor.memory", "executor.cores", "driver.memory", "executor.instances"):
    print("SET", name, context.getConf().get(f"spark.{name}"))
print("FOUND", context.parallelize([2], 1).map(work).collect()[0])
"""


def test_job_runs_in_a_shipped_environment_which_is_gone_afterwards(
    yarn: LiveSpark, environment: Path, tmp_path: Path
) -> None:
    """By spark-submit's own words, with the user's settings, from folders with spaces."""
    bare = yarn.spark.layout.python.resolve()
    imports = [bare, "-I", "-c", "import sortedcontainers"]
    lacking = subprocess.run(imports, capture_output=True, check=False)
    assert lacking.returncode != 0, "the nodes' Python must lack the package"
    folder = tmp_path / "my env"
    folder.mkdir()
    (folder / "x y.tar.gz").symlink_to(environment)
    (folder / "sorted it.py").write_text(SORTED)
    (folder / "my.conf").write_text(
        "spark.executor.memory   700m\nspark.executor.cores 2\nspark.driver.memory 600m\n"
    )
    size = ("--master", "yarn", "--deploy-mode", "cluster", "--driver-memory", "640m", *QUICK)
    size += ("--properties-file", str(folder / "my.conf"), "--conf", "spark.executor.instances=1")
    shipped = ("--archives", f"{folder / 'x y.tar.gz'}#mine", str(folder / "sorted it.py"))
    process = subprocess.Popen(
        yarn.command("submit", *size, "--logs", *shipped),
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(yarn.unpacked, "no node unpacked the archive", 480)
    _, said = process.communicate(timeout=480)
    assert process.returncode == 0, said
    found = re.search(r"FOUND \(\[1, 2, 3\], '([^']+)'\)", said)
    assert found, said
    assert found[1].startswith(str(yarn.cluster.home / "local")), "it ran where it was unpacked"
    settings = dict(re.findall(r"SET (\S+) (\S+)", said))
    assert settings == {
        "executor.memory": "700m",
        "executor.cores": "2",
        "driver.memory": "640m",
        "executor.instances": "1",
    }
    assert said.startswith(
        f"this application goes to the yarn cluster of this prefix, {yarn.cluster.url}\n"
    )
    eventually(lambda: not yarn.unpacked(), yarn.unpacked)
    assert list((yarn.cluster.home / "staging").glob("*/.sparkStaging/*")) == []


HUSH = """\
from pathlib import Path
from pyspark import SparkContext
system = SparkContext()._jvm.java.lang.System
print("FOUND", [system.getProperty(name) for name in ("db.password", "db.user")])
commands = []
for file in Path("/proc").glob("[0-9]*/cmdline"):
    try:
        commands.append(file.read_bytes().decode("utf-8", "replace"))
    except OSError:
        pass
print("SHOWN", [one for one in commands if "hush-" "hush" in one])
"""


def test_java_gets_secrets_that_no_command_line_shows(installed: LiveSpark, tmp_path: Path) -> None:
    settings = tmp_path / "my.conf"
    settings.write_text("spark.driver.extraJavaOptions -Ddb.password=hush-hush -Ddb.user=me\n")
    settings.chmod(0o600)
    words = ("--master", "local[1]", "--no-environment", "--properties-file", str(settings))
    quick = ("--conf", "spark.ui.enabled=false")
    script = installed.script("hush", HUSH)
    done = installed.run("submit", *words, *quick, str(script))
    assert done.returncode == 0, done.stderr
    assert "FOUND ['hush-hush', 'me']" in done.stdout
    assert "SHOWN []" in done.stdout
    assert list((installed.spark.home / "submissions").iterdir()) == []


LOADS = """\
import json, os, sys
from contextlib import suppress
from pyspark import SparkContext
from jobs._texts import Corpus
from jobs.spark import _sources, load
from jobs.spark._shards import Shards
SparkContext.stop = lambda _: None  # one start serves all
folder = sys.argv[1]

def ended(name):
    props = {"data": f"{folder}/a.csv", "shards": f"file:{folder}/{name}", "max_words": 3}
    words = [f"spark.load.{key}={value}" for key, value in props.items()]
    words += [f"output.dir={folder}/out-{name}", "seed=7"]
    return load.main.main([word for one in words for word in ("--prop", one)])

codes = [ended("good"), ended("good")]
corpus = Corpus.load(f"{folder}/out-good/local/local/spark_load/texts.npz")
context = SparkContext.getOrCreate()
shards = Shards(context, f"file:{folder}/good", corpus, "shards", 10)
dealt = shards.of(2, 2).map(lambda row: (row[0], row[1], row[2].hex())).glom().collect()
os.mkdir(f"{folder}/bad")
with suppress(OSError), _sources.whole(context, f"file:{folder}/bad", "shards"):
    raise OSError("full")
left = os.path.exists(f"{folder}/bad")
print("FOUND", json.dumps([codes, left, shards.windows, shards.size, dealt]))
"""


def test_texts_become_shards_that_are_trained_on_in_windows(
    installed: LiveSpark, tmp_path: Path
) -> None:
    """In a real Spark, without a cluster: the rest needs minutes, and `--spark`."""
    rows = [(f"w{n} w{n // 2} x y", "ab"[n >= 20]) for n in range(40)]
    path = write_table(tmp_path / "a.csv", rows)
    quick = {"ui.enabled": "false", "sql.codegen.wholeStage": "false"}
    quick["sql.codegen.factoryMode"] = "NO_CODEGEN"
    options = [f"--conf=spark.{name}={value}" for name, value in quick.items()]
    submit = installed.spark.spark_home / "bin" / "spark-submit"
    words = [submit, "--master", "local[1]", *QUICK, *options]
    done = subprocess.run(
        [*words, installed.script("shards", LOADS), tmp_path],
        env={
            **installed.spark.environ(),
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": str(CHECKOUT),
        },
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    found = re.search(r"^FOUND (.*)$", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    codes, left, windows, size, dealt = json.loads(found[1])
    assert codes == [0, 2], done.stderr
    assert f"spark.load.shards = file:{tmp_path}/good: is there already" in done.stdout
    assert not left, "what a failed attempt wrote would be in the way of the next"
    corpus = Corpus.load(tmp_path / "out-good" / "local" / "local" / "spark_load" / "texts.npz")
    assert_same(corpus, in_one_process(path, max_words=3))
    assert (windows, size) == (4, 8)
    places = [[place for place, _, _ in part] for part in dealt]
    assert all(part == sorted(part) for part in places), "windows come one after the other"
    assert sorted(place for part in places for place in part) == list(range(16)), "of two windows"
    step = next(n for n in range(2, 32) if _orders(corpus, dealt, n))
    first = [n for n in range(32) if n * step % 32 < size]
    assert 2 < sum(corpus.y_train[first]) < 6, "a window has texts of all parts of the file"


def _orders(corpus: Corpus, dealt: list[list[tuple[int, int, str]]], step: int) -> bool:
    """Tell whether texts were mixed by going on by so many each time."""
    order = {n * step % 32: n for n in range(32)}
    return len(order) == 32 and all(
        (label, numbers)
        == (
            corpus.y_train[order[place]],
            corpus.x_train[:, order[place]].astype("<i4").tobytes().hex(),
        )
        for part in dealt
        for place, label, numbers in part
    )


def test_pack_again_does_nothing(yarn: LiveSpark, environment: Path) -> None:
    before = environment.stat()
    lock = yarn.folder / "lacked.txt"
    result = yarn.run("pack", "--requirements", str(lock))
    assert result.stdout.strip() == str(environment)
    assert environment.stat().st_mtime_ns == before.st_mtime_ns
    assert "packing" not in result.stderr
    assert "trying" not in result.stderr


def test_status_says_what_runs(yarn: LiveSpark) -> None:
    result = yarn.run("status", "--json")
    assert result.returncode == 0
    parts = {part["server"]: part for part in json.loads(result.stdout)}
    assert parts.keys() == {"resourcemanager", "nodemanager-1"}
    assert all(part["state"] == "running" for part in parts.values())
    process = yarn.cluster.running()["resourcemanager"]
    assert parts["resourcemanager"]["pid"] == process.pid
    nodes = ResourceManager(parts["resourcemanager"]["url"]).nodes()
    assert [(node.memory, node.cores) for node in nodes] == [(3072, 4)]


def test_start_twice_is_one_cluster(yarn: LiveSpark) -> None:
    before = yarn.cluster.running()
    result = yarn.run("start", "yarn", "--memory", "3g", "--cores", "4")
    assert result.returncode == 0
    assert "already running" in result.stderr
    assert yarn.cluster.running() == before
    result = yarn.run("start", "yarn", "--memory", "2g")
    assert result.returncode == 2
    assert "stop" in result.stderr
    result = yarn.run("start", "standalone")
    assert result.returncode == 2
    assert "yarn cluster runs" in result.stderr


def test_its_attributes_of_nodes_are_in_the_prefix(yarn: LiveSpark) -> None:
    """Hadoop's default is in /tmp, where whoever makes the folder first stops all others."""
    files = (yarn.spark.layout.prefix / "spark/yarn/attributes").iterdir()
    assert [file.name for file in files if not file.name.startswith(".")] != []


def test_nothing_listens_beyond_this_machine(yarn: LiveSpark) -> None:
    ends = set.union(*(process.listening() for process in yarn.cluster.running().values()))
    assert len(ends) >= 8
    assert {address for address, _ in ends} == {"127.0.0.1"}


def test_other_accounts_are_refused_on_every_port(installed: LiveSpark, yarn: LiveSpark) -> None:
    """The same process, told that it belongs to another account: ours is then a stranger."""
    spark, port = installed.spark, free_port("127.0.0.1", 0)
    part = [f"-javaagent:{spark.guard}", "-Dportguard.uid=4242", "-cp", f"{spark.jars}/*"]
    main = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1"]
    process = Process.start(
        [str(spark.java.program), *part, *main, "--port", "0", "--webui-port", str(port)],
        folder=installed.folder,
        log=installed.folder / "master.log",
        environ=spark.environ(),
    )
    try:
        eventually(lambda: len(process.listening()) >= 2, seconds=120)
        for _, each in process.listening():
            with socket.create_connection(("127.0.0.1", each), timeout=60) as client:
                assert _closed(client), f"port {each} serves another account"
    finally:
        process.stop()
    port = urllib.parse.urlsplit(yarn.cluster.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port or 0)
    connection.request("GET", "/ws/v1/cluster/info")
    assert connection.getresponse().status == 200  # ours is served
    connection.close()


def _closed(client: socket.socket) -> bool:
    try:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return client.recv(100) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--executor-memory", "64g"], ["--executor-memory 65536m", "3072 MB", "2688m or less"]),
        (
            ["--conf", "spark.executor.memoryOverhead=2500", "--num-executors", "1"],
            ["--executor-memory 1024m: 3524 MB", "3072 MB", "--executor-memory 572m or less"],
        ),
        (
            ["--conf", "spark.executor.memoryOverhead=4g"],
            ["5120 MB", "set spark.executor.memoryOverhead to less"],
        ),
        (
            ["--conf", "spark.executor.memoryOverhead=much"],
            ["--conf spark.executor.memoryOverhead='much': expected a size"],
        ),
        (
            ["--executor-cores", "16"],
            ["--executor-cores 16", "largest node has 4", "--executor-cores 4"],
        ),
        (
            ["--conf", "spark.executor.instances=128", *SIZES],
            ["--num-executors 128", "room for 2", "executors 2", "--scale", "--force"],
        ),
        (
            ["--deploy-mode", "cluster", "--driver-memory", "9g"],
            ["--driver-memory 9216m", "3072 MB", "2688m or less"],
        ),
        (["--total-executor-cores", "3", "--executor-cores", "2"], ["--total-executor-cores 3"]),
        (["--files", "/none.txt#a"], ["--files /none.txt#a: no such file"]),
    ],
)
def test_more_than_the_cluster_has_is_refused(
    yarn: LiveSpark, options: list[str], said: list[str]
) -> None:
    script = yarn.script("never", "raise SystemExit('this must not run')")
    result = yarn.run("submit", "--no-environment", *options, str(script))
    assert result.returncode == 2
    assert result.stderr.count("setup: ") == 1
    assert [text for text in said if text not in result.stderr] == [], result.stderr


def test_unreachable_resource_manager(installed: LiveSpark, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port('127.0.0.1', 0)}"
    (tmp_path / "yarn-site.xml").write_text(
        "<configuration><property><name>yarn.resourcemanager.webapp.address</name>"
        f"<value>{address}</value></property></configuration>"
    )
    script = installed.script("never", "raise SystemExit('this must not run')")
    start = time.monotonic()
    result = installed.run("submit", "--hadoop-conf", str(tmp_path), str(script))
    assert time.monotonic() - start < 60, "it must not try for minutes"
    assert result.returncode == 5
    assert f"the ResourceManager at http://{address} cannot be reached" in result.stderr
    assert str(tmp_path / "yarn-site.xml") in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("content", ["", "this is no archive", "half"])
def test_bad_archive(yarn: LiveSpark, environment: Path, tmp_path: Path, content: str) -> None:
    archive = tmp_path / "bad.tar.gz"
    data = environment.read_bytes()
    archive.write_bytes(data[: len(data) // 2] if content == "half" else content.encode())
    script = yarn.script("never", "raise SystemExit('this must not run')")
    result = yarn.run("submit", *SIZES, "--archive", str(archive), str(script))
    assert result.returncode == 2
    assert str(archive) in result.stderr
    goes, *steps, wrong = result.stderr.splitlines()
    assert goes.startswith("this application goes to ")
    assert wrong.startswith("setup: ")
    assert all(line.startswith("trying ") for line in steps), "one line of what is wrong"
    assert len(list((yarn.spark.home / "environments").iterdir())) == 1, "nothing is left of it"


def test_a_dry_run_shows_the_whole_command_and_does_nothing(
    yarn: LiveSpark, tmp_path: Path
) -> None:
    lock = tmp_path / "never.txt"
    lock.write_text("no-such-package-anywhere==1.0\n")
    script = yarn.script("never", "raise SystemExit('this must not run')")
    result = yarn.run(
        *("submit", "--dry-run", "--requirements", str(lock), "--deploy-mode", "cluster"),
        *("--driver-cores", "2", "--driver-memory", "4g", "--executor-memory", "4g"),
        *("--total-executor-cores", "128", str(script), "an argument"),
    )
    assert result.returncode == 0, result.stderr
    words = " ".join(result.stdout.replace("\\\n", " ").split())
    for part in (
        f"HADOOP_CONF_DIR={yarn.cluster.conf}",
        "--master yarn --deploy-mode cluster",
        "--driver-cores 2 --driver-memory 4096m",
        "--executor-memory 4096m --total-executor-cores 128 --num-executors 128",
        ".tar.gz#environment",
        f"{script} 'an argument'",
    ):
        assert part in words


def test_unpinned_requirements_are_refused(installed: LiveSpark, tmp_path: Path) -> None:
    lock = tmp_path / "loose.txt"
    lock.write_text("# mine\nnumpy>=2\n")
    result = installed.run("pack", "--requirements", str(lock))
    assert result.returncode == 2
    assert f"{lock}, line 2: 'numpy>=2' pins no version" in result.stderr
