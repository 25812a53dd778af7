"""An HDFS and a YARN that ask for Kerberos, from a real KDC."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jobs._texts import Corpus
from setup.errors import ServerError
from setup.spark.yarn_client import YarnClient
from tests.jobs.numbered import assert_same, in_one_process, write_table
from tests.live.spark.conftest import QUICK, SIZES, interrupt
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.live.spark.conftest import LiveSpark
    from tests.live.spark.hdfs import Hdfs
    from tests.live.spark.kerberos import Kdc
    from tests.live.spark.secure_yarn import SecureYarn

pytestmark = pytest.mark.spark


def test_a_ticket_or_a_keytab_opens_an_hdfs_and_without_any_it_is_said(
    installed: LiveSpark, secure_hdfs: Hdfs, kdc: Kdc, tmp_path: Path
) -> None:
    rows = [(f"some words of text {n}", "ab"[n % 2]) for n in range(40)]
    path = write_table(tmp_path / "texts.csv", rows)
    secure_hdfs.put(path)

    def load(
        name: str, tickets: Mapping[str, str], *options: str
    ) -> subprocess.CompletedProcess[str]:
        return installed.run(
            *("submit", "--master", "local[2]", "--no-environment", *QUICK, *options),
            *("--conf", f"spark.driver.extraJavaOptions={kdc.java}"),
            *("--conf", f"spark.pyspark.python={sys.executable}"),
            *("--py-files", "core,jobs,azkaban_client", "-m", "jobs.spark.load"),
            *("--data=/there/texts.csv", f"--output-dir={tmp_path / name}", "--seed=7"),
            environ={"HADOOP_CONF_DIR": str(secure_hdfs.folder), **tickets},
        )

    none = {"KRB5CCNAME": str(tmp_path / "no tickets")}
    key = ("--principal", kdc.user, "--keytab", str(kdc.keys))
    for name, done in {
        "ticket": load("ticket", secure_hdfs.environ),
        "keytab": load("keytab", none, *key),
    }.items():
        assert done.returncode == 0, done.stdout + done.stderr
        found = Corpus.load(tmp_path / name / "local" / "local" / "spark_load" / "texts.npz")
        assert_same(found, in_one_process(path))
    done = load("none", none)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "spark.load.data = /there/texts.csv: Kerberos has no ticket" in done.stdout + done.stderr
    assert "run kinit, or name --principal and --keytab" in done.stderr


SUM = """\
import sys, time
from pyspark import SparkContext
context = SparkContext()
print("SUM", context.sparkUser(), context.parallelize([1, 2, 3], 1).sum(), flush=True)
if sys.argv[1:] == ["fail"]:
    raise KeyError("of this test")
time.sleep(600 if sys.argv[1:] == ["wait"] else 0)
"""


def submit(installed: LiveSpark, kdc: Kdc, *words: str) -> list[str]:
    """Write a submit to nodes that have no /etc/krb5.conf; here, KRB5_CONFIG tells of it."""
    nodes = ("spark.executor", "spark.yarn.am", *(["spark.driver"] if "cluster" in words else []))
    settings = {
        **{f"{one}.extraJavaOptions": kdc.java for one in nodes},
        "spark.pyspark.python": sys.executable,
        "spark.driver.host": "localhost",
        "spark.yarn.jars": f"local:{installed.spark.jars}/*",
    }
    conf = (f"--conf={name}={value}" for name, value in settings.items())
    options = ("--num-executors", "1", *SIZES, "--no-environment", *conf)
    return installed.command("submit", *options, *words)


@pytest.fixture
def account(
    installed: LiveSpark,
    kdc: Kdc,
    secure_yarn: SecureYarn,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> pytest.MonkeyPatch:
    """This account without a ticket, on a machine that has Kerberos's programs."""
    for name, value in kdc.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "no tickets"))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(secure_yarn.conf))
    variables = {"HADOOP_CONF_DIR": str(secure_yarn.conf)}
    login = (kdc.user, str(kdc.keys))
    client = YarnClient(installed.spark.java.program, installed.spark.jars, variables, login)
    eventually(client.nodes, "the node is not ready", seconds=240)
    return monkeypatch


def run(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout, done.stderr


def test_yarn_takes_applications_of_those_with_a_ticket_or_a_keytab(
    installed: LiveSpark, kdc: Kdc, account: pytest.MonkeyPatch
) -> None:
    """Though its pages tell us nothing: nodes, states and ends come by Hadoop's own client."""
    script = str(installed.script("sum", SUM))
    code, _, said = run(*submit(installed, kdc, script))
    assert code == 2
    assert "setup: the YARN at " in said
    assert said.endswith(
        " asks for Kerberos, and this account has no ticket: run kinit, or name --principal and "
        "--keytab\n"
    )
    key = ("--principal", kdc.user, "--keytab", str(kdc.keys))
    tickets = kdc.environ()["KRB5CCNAME"]
    for options, where in ((key, {}), ((), {"KRB5CCNAME": tickets})):
        for name, value in where.items():
            account.setenv(name, value)
        code, out, said = run(*submit(installed, kdc, *options, script))
        assert code == 0, said
        assert out == f"SUM {kdc.user.partition('@')[0]} 6\n"
        assert "not compared" not in said
        assert re.search(r"^application: application_\d+_\d+ [A-Z]+ \(", said, re.MULTILINE)
    code, _, said = run(*submit(installed, kdc, "--executor-memory", "60g", script))
    assert code == 2
    assert "--scale reduces it" in said, "its nodes are known"


def test_with_a_keytab_alone_an_application_is_looked_at_and_ended(
    installed: LiveSpark, kdc: Kdc, secure_yarn: SecureYarn, account: pytest.MonkeyPatch
) -> None:
    script = str(installed.script("sum", SUM))
    key = ("--principal", kdc.user, "--keytab", str(kdc.keys), "--deploy-mode", "cluster")
    code, _, said = run(*submit(installed, kdc, *key, script, "fail"))
    assert code == 1
    assert "failed (exit 1): the application ended with exit code 1" in said, said
    command = submit(installed, kdc, *key, script, "wait")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ""
    while not (running := re.search(r"(application_\d+_\d+) RUNNING", said)):
        line = process.stderr.readline() if process.stderr else ""
        assert line, said
        said += line
    interrupt(process)
    assert process.returncode == 128 + signal.SIGTERM
    conf = {"HADOOP_CONF_DIR": str(secure_yarn.conf)}
    login = (kdc.user, str(kdc.keys))
    hadoop = YarnClient(installed.spark.java.program, installed.spark.jars, conf, login)
    eventually(lambda: hadoop.application(running[1]).final == "KILLED")
    with pytest.raises(ServerError, match="doesn't exist"):
        hadoop.application(re.sub(r"\d+$", "9999", running[1]))
