"""kill -9 of each process at each stage of an upload, an execution, a schedule and a backup.

A stage is reached for certain, not by luck: a lock on a table holds the server at the very
statement that writes to it, and there the victim is killed. Then the supervisor alone must bring
everything back, and nothing that was acknowledged may be lost, nothing else be there by half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.live.faults.operations import OPERATIONS, Execution
from tests.live.faults.site import Background

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.faults.site import Site


@dataclass(frozen=True)
class Stage:
    """When the victim is killed.

    Attributes
    ----------
    operation
        What is under way.
    name
        How far it is.
    table
        What is about to be written (for a backup: read).
    ending
        Whether the execution runs already, so that the first write is one of its end.
    """

    operation: str
    name: str
    table: str = ""
    ending: bool = False


VICTIMS = ("mysqld", "web", "executor", "supervisor")

STAGES = (
    Stage("upload", "half of the zip is sent"),
    Stage("upload", "the zip is being stored", "project_files"),
    Stage("upload", "the zip's version is being stored", "project_versions"),
    Stage("upload", "its flows are being stored", "project_flows"),
    Stage("upload", "the project is turning to the new version", "projects"),
    Stage("upload", "its properties are being stored", "project_properties"),
    Stage("upload", "its event is being stored", "project_events"),
    Stage("upload", "acknowledged"),
    Stage("execution", "its record is being made", "execution_flows"),
    Stage("execution", "it is being handed to the executor", "active_executing_flows"),
    Stage("execution", "acknowledged"),
    Stage("execution", "its job runs"),
    Stage("execution", "its job's log is being stored", "execution_logs", ending=True),
    Stage("execution", "its job's end is being recorded", "execution_jobs", ending=True),
    Stage("execution", "its end is being recorded", "execution_flows", ending=True),
    Stage("execution", "it is being taken off the list", "active_executing_flows", ending=True),
    Stage("schedule", "it is being stored", "triggers"),
    Stage("schedule", "acknowledged"),
    Stage("backup", "tables are being read", "project_files"),
    Stage("backup", "acknowledged"),
)

# Those that every run of the tests tries; `setup test --faults` tries all.
ALWAYS = {
    ("mysqld", "the project is turning to the new version"),
    ("web", "its properties are being stored"),
    ("executor", "its job runs"),
    ("supervisor", "it is being handed to the executor"),
    ("mysqld", "tables are being read"),
}

CASES = [
    pytest.param(
        victim,
        stage,
        id=f"{stage.operation}: {stage.name}, {victim}",
        marks=() if (victim, stage.name) in ALWAYS else pytest.mark.faults,
    )
    for stage in STAGES
    for victim in VICTIMS
]


@pytest.mark.parametrize(("victim", "stage"), CASES)
def test_nothing_acknowledged_is_lost(
    site: Site,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    victim: str,
    stage: Stage,
) -> None:
    record_property("victim", victim)
    record_property("operation", stage.operation)
    record_property("stage", stage.name)
    if not site.process("supervisor"):  # an earlier case failed half-way
        site.recover("supervisor")
    name = f"fault{CASES.index(next(c for c in CASES if c.values == (victim, stage)))}"
    operation = OPERATIONS[stage.operation](site, tmp_path, name)
    before = _acknowledged(site)

    def kill() -> None:
        site.kill(victim)

    if stage.table:
        if stage.ending:
            assert isinstance(operation, Execution)
            execid = operation.act()
            operation.until_job_runs()
        with site.held(stage.table, readers=stage.operation == "backup") as until_one_waits:
            call = Background(operation.go.touch if stage.ending else operation.act)
            until_one_waits()
            kill()
        answer = call.wait()
        if stage.ending:
            answer = execid
    elif stage.name.startswith("half"):
        answer = Background(lambda: operation.act(kill)).wait()
    else:
        answer = operation.act()
        if isinstance(operation, Execution) and stage.name != "acknowledged":
            operation.until_job_runs()
        kill()
    site.recover(victim)
    found = operation.outcome(answer)
    _require(before, _acknowledged(site))
    operation.usable()
    record_property("answer", "acknowledged" if answer else "refused")
    record_property("found", found)


def _acknowledged(site: Site) -> dict[str, object]:
    """Everything of earlier cases: projects with their flows, ended executions, schedules."""
    with site.client() as client:
        return {
            **{f"project {p.name}": True for p in client.projects()},
            **{f"schedule {s.id}": (s.project, s.flow, s.period) for s in client.schedules()},
            **{
                f"execution {execid}": (flow, status)
                for execid, flow, status in site.ask(
                    "SELECT exec_id, flow_id, status FROM execution_flows WHERE status >= 50"
                )
            },
        }


def _require(before: dict[str, object], after: dict[str, object]) -> None:
    assert {key: after.get(key) for key in before} == before
