r"""Our trainer, BigDL's DistriOptimizer and torch's TorchDistributor: one network, one start.

    python benchmarks/spark/peers.py --data T.npz [--torch PYTHON]

Run by the environment's Python after `setup spark install --bigdl`. T.npz comes from
`jobs.textclass_load` with texts of one length (``corpus.min_words``). PYTHON is the interpreter of
an environment with torch (2 GB, so nothing here brings it); without it that row is left out, and
the output says so. All three train the same LSTM in both directions (mean over steps, no dropout)
from the same weights with Adam, gradients clipped to norm 1, the same batch size and epochs, two
processes or cores of this machine; batches are drawn by each in its own order. What they learnt is
measured by our network on the same held-out texts. Processor time is that of all processes with
start and end.
"""

from __future__ import annotations

import argparse
import importlib.util
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

from core.nn import Context  # noqa: E402
from core.nn.callbacks import EarlyStopping  # noqa: E402
from jobs._mailbox import Mailbox  # noqa: E402
from jobs._nn import load_model  # noqa: E402
from jobs._nn_text import Corpus  # noqa: E402
from jobs._parallel import restore  # noqa: E402
from jobs.textclass_train import Params, prepare  # noqa: E402
from setup.layout import Layout  # noqa: E402
from setup.spark import Spark, bigdl  # noqa: E402
from setup.spark.environments import make  # noqa: E402
from setup.spark.environments import prepare as unpack  # noqa: E402

if TYPE_CHECKING:
    from core.nn.protocols import Array

PROCESSES = 2


def params(options: argparse.Namespace, data: Path) -> Params:
    return Params(
        data=data, cell="lstm", pool="mean", embedding=options.hidden, hidden=options.hidden,
        dropout=0.0, epochs=options.epochs, patience=options.epochs, batch_size=options.batch,
    )  # fmt: skip


def ours(options: argparse.Namespace, data: Path, folder: Path) -> tuple[float, Any]:
    """Train by `core.nn`, in two processes."""
    run, file, own = _run(), folder / "checkpoint.npz", params(options, data)
    with Mailbox("127.0.0.1", run.SECRET, file, lambda _: None) as box:
        reports = run.processes(PROCESSES, run.train_member, own, box.mail)
    setting = prepare(own, Corpus.load(data), np.random.default_rng(0))
    restore(setting, EarlyStopping(patience=own.patience), file.read_bytes())  # the last epoch
    return max(report.seconds for report in reports), setting.trainer.network


def by_bigdl(options: argparse.Namespace, data: Path, folder: Path) -> tuple[float, Any]:
    """Train by jobs.bigdl_train, in Spark's local mode."""
    spark = Spark(Layout.of(), bigdl=True)
    environment = unpack(spark, make(spark, bigdl.LOCK), bigdl.IMPORTS)
    jars = bigdl.classes(environment, environment.unpacked)
    command = [str(spark.spark_home / "bin" / "spark-submit"), "--master", f"local[{PROCESSES}]"]
    command += ["--driver-memory", "2g", "--properties-file", str(bigdl.properties(environment))]
    command += ["--conf", f"spark.driver.extraClassPath={jars}", "--conf", "spark.ui.enabled=false"]
    command += ["--conf", "spark.driver.bindAddress=127.0.0.1"]
    props = {
        "bigdl.data": data, "bigdl.embedding": options.hidden, "bigdl.hidden": options.hidden,
        "bigdl.epochs": options.epochs, "bigdl.batch_size": options.batch, "output.dir": folder,
    }  # fmt: skip
    command += [str(ROOT / "setup" / "spark" / "run_module.py"), "jobs.bigdl_train"]
    command += [word for key, value in props.items() for word in ("--prop", f"{key}={value}")]
    environ = {**spark.environ(), "PYSPARK_PYTHON": str(environment.python)}
    _call(command, {**environ, "PYTHONPATH": str(ROOT)}, folder)
    job = folder / "local" / "local" / "bigdl_train"
    seconds = json.loads((job / "run.json").read_text())["metrics"]["train_seconds"]
    return float(seconds), load_model(job / "model.npz")[0]


def by_torch(options: argparse.Namespace, data: Path, folder: Path) -> tuple[float, Any]:
    """Train by torch_textclass.py, two processes of TorchDistributor."""
    spark = Spark(Layout.of())
    setting = prepare(params(options, data), Corpus.load(data), np.random.default_rng(0))
    x, y, _ = setting.train
    np.savez(folder / "start.npz", x=x.T, y=y, **setting.trainer.network.params)
    given = {
        "data": str(folder / "start.npz"), "out": str(folder / "end.npz"), "rate": 0.003,
        "epochs": options.epochs, "batch": options.batch, "processes": PROCESSES,
    }  # fmt: skip
    command = [str(spark.spark_home / "bin" / "spark-submit"), "--master", f"local[{PROCESSES}]"]
    command += ["--conf", "spark.ui.enabled=false", "--conf", "spark.driver.bindAddress=127.0.0.1"]
    command += [str(ROOT / "benchmarks" / "spark" / "torch_textclass.py"), json.dumps(given)]
    program = str(options.torch)
    _call(command, {**spark.environ(), "PYSPARK_PYTHON": program}, folder)
    with np.load(folder / "end.npz") as stored:
        for name, values in setting.trainer.network.params.items():
            values[...] = stored[name]
        return float(stored["seconds"]), setting.trainer.network


def _call(command: list[str], environ: dict[str, str], folder: Path) -> None:
    log = folder / "log"
    with log.open("w") as stream:
        code = subprocess.run(
            command, env={**environ, "OMP_NUM_THREADS": "1"}, cwd=folder,
            stdout=stream, stderr=subprocess.STDOUT, check=False,
        ).returncode  # fmt: skip
    if code:
        raise SystemExit(f"{command[0]} failed:\n{log.read_text()[-3000:]}")


def _run() -> Any:
    """Load run.py, which knows how processes meet."""
    if "run" not in sys.modules:
        spec = importlib.util.spec_from_file_location("run", Path(__file__).with_name("run.py"))
        if spec is None or spec.loader is None:
            raise ImportError("run.py")
        run = importlib.util.module_from_spec(spec)
        sys.modules["run"] = run  # for the processes that it starts
        sys.path.insert(0, str(Path(__file__).parent))
        spec.loader.exec_module(run)
    return sys.modules["run"]


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
    options = parser.parse_args()
    whole = Corpus.load(options.data)
    if not (whole.x_train.all() and whole.x_test.all()):
        parser.error("--data: texts differ in length: make them with corpus.min_words")
    ways = {"ours": ours, "BigDL": by_bigdl, "TorchDistributor": by_torch}
    if not options.torch:
        del ways["TorchDistributor"]
        print("TorchDistributor: left out, no Python with torch was named")
    print(f"load average {os.getloadavg()[0]:.0f}, {options.epochs} epochs, batches of "
          f"{options.batch}, {options.hidden} units")  # fmt: skip
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
            print(
                f"{label}: {seconds:.1f} s training ({rate:.0f} texts/s), processor {cpu:.1f} s, "
                f"{right(network, whole.x_test, whole.y_test):.3f} of held-out texts right",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
