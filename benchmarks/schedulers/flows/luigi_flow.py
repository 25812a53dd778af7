"""Any flow, as tasks of Luigi: jobs.json says which program each runs, and what it waits for."""

import json
import subprocess
from pathlib import Path

import luigi

HERE = Path(__file__).parent
JOBS = json.loads((HERE / "jobs.json").read_text())


class Job(luigi.Task):
    """One job; its target is an empty file in the folder of the run."""

    run_name = luigi.Parameter()

    @property
    def name(self):
        return type(self).__name__

    def requires(self):
        return [self.clone(TASKS[name]) for name in JOBS[self.name]["needs"]]

    def output(self):
        return luigi.LocalTarget(HERE / "done" / self.run_name / self.name)

    def run(self):
        subprocess.run(JOBS[self.name]["command"], check=True)
        with self.output().open("w"):
            pass


TASKS = {name: type(name, (Job,), {}) for name in JOBS}
