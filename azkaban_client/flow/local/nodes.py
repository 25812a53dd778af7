"""Hold the jobs of a run and their states."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.loader import conditions
from azkaban_client.models import JobRun, Status
from azkaban_client.options import left_out

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from azkaban_client.flow.loader import Job, Project

__all__ = ["Node", "build", "disable", "ends", "state", "walk"]


@dataclass
class Node:
    """A job of this run; for an embedded flow, with its jobs."""

    id: str
    job: Job
    parent: Node | None
    siblings: list[Node] = field(default_factory=list)
    needs: list[Node] = field(default_factory=list)
    waiting: list[Node] = field(default_factory=list)
    inner: list[Node] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    condition: conditions.Condition | None = None
    run: JobRun = field(init=False)
    started: bool = False
    failed: bool = False  # an embedded flow in which a job has failed
    done: bool = False  # its end has been reported

    def __post_init__(self) -> None:
        self.run = JobRun(id=self.id, status=Status.READY, type=self.job.type)

    @property
    def embeds(self) -> bool:
        """Whether it is an embedded flow."""
        return self.job.type == "flow"

    @property
    def macro(self) -> str:
        """What it requires of the jobs before it."""
        return self.condition.status if self.condition else "all_success"

    def may_run(self) -> bool | None:
        """Tell whether it is to run; None while that is undecided."""
        if not all(one.done for one in self.needs):
            return None
        good = [one.run.status.good for one in self.needs]
        met = {
            "all_success": all(good),
            "all_failed": not any(good),
            "all_done": True,
            "one_success": any(good),
            "one_failed": not all(good),
        }[self.macro]
        if not met or self.condition is None:
            return met
        outputs = {
            (one.job.name, key): value
            for one in self.siblings
            for key, value in one.outputs.items()
        }
        return self.condition.holds(outputs)


def build(
    project: Project,
    flow: str,
    prefix: str = "",
    parent: Node | None = None,
    above: tuple[str, ...] = (),
) -> list[Node]:
    """Make the nodes of a flow and of the flows that it embeds.

    Raises
    ------
    InvalidProject
        A dependency is missing or leads back, or flows embed each other.
    """
    if flow in above:
        raise InvalidProject(f"flows embed each other: {' -> '.join((*above, flow))}")
    nodes: dict[str, Node] = {}
    siblings: list[Node] = []
    for name, job in project.flows[flow].jobs.items():
        node = Node(f"{prefix}{name}", job, parent, siblings, condition=_condition(job))
        for one in job.dependencies:
            if one not in nodes:
                raise InvalidProject(
                    f"{job.own.name}: {name} depends on {one!r}, which does not exist or leads back"
                )
            node.needs.append(nodes[one])
            nodes[one].waiting.append(node)
        if node.embeds:
            if job.embeds is None or job.embeds not in project.flows:
                raise InvalidProject(f"{job.own.name}: there is no flow {job.embeds!r} to embed")
            node.inner = build(project, job.embeds, f"{node.id}:", node, (*above, flow))
        nodes[name] = node
    siblings += nodes.values()
    return siblings


def _condition(job: Job) -> conditions.Condition | None:
    if job.condition is None:
        return None
    try:
        return conditions.parse(job.condition)
    except ValueError as error:
        raise InvalidProject(f"{job.own.name}: condition of {job.name}: {error}") from error


def walk(nodes: list[Node]) -> Iterator[Node]:
    """Iterate over nodes and all within them."""
    for node in nodes:
        yield node
        yield from walk(node.inner)


def disable(
    nodes: list[Node], flow: str, disabled: Collection[str], only: Collection[str] | None
) -> None:
    """Disable jobs; for an embedded flow, all jobs within it."""
    known = {node.id: node for node in walk(nodes)}
    for name in left_out(known, disabled, only, flow=flow):
        for one in walk([known[name]]):
            one.run = replace(one.run, status=Status.DISABLED)


def ends(nodes: list[Node]) -> list[Node]:
    """Return the nodes that no other waits for."""
    needed = {id(one) for node in nodes for one in node.needs}
    return [node for node in nodes if id(node) not in needed]


def state(node: Node) -> JobRun:
    """Return the present state of a node, with those within an embedded flow."""
    return replace(
        node.run,
        dependencies=tuple(one.id for one in node.needs),
        jobs=tuple(map(state, node.inner)),
    )
