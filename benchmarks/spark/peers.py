r"""Our trainer, BigDL's DistriOptimizer and torch's TorchDistributor: one network, one start.

    python benchmarks/spark/peers.py --data T.npz [--torch PYTHON]

Run by the environment's Python after `setup spark install --bigdl`. T.npz comes from
`jobs.textclass.load` with texts of one length (``--min-words``). PYTHON is an interpreter with
the jobs' packages and torch, pandas and pyarrow (2 GB, so nothing here brings it); without it that
row is left out, and the output says so. All three train the same LSTM in both directions (mean over
steps, no dropout) from the same weights with Adam, gradients clipped to norm 1, the same batch size
and epochs, two processes or cores of this machine; batches are drawn by each in its own order. What
they learnt is measured by our network on the same held-out texts. Processor time is that of all
processes with start and end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import record
import run

from core.nn import Context
from core.nn.callbacks import EarlyStopping
from jobs._models import load_model
from jobs._texts import Corpus
from jobs.spark._mailbox import Mailbox
from jobs.spark._parallel import restore
from jobs.textclass.train import Params, prepare
from setup.layout import Layout
from setup.spark import Spark
from setup.spark.bigdl import BigDL
from setup.spark.environments import make
from setup.spark.environments import prepare as unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.nn.protocols import Array

PROCESSES = 2


def params(options: argparse.Namespace, data: Path) -> Params:
    return Params(
        data=data, cell="lstm", pool="mean", embedding=options.hidden, hidden=options.hidden,
        dropout=0.0, epochs=options.epochs, patience=options.epochs, batch_size=options.batch,
    )  # fmt: skip


def ours(options: argparse.Namespace, data: Path, folder: Path) -> tuple[float, Any]:
    """Train by `core.nn`, in two processes."""
    file, own = folder / "checkpoint.npz", params(options, data)
    with Mailbox("127.0.0.1", run.SECRET, file, lambda _: None) as box:
        reports = run.processes(PROCESSES, run.train_member, own, box.mail)
    setting = prepare(own, Corpus.load(data), np.random.default_rng(0))
    restore(setting, EarlyStopping(patience=own.patience), file.read_bytes())  # the last epoch
    return max(report.seconds for report in reports), setting.trainer.network


def by_bigdl(options: argparse.Namespace, data: Path, folder: Path) -> tuple[float, Any]:
    """Train by jobs.spark.bigdl, in Spark's local mode."""
    spark = BigDL(Layout.of())
    environment = unpack(spark, make(spark))
    unpacked = environment.unpacked
    jars = spark.classes(environment.python, unpacked, str(unpacked))
    own = ["--properties-file", str(spark.properties(environment.python))]
    own += ["--conf", f"spark.driver.extraClassPath={jars}"]
    python = environment.python
    return _by_job(options, data, folder, kind="bigdl", spark=spark, python=python, own=own)


def by_torch(options: argparse.Namespace, data: Path, folder: Path) -> tuple[float, Any]:
    """Train by jobs.spark.torch, likewise."""
    spark = Spark(Layout.of())
    return _by_job(options, data, folder, kind="torch", spark=spark, python=options.torch)


def _by_job(
    options: argparse.Namespace,
    data: Path,
    folder: Path,
    *,
    kind: str,
    spark: Spark,
    python: Path,
    own: Sequence[str] = (),
) -> tuple[float, Any]:
    command = [str(spark.spark_home / "bin" / "spark-submit"), "--master", f"local[{PROCESSES}]"]
    command += ["--driver-memory", "2g", "--conf", "spark.ui.enabled=false", *own]
    for name in ("bindAddress", "host"):
        command += ["--conf", f"spark.driver.{name}=127.0.0.1"]
    given = {
        "data": data, "embedding": options.hidden, "hidden": options.hidden,
        "epochs": options.epochs, "batch-size": options.batch, "output-dir": folder,
    }  # fmt: skip
    command += [str(ROOT / "setup" / "spark" / "run_module.py"), f"jobs.spark.{kind}"]
    command += [f"--{key}={value}" for key, value in given.items()]
    environ = {**spark.environ(), "PYSPARK_PYTHON": str(python), "PYTHONPATH": str(ROOT)}
    log = folder / "log"
    with log.open("w") as stream:
        code = subprocess.run(
            command, env={**environ, "OMP_NUM_THREADS": "1"}, cwd=folder,
            stdout=stream, stderr=subprocess.STDOUT, check=False,
        ).returncode  # fmt: skip
    job = folder / "local" / "local" / f"spark_{kind}"
    if code or not (job / "model.npz").is_file():
        raise SystemExit(f"{command[0]} failed:\n{log.read_text()[-3000:]}")
    seconds = json.loads((job / "run.json").read_text())["metrics"]["train_seconds"]
    return float(seconds), load_model(job / "model.npz")[0]


def right(network: Any, x: Array, y: Array) -> float:
    return float((network.forward(x, Context())[0].argmax(axis=1) == y).mean())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--torch", type=Path, metavar="PYTHON")
    parser.add_argument("--texts", type=int, default=2560)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--hidden", type=int, default=64)
    record.add_option(parser)
    options = parser.parse_args()
    whole = Corpus.load(options.data)
    if not (whole.x_train.all() and whole.x_test.all()):
        parser.error("--data: texts differ in length: jobs.textclass.load --min-words makes others")
    ways = {"ours": ours, "BigDL": by_bigdl, "TorchDistributor": by_torch}
    if not options.torch:
        del ways["TorchDistributor"]
        print("TorchDistributor: left out, no Python with torch was named")
    print(f"load average {os.getloadavg()[0]:.0f}, {options.epochs} epochs, batches of "
          f"{options.batch}, {options.hidden} units")  # fmt: skip
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "texts.npz"
        count = slice(options.texts * 10 // 9)  # a tenth is kept from training
        replace(whole, x_train=whole.x_train[:, count], y_train=whole.y_train[count]).save(data)
        for label, work in ways.items():
            folder = Path(name) / label
            folder.mkdir()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds, network = work(options, data, folder)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            rate = options.texts * options.epochs / seconds
            accuracy = right(network, whole.x_test, whole.y_test)
            print(
                f"{label}: {seconds:.1f} s training ({rate:.0f} texts/s), processor {cpu:.1f} s, "
                f"{accuracy:.3f} of held-out texts right",
                flush=True,
            )
            row = {"trainer": label, "seconds": seconds, "texts_per_second": rate, "cpu": cpu}
            rows.append({**row, "accuracy": accuracy})
    about = {name: getattr(options, name) for name in ("texts", "epochs", "batch", "hidden")}
    record.keep(options.json, "peers", rows, **about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
