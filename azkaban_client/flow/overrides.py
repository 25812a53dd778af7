"""Find the properties that an execution can change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.properties import REFERENCE, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from azkaban_client.client import Client
    from azkaban_client.flow.loader import Project
    from azkaban_client.models import Flow

__all__ = ["FORM", "FlowOnServer", "Overridable", "overridable_here"]

FORM = "azk.form"
"""The property in which a flow tells what values its parameters take; no parameter itself."""


@dataclass(frozen=True)
class Overridable:
    """The properties of a flow.

    Attributes
    ----------
    defaults
        Properties that an execution can change, with the value in the ``.properties`` files;
        None for one that a job only refers to.
    literals
        Properties set in the files of jobs, which an execution cannot change. The value is the name
        of such a job.
    """

    defaults: Mapping[str, str | None]
    literals: Mapping[str, str]

    def declared(self, keys: Iterable[str]) -> Overridable:
        """Return these and others that jobs declare: each can be set, though no file names it."""
        more = {key: None for key in keys if key not in self.literals}
        return Overridable({**more, **self.defaults}, self.literals)

    def refusals(self, keys: Iterable[str]) -> list[str]:
        """Return why an execution cannot change a key, for each such key.

        Examples
        --------
        >>> known = Overridable({"epochs": "20"}, {"mlp.epochs": "train"})
        >>> for line in known.refusals(["epochs", "epoch", "mlp.epochs"]):
        ...     print(line)
        epoch: no job of the flow uses it (did you mean epochs?); known: epochs
        mlp.epochs: the file of job train sets it, which beats any --prop; known: epochs
        """
        known = ", ".join(sorted(self.defaults)) or "none"
        lines = []
        for key in keys:
            if key in self.defaults:
                continue
            if key in self.literals:
                why = f"the file of job {self.literals[key]} sets it, which beats any --prop"
            else:
                close = get_close_matches(key, self.defaults, n=1)
                hint = f" (did you mean {close[0]}?)" if close else ""
                why = f"no job of the flow uses it{hint}"
            lines.append(f"{key}: {why}; known: {known}")
        return lines


@dataclass
class FlowOnServer:
    """A flow as the server has it, which is asked once for whatever is needed of it."""

    client: Client
    project: str
    flow: str

    @cached_property
    def graph(self) -> Flow:
        """Its jobs."""
        return self.client.flow(self.project, self.flow)

    @cached_property
    def properties(self) -> Overridable:
        """The properties that an execution can change.

        One or two requests for each job, and one for each ``.properties`` file.
        """
        own: dict[str, dict[str, str]] = {}
        shared: dict[str, str] = {}
        seen: set[str] = set()
        inside = {"": self.flow}  # the flow that each node embeds
        for node in self.graph.walk():
            outer, _, name = node.id.rpartition(":")
            if node.embedded is not None:
                inside[node.id] = node.embedded
            flow = inside.get(outer, self.flow)
            own[node.id] = self.client.job_properties(self.project, flow, name)
            if node.embedded is None and not outer:
                sources = self.client.shared_properties(self.project, self.flow, name, skip=seen)
                seen.update(sources)
                for found in sources.values():
                    shared |= {key: value for key, value in found.items() if key not in shared}
        forms = [properties.pop(FORM, "") for properties in (*own.values(), shared)]
        return _overridable(own, shared).declared(key for text in forms for key in _keys(text))


def _keys(form: str) -> list[str]:
    """Return the properties whose values a form describes."""
    try:
        return list(json.loads(form or "{}"))
    except (ValueError, TypeError, RecursionError):  # somebody's own property of this name
        return []


def overridable_here(project: Project, flow: str) -> Overridable:
    """Tell the same for a flow in a project's files, for a run without a server."""
    own: dict[str, Mapping[str, str]] = {}
    shared: dict[str, str] = {}

    def walk(inner: str, prefix: str, above: tuple[str, ...]) -> None:
        for name, job in project.flows[inner].jobs.items():
            own[prefix + name] = values(job.own)
            for file in reversed(job.shared if not prefix else ()):
                shared.update({k: v for k, v in values(file).items() if k not in shared})
            if job.embeds and job.embeds in project.flows and job.embeds not in above:
                walk(job.embeds, f"{prefix}{name}:", (*above, job.embeds))

    walk(flow, "", (flow,))
    return _overridable(own, shared)


def _overridable(jobs: Mapping[str, Mapping[str, str]], shared: Mapping[str, str]) -> Overridable:
    """Combine the properties of each job, those around it first, with the shared ones."""
    literals: dict[str, str] = {}
    used: set[str] = set()
    own: dict[str, set[str]] = {}  # what a job's file sets, or those of the flows around it
    for node, properties in jobs.items():
        outer, _, name = node.rpartition(":")
        own[node] = own.get(outer, set()) | set(properties)
        for key, value in properties.items():
            literals.setdefault(key, name)
            used.update(set(REFERENCE.findall(value)) - own[node])
    todo = [*used, *shared]
    while todo:
        for name in REFERENCE.findall(shared.get(todo.pop(), "")):
            if name not in used:
                used.add(name)
                todo.append(name)
    outputs = tuple(f"{node.rpartition(':')[2]}." for node in jobs)
    keys = {key for key in used | set(shared) if not key.startswith((*outputs, "azkaban."))}
    if shared.get("type") == "flow":  # what Flow 2.0 says of the flow itself
        keys.discard("type")
    return Overridable(
        {key: shared.get(key) for key in sorted(keys)},
        {key: name for key, name in literals.items() if key not in keys},
    )
