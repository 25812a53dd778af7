"""Texts on an HDFS that asks for Kerberos, from a real KDC."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from jobs._texts import Corpus
from tests.jobs.numbered import assert_same, in_one_process, write_table
from tests.live.spark.conftest import QUICK

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from tests.live.spark.conftest import LiveSpark
    from tests.live.spark.hdfs import Hdfs
    from tests.live.spark.kerberos import Kdc

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
