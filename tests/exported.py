"""Flows that are run on several schedulers, and how they end on each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

from azkaban_client import Bundle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Outputs, shared and nested properties, an embedded flow, and attempts.
FLOW_1 = {
    "common.properties": "day=mon\nplace=${day}-x\nretries=0\n",
    "load.job": "type=command\ncommand=bash say.sh load.rows 7\n",
    "again.job": "type=command\ncommand=bash twice.sh\nretries=2\nretry.backoff=1\n"
    "dependencies=load\n",
    "inner_a.job": "type=command\ncommand=bash say.sh inner_a.seen ${load.rows}${place}\n",
    "inner.job": "type=command\ncommand=bash say.sh inner.seen ${inner_a.seen}!\n"
    "dependencies=inner_a\n",
    "part.job": "type=flow\nflow.name=inner\ndependencies=load\n",
    "end.job": "type=command\ncommand=bash say.sh end.all ${again.attempt}/${inner.seen}\n"
    "dependencies=again,part\nfailure.emails=me@example.org\n",
    "say.sh": 'echo "{\\"$1\\": \\"$2\\"}" > "$JOB_OUTPUT_PROP_FILE"\n',
    "twice.sh": "n=$(grep ^azkaban.job.attempt= $JOB_PROP_FILE | cut -d= -f2)\n"
    'echo "{\\"again.attempt\\": $n}" > "$JOB_OUTPUT_PROP_FILE"\n[ $n = 1 ]\n',
}
# Conditions of all kinds, and failures that are accepted.
FLOW_2 = {
    "p.project": "azkaban-flow-version: 2.0",
    "f.flow": """
trigger: {schedule: {type: cron, value: "0 0 6 ? * MON"}}
config: {limit: "3"}
nodes:
  - {name: count, type: command, config: {command: "bash say.sh rows 5"}}
  - {name: breaks, type: command, config: {command: "false"}}
  - {name: many, type: command, dependsOn: [count], condition: "${count:rows} > 3",
     config: {command: "bash say.sh many yes"}}
  - {name: few, type: command, dependsOn: [count], condition: "!(${count:rows} > 3)",
     config: {command: "bash say.sh few yes"}}
  - {name: repair, type: command, dependsOn: [breaks], condition: one_failed,
     config: {command: "bash say.sh repair ${limit}"}}
  - {name: after, type: noop, dependsOn: [few]}
  - {name: end, type: command, dependsOn: [many, repair, after], condition: all_done,
     config: {command: "bash say.sh end done"}}
""",
    "say.sh": FLOW_1["say.sh"],
}
# A fan, whose last job has what all the others have left.
FAN = {
    "start.job": "type=command\ncommand=bash say.sh start.n 1\n",
    "say.sh": FLOW_1["say.sh"],
    "end.job": "type=command\ncommand=bash say.sh end.sum "
    + "+".join(f"${{m{n}.n}}" for n in range(6))
    + "\ndependencies="
    + ",".join(f"m{n}" for n in range(6))
    + "\n",
} | {
    f"m{n}.job": f"type=command\ncommand=bash say.sh m{n}.n ${{start.n}}{n}\ndependencies=start\n"
    for n in range(6)
}
# The second job fails for good: what waits for it does not run.
BROKEN = {
    "a.job": "type=command\ncommand=true\n",
    "b.job": "type=command\ncommand=false\ndependencies=a\nretries=1\n",
    "c.job": "type=noop\ndependencies=b\n",
}


def bundle(files: Mapping[str, str]) -> Bundle:
    """Make the project."""
    return Bundle({name: text.encode() for name, text in files.items()})


def records(run: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Read how the jobs of a run elsewhere ended, and their outputs."""
    found = {}
    for path in (run / "jobs").glob("*"):
        one = json.loads(path.read_text())
        found[unquote(path.stem)] = (one["status"], one["outputs"])
    return found
