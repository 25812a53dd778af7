"""Any flow, as a DAG of Airflow: jobs.json says which program each runs, and what it waits for."""

import json
import shlex
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HERE = Path(__file__).parent
JOBS = json.loads((HERE / "jobs.json").read_text())

with DAG(HERE.name, schedule=None, catchup=False):
    made: dict[str, BashOperator] = {}
    for name, about in JOBS.items():
        made[name] = BashOperator(task_id=name, bash_command=shlex.join(about["command"]) + " ")
        for before in about["needs"]:
            made[before] >> made[name]
