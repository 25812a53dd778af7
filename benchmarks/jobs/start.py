"""How long jobs take from the start of their process to the first line of their function, and azk.

    python benchmarks/jobs/start.py --json benchmarks/jobs/figures.json
    python benchmarks/page.py jobs docs/explanation/architecture.md

It is processor time, and the least of some starts: other programs on the same cores only add to it.
`python -X importtime -m jobs.nn.train` tells where it goes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from azkaban_client.job.reference import jobs_of

# A job that ends where its own work would begin, with the time that its process has taken so far.
JOB = """
import importlib, sys, time
main = importlib.import_module(sys.argv[1]).main
main.parameters
def first(*_, **__):
    print(time.process_time())
    return {}
main._function = first
sys.exit(main.main(sys.argv[2:]))
"""
AZK = "import sys, time; from azkaban_client.cli import main; "
OTHERS = {
    "Python alone": "import time; print(time.process_time())",
    "Python and numpy": "import numpy, time; print(time.process_time())",
    "Python and requests": "import requests, time; print(time.process_time())",
    "`azk --help`": AZK
    + """
try:
    main(["--help"])
except SystemExit:
    print(time.process_time())
""",
    "`azk`, until it asks a server": AZK
    + "from azkaban_client.client import Client; print(time.process_time())",
}


def main() -> None:
    """Measure, and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--starts", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    others = {name: measure(["-c", code], options.starts) for name, code in OTHERS.items()}
    jobs = {}
    with tempfile.TemporaryDirectory() as folder:
        for job in jobs_of("jobs"):
            if not job.module.startswith("jobs.spark."):  # their processes are started by Spark
                given = [
                    f"--{one.name.replace('_', '-')}" for one in job.parameters if one.required
                ]
                words = [word for option in given for word in (option, os.devnull)]
                command = ["-c", JOB, job.module, "--output-dir", folder, *words]
                jobs[job.module] = measure(command, options.starts)
    text = json.dumps(
        {
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "starts": options.starts,
            "others": others,
            "jobs": jobs,
        },
        indent=1,
    )
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


def measure(command: list[str], starts: int) -> int:
    """Return the least of the times that a program prints, in milliseconds."""
    times = []
    for _ in range(starts):
        done = subprocess.run(
            [sys.executable, *command], cwd=CHECKOUT, capture_output=True, text=True, check=True
        )
        times.append(float(done.stdout.split()[-1]))
    return round(1000 * min(times))


if __name__ == "__main__":
    main()
