"""Spark: what a submit costs before any work is done; archives against venv-pack's, conda-pack's.

    python benchmarks/spark/fixed_costs.py submits [--rounds 3]
    python benchmarks/spark/fixed_costs.py archives [--rounds 3] [--peers VENV]

Run by the environment's Python; `submits` while `setup spark start yarn` runs. VENV is an
environment with the two peers (``pip install venv-pack conda-pack 'setuptools<80'``); without it
their rows are left out, and the output says so. conda-pack packs what conda installed. Here that is
our own relocatable Python with the same packages, laid out and recorded as conda would, so the
content is the same as that of ours. Peers are run with their own compression and with ours.

Seconds are wall-clock, medians of the rounds; CPU seconds are those of this program and its
children (what runs on the nodes is not among them).
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import record

from setup import archives as files
from setup.layout import Layout
from setup.python import pip
from setup.python.installer import Installer
from setup.python.pack import pack
from setup.spark import Spark
from setup.spark.environments import KINDS, make, prepare
from tests.setup.conda import lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EMPTY = "from pyspark import SparkContext\nSparkContext().parallelize([0], 1).count()\n"
LEVEL = "6"  # of our archives


def measure(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return wall-clock and CPU seconds, medians."""
    walls, cpus = [], []
    for _ in range(rounds):
        before, start = _cpu(), time.perf_counter()
        work()
        walls.append(time.perf_counter() - start)
        cpus.append(_cpu() - before)
    return statistics.median(walls), statistics.median(cpus)


def _cpu() -> float:
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def submits(spark: Spark, folder: Path, options: argparse.Namespace) -> None:
    """Time empty applications in both modes, and Spark without any cluster."""
    script = folder / "empty.py"
    script.write_text(EMPTY)
    sizes = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1"]
    submit = [str(spark.submit_program), *sizes]
    archive = make(spark)
    prepare(spark, archive)
    without, shipped = ["--no-environment"], ["--archive", str(archive)]
    local = [str(spark.spark_home / "bin" / "spark-submit"), "--master", "local[1]"]
    ways = {
        "spark-submit alone, local[1]": local,
        "client, no environment": [*submit, *without],
        "client, environment": [*submit, *shipped],
        "cluster, no environment": [*submit, "--deploy-mode", "cluster", *without],
        "cluster, environment": [*submit, "--deploy-mode", "cluster", *shipped],
    }
    rows = []
    print(f"{'an empty job':32} {'seconds':>8} {'CPU':>6}")
    for name, command in ways.items():
        whole = [*command, str(script)]
        wall, cpu = measure(partial(_call, whole, spark.environ()), options.rounds)
        print(f"{name:32} {wall:8.1f} {cpu:6.1f}", flush=True)
        rows.append({"job": name, "seconds": wall, "cpu": cpu})
    record.keep(options.json, "submits", rows, rounds=options.rounds)


def archives(spark: Spark, folder: Path, options: argparse.Namespace) -> None:
    """Pack the same packages in each way."""
    env = folder / "env"
    python = env / "bin" / "python"
    pip.make_environment(env)
    with Installer(spark.layout) as installer:
        installer.install(spark.workers, python)

    ways: dict[str, tuple[str, Callable[[], object]]] = {}
    for kind, (style, suffix) in KINDS.items():
        name = f"ours-{kind}{suffix}"
        ways[kind] = (name, partial(pack, python, folder / name, kind=style))
    if options.peers:
        home = folder / "whole"
        files.unpack(pack(python, folder / "peer.tar.gz").path, home, links="any")
        conda = lay_out(home, folder / "miniconda")
        peers: Mapping[str, Path] = {"venv-pack": env, "conda-pack": conda}
        for tool, prefix in peers.items():
            for level in ((), ("--compress-level", LEVEL)):
                name = f"{tool}{''.join(level)}.tar.gz"
                command = [str(options.peers / "bin" / tool), "-q", "-f", "-p", str(prefix)]
                command += ["-o", str(folder / name), *level]
                label = f"{tool}, compressed as ours" if level else tool
                ways[label] = (name, partial(_call, command))
    else:
        print("venv-pack, conda-pack: left out, no environment with them was named by --peers")
    rows = []
    print(f"\n{'archive':32} {'seconds':>8} {'CPU':>6} {'MB':>6}")
    for label, (name, way) in ways.items():
        wall, cpu = measure(way, options.rounds)
        size = (folder / name).stat().st_size / 1e6
        print(f"{label:32} {wall:8.1f} {cpu:6.1f} {size:6.0f}", flush=True)
        rows.append({"archive": label, "seconds": wall, "cpu": cpu, "mb": size})
    record.keep(options.json, "archives", rows, rounds=options.rounds)


def _call(command: list[str], environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=["submits", "archives"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, metavar="VENV")
    record.add_option(parser)
    options = parser.parse_args()
    spark = Spark(Layout.of())
    spark.install()
    folder = Path(tempfile.mkdtemp(dir=spark.home, prefix="benchmark-"))
    try:
        {"submits": submits, "archives": archives}[options.table](spark, folder, options)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
