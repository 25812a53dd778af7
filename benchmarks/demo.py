"""How long the first commands take and what they leave: with uv, with pip, and before.

    python3 benchmarks/demo.py [--rounds 3] [--before REVISION] [--json FILE]

``demo`` and ``up`` from an empty prefix, with an empty cache and with a full one, and ``demo`` a
second time, while the server runs. Each round uses new folders below the home folder. With
``--before``, a commit is measured beside this one, in the same round. Wall-clock seconds, and the
processor seconds of everything that was started, servers and jobs included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Way:
    """One way to set up: a checkout, and an installer."""

    name: str
    tree: Path
    installer: str

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of set-up."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("AZK_")}
        environ |= {"AZK_HOME": str(folder / "prefix"), "AZK_CACHE": str(folder / "cache")}
        environ |= {"AZK_INSTALLER": self.installer}
        command = [sys.executable, "-m", "setup", *arguments]
        return subprocess.run(
            command, cwd=self.tree, env=environ, capture_output=True, text=True, check=False
        )

    def timed(self, folder: Path, *arguments: str) -> dict[str, float]:
        """Run one command, which starts the server or finds it running."""
        servers = self.servers(folder)
        before, start = _children(), time.perf_counter()
        result = self.run(folder, *arguments)
        seconds = time.perf_counter() - start
        cpu = _children() - before
        if result.returncode:
            sys.exit(f"{self.name}: {' '.join(arguments)} failed:\n{result.stderr}")
        return {"seconds": seconds, "cpu": cpu + self.servers(folder) - servers}

    def servers(self, folder: Path) -> float:
        """Read the processor time of the servers and their jobs."""
        statuses = self.run(folder, "status", "--json").stdout or "[]"
        return sum(
            processor_time(status["pid"]) for status in json.loads(statuses) if status["pid"]
        )

    def stop(self, folder: Path, *parts: str) -> None:
        """Stop the server, and delete parts of the folder."""
        self.run(folder, "stop")
        for part in parts:
            shutil.rmtree(folder / part)


def measure(way: Way, folder: Path) -> dict[str, dict[str, float]]:
    """Measure one way once."""
    found = {"up, empty cache": way.timed(folder, "up")}
    found["up, sizes"] = sizes(folder)
    way.stop(folder, "prefix")
    found["up, full cache"] = way.timed(folder, "up")
    way.stop(folder, "prefix", "cache")
    found["demo, empty cache"] = way.timed(folder, "demo")
    found["demo, again"] = way.timed(folder, "demo")
    found["demo, sizes"] = sizes(folder)
    way.stop(folder, "prefix")
    found["demo, full cache"] = way.timed(folder, "demo")
    way.stop(folder)
    return found


def sizes(folder: Path) -> dict[str, float]:
    """Measure what lies on the disk, in MB: a file with several names counts once."""
    seen: set[int] = set()
    return {name: round(disk(folder / name, seen), 1) for name in ("prefix", "cache")}


def disk(folder: Path, seen: set[int]) -> float:
    """Measure a folder, in MB; what was seen before does not count."""
    total = 0
    for path in folder.rglob("*"):
        about = path.lstat()
        if about.st_ino not in seen:
            seen.add(about.st_ino)
            total += about.st_blocks * 512
    return total / 1e6


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor_time(pid: int) -> float:
    """Read the processor time of a process and its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _checkout(revision: str, folder: Path) -> Path:
    folder.mkdir()
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    packed = subprocess.run([*git, "archive", revision], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


def _median(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        case: {key: round(statistics.median(one[case][key] for one in rounds), 1) for key in values}
        for case, values in rounds[0].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", metavar="REVISION", help="measure a commit beside this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also keep the medians there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.home(), prefix="demo-") as text:
        folder = Path(text)
        ways = [Way("uv", ROOT, "uv"), Way("pip", ROOT, "pip")]
        if options.before:
            old = _checkout(options.before, folder / "old")
            ways.append(Way("before", old, "pip"))
        found: dict[str, list[dict[str, dict[str, float]]]] = {way.name: [] for way in ways}
        for number in range(options.rounds):
            for way in ways:
                place = folder / f"{number}-{way.name}"
                place.mkdir()
                found[way.name].append(measure(way, place))
                shutil.rmtree(place)
                keep(found, options)  # an interruption loses no more than one measurement
    for name, rounds in found.items():
        for case, values in _median(rounds).items():
            print(f"{name:8} {case:20}", "  ".join(f"{k} {v:6.1f}" for k, v in values.items()))


def keep(found: dict[str, list[dict[str, dict[str, float]]]], options: argparse.Namespace) -> None:
    """Write what was measured so far."""
    if not options.json:
        return
    content = {
        "before": options.before or "",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": sys.version.split()[0],
        "rounds": options.rounds,
        "ways": {name: _median(rounds) for name, rounds in found.items() if rounds},
    }
    options.json.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
