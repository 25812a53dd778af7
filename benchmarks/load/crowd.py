"""Ask one server for many things at the same moment, and look whether all of them are there.

    python benchmarks/load/crowd.py AZK_TOML [--uploads 400] [--executions 200] [--followers 100]

Each of the many is a client of its own, with a connection of its own. A figure of each phase is
how many failed, or had not ended within its time; `run.py` starts servers and runs this.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client import Client
from azkaban_client.auth import Login
from azkaban_client.errors import AzkabanError
from azkaban_client.follow import FlowEnded, LogLine

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = 20  # of each job that is followed, half a second apart
PROBE_SECONDS = 0.25  # between two questions


class Crowd:
    """Clients of one server that act at the same moment.

    Parameters
    ----------
    config
        The `azk.toml` of the server.
    seconds
        What has not ended by then counts as unfinished.
    """

    def __init__(self, config: Path, seconds: float) -> None:
        self._about = tomllib.loads(config.read_text())
        self._seconds = seconds
        password = Path(self._about["password_file"]).read_text().strip()
        with self.client(Login(self._about["username"], password)) as first:
            self._login = Login(self._about["username"], password, first.login())

    def client(self, login: Login | None = None) -> Client:
        about = self._about
        verify = about.get("ca_cert", True)
        return Client(
            about["url"], auth=login or self._login, address=about["address"], verify=verify
        )

    def act(self, count: int, deed: Callable[[Client, int], Any]) -> dict[str, Any]:
        """Do something `count` times at the same moment; acknowledgements are in ``answers``."""
        together = threading.Barrier(count + 1)
        answers: dict[int, Any] = {}
        times: list[float] = []
        errors: list[str] = []

        def one(number: int) -> None:
            with self.client() as client:
                together.wait()
                start = time.perf_counter()
                try:
                    answers[number] = deed(client, number)
                    times.append(time.perf_counter() - start)
                except (AzkabanError, AssertionError) as error:
                    errors.append(f"{type(error).__name__}: {re.sub('[0-9]+', '#', str(error))}")

        threads = [threading.Thread(target=one, args=(n,), daemon=True) for n in range(count)]
        for thread in threads:
            thread.start()
        together.wait()
        start = time.perf_counter()
        for thread in threads:
            thread.join(max(0.0, start + self._seconds - time.perf_counter()))
        return {
            "asked": count,
            "acknowledged": len(times),
            "failed": len(errors),
            "unfinished": count - len(times) - len(errors),
            "seconds": round(time.perf_counter() - start, 1),
            "median": round(statistics.median(times), 2) if times else None,
            "slowest": round(max(times), 2) if times else None,
            "errors": [text[:150] for text, _ in collections.Counter(errors).most_common(3)],
            "answers": dict(answers),
        }


def uploads(crowd: Crowd, count: int, folder: Path) -> dict[str, Any]:
    """Upload one project each; afterwards each must have its flow."""
    names = [f"load{number}" for number in range(count)]
    archive = _zip(folder / "small.zip", {"go.job": "type=command\ncommand=true\n"})
    with crowd.client() as client:
        for name in names:
            _patiently(functools.partial(client.create_project, name))
    found = crowd.act(count, lambda client, n: client.upload(names[n], archive).version)
    with crowd.client() as client:
        there = {
            n
            for n in found["answers"]
            if _patiently(functools.partial(client.flows, names[n])) == ("go",)
        }
    found["lost"] = len(found.pop("answers")) - len(there)
    return found


def executions(crowd: Crowd, count: int, folder: Path) -> dict[str, Any]:
    """Start one execution each of a flow; all that were acknowledged must succeed, and no more."""
    _project(crowd, "runs", _zip(folder / "runs.zip", {"go.job": "type=command\ncommand=true\n"}))
    found = crowd.act(
        count, lambda client, _: client.execute("runs", "go", concurrency="concurrent")
    )
    started = set(found.pop("answers").values())
    deadline = time.monotonic() + 120
    with crowd.client() as client:
        while True:
            all_of_them = _patiently(
                lambda: client.history("runs", "go", length=2 * count).executions
            )
            by_id = {one.execid: str(one.status) for one in all_of_them}
            if all(one.status.final for one in all_of_them) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
    found["lost"] = sum(by_id.get(execid) != "SUCCEEDED" for execid in started)
    found["not asked for"] = len(by_id.keys() - started) if not found["unfinished"] else None
    return found


def followers(crowd: Crowd, count: int, folder: Path, config: Path) -> dict[str, Any]:
    """Follow ten executions, each by a tenth; a probe in another process asks beside them."""
    script = f"for i in $(seq {LINES}); do echo line $i; sleep 0.5; done\n"
    files = {"talk.job": "type=command\ncommand=sh talk.sh\n", "talk.sh": script}
    _project(crowd, "talks", _zip(folder / "talks.zip", files))
    command = [sys.executable, __file__, str(config), "--probe"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as probe:
        assert probe.stdout is not None
        probe.stdout.readline()  # it has begun
        with crowd.client() as client:
            runs = range(count // 10)
            execids = [client.execute("talks", "talk", concurrency="concurrent") for _ in runs]

        def follow(client: Client, number: int) -> int:
            lines, ended = 0, False
            for event in client.follow(execids[number % len(execids)]):
                lines += isinstance(event, LogLine) and " - line " in event.text
                ended = isinstance(event, FlowEnded) and event.execution.status == "SUCCEEDED"
            assert ended
            assert lines == LINES, f"{lines} of {LINES} lines"
            return lines

        found = crowd.act(count, follow)
        answered = json.loads(probe.communicate()[0])
    del found["answers"], found["median"], found["slowest"]
    return found | {"probe": answered}


def jobs(crowd: Crowd, count: int, folder: Path) -> dict[str, Any]:
    """Upload and run one flow of so many trivial jobs, in layers of 50."""
    files = {}
    for number in range(count):
        above = number - number % 50 - 50
        needs = [f"j{above + (number + step) % 50}" for step in (0, 1, 7)] if above >= 0 else []
        lines = ["type=command", "command=true", f"dependencies={','.join(needs)}"]
        files[f"j{number}.job"] = "\n".join(lines[: 3 if needs else 2]) + "\n"
    last = ",".join(f"j{number}" for number in range(count - 50, count))
    files["end.job"] = f"type=command\ncommand=true\ndependencies={last}\n"
    start = time.perf_counter()
    _project(crowd, "many", _zip(folder / "many.zip", files))
    uploaded = time.perf_counter()
    with crowd.client() as client:
        ended = client.wait(client.execute("many", "end"), timeout=900)
    seconds = time.perf_counter() - uploaded
    return {
        "asked": count + 1,
        "status": str(ended.status),
        "upload": round(uploaded - start, 1),
        "run": round(seconds, 1),
        "jobs a second": round((count + 1) / seconds, 1),
    }


def probe(crowd: Crowd) -> dict[str, Any]:
    """Ask again and again, each time over a new connection, until the standard input is closed."""
    ended = threading.Event()

    def until_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=until_the_end, daemon=True).start()
    times, failed = [], 0
    print(flush=True)
    while not ended.wait(PROBE_SECONDS):
        start = time.perf_counter()
        try:
            with crowd.client() as client:
                client.history("talks", "talk", length=1)
        except AzkabanError:
            failed += 1
        times.append(time.perf_counter() - start)
    times.sort()
    return {
        "asked": len(times),
        "failed": failed,
        "median": round(statistics.median(times), 3),
        "95 of 100": round(times[int(0.95 * (len(times) - 1))], 3),
        "slowest": round(times[-1], 3),
    }


def _patiently(call: Callable[[], Any]) -> Any:
    """Ask until a server that has too much to do answers."""
    for _ in range(20):
        try:
            return call()
        except AzkabanError:
            time.sleep(3)
    return call()


def _project(crowd: Crowd, name: str, archive: Path) -> None:
    with crowd.client() as client:
        client.create_project(name)
        client.upload(name, archive)


def _zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr("ballast", os.urandom(20_000))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--uploads", type=int, default=400)
    parser.add_argument("--executions", type=int, default=200)
    parser.add_argument("--followers", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=0, help="of one flow; takes minutes")
    parser.add_argument("--seconds", type=float, default=60.0, help="most for each phase")
    parser.add_argument("--probe", action="store_true")
    options = parser.parse_args()
    crowd = Crowd(options.config, options.seconds)
    if options.probe:
        print(json.dumps(probe(crowd)), flush=True)
        os._exit(0)  # a thread still waits for the standard input
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        found = {}
        if options.followers:
            found["followers"] = followers(crowd, options.followers, folder, options.config)
        if options.executions:
            found["executions"] = executions(crowd, options.executions, folder)
        if options.uploads:
            found["uploads"] = uploads(crowd, options.uploads, folder)
        if options.jobs:
            found["jobs"] = jobs(crowd, options.jobs, folder)
    print(json.dumps(found), flush=True)
    os._exit(0)  # whoever has not finished would be waited for


if __name__ == "__main__":
    main()
