r"""Load, train and evaluate on more texts than memory has room for: seconds, and peaks of memory.

    python benchmarks/spark/large.py load --gb 10 --texts FOLDER --out WORK
    python benchmarks/spark/large.py train --gb 10 --out WORK
    python benchmarks/spark/large.py evaluate --gb 10 --out WORK

FOLDER is what texts.py wrote. The cluster must run (``setup spark start yarn``); its YARN ends
executors that take more than their gigabyte, Python included. The driver's Java has 1 GB, the
rest of its 2 GB is its Python's. A peak is that of all processes of the driver, or of one executor,
added up: Java and Python, resident, whatever they share counted twice.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import record

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (
    *("--executor-cores", "1", "--executor-memory", "640m"),
    *("--conf", "spark.executor.memoryOverhead=384m", "--driver-memory", "1g"),
)
WINDOW, EPOCHS, BATCH = 32_000, 4, 128
JOBS: dict[str, dict[str, Any]] = {
    "load": {
        "format": "text", "vocabulary": 20_000, "max_words": 60, "held_out": 0.02, "driver_mb": 16,
    },
    "train": {
        "cell": "gru", "embedding": 32, "hidden": 32, "epochs": EPOCHS,
        "batch_size": BATCH, "window": WINDOW,
    },
    "evaluate": {},
}  # fmt: skip


class Peaks:
    """Watches the memory of the driver and of each executor of an application, in MB."""

    def __init__(self, submit: int) -> None:
        self.found = {"driver": 0.0, "executor": 0.0}
        self.application = ""
        self._submit = submit
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.25):
            for name, megabytes in self._trees():
                self.found[name] = max(self.found[name], megabytes)

    def _trees(self) -> Iterator[tuple[str, float]]:
        """Add up the resident memory of driver and executors, each with what it started."""
        parents, sizes, found = dict[int, int](), dict[int, float](), dict[int, str]()
        javas: dict[int, list[bytes]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                lines = (folder / "status").read_text().splitlines()
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended
            status = dict(line.split(":", 1) for line in lines)
            pid, parents[pid] = int(folder.name), int(status["PPid"])
            sizes[pid] = int(status.get("VmRSS", "0 kB").split()[0]) / 1024
            if not words[0].endswith(b"java"):
                continue
            javas[pid] = words
            if parents[pid] == self._submit:
                found[pid] = "driver"
            if self.application and self.application.encode() in words:  # after --app-id
                found[pid] = "executor"
        for pid, words in javas.items():
            if javas.get(parents[pid]) == words:  # about to become a program: still its parent's
                sizes[pid] = 0.0
                found.pop(pid, None)
        for top, name in found.items():
            yield name, sum(size for pid, size in sizes.items() if _within(pid, top, parents))


def _within(pid: int, top: int, parents: dict[int, int]) -> bool:
    while pid != top and pid in parents:
        pid = parents[pid]
    return pid == top


def run(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a job on the cluster; return a row for the table."""
    made = options.out / "local" / "local"
    texts, model = made / "spark_load" / "texts.npz", made / "spark_train" / "model.npz"
    shards = f"file:{options.out}/shards"
    given = {
        "load": {"data": options.texts and f"file:{options.texts}/*", "shards": shards},
        "train": {"data": texts, "shards": shards},
        "evaluate": {"model": model, "shards": shards},
    }[name]
    submit = options.submit or Path(sys.prefix).parent / "spark" / "submit"
    command = [
        str(submit),
        "--num-executors",
        str(options.executors),
        *SIZES,
        "--py-files",
        "core,jobs,azkaban_client",
    ]
    command += [
        "--conf",
        f"spark.pyspark.driver.python={sys.executable}",
        "-m",
        f"jobs.spark.{name}",
    ]
    tasks = {"tasks": options.executors} if name == "train" else {}
    values = {**JOBS[name], **given, **tasks, "output_dir": options.out}
    command += [f"--{key.replace('_', '-')}={value}" for key, value in values.items()]
    begin = time.monotonic()
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process,
        Peaks(process.pid) as peaks,
    ):
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if found := re.match(r"application (application_\w+)", line):
                peaks.application = found[1]
    if process.returncode:
        raise SystemExit(f"{submit} failed with exit code {process.returncode}")
    seconds = time.monotonic() - begin
    metrics = json.loads((made / f"spark_{name}" / "run.json").read_text())["metrics"]
    texts = metrics["texts"] if "texts" in metrics else metrics["train"] + metrics["test"]
    gb = int(options.gb) if options.gb.is_integer() else options.gb
    row = {"gb": gb, "job": name, "texts": texts, "executors": options.executors}
    return {**row, "seconds": seconds, "load": os.getloadavg()[1], **peaks.found}


def keep(row: dict[str, Any], options: argparse.Namespace) -> None:
    """Put a row beside those of other sizes and jobs."""
    if not options.json:
        return
    table = json.loads(options.json.read_text()).get("large", {}) if options.json.is_file() else {}
    key = row["gb"], row["job"]
    rows = [one for one in table.get("rows", []) if (one["gb"], one["job"]) != key]
    order = list(JOBS)
    rows = sorted([*rows, row], key=lambda one: (one["gb"], order.index(one["job"])))
    record.keep(
        options.json, "large", rows, window=WINDOW, batch=BATCH,
        updates=EPOCHS * -(-WINDOW // BATCH),
    )  # fmt: skip


def main() -> int:
    """Measure one job."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", choices=list(JOBS))
    parser.add_argument("--gb", type=float, required=True, help="of the texts, for the table")
    parser.add_argument("--texts", type=Path, help="what texts.py wrote, for load")
    parser.add_argument("--out", type=Path, required=True, help="a folder for all that is made")
    parser.add_argument("--executors", type=int, default=2, help="of 1 GB each (default: 2)")
    parser.add_argument("--submit", type=Path, help="the program of setup spark install")
    record.add_option(parser)
    options = parser.parse_args()
    options.out = options.out.absolute()
    options.texts = options.texts and options.texts.absolute()
    if options.job == "load" and not options.texts:
        parser.error("load needs --texts")
    row = run(options.job, options)
    print(json.dumps(row))
    keep(row, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
