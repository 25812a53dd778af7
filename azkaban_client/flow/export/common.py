"""What the exports have in common: the features that the step itself keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client.flow.export.plan import retries
from azkaban_client.flow.local.nodes import walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azkaban_client.flow.export.plan import Plan
    from azkaban_client.flow.local.nodes import Node
    from azkaban_client.flow.losses import Losses

__all__ = [
    "listed",
    "note_common",
    "note_conditions",
    "note_failure",
    "note_mails",
    "note_schedule",
]

_MOST = 4  # names of jobs that a line lists


def listed(nodes: Iterable[Node]) -> str:
    """Name some jobs."""
    names = [node.id for node in nodes]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def note_common(plan: Plan, losses: Losses, *, by_step: str) -> None:
    """Note what every export keeps.

    Parameters
    ----------
    by_step
        Who tries a failed job again: the step, or the other scheduler.
    """
    jobs = plan.jobs
    losses.exact("jobs and dependencies", f"{len(jobs)} jobs")
    if again := [node for node in jobs if retries(node)[0]]:
        losses.exact("retries and retry.backoff", by_step, listed(again))
    if embedded := [node for node in walk(plan.nodes) if node.embeds]:
        losses.exact("embedded flows", "their jobs, with their dependencies", listed(embedded))
    callbacks = [
        node
        for node in jobs
        if any(k.startswith("job.notification.") for k in node.job.own.entries)
    ]
    if callbacks:
        losses.lost("job callbacks", "only an Azkaban calls them", listed(callbacks))
    for name, value in plan.options.beside:
        losses.lost(f"schedule: {name}", "the other scheduler is not told", value)
    if plan.waits:
        losses.lost("triggerDependencies", f"{plan.waits} data that the trigger waits for")


def note_schedule(plan: Plan, losses: Losses, how: str, *, but: str = "") -> None:
    """Note a schedule that the other scheduler has: a period of it begins at another time.

    Parameters
    ----------
    how
        Its words there.
    but
        In what it differs, besides.
    """
    of_period = plan.schedule is not None and plan.schedule.kind == "every"
    differs = [but] if but else []
    if of_period:
        differs.append("on Azkaban it counts from the first run")
    note = losses.approximated if differs else losses.exact
    note("schedule", "; ".join([how, *differs]), str(plan.schedule))


def note_conditions(plan: Plan, losses: Losses, how: str) -> None:
    """Note the conditions of jobs, where a job that is cancelled ends well."""
    if conditional := [node for node in plan.jobs if node.condition]:
        losses.exact("conditions", how, listed(conditional))
    if any(node.condition for node in plan.last):
        losses.approximated("end", "a run whose last job was cancelled ends well, not KILLED")


def note_failure(plan: Plan, losses: Losses) -> None:
    """Note what a scheduler does after a failure that only looks at what waits for what."""
    if plan.branches and plan.options.on_failure != "finish-possible":
        words = "jobs that do not wait for the failed one are still run"
        losses.approximated(f"on failure: {plan.options.on_failure}", words)


def note_mails(plan: Plan, losses: Losses, *, failure: str, success: str | None = None) -> None:
    """Note what becomes of the addresses of mails.

    Parameters
    ----------
    failure, success
        What is done; None where nobody hears of a success.
    """
    for when, addresses in plan.mails.items():
        if when in ("failure", "both"):
            losses.approximated("e-mail on failure", failure, addresses)
        if when in ("success", "both"):
            if success is None:
                losses.lost("e-mail on success", "it writes on failure alone", addresses)
            else:
                losses.approximated("e-mail on success", success, addresses)
