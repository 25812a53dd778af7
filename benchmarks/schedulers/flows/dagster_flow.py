"""Any flow, as a job of Dagster: jobs.json says which program each runs, and what it waits for."""

import json
import subprocess
from pathlib import Path

from dagster import Definitions, DependencyDefinition, GraphDefinition, In, Nothing, Out, op

HERE = Path(__file__).parent
JOBS = json.loads((HERE / "jobs.json").read_text())


def make(name, command, needs):
    @op(name=name, ins={before: In(Nothing) for before in needs}, out=Out(Nothing))
    def step():
        subprocess.run(command, check=True)

    return step


graph = GraphDefinition(
    HERE.name,
    node_defs=[make(name, about["command"], about["needs"]) for name, about in JOBS.items()],
    dependencies={
        name: {before: DependencyDefinition(before) for before in about["needs"]}
        for name, about in JOBS.items()
    },
)
defs = Definitions(jobs=[graph.to_job()])
