r"""What sharing a training out costs and brings; what it would bring on 128 executors.

    python benchmarks/spark/run.py sums                  cost of one sum over processes, by size
    python benchmarks/spark/run.py train --data T.npz    one process against two, without Spark
    python benchmarks/spark/run.py cluster --data T.npz  one executor against two, with Spark
    python benchmarks/spark/run.py scale ...             what these figures mean for n executors

T.npz comes from `jobs.textclass_load`. Times are medians; compare figures of one run only.
``scale`` takes the measured figures as arguments and needs nothing else.
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

from core.nn.callbacks import EarlyStopping  # noqa: E402
from jobs._allreduce import Ring, Seat  # noqa: E402
from jobs._mailbox import Mailbox  # noqa: E402
from jobs._nn_text import Corpus  # noqa: E402
from jobs._parallel import restore, train  # noqa: E402
from jobs.textclass_train import Params, prepare  # noqa: E402
from tests.jobs.folder import Folder  # noqa: E402

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
    for size in options.processes:
        found = dict(processes(size, _sums, options.rounds))
        row = (statistics.median(found[r][s] for r in found) * 1e3 for s in SIZES)
        print(f"n = {size}    ", *(f"{ms:>10.3f}" for ms in row))


def _params(options: argparse.Namespace) -> Params:
    return Params(
        data=options.data,
        cell=options.cell,
        embedding=options.hidden,
        hidden=options.hidden,
        dropout=0.0,
        epochs=options.epochs,
        patience=options.epochs,
        batch_size=options.batch,
    )


def held_out(params: Params, corpus: Corpus, checkpoint: Path) -> float:
    """Tell the share of held-out texts that the model of a checkpoint gets right."""
    setting = prepare(params, Corpus.load(params.data), np.random.default_rng(0))
    stopping = EarlyStopping(patience=params.patience)
    restore(setting, stopping, checkpoint.read_bytes())
    stopping.finish(setting.trainer)
    x = corpus.x_test
    return setting.trainer.evaluate(x, corpus.y_test, x > 0)["accuracy"]


def train_member(seat: Seat, results: Any, params: Params, mail: Any) -> None:
    results.put(train(params, Corpus.load(params.data), 0, seat, mail))


def train_here(options: argparse.Namespace) -> None:
    params = _params(options)
    texts = Corpus.load(params.data).y_train.size * 9 // 10
    updates = -(-texts // params.batch_size) * params.epochs
    print(f"{texts} texts, batches of {params.batch_size}, {updates} updates, load average "
          f"{os.getloadavg()[0]:.0f}")  # fmt: skip
    first = 0.0
    for size in options.processes:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "checkpoint.npz"
            with Mailbox("127.0.0.1", SECRET, file, lambda _: None) as box:
                reports = processes(size, train_member, params, box.mail)
        seconds = max(report.seconds for report in reports)
        cpu = [report.cpu_seconds for report in reports]
        waited = statistics.mean(report.waited for report in reports)
        first = first or max(cpu)
        print(
            f"n = {size}: {seconds:.1f} s, processor {max(cpu):.1f} s each, {sum(cpu):.1f} in all "
            f"(each {first / max(cpu):.2f} times less than one alone), {waited:.1f} s waiting in "
            f"sums, accuracy {reports[0].scores['accuracy']:.3f}"
        )


def cluster(options: argparse.Namespace) -> None:
    params = replace(_params(options), data=options.data.absolute())
    submit = options.submit or Path(sys.prefix).parent / "spark" / "submit"
    names = ("data", "cell", "embedding", "hidden", "dropout", "epochs", "patience", "batch_size")
    for size in options.processes:
        with tempfile.TemporaryDirectory() as name:
            pairs = {f"classify.{n}": getattr(params, n) for n in names}
            pairs |= {"classify.tasks": size, "output.dir": name}
            command = [str(submit), "--num-executors", str(size), "--executor-memory", "512m"]
            command += ["--driver-memory", "512m", "--py-files", "core,jobs"]
            command += ["--conf", f"spark.pyspark.driver.python={sys.executable}"]
            command += ["-m", "jobs.spark_train"]
            command += [word for k, v in pairs.items() for word in ("--prop", f"{k}={v}")]
            begin = time.monotonic()
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            whole = time.monotonic() - begin
            found = (Path(name) / "local" / "local" / "spark_train" / "run.json").read_text()
        metrics = json.loads(found)["metrics"]
        print(
            f"{size} executors: {whole:.1f} s in all, {metrics['train_seconds']:.1f} s training "
            f"({metrics['wait_seconds']:.1f} waiting in sums), fixed cost "
            f"{whole - metrics['train_seconds']:.1f} s, accuracy {metrics['accuracy']:.3f}"
        )


def scale(options: argparse.Namespace) -> None:
    """Work out the speed-up on n executors from what one and two cost here."""
    counts = (1, 2, 4, 8, 16, 32, 64, 128)
    print(
        f"{options.text_ms} ms a text, {options.update_ms} ms an update, {options.hop_us} us a "
        f"hop, {options.gbit} Gbit/s, {options.numbers:,} numbers of {options.bytes} bytes"
    )
    print("speed-up  ", *(f"{n:>7}" for n in counts), "  best n")
    for batch in options.batches:
        row = [_update(options, batch, 1) / _update(options, batch, n) for n in counts]
        best = min(range(1, 1025), key=lambda n: _update(options, batch, n))
        print(f"batch {batch:<6}", *(f"{speed:>6.1f}" for speed in row), f"  {best}")


def _update(options: argparse.Namespace, batch: int, n: int) -> float:
    """Seconds of an update: a share of the batch, what all do, and 2 (n - 1) messages."""
    work = options.text_ms / 1e3 * -(-batch // n)
    part = options.numbers * options.bytes / n
    return float(
        work
        + options.update_ms / 1e3
        + 2 * (n - 1) * (options.hop_us / 1e6 + part * 8 / (options.gbit * 1e9))
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(required=True)
    for name, run in (("sums", sums), ("train", train_here), ("cluster", cluster)):
        kind = kinds.add_parser(name)
        kind.set_defaults(run=run)
        kind.add_argument("--processes", type=int, nargs="+", default=[1, 2])
        kind.add_argument("--rounds", type=int, default=50)
        if name != "sums":
            kind.add_argument("--data", type=Path, required=True)
            kind.add_argument("--cell", default="gru")
            kind.add_argument("--hidden", type=int, default=64)
            kind.add_argument("--batch", type=int, default=128)
            kind.add_argument("--epochs", type=int, default=2)
            kind.add_argument("--submit", type=Path, help="the program of setup spark install")
    kind = kinds.add_parser("scale")
    kind.set_defaults(run=scale)
    kind.add_argument("--text-ms", type=float, required=True, help="processor time of one text")
    kind.add_argument("--update-ms", type=float, required=True, help="what all do in an update")
    kind.add_argument("--numbers", type=int, required=True, help="parameters of the network")
    kind.add_argument("--hop-us", type=float, required=True, help="a message between neighbours")
    kind.add_argument("--gbit", type=float, default=10.0, help="of the network")
    kind.add_argument("--bytes", type=int, default=4, help="of a number")
    kind.add_argument("--batches", type=int, nargs="+", default=[128, 1024, 8192])
    options = parser.parse_args()
    options.run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
