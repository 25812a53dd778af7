"""Write the flows of a project in Flow 1.0 as Flow 2.0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.loader import is_flow_2, load_sound
from azkaban_client.flow.loader.properties import values
from azkaban_client.flow.losses import Loss, Losses
from azkaban_client.flow.zip import Bundle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from azkaban_client.flow.loader import Flow, Job, Project
    from azkaban_client.flow.loader.properties import PropertyFile

__all__ = ["Converted", "to_flow_2"]

_STRUCTURE = {"type", "dependencies", "flow.name"}  # what the nodes of Flow 2.0 say in other words


@dataclass(frozen=True)
class Converted:
    """A project in Flow 2.0.

    Attributes
    ----------
    bundle
        Its files; those of Flow 1.0 are not among them.
    flows
        Its flows.
    losses
        What is not the same.
    """

    bundle: Bundle
    flows: tuple[str, ...]
    losses: tuple[Loss, ...]


def to_flow_2(bundle: Bundle, name: str) -> Converted:
    r"""Write the flows of a project as Flow 2.0.

    Properties that all jobs of a flow share become the ``config`` of the flow, which an execution
    can override; what only some of them share becomes their own, which it cannot.

    Parameters
    ----------
    bundle, name
        The project's files, and its name.

    Raises
    ------
    InvalidProject
        It is Flow 2.0 already, or cannot be read.

    Examples
    --------
    >>> files = {"a.job": b"type=command\ncommand=date", "b.job": b"type=noop\ndependencies=a"}
    >>> print(to_flow_2(Bundle(files), "p").bundle.read("b.flow").decode())
    nodes:
    - name: a
      type: command
      config:
        command: date
    - name: b
      type: noop
      dependsOn:
      - a
    <BLANKLINE>
    """
    import yaml

    if is_flow_2(bundle):
        raise InvalidProject(f"{name}: is Flow 2.0 already")
    project = load_sound(bundle)
    losses, files = Losses(), {f"{name}.project": b"azkaban-flow-version: 2.0\n"}
    embedded = {job.embeds for one in project.flows.values() for job in one.jobs.values()}
    flows = tuple(name for name in project.names if name not in embedded)
    for flow in sorted(set(project.names) - set(flows)):
        words = "stands in the flow that embeds it, and is no flow of its own any more"
        losses.approximated("embedded flow", words, flow)
    for flow in flows:
        config, nodes = _nodes(project, project.flows[flow], {}, (flow,), losses)
        content = {"config": config, "nodes": nodes} if config else {"nodes": nodes}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
        files[f"{flow}.flow"] = text.encode()
    old = {file.name for one in project.flows.values() for job in one.jobs.values()
           for file in (job.own, *job.shared)}  # fmt: skip
    kept = {name: place for name, place in bundle.files.items() if name not in old}
    return Converted(Bundle({**kept, **files}), flows, tuple(losses.found))


def _nodes(
    project: Project,
    flow: Flow,
    around: Mapping[str, str],
    above: tuple[str, ...],
    losses: Losses,
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the properties that all jobs of a flow share beyond those around it, and its nodes."""
    shared = {job.name: _merged(job.shared) for job in flow.jobs.values()}
    first, *others = flow.jobs.values()
    common = _merged(file for file in first.shared if all(file in one.shared for one in others))
    nodes = []
    for job in flow.jobs.values():
        own = {key: value for key, value in values(job.own).items() if key not in _STRUCTURE}
        more = {k: v for k, v in shared[job.name].items() if common.get(k) != v and k not in own}
        node: dict[str, Any] = {"name": job.name, "type": job.type}
        if job.dependencies:
            node["dependsOn"] = list(job.dependencies)
        if job.embeds is not None:
            if job.embeds in above:
                raise InvalidProject(f"flows embed each other: {' -> '.join((*above, job.embeds))}")
            inner = project.flows[job.embeds]
            config, node["nodes"] = _nodes(
                project, inner, {**around, **common}, (*above, job.embeds), losses
            )
            own = {**config, **own}
        _note(job, more, losses)
        if config := {**more, **own}:
            node["config"] = config
        nodes.append(node)
    return {k: v for k, v in common.items() if around.get(k) != v}, nodes


def _merged(files: Iterable[PropertyFile]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for file in files:
        merged |= values(file)
    return merged


def _note(job: Job, more: Mapping[str, str], losses: Losses) -> None:
    if more:
        words = f"{', '.join(sorted(more))}: of this job alone now, no execution can change it"
        losses.approximated("properties of a folder", words, job.own.name)
    if job.folder and job.type == "command":
        words = "runs in the project's folder now: name its files from there"
        losses.lost("working directory", words, job.own.name)
