"""How long a server takes to load a dense flow, and what share of it is one core's work.

    python benchmarks/client/dense.py [--jobs 10000] [--edges 100000] [--rounds 3]

Each round uploads a new project whose one flow has that many jobs and dependencies. The server
comes from the settings of azk (AZK_URL or AZK_CONFIG ...), and must be one that set-up installed:
any other walks every path.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from pathlib import Path

from azkaban_client import Bundle, Client
from azkaban_client.config import load


def project(jobs: int, edges: int) -> Bundle:
    """Make a project in which each job needs some of the 400 before it."""
    rng = random.Random(1)  # noqa: S311 (a graph, no secret)
    files: dict[str, bytes] = {}
    needed: set[int] = set()
    for number in range(jobs):
        near = range(max(0, number - 400), number)
        needs = rng.sample(near, min(edges // jobs, len(near)))
        needed.update(needs)
        files[f"j{number}.job"] = _job(needs)
    files["end.job"] = _job([number for number in range(jobs) if number not in needed])
    return Bundle(files)


def _job(needs: list[int]) -> bytes:
    names = ",".join(f"j{number}" for number in needs)
    return f"type=noop\ndependencies={names}\n".encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--edges", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    bundle = project(options.jobs, options.edges)
    settings = load({})
    password = Path(str(settings["password_file"])).read_text().split("\n")[0]
    auth = (str(settings["username"]), password)
    url, address = str(settings["url"]), settings["address"]
    seconds = []
    with Client(url, auth=auth, address=address) as client, bundle.temporary() as path:
        for number in range(options.rounds):
            name = f"dense-{number}-{time.time_ns()}"
            client.create_project(name)
            start = time.perf_counter()
            client.upload(name, path)
            seconds.append(time.perf_counter() - start)
            edges = sum(len(node.dependencies) for node in client.flow(name, "end").nodes)
            client.delete_project(name)
            print(f"{options.jobs + 1} jobs, {edges} edges: {seconds[-1]:.1f} s", flush=True)
    print(f"median {statistics.median(seconds):.1f} s")


if __name__ == "__main__":
    main()
