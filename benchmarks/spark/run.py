r"""What sharing a training out costs and brings, with Spark and without.

    python benchmarks/spark/run.py sums                  cost of one sum over processes, by size
    python benchmarks/spark/run.py train --data T.npz    one process against two, without Spark
    python benchmarks/spark/run.py cluster --data T.npz  one executor against two, with Spark

T.npz comes from `jobs.textclass.load`. Times of `sums` are medians; compare figures of one run
only. ``--json`` keeps them for page.py, which works out what they mean for more executors.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import record

from jobs._texts import Corpus
from jobs.spark._allreduce import Ring, Seat
from jobs.spark._mailbox import Mailbox
from jobs.spark._parallel import train
from jobs.textclass.train import Params, prepare
from tests.jobs.folder import Folder

SECRET = b"of this benchmark"
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def processes(size: int, target: Callable[..., None], *arguments: Any) -> list[Any]:
    """Run ``target(seat, results, ...)`` in several processes and collect their results."""
    context = get_context("spawn")
    results = context.Queue()
    with tempfile.TemporaryDirectory() as name:
        team = []
        for rank in range(size):
            gather = Folder(Path(name), rank, size)
            seat = Seat(rank=rank, size=size, host="127.0.0.1", secret=SECRET, gather=gather)
            team.append(context.Process(target=target, args=(seat, results, *arguments)))
        for process in team:
            process.start()
        found = [results.get() for _ in team]
        for process in team:
            process.join()
    return found


def _sums(seat: Seat, results: Any, rounds: int) -> None:
    found = {}
    with Ring.join(seat) as ring:
        for size in SIZES:
            vector, times = np.ones(size), []
            for _ in range(rounds):
                ring.all_reduce(np.ones(1))  # all begin together
                begin = time.perf_counter()
                ring.all_reduce(vector)
                times.append(time.perf_counter() - begin)
            found[size] = statistics.median(times)
    results.put((seat.rank, found))


def sums(options: argparse.Namespace) -> None:
    print("milliseconds for a sum of float64 over n processes on this machine")
    print("numbers  ", *(f"{size:>10,}" for size in SIZES))
    rows = []
    for size in options.processes:
        found = dict(processes(size, _sums, options.rounds))
        row = {s: statistics.median(found[r][s] for r in found) * 1e3 for s in SIZES}
        print(f"n = {size}    ", *(f"{ms:>10.3f}" for ms in row.values()))
        rows += [{"processes": size, "numbers": s, "ms": ms} for s, ms in row.items()]
    record.keep(options.json, "sums", rows)


def _params(options: argparse.Namespace, batch: int) -> Params:
    return Params(
        data=options.data,
        cell=options.cell,
        embedding=options.hidden,
        hidden=options.hidden,
        dropout=0.0,
        epochs=options.epochs,
        patience=options.epochs,
        batch_size=batch,
    )


def train_member(seat: Seat, results: Any, params: Params, mail: Any) -> None:
    results.put(train(params, Corpus.load(params.data), 0, seat, mail))


def train_here(options: argparse.Namespace) -> None:
    texts = Corpus.load(options.data).y_train.size * 9 // 10  # a tenth is kept to measure on
    rows = []
    for batch in options.batches:
        params, first = _params(options, batch), 0.0
        updates = -(-texts // batch) * params.epochs
        load = os.getloadavg()[0]
        print(f"{texts} texts, batches of {batch}, {updates} updates, load average {load:.0f}")
        for size in options.processes:
            with tempfile.TemporaryDirectory() as name:
                file = Path(name) / "checkpoint.npz"
                with Mailbox("127.0.0.1", SECRET, file, lambda _: None) as box:
                    reports = processes(size, train_member, params, box.mail)
            seconds = max(report.seconds for report in reports)
            cpu = [report.cpu_seconds for report in reports]
            waited = statistics.mean(report.waited for report in reports)
            first = first or max(cpu)
            accuracy = reports[0].scores["accuracy"]
            print(
                f"n = {size}: {seconds:.1f} s, processor {max(cpu):.1f} s each, {sum(cpu):.1f} in "
                f"all (each {first / max(cpu):.2f} times less than one alone), {waited:.1f} s "
                f"waiting in sums, accuracy {accuracy:.3f}",
                flush=True,
            )
            row = {"batch": batch, "processes": size, "updates": updates, "seconds": seconds}
            rows.append({**row, "cpu": max(cpu), "waited": waited, "accuracy": accuracy})
    _keep(options, "train", rows, texts)


def cluster(options: argparse.Namespace) -> None:
    batch = options.batches[0]
    params = replace(_params(options, batch), data=options.data.absolute())
    texts = Corpus.load(params.data).y_train.size * 9 // 10
    submit = options.submit or Path(sys.prefix).parent / "spark" / "submit"
    names = ("data", "cell", "embedding", "hidden", "dropout", "epochs", "patience", "batch_size")
    rows = []
    for size in options.processes:
        with tempfile.TemporaryDirectory() as name:
            given = {n: getattr(params, n) for n in names} | {"tasks": size, "output_dir": name}
            command = [str(submit), "--num-executors", str(size), "--executor-memory", "512m"]
            command += ["--driver-memory", "512m", "--py-files", "core,jobs,azkaban_client"]
            command += ["--conf", f"spark.pyspark.driver.python={sys.executable}"]
            command += ["-m", "jobs.spark.train"]
            command += [f"--{k.replace('_', '-')}={v}" for k, v in given.items()]
            begin = time.monotonic()
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            whole = time.monotonic() - begin
            if done.returncode:
                raise SystemExit(f"{submit} failed:\n{done.stderr[-3000:]}")
            found = (Path(name) / "local" / "local" / "spark_train" / "run.json").read_text()
        metrics = json.loads(found)["metrics"]
        print(
            f"{size} executors: {whole:.1f} s in all, {metrics['train_seconds']:.1f} s training "
            f"({metrics['wait_seconds']:.1f} waiting in sums), fixed cost "
            f"{whole - metrics['train_seconds']:.1f} s, accuracy {metrics['accuracy']:.3f}",
            flush=True,
        )
        row = {"batch": batch, "executors": size, "whole": whole}
        names_kept = {"training": "train_seconds", "waited": "wait_seconds", "accuracy": "accuracy"}
        rows.append({**row, **{key: metrics[value] for key, value in names_kept.items()}})
    _keep(options, "cluster", rows, texts)


def _keep(options: argparse.Namespace, name: str, rows: list[dict[str, Any]], texts: int) -> None:
    setting = prepare(_params(options, 1), Corpus.load(options.data), np.random.default_rng(0))
    record.keep(
        options.json, name, rows, texts=texts, epochs=options.epochs, cell=options.cell,
        hidden=options.hidden, steps=int(setting.train[0].shape[0]),
        numbers=int(setting.trainer.parameters.values.size),
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(required=True)
    for name, run in (("sums", sums), ("train", train_here), ("cluster", cluster)):
        kind = kinds.add_parser(name)
        kind.set_defaults(run=run)
        kind.add_argument("--processes", type=int, nargs="+", default=[1, 2])
        record.add_option(kind)
        if name == "sums":
            kind.add_argument("--rounds", type=int, default=50)
        else:
            kind.add_argument("--data", type=Path, required=True)
            kind.add_argument("--cell", default="gru")
            kind.add_argument("--hidden", type=int, default=64)
            kind.add_argument("--batches", type=int, nargs="+", default=[128])
            kind.add_argument("--epochs", type=int, default=4)
            kind.add_argument("--submit", type=Path, help="the program of setup spark install")
    options = parser.parse_args()
    options.run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
