"""A flow as a DAG of Airflow 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client.flow.export.common import (
    note_common,
    note_conditions,
    note_failure,
    note_mails,
    note_schedule,
)
from azkaban_client.flow.export.plan import label, literal, retries, shown, word
from azkaban_client.flow.export.program import NAME
from azkaban_client.flow.times import LostError, to_cron

if TYPE_CHECKING:
    from azkaban_client.flow.export.plan import Plan
    from azkaban_client.flow.local.nodes import Node
    from azkaban_client.flow.losses import Losses

__all__ = ["write"]

_SKIPPED = 99  # the exit code by which a BashOperator knows a task that is to be skipped

_HEAD = '''\
"""Flow {flow} of the project {project}, exported from Azkaban for Airflow 3.

Copy this folder, whole, into the folder of DAGs. What the jobs of a run share lies in its folder
"runs", which all workers must see.
"""

import shlex
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param, TaskGroup

HERE = Path(__file__).resolve().parent
STEP = [{python}, str(HERE / {program}), str(HERE / {project_folder}), {flow_name}]


def job(name, task_id, **options):
    """Run a job as Azkaban would."""
    return BashOperator(
        task_id=task_id,
        bash_command=shlex.join([*STEP, name])
        + " --attempt {{{{ ti.try_number - 1 }}}} --skipped {skipped}",
        env={{"AZKABAN_RUN": "{{{{ run_id }}}}", "AZKABAN_OVERRIDES": "{{{{ params | tojson }}}}"}},
        append_env=True,
        skip_on_exit_code={skipped},
        **options,
    )


with DAG(
    {dag_id},
    schedule={schedule},
    catchup=False,
    max_active_runs={active},
    default_args={default_args},
    params={params},
):
'''


def write(plan: Plan, losses: Losses) -> dict[str, bytes]:
    """Return the file of the DAG."""
    lines: list[str] = []
    names = _Names()
    _nodes(plan, plan.nodes, "    ", lines, names)
    _note(plan, losses)
    text = _head(plan, losses) + "\n".join(lines) + "\n"
    ignored = f"{plan.project}/\nruns/\n"  # what is there is no DAG, whatever words it has
    return {
        f"{word(plan.flow, set())}_dag.py": text.encode(),
        ".airflowignore": ignored.encode(),
    }


class _Names:
    """Names of variables, and of tasks within their group."""

    def __init__(self) -> None:
        self.taken = {"job", "shlex", "timedelta", "Path", "BashOperator", "DAG", "Param", "HERE"}
        self.taken |= {"STEP", "TaskGroup"}
        self.of: dict[int, str] = {}

    def variable(self, node: Node) -> str:
        if id(node) not in self.of:
            self.of[id(node)] = word(node.job.name, self.taken)
        return self.of[id(node)]


def _nodes(plan: Plan, nodes: list[Node], indent: str, lines: list[str], names: _Names) -> None:
    """Write the tasks and groups of one flow, and then what waits for what."""
    taken: set[str] = set()
    for node in nodes:
        task_id = label(node.job.name, taken)
        if node.embeds:
            lines.append(f"{indent}with TaskGroup({literal(task_id)}) as {names.variable(node)}:")
            _nodes(plan, node.inner, f"{indent}    ", lines, names)
        else:
            lines.append(f"{indent}{names.variable(node)} = {_task(node, task_id)}")
    for node in nodes:
        before = [names.variable(one) for one in node.needs]
        if before:
            left = before[0] if len(before) == 1 else f"[{', '.join(before)}]"
            lines.append(f"{indent}{left} >> {names.variable(node)}")


def _task(node: Node, task_id: str) -> str:
    options = []
    times, pause = retries(node)
    if times:
        options += [f"retries={times}", f"retry_delay=timedelta(milliseconds={pause})"]
    around: Node | None = node
    while around is not None:  # a group has no rule of its own: its first tasks have it
        if around.condition is not None:
            options.append('trigger_rule="all_done"')  # the step looks at the condition
            break
        around = around.parent if not around.needs else None
    return f"job({', '.join([literal(node.id), literal(task_id), *options])})"


def _head(plan: Plan, losses: Losses) -> str:
    schedule = "None"
    if plan.schedule is not None:
        try:
            line = to_cron(plan.schedule, dialect="airflow")
            schedule = literal(line)
            zone = plan.schedule.zone
            if zone:
                schedule = f"CronTriggerTimetable({literal(line)}, timezone={literal(zone)})"
            but = "" if zone else "in Airflow's default_timezone: UTC unless it is set"
            note_schedule(plan, losses, line, but=but)
        except LostError as error:
            losses.lost("schedule", str(error), str(plan.schedule))
    params = "".join(
        f"\n        {literal(name)}: Param({literal(default)}, type={_type(default)}),"
        for name, default in plan.parameters.items()
    )
    arguments = {"retries": 0}
    mails = ", ".join(plan.mails.get(key, "") for key in ("failure", "both")).strip(", ")
    if mails:
        arguments |= {"email": mails.split(", "), "email_on_failure": True}  # type: ignore[dict-item]
    text = _HEAD.format(
        flow=shown(plan.flow),
        project=shown(plan.project),
        flow_name=literal(plan.flow),
        project_folder=literal(plan.project),
        python=literal(plan.options.python),
        program=literal(NAME),
        skipped=_SKIPPED,
        dag_id=literal(label(plan.flow, set())),
        schedule=schedule,
        active=1 if plan.options.concurrency == "skip" else 16,
        default_args=literal(arguments),
        params=f"{{{params}\n    }}" if params else "{}",
    )
    if "CronTriggerTimetable" in schedule:
        text = text.replace(
            "from airflow.sdk import DAG, Param, TaskGroup\n",
            "from airflow.sdk import DAG, Param, TaskGroup\n"
            "from airflow.timetables.trigger import CronTriggerTimetable\n",
        )
    return text


def _type(default: str | None) -> str:
    return '["null", "string"]' if default is None else '"string"'


def _note(plan: Plan, losses: Losses) -> None:
    note_common(plan, losses, by_step="Airflow tries again")
    losses.exact("parameters and ${}", "params of the DAG; the step substitutes")
    losses.exact("outputs", "files in the folder of the run")
    if plan.options.concurrency == "skip":
        losses.approximated("concurrency: skip", "max_active_runs=1: the next run waits instead")
    elif plan.options.concurrency == "pipeline":
        losses.lost("concurrency: pipeline", "runs do not wait for each other's jobs")
    note_failure(plan, losses)
    note_conditions(plan, losses, 'trigger_rule="all_done", the step looks at them')
    note_mails(plan, losses, failure="a mail for each failed job, if Airflow's [smtp] is set")
