"""Spark: what a submit costs before any work is done; archives against venv-pack's, conda-pack's.

    python benchmarks/spark/fixed_costs.py [--rounds 3] [--archives-only]
        [--venv-pack VENV] [--conda-env ENV]

Run by the environment's Python while `setup spark start yarn` runs. VENV is an environment with
venv-pack in it, ENV a conda environment that also holds conda-pack; without them those rows are
left out, and the output says so. Seconds are wall-clock, medians of the rounds; CPU seconds are
those of this program and its children (what runs on the nodes is not among them).
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
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from setup.layout import Layout
from setup.python.pack import pack
from setup.spark import Spark
from setup.spark.environments import DEFAULT_LOCK, make, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

EMPTY = "from pyspark import SparkContext\nSparkContext().parallelize([0], 1).count()\n"
NOTHING = "pass\n"


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


def submits(spark: Spark, folder: Path, rounds: int) -> None:
    """Time empty applications in both modes, and Spark without any cluster."""
    script, nothing = folder / "empty.py", folder / "nothing.py"
    script.write_text(EMPTY)
    nothing.write_text(NOTHING)
    sizes = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1"]
    common = [str(spark.submit_program), *sizes]
    archive = str(make(spark))
    prepare(spark, Path(archive))
    local = [str(spark.spark_home / "bin" / "spark-submit"), "--master", "local[1]"]
    rows = {
        "spark-submit alone, local[1]": [*local, str(script)],
        "client, no environment": [*common, "--no-environment", str(script)],
        "client, environment": [*common, "--archive", archive, str(script)],
        "cluster, no environment": [
            *common,
            *("--deploy-mode", "cluster", "--no-environment", str(script)),
        ],
        "cluster, environment": [
            *common,
            *("--deploy-mode", "cluster", "--archive", archive, str(script)),
        ],
    }
    print(f"{'an empty job':32} {'seconds':>8} {'CPU':>6}")
    for name, command in rows.items():

        def work(command: list[str] = command) -> None:
            subprocess.run(
                command, env=spark.environ(), capture_output=True, check=True, cwd=folder
            )

        wall, cpu = measure(work, rounds)
        print(f"{name:32} {wall:8.1f} {cpu:6.1f}", flush=True)


def archives(
    spark: Spark, folder: Path, rounds: int, venv_pack: str | None, conda: str | None
) -> None:
    """Pack the same packages in each way."""
    env = folder / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True)
    pip = [str(spark.layout.python), "-m", "pip", "--python", str(env / "bin/python"), "install"]
    subprocess.run([*pip, "-q", "--require-hashes", "-r", str(DEFAULT_LOCK)], check=True)
    python = env / "bin" / "python"

    def ours(kind: str, name: str) -> Callable[[], Path]:
        return lambda: pack(python, folder / name, kind=kind).path

    ways: dict[str, Callable[[], object]] = {
        "whole.tar.gz": ours("whole", "whole.tar.gz"),
        "venv.tar.gz": ours("venv", "venv.tar.gz"),
        "venv.zip": ours("venv", "venv.zip"),
    }
    if venv_pack:
        target = folder / "peer-venv-pack.tar.gz"
        command = [f"{venv_pack}/bin/venv-pack", "-q", "-f", "-p", str(env), "-o", str(target)]
        ways[target.name] = lambda: subprocess.run(command, check=True, capture_output=True)
    if conda:
        conda_target = folder / "peer-conda-pack.tar.gz"
        program = [f"{conda}/bin/conda-pack", "-q", "-f", "-p", conda, "-o", str(conda_target)]
        ways[conda_target.name] = lambda: subprocess.run(program, check=True, capture_output=True)
    print(f"\n{'archive':32} {'seconds':>8} {'CPU':>6} {'MB':>6}")
    for name, way in ways.items():
        wall, cpu = measure(way, rounds)
        size = (folder / name).stat().st_size / 1e6
        print(f"{name:32} {wall:8.1f} {cpu:6.1f} {size:6.0f}", flush=True)
    for name, given in (("venv-pack", venv_pack), ("conda-pack", conda)):
        if not given:
            print(f"{name}: left out, no environment with it was named")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--archives-only", action="store_true", help="needs no cluster")
    parser.add_argument("--venv-pack", metavar="VENV")
    parser.add_argument("--conda-env", metavar="ENV")
    options = parser.parse_args()
    spark = Spark(Layout.of())
    folder = Path(tempfile.mkdtemp(dir=spark.home, prefix="benchmark-"))
    try:
        if not options.archives_only:
            submits(spark, folder, options.rounds)
        archives(spark, folder, options.rounds, options.venv_pack, options.conda_env)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
