"""Options of an execution, and how the server writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from azkaban_client.errors import NotFound, Refused
from azkaban_client.mail import check_address

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from azkaban_client.models import Flow, Sla

__all__ = [
    "RETRY_OF",
    "Concurrency",
    "ExecutionOptions",
    "FailureAction",
    "Notify",
    "execution_fields",
    "left_out",
    "options_of",
    "refuse_unknown_jobs",
    "sla_fields",
]

RETRY_OF = "retry.of"
"""The property by which an execution belongs to the first of which it is a retry.

Every server keeps the properties of an execution and tells them (``flowInfo``), jobs get them, and
no server has a place of its own for this.
"""

Concurrency = Literal["skip", "concurrent", "pipeline"]
FailureAction = Literal["finish-running", "cancel-all", "finish-possible"]
Notify = Literal["first", "last", "both", "never"]

_CONCURRENCY = {"skip": "skip", "concurrent": "ignore", "pipeline": "pipeline"}
_FAILURE = {
    "finish-running": "finishCurrent",
    "cancel-all": "cancelImmediately",
    "finish-possible": "finishPossible",
}


class ExecutionOptions(TypedDict, total=False):
    """Options of an execution, all of which may be left out; the same for a schedule.

    Attributes
    ----------
    properties
        Properties of this execution. They beat ``.properties`` files, but not a value in a
        ``.job`` file.
    concurrency
        When the flow is running: ``skip`` this execution (the default; raises `AlreadyRunning`),
        run it ``concurrent``-ly, or as a ``pipeline``. It is always sent, because servers differ
        in their default.
    pipeline_level
        For a pipeline: 1, a job waits for the same job of the running execution; 2, for that job's
        children.
    on_failure
        When a job fails: ``finish-running`` (the default), ``cancel-all``, or ``finish-possible``
        for all that can be finished.
    disabled
        Jobs to leave out; ``<flow job>:<job>`` within an embedded flow.
    only
        Leave out all jobs but these.
    success_emails, failure_emails
        Whom to tell, instead of those in the flow's own file.
    notify
        When to tell of failures: at the ``first``, at the end (``last``; the default where
        `failure_emails` are given), at ``both`` or ``never``.
    """

    properties: Mapping[str, str] | None
    concurrency: Concurrency
    pipeline_level: int
    on_failure: FailureAction
    disabled: Collection[str]
    only: Collection[str] | None
    success_emails: Collection[str] | None
    failure_emails: Collection[str] | None
    notify: Notify | None


def execution_fields(graph: Flow | None, options: ExecutionOptions) -> dict[str, str]:
    """Write the options as form fields; options that name jobs need `graph`."""
    unknown = set(options) - set(ExecutionOptions.__annotations__)
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))}: no option of an execution")
    concurrency = options.get("concurrency", "skip")
    fields = {
        "concurrentOption": _CONCURRENCY[concurrency],
        "failureAction": _FAILURE[options.get("on_failure", "finish-running")],
    }
    if concurrency == "pipeline":
        fields["pipelineLevel"] = str(options.get("pipeline_level", 1))
    for kind, emails in (
        ("success", options.get("success_emails")),
        ("failure", options.get("failure_emails")),
    ):
        if emails is not None:
            fields[f"{kind}Emails"] = _addresses(emails)
            fields[f"{kind}EmailsOverride"] = "true"
    notify = options.get("notify")
    if notify is None and options.get("failure_emails"):
        notify = "last"  # servers tell at the first failure by default, and 2.5 at the end, too
    if notify is not None:
        fields["notifyFailureFirst"] = str(notify in ("first", "both")).lower()
        fields["notifyFailureLast"] = str(notify in ("last", "both")).lower()
    disabled, only = options.get("disabled", ()), options.get("only")
    if graph is not None and (disabled or only is not None):
        names = [node.id for node in graph.walk()]
        found = left_out(names, disabled, only, flow=graph.id, project=graph.project)
        fields["disabled"] = json.dumps(_nested(found))
    for key, value in (options.get("properties") or {}).items():
        fields[f"flowOverride[{key}]"] = value
    return fields


def options_of(answer: Mapping[str, Any]) -> ExecutionOptions:
    """Return the options of an execution from the server's answer about it (``flowInfo``).

    Its properties and its disabled jobs are left out.

    Examples
    --------
    >>> options_of({"failureAction": "finishPossible", "concurrentOptions": "ignore"})
    {'on_failure': 'finish-possible', 'concurrency': 'concurrent'}
    """
    actions = {server: ours for ours, server in _FAILURE.items()}
    concurrency = {server: ours for ours, server in _CONCURRENCY.items()}
    options: Any = {
        "on_failure": actions.get(answer.get("failureAction", ""), "finish-running"),
        "concurrency": concurrency.get(answer.get("concurrentOptions") or "", "skip"),
    }
    if options["concurrency"] == "pipeline" and answer.get("pipelineLevel"):
        options["pipeline_level"] = int(answer["pipelineLevel"])
    for kind in ("success", "failure"):
        if answer.get(f"{kind}EmailsOverride"):
            options[f"{kind}_emails"] = tuple(answer.get(f"{kind}Emails") or ())
    first, last = answer.get("notifyFailureFirst"), answer.get("notifyFailureLast")
    if first is not None or last is not None:
        names = {(True, True): "both", (True, False): "first", (False, True): "last"}
        options["notify"] = names.get((bool(first), bool(last)), "never")
    found: ExecutionOptions = options
    return found


def _addresses(emails: Collection[str]) -> str:
    """Join addresses as the server takes them apart again."""
    for one in emails:
        check_address(one)
    return ",".join(emails)


def sla_fields(limits: Sequence[Sla], emails: Sequence[str], group: str) -> dict[str, str]:
    """Write time limits as form fields: ``job,RULE,HH:MM,email,kill``."""
    fields = {"slaEmails": _addresses(emails)}
    for number, limit in enumerate(limits):
        minutes = int(limit.within.total_seconds()) // 60
        actions = f"{str(limit.email).lower()},{str(limit.kill).lower()}"
        fields[f"{group}[{number}]"] = (
            f"{limit.job or ''},{limit.rule.upper()},{minutes // 60}:{minutes % 60:02},{actions}"
        )
    return fields


def left_out(
    nodes: Collection[str],
    disabled: Collection[str],
    only: Collection[str] | None,
    *,
    flow: str,
    project: str | None = None,
) -> set[str]:
    """Return the jobs to disable; names that the flow does not have are refused.

    Parameters
    ----------
    nodes
        Nested ids of all jobs of the flow.
    disabled, only
        As of `ExecutionOptions`.
    flow, project
        For the words of an error.
    """
    refuse_unknown_jobs(nodes, (*disabled, *(only or ())), flow, project)
    names = set(disabled)
    if only is not None:
        wanted = set(only)
        wanted |= {name for name in nodes if any(name.startswith(f"{one}:") for one in only)}
        wanted |= {node for node in nodes if any(one.startswith(f"{node}:") for one in only)}
        names |= {name for name in nodes if name not in wanted}
    if len(names) == len(nodes):
        raise Refused(
            f"no job of flow {flow!r} would run: all are disabled", ids=_about(flow, project)
        )
    return {name for name in names if not any(name.startswith(f"{up}:") for up in names)}


def refuse_unknown_jobs(
    nodes: Collection[str], names: Iterable[str], flow: str, project: str | None = None
) -> None:
    """Raise `NotFound` for names that are no jobs of a flow."""
    if unknown := [name for name in names if name not in nodes]:
        raise NotFound(
            f"flow {flow!r} has no job {', '.join(map(repr, unknown))} "
            f"(its jobs: {', '.join(nodes)})",
            ids=_about(flow, project),
        )


def _about(flow: str, project: str | None) -> dict[str, str]:
    return {"flow": flow} | ({"project": project} if project else {})


def _nested(names: Collection[str]) -> list[Any]:
    """Write nested ids the server's way: ``"a"``, ``{"id": "flow", "children": ["b"]}``."""
    plain: list[Any] = sorted(name for name in names if ":" not in name)
    parents = sorted({name.split(":", 1)[0] for name in names if ":" in name})
    for parent in parents:
        inner = [name.split(":", 1)[1] for name in names if name.startswith(f"{parent}:")]
        plain.append({"id": parent, "children": _nested(inner)})
    return plain
