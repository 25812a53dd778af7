"""Any flow, as one of Prefect: jobs.json says which program each runs, and what it waits for."""

import json
import subprocess
from pathlib import Path

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

HERE = Path(__file__).parent
JOBS = json.loads((HERE / "jobs.json").read_text())


@task
def job(command):
    subprocess.run(command, check=True)


@flow(name=HERE.name, task_runner=ThreadPoolTaskRunner(max_workers=10))
def run():
    ended = {}
    for name, about in JOBS.items():  # what a job waits for comes before it
        named = job.with_options(name=name, task_run_name=name)
        waits = [ended[before] for before in about["needs"]]
        ended[name] = named.submit(about["command"], wait_for=waits)
    for one in ended.values():
        one.result()


if __name__ == "__main__":
    run()
