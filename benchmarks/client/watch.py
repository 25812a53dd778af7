"""What `azk watch` costs beside many projects: requests a second, and its memory.

    python benchmarks/client/watch.py --projects 500 --running 50 --minutes 5

It needs a server of its own to which `azk` leads (AZK_CONFIG), for an account that may make
projects: it makes them, starts flows that only wait, watches for some minutes, and deletes all.
Requests are those that the watch itself counts, its metrics, after its first round has begun;
memory is the most that its process ever had (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from azkaban_client import Bundle, Client
from azkaban_client.config import load

RULES = """
every = "30s"
[tell.nobody]
program = ["true"]
[[rule]]
project = "cost*"
on = ["failed", "recovered", "missed", "server-down"]
tell = ["nobody"]
[metrics]
listen = "127.0.0.1:9465"
project = "cost*"
"""
FILES = {"wait.job": b"type=command\ncommand=sleep 3600\n"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--projects", type=int, default=500)
    parser.add_argument("--running", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    settings = load({})
    login = (settings["username"], Path(settings["password_file"]).read_text().strip())
    address = settings["address"] or None
    with Client(settings["url"], auth=login, address=address) as client:
        names = [f"cost{number}" for number in range(options.projects)]
        execids = []
        try:
            with Bundle(FILES).temporary() as path:
                for name in names:
                    client.create_project(name)
                    client.upload(name, path)
            execids = [client.execute(name, "wait") for name in names[: options.running]]
            print(json.dumps(measure(options.minutes) | vars(options)))
        finally:
            for execid in execids:
                client.cancel(execid)
            for name in names:
                client.delete_project(name)


def measure(minutes: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "watch.toml")
        rules.write_text(RULES)
        environ = {**os.environ, "XDG_STATE_HOME": folder}
        code = "from azkaban_client.cli import main; main()"
        watch = subprocess.Popen([sys.executable, "-c", code, "watch", str(rules)], env=environ)
        try:
            time.sleep(30)
            begin, before = time.monotonic(), requests(Path(folder, "watch.token"))
            time.sleep(60 * minutes)
            spent = time.monotonic() - begin
            made = requests(Path(folder, "watch.token")) - before
            status = Path(f"/proc/{watch.pid}/status").read_text()
        finally:
            watch.terminate()
            watch.wait()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024
    return {"requests_per_second": round(made / spent, 2), "megabytes": round(peak, 1)}


def requests(token: Path) -> float:
    """Return how many requests the watch has made."""
    asked = urllib.request.Request(
        "http://127.0.0.1:9465/metrics",
        headers={"Authorization": f"Bearer {token.read_text().strip()}"},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 (its own)
        text = answer.read().decode()
    return float(re.search(r"^azk_watch_requests_total (\S+)", text, re.MULTILINE)[1])


if __name__ == "__main__":
    main()
