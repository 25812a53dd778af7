"""From an empty prefix to a server that accepts a login, with a warm cache; and a second start.

    python -m benchmarks.setup.profile [--rounds 3]

The Python environment is there already; downloads are in the cache (AZK_CACHE). Wall-clock seconds,
the CPU seconds of everything that was started, and the memory of the idle processes (RSS).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from setup import java
from setup.azkaban import Server, Wanted
from setup.layout import Layout
from setup.life import servers
from setup.mysql import Server as MySQL


def cpu(pids: list[int]) -> float:
    """Sum the CPU seconds of this process, its ended children, and some servers."""
    own = os.times()
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(own[:4]) + sum(t.user + t.system for t in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    cache = Path(os.environ.get("AZK_CACHE") or "~/.azkaban-jobflow/cache").expanduser()
    results: dict[str, list[float]] = {}
    for wanted in [Wanted(), Wanted(profile="server"), Wanted(profile="server", tls=True)] * rounds:
        name = f"{wanted.profile or 'solo'}{' --tls' if wanted.tls else ''}"
        with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
            layout = Layout(Path(folder) / "prefix", cache)
            layout.create(0)
            server = Server(layout, Path(sys.executable))
            for what in ("from nothing", "again"):
                start, before = time.perf_counter(), cpu([])
                with contextlib.redirect_stderr(io.StringIO()):
                    server.up(java.ensure(layout), wanted)
                spent = time.perf_counter() - start
                pids = [process.pid for process in server.running().values()]
                mysqld = MySQL(layout).process() if wanted.profile else None
                pids += [mysqld.pid] if mysqld else []
                results.setdefault(f"{name}, {what}, s", []).append(spent)
                results.setdefault(f"{name}, {what}, CPU s", []).append(cpu(pids) - before)
                if what == "again":
                    used = [psutil.Process(pid).memory_info().rss / 1e6 for pid in pids]
                    results.setdefault(f"{name}, memory, MB", []).append(sum(used))
                with contextlib.redirect_stderr(io.StringIO()):
                    servers.stop(layout)
    for name, values in results.items():
        print(
            f"{name:34} median {statistics.median(values):6.1f}, "
            f"{min(values):.1f} to {max(values):.1f}"
        )


if __name__ == "__main__":
    main()
