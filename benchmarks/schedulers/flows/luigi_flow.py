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
    job = luigi.Parameter()

    def requires(self):
        return [self.clone(job=name) for name in JOBS[self.job]["needs"]]

    def output(self):
        return luigi.LocalTarget(HERE / "done" / self.run_name / self.job)

    def run(self):
        subprocess.run(JOBS[self.job]["command"], check=True)
        with self.output().open("w"):
            pass
