"""A flow as jobs of Chronos."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from azkaban_client.flow.export.common import (
    listed,
    note_common,
    note_failure,
    note_mails,
    note_schedule,
)
from azkaban_client.flow.export.plan import label, word
from azkaban_client.flow.export.program import NAME
from azkaban_client.flow.times import LostError, iso_repeat

if TYPE_CHECKING:
    from azkaban_client.flow.export.plan import Plan
    from azkaban_client.flow.losses import Losses

__all__ = ["write"]

# Of a job that only a person starts: Chronos forgets one that is due no more.
_NEVER = "R1/2999-12-31T00:00:00Z/P1Y"


def write(plan: Plan, losses: Losses) -> dict[str, bytes]:
    """Return the jobs, in the order in which they are to be posted.

    The first begins a run and is for ``/v1/scheduler/iso8601``; the others have parents and are for
    ``/v1/scheduler/dependency``.
    """
    taken: set[str] = set()
    names = {node.id: label(f"{plan.flow}_{node.id}", taken) for node in plan.jobs}
    first = label(plan.flow, taken)
    step = [
        plan.options.python,
        f"{plan.options.home}/{NAME}",
        f"{plan.options.home}/{plan.project}",
    ]
    step.append(plan.flow)
    begin = _job(plan, first, [*step, "--begin"]) | {"schedule": _NEVER}
    if plan.schedule is not None:
        try:
            begin["schedule"] = iso_repeat(plan.schedule, plan.options.since)
            but = "" if plan.schedule.zone else "in UTC: --timezone names another zone"
            note_schedule(plan, losses, begin["schedule"], but=but)
        except LostError as error:
            losses.lost("schedule", str(error), str(plan.schedule))
        if plan.schedule.zone:
            begin["scheduleTimeZone"] = plan.schedule.zone
    jobs = [begin]
    for node in plan.jobs:
        options = ["--accept"] if plan.accepted(node) else []
        parents = [names[one.id] for one in plan.needs(node)] or [first]
        jobs.append(_job(plan, names[node.id], [*step, node.id, *options]) | {"parents": parents})
    _note(plan, losses)
    text = json.dumps(jobs, indent=2, ensure_ascii=False)
    return {f"{word(plan.flow, set())}.json": f"{text}\n".encode()}


def _job(plan: Plan, name: str, words: list[str]) -> dict[str, Any]:
    owner = plan.mails.get("failure") or plan.mails.get("both") or ""
    return {
        "name": name,
        "command": shlex.join(words),
        "shell": True,
        "owner": owner,
        "epsilon": "PT30M",
        "retries": 0,
        "async": False,
        "concurrent": plan.options.concurrency == "concurrent",
        "cpus": 0.1,
        "mem": 256,
        "disk": 256,
        "environmentVariables": [{"name": "AZKABAN_OVERRIDES", "value": "{}"}],
    }


def _note(plan: Plan, losses: Losses) -> None:
    note_common(plan, losses, by_step="the step tries again, within one run of a job of Chronos")
    if plan.parameters:
        losses.lost(
            "parameters", "a run has none of its own: AZKABAN_OVERRIDES in the file is for all runs"
        )
    losses.approximated(
        "run", "no id is common to the jobs of a run: they take the run that was begun last"
    )
    losses.approximated("outputs", "exact as long as no run begins before the last one has ended")
    if plan.options.concurrency == "skip":
        losses.approximated("concurrency: skip", "for each job, not for the run")
    elif plan.options.concurrency == "pipeline":
        losses.lost("concurrency: pipeline", "runs do not wait for each other's jobs")
    note_failure(plan, losses)
    if conditional := [node for node in plan.jobs if node.condition]:
        losses.exact("conditions", "the step looks at them", listed(conditional))
    note_mails(plan, losses, failure="owner: Chronos writes for each failed job")
