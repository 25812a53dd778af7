"""The same flows on Azkaban, Luigi, Prefect, Dagster and Airflow.

    "$(python3 -m setup env)" -m benchmarks.schedulers.run [--rounds 3] [--json FILE]

In each round, each scheduler in turn is installed from the cache of packages, started, left idle,
given the flows, killed in the middle of one, and deleted. What takes longer than the limit is ended
and kept as "over". Figures are added to those of the file; benchmarks/page.py makes the table.
All of it is in a folder below the home folder, and listens on loopback.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.schedulers import processes
from benchmarks.schedulers.rivals import ENDS, GOOD, RIVALS, until
from benchmarks.schedulers.shapes import chain, fan, real
from setup.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE = 10.0  # seconds that a server is left alone before its memory is read
SHAPES = {
    "chain of 20": chain(20, "chain20", ["true"]),
    "fan of 50": fan(50, "fan50"),
}
# What may be over the limit comes last, since something of it may go on for a while.
LONG = {
    "chain of 200": chain(200, "chain200", ["true"]),
    "fan of 500": fan(500, "fan500"),
}
MARKED = 6  # jobs of the chain in whose third the server is killed
PATIENCE = 20.0  # seconds after a power cut in which a run may go on by itself
LIMIT = 90.0  # seconds; for each run


def timed(deed: Callable[[], Any], rival: Any) -> dict[str, Any]:
    """Do something; return seconds, the processors' seconds, and the load before it."""
    load, used, start = os.getloadavg()[0], processes.processors(rival.pids()), time.monotonic()
    deed()
    return {
        "seconds": round(time.monotonic() - start, 2),
        "cpu": round(processes.processors(rival.pids()) - used, 2),
        "load": round(load, 1),
    }


def run(rival: Any, name: str, limit: float) -> dict[str, Any]:
    """Run a flow to its end, or to the limit."""
    ends: list[str | None] = []

    def deed() -> None:
        rival.begin(name)
        ends.append(until(lambda: rival.state(name), limit, rival.pause))
        if ends[0] is None:
            rival.give_up(name)

    found = timed(deed, rival)
    if ends[0] is None:
        found |= {"seconds": None, "over": limit}
    else:
        assert ends[0] == GOOD, f"{rival.name}: {name} {ends[0]}\n{rival.log(name)}"
    return found


def idle(rival: Any) -> dict[str, Any]:
    """Leave a server alone, and look what it uses."""
    found = timed(lambda: time.sleep(IDLE), rival)
    return {
        "memory": round(processes.memory(rival.pids())),
        "processes": len(processes.tree(rival.pids())),
        "cpu": round(100 * found["cpu"] / found["seconds"], 1),  # of one core, in percent
        "load": found["load"],
    }


def power_cut(rival: Any, log: Path, limit: float) -> dict[str, Any]:
    """Kill everything in the third job, start the server again, and look what becomes of the run.

    A job counts as done again if it had ended before.
    """

    def lines() -> list[str]:
        return log.read_text().split() if log.exists() else []

    rival.begin("marked")
    assert until(lambda: len(lines()) >= 3, limit), f"{rival.name}: the third job was not reached"
    rival.kill()
    before = lines()[:-1]
    start = time.monotonic()
    rival.start()
    found: dict[str, Any] = {"start": round(time.monotonic() - start, 1)}
    until(lambda: len(set(lines())) == MARKED or rival.told("marked") in ENDS, PATIENCE, 0.5)
    found["told"] = rival.told("marked")
    if len(set(lines())) < MARKED:
        found["then"] = rival.go_on("marked")
        until(lambda: len(set(lines())) == MARKED, limit, 0.5)
    found["ended"] = until(lambda: rival.state("marked"), limit, 0.5)
    found["seconds"] = round(time.monotonic() - start, 1)
    found["again"] = sum(lines().count(job) > 1 for job in set(before))
    return found


def picture(rival: Any, name: str, file: Path) -> None:
    """Keep what a scheduler's page shows of a run, in few colours."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * 127.0.0.1"],
        )
        page = browser.new_page(viewport={"width": 1000, "height": 620})
        rival.show(page, name)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(3000)  # graphs move until they have found their place
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        shot.thumbnail((1000, 620))
        shot.quantize(64).save(file, optimize=True)
        browser.close()


def measure(rival: Any, folder: Path, found: dict[str, Any], options: argparse.Namespace) -> None:
    """Measure one scheduler once."""
    limit, pictures = options.limit, options.pictures
    found["install"] = timed(rival.install, rival)
    found["first start"] = timed(rival.start, rival)
    found |= {"version": rival.version, "disk": round(rival.megabytes())}
    rival.stop()
    found["start"] = timed(rival.start, rival)
    log, script = folder / "marks", folder / "mark.sh"
    script.write_text(f'echo "$1" >> {log}\nsleep 2\n')
    marked = chain(MARKED, "marked", ["sh", str(script), "{}"])
    warm = chain(2, "warm", ["true"])
    shapes = {**SHAPES, "real": real(folder / "exported", "r")}
    last = {kind: shape for kind, shape in LONG.items() if kind not in options.skip}
    if rival.name == "dagster":
        last["steps"] = chain(20, "steps", ["true"])
    rival.place([warm, *shapes.values(), marked, *last.values()])
    found["idle"] = idle(rival)
    run(rival, warm.name, limit)  # not kept: a server that has just started is slower
    for kind, shape in shapes.items():
        found[kind] = told(kind, run(rival, shape.name, limit))
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
        picture(rival, "networks", pictures / f"scheduler-{rival.name}.png")
    found["power cut"] = told("power cut", power_cut(rival, log, limit))
    for kind, shape in last.items():
        found[kind] = told(kind, run(rival, shape.name, limit))


def told(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    """Print what was measured."""
    print(f"  {kind:14}", json.dumps(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=RIVALS, default=[*RIVALS])
    parser.add_argument("--skip", nargs="+", choices=LONG, default=[], help="flows to leave out")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for a run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add the figures to it")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="of the real flow")
    options = parser.parse_args()
    cache = Path(os.environ.get("AZK_CACHE") or "~/.azkaban-jobflow/cache").expanduser()
    for _ in range(options.rounds):
        for name in options.only:
            with tempfile.TemporaryDirectory(dir=Path.home(), prefix="schedulers-") as text:
                folder = Path(text)
                layout = Layout(folder / "p", cache)
                layout.create(need=0)
                rival = RIVALS[name](layout)
                print(name, flush=True)
                found: dict[str, Any] = {}
                try:
                    measure(rival, folder, found, options)
                finally:  # what was measured before an interruption counts
                    rival.stop()
                    if options.json:
                        keep(options.json, name, found)


def keep(file: Path, name: str, found: dict[str, Any]) -> None:
    """Add what was measured, at once."""
    kept = json.loads(file.read_text()) if file.exists() else {"schedulers": {}}
    kept["cores"] = os.cpu_count()
    kept["memory"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    kept["python"] = sys.version.split()[0]
    about = kept["schedulers"].setdefault(name, {"rounds": []})
    about["rounds"].append(found)
    about["middle"] = middle(about["rounds"])
    file.write_text(json.dumps(kept, indent=1) + "\n")


def middle(rounds: list[Any]) -> Any:
    """Take the medians of the figures of several rounds; what was over the limit is the largest."""
    if isinstance(rounds[-1], dict):
        keys = dict.fromkeys(key for one in rounds for key in one)
        return {key: middle([one[key] for one in rounds if key in one]) for key in keys}
    if any(isinstance(one, str) for one in rounds):
        return rounds[-1]
    found = statistics.median_low(float("inf") if one is None else one for one in rounds)
    return None if found == float("inf") else found


if __name__ == "__main__":
    main()
