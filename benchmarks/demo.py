"""How long the main job takes: cold, with a warm download cache, and a second time.

    python3 benchmarks/demo.py [--runs 3]

Each run uses a new prefix in a temporary folder and stops its server afterwards.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def setup(*arguments: str, prefix: Path, cache: Path) -> float:
    environ = {**os.environ, "AZK_HOME": str(prefix), "AZK_CACHE": str(cache)}
    start = time.perf_counter()
    command = [sys.executable, "-m", "setup", *arguments]
    result = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return time.perf_counter() - start


def megabytes(folder: Path) -> float:
    files = [p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()]
    return sum(p.stat().st_size for p in files) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {"cold cache": [], "warm cache": [], "second demo": []}
    sizes: dict[str, float] = {}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            prefix, cache = Path(folder) / "prefix", Path(folder) / "cache"
            for name in ("cold cache", "warm cache"):
                times[name].append(setup("demo", prefix=prefix, cache=cache))
                if name == "cold cache":
                    setup("stop", prefix=prefix, cache=cache)
                    shutil.rmtree(prefix)
            times["second demo"].append(setup("demo", prefix=prefix, cache=cache))
            setup("stop", prefix=prefix, cache=cache)
            for part in sorted(p for p in prefix.iterdir() if p.is_dir()):
                sizes[f"prefix/{part.name}"] = megabytes(part)
            sizes["downloads"] = megabytes(cache)
    for name, values in times.items():
        shown = " ".join(f"{v:.1f}" for v in values)
        print(f"{name:12} median {statistics.median(values):6.1f} s   ({shown})")
    for name, size in sizes.items():
        print(f"{name:20} {size:8.1f} MB")


if __name__ == "__main__":
    main()
