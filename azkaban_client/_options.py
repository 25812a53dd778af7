"""Options of an execution, in the server's words; the same for a schedule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from azkaban_client.errors import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from azkaban_client.models import Flow, Sla

__all__ = [
    "Concurrency",
    "FailureAction",
    "Notify",
    "Options",
    "execution_fields",
    "left_out",
    "sla_fields",
]

Concurrency = Literal["skip", "concurrent", "pipeline"]
FailureAction = Literal["finish-running", "cancel-all", "finish-possible"]
Notify = Literal["first", "last", "both", "never"]

_CONCURRENCY = {"skip": "skip", "concurrent": "ignore", "pipeline": "pipeline"}
_FAILURE = {
    "finish-running": "finishCurrent",
    "cancel-all": "cancelImmediately",
    "finish-possible": "finishPossible",
}


class Options(TypedDict, total=False):
    """Options of an execution: see `azkaban_client.Client.execute`."""

    properties: Mapping[str, str] | None
    concurrency: Concurrency
    pipeline_level: int
    on_failure: FailureAction
    disabled: Collection[str]
    only: Collection[str] | None
    success_emails: Collection[str] | None
    failure_emails: Collection[str] | None
    notify: Notify | None


def execution_fields(
    graph: Flow | None,
    *,
    properties: Mapping[str, str] | None = None,
    concurrency: Concurrency = "skip",
    pipeline_level: int = 1,
    on_failure: FailureAction = "finish-running",
    disabled: Collection[str] = (),
    only: Collection[str] | None = None,
    success_emails: Collection[str] | None = None,
    failure_emails: Collection[str] | None = None,
    notify: Notify | None = None,
) -> dict[str, str]:
    """Write the options as form fields; `graph` is needed for `disabled` and `only`."""
    fields = {
        "concurrentOption": _CONCURRENCY[concurrency],
        "failureAction": _FAILURE[on_failure],
    }
    if concurrency == "pipeline":
        fields["pipelineLevel"] = str(pipeline_level)
    for kind, emails in (("success", success_emails), ("failure", failure_emails)):
        if emails is not None:
            fields[f"{kind}Emails"] = ",".join(emails)
            fields[f"{kind}EmailsOverride"] = "true"
    if notify is not None:
        fields["notifyFailureFirst"] = str(notify in ("first", "both")).lower()
        fields["notifyFailureLast"] = str(notify in ("last", "both")).lower()
    if graph is not None:
        names = [node.id for node in graph.walk()]
        found = left_out(names, disabled, only, flow=graph.id, project=graph.project)
        fields["disabled"] = json.dumps(_nested(found))
    for key, value in (properties or {}).items():
        fields[f"flowOverride[{key}]"] = value
    return fields


def sla_fields(limits: Sequence[Sla], emails: Sequence[str], group: str) -> dict[str, str]:
    """Write time limits as form fields: ``job,RULE,HH:MM,email,kill``."""
    fields = {"slaEmails": ",".join(emails)}
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
    """Name the jobs to disable; the server ignores names that it does not know, this does not.

    Parameters
    ----------
    nodes
        Nested ids of all jobs of the flow.
    disabled, only
        As of `azkaban_client.Client.execute`.
    flow, project
        For the words of an error.
    """
    about = {"flow": flow} | ({"project": project} if project else {})
    unknown = [name for name in (*disabled, *(only or ())) if name not in nodes]
    if unknown:
        raise NotFound(
            f"flow {flow!r} has no job {', '.join(map(repr, unknown))} "
            f"(its jobs: {', '.join(nodes)})",
            ids=about,
        )
    names = set(disabled)
    if only is not None:
        wanted = set(only)
        wanted |= {name for name in nodes if any(name.startswith(f"{one}:") for one in only)}
        wanted |= {node for node in nodes if any(one.startswith(f"{node}:") for one in only)}
        names |= {name for name in nodes if name not in wanted}
    if len(names) == len(nodes):
        raise Refused(f"no job of flow {flow!r} would run: all are disabled", ids=about)
    return {name for name in names if not any(name.startswith(f"{up}:") for up in names)}


def _nested(names: Collection[str]) -> list[Any]:
    """Write nested ids the server's way: ``"a"``, ``{"id": "flow", "children": ["b"]}``."""
    plain: list[Any] = sorted(name for name in names if ":" not in name)
    parents = sorted({name.split(":", 1)[0] for name in names if ":" in name})
    for parent in parents:
        inner = [name.split(":", 1)[1] for name in names if name.startswith(f"{parent}:")]
        plain.append({"id": parent, "children": _nested(inner)})
    return plain
