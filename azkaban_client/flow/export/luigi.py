"""A flow as tasks of Luigi."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client.flow.export.common import (
    listed,
    note_common,
    note_conditions,
    note_failure,
    note_mails,
)
from azkaban_client.flow.export.plan import literal, shown, word
from azkaban_client.flow.export.program import NAME
from azkaban_client.flow.times import LostError, to_cron

if TYPE_CHECKING:
    from azkaban_client.flow.export.plan import Plan
    from azkaban_client.flow.local.nodes import Node
    from azkaban_client.flow.losses import Losses

__all__ = ["write"]

_HEAD = '''\
r"""Flow {flow} of the project {project}, exported from Azkaban for Luigi.

In this folder:

    export PYTHONPATH=.
    {start}

Another --run-name is another run; the same one again goes on where it ended.
"""

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import luigi

HERE = Path(__file__).resolve().parent
STEP = [{python}, str(HERE / {program}), str(HERE / {project_folder}), {flow_name}]
RUNS = HERE / "runs" / {quoted}
PROPERTIES = {properties}  # of each parameter


class Run(luigi.Task):
    """What a run is called, and the properties that it can change."""

    run_name = luigi.Parameter()
{parameters}

class Job(Run):
    """A job of the flow."""

    job: str
    options: tuple[str, ...] = ()

    def output(self):
        folder = RUNS / quote(self.run_name, safe="") / "jobs"
        return luigi.LocalTarget(folder / f"{{quote(self.job, safe='')}}.json")

    def run(self):
        given = {{name: getattr(self, parameter) for parameter, name in PROPERTIES.items()}}
        environment = {{"AZKABAN_RUN": self.run_name, "AZKABAN_OVERRIDES": json.dumps(given)}}
        command = [*STEP, self.job, *self.options]
        subprocess.run(command, env={{**os.environ, **environment}}, check=True)
'''
_CONFIGURATION = """\
[core]
# Luigi's own lock lies in a folder of /tmp that is the account's who used it first; flock is used.
no_lock=true

[retcode]
# Of the command luigi, which otherwise ends with 0 whatever has failed.
already_running=1
missing_data=1
not_run=1
scheduling_error=1
task_failed=1
unhandled_exception=1
"""
_MAIL = """
[email]
receiver={receiver}
# sender=luigi@example.com, and [smtp] host=...: see Luigi's page of its configuration
"""


def write(plan: Plan, losses: Losses) -> dict[str, bytes]:
    """Return the module and its configuration."""
    taken = {
        "Job",
        "Run",
        "json",
        "luigi",
        "os",
        "subprocess",
        "Path",
        "quote",
        "HERE",
        "STEP",
        "RUNS",
    }
    module = word(f"{plan.flow}_luigi", set())
    classes = {node.id: _class(node.id, taken) for node in plan.jobs}
    top = _class(f"{plan.flow} flow", taken)
    lock = "flock -n luigi.lock " if plan.options.concurrency == "skip" else ""
    start = (
        f"{lock}luigi --module {module} {top} --local-scheduler \\\n"
        "        --workers 10 --run-name NAME"
    )
    parts = [_head(plan, start)]
    parts += [_task(plan, node, classes) for node in plan.jobs]
    parts.append(
        f"\nclass {top}(Run, luigi.WrapperTask):\n"
        f'    """The whole flow."""\n\n'
        "    def requires(self):\n"
        f"        return [self.clone(one) for one in ({_tuple(plan.last, classes)})]\n"
    )
    _note(plan, losses)
    configuration = _CONFIGURATION
    if "failure" in plan.mails or "both" in plan.mails:
        receiver = ",".join(plan.mails.get(key, "") for key in ("failure", "both")).strip(",")
        configuration += _MAIL.format(receiver=receiver.replace(" ", ""))
    return {f"{module}.py": "\n".join(parts).encode(), "luigi.cfg": configuration.encode()}


def _head(plan: Plan, start: str) -> str:
    from urllib.parse import quote

    taken = {"run_name", "job", "options", "output", "run", "requires", "complete", "input"}
    taken |= {
        "clone",
        "priority",
        "param_kwargs",
        "task_id",
        "disabled",
        "resources",
        "owner_email",
    }
    names = {word(name, taken, start="p"): name for name in plan.parameters}
    lines = [
        f"    {parameter} = luigi.OptionalParameter(default=None)"
        if (default := plan.parameters[name]) is None
        else f"    {parameter} = luigi.Parameter(default={literal(default)})"
        for parameter, name in names.items()
    ]
    return _HEAD.format(
        flow=shown(plan.flow),
        project=shown(plan.project),
        start=start,
        flow_name=literal(plan.flow),
        project_folder=literal(plan.project),
        python=literal(plan.options.python),
        program=literal(NAME),
        quoted=literal(quote(plan.flow, safe="")),
        properties=_mapping(names),
        parameters="\n".join([*lines, ""]) if lines else "",
    )


def _mapping(names: dict[str, str]) -> str:
    lines = (f"    {literal(parameter)}: {literal(name)},\n" for parameter, name in names.items())
    return f"{{\n{''.join(lines)}}}" if names else "{}"


def _task(plan: Plan, node: Node, classes: dict[str, str]) -> str:
    lines = [f"\nclass {classes[node.id]}(Job):", f"    job = {literal(node.id)}"]
    if plan.accepted(node):
        lines.append('    options = ("--accept",)  # all that wait for it accept its failure')
    if needs := plan.needs(node):
        lines += [
            "",
            "    def requires(self):",
            f"        return [self.clone(one) for one in ({_tuple(needs, classes)})]",
        ]
    return "\n".join([*lines, ""])


def _tuple(nodes: list[Node], classes: dict[str, str]) -> str:
    return ", ".join(classes[node.id] for node in nodes) + ("," if len(nodes) == 1 else "")


def _class(name: str, taken: set[str]) -> str:
    parts = "".join(one if one.isalnum() and one.isascii() else " " for one in name).split()
    return word("".join(one[:1].upper() + one[1:] for one in parts) or "Job_", taken, start="Job")


def _note(plan: Plan, losses: Losses) -> None:
    note_common(plan, losses, by_step="the step tries again, within one task of Luigi")
    losses.exact("parameters and ${}", "parameters of the tasks; the step substitutes")
    losses.exact("outputs", "files of the run, which are the tasks' targets")
    if plan.options.concurrency == "skip":
        losses.exact("concurrency: skip", "flock in the command that starts it")
    elif plan.options.concurrency == "pipeline":
        losses.lost("concurrency: pipeline", "runs with other names do not wait for each other")
    note_failure(plan, losses)
    mixed = [
        node
        for node in plan.jobs
        if not plan.accepted(node) and any(one.macro != "all_success" for one in node.waiting)
    ]
    if mixed:
        words = "they wait for a failure, and others for a success, of the same job"
        losses.lost("conditions", words, listed(mixed))
    note_conditions(plan, losses, "the step looks at them")
    if plan.schedule:
        try:
            line = to_cron(plan.schedule)
            zone = f", in {plan.schedule.zone}" if plan.schedule.zone else ""
            words = f"Luigi has none; for cron: {line}{zone}"
            losses.approximated("schedule", words, str(plan.schedule))
        except LostError as error:
            losses.lost("schedule", f"Luigi has none, and {error}", str(plan.schedule))
    note_mails(plan, losses, failure="luigi.cfg: Luigi writes one for what failed in a start of it")
