"""A project as its files describe it; the same for Flow 1.0 and 2.0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from azkaban_client.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from azkaban_client.flow.loader.problem import Problem
    from azkaban_client.flow.loader.properties import Entry, PropertyFile

__all__ = ["Flow", "Job", "Project", "Trigger"]


class Trigger(NamedTuple):
    """When a flow starts by itself.

    Attributes
    ----------
    cron
        An expression of Quartz.
    waits
        How many data it then waits for.
    """

    cron: str
    waits: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, or a flow embedded as one.

    Attributes
    ----------
    name, type
        Its name within the flow; its job type, None where it has none.
    dependencies
        Names of the jobs that must end first, as written.
    own
        Its ``.job`` file, or the ``config`` of its node.
    shared
        What it inherits, nearest last: the ``.properties`` files that it sees, or the
        ``config`` of the flows around it.
    folder
        Where its process runs within the zip; empty at the root.
    lines
        Line of each key of its file or node.
    givers
        Names of the jobs whose outputs reach it: its direct dependencies, and those of the Flow 2.0
        nodes around it.
    condition
        When it runs (Flow 2.0), as written.
    embeds
        Id of the flow that it embeds, in `Project.flows`.
    """

    name: str
    type: str | None
    dependencies: tuple[str, ...]
    own: PropertyFile
    shared: tuple[PropertyFile, ...] = ()
    folder: str = ""
    lines: Mapping[str, int]
    givers: tuple[str, ...] = ()
    condition: str | None = None
    embeds: str | None = None

    def get(self, key: str) -> str | None:
        """Return a property as this job sees it; its own properties take precedence."""
        for file in (self.own, *reversed(self.shared)):
            if (value := file.get(key)) is not None:
                return value
        return None

    def at_upload(self, key: str) -> str | None:
        """Return a property as the server's loader sees it: of a Flow 2.0 node, its own alone."""
        return self.get(key) if self.own.name.endswith(".job") else self.own.get(key)

    def visible(self) -> Iterator[tuple[str, str, Entry]]:
        """Yield the file, key and value of each property that this job sees."""
        seen: set[str] = set()
        for file in (self.own, *reversed(self.shared)):
            yield from ((file.name, k, e) for k, e in file.entries.items() if k not in seen)
            seen |= file.entries.keys()

    def line(self, key: str) -> int | None:
        """Return the line of a key in the job's own file or node."""
        entry = self.own.entries.get(key)
        return entry.line if entry else self.lines.get(key)


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A flow.

    Attributes
    ----------
    id
        Its name; that of a flow embedded in Flow 2.0 is ``<flow>:<node>``.
    jobs
        Its jobs by name; dependencies come first, except around a cycle.
    config
        What it sets for all its jobs (Flow 2.0).
    trigger
        When it starts by itself (Flow 2.0).
    top
        Whether it can be run on its own.
    """

    id: str
    jobs: Mapping[str, Job]
    config: PropertyFile | None = None
    trigger: Trigger | None = None
    top: bool = True


@dataclass(frozen=True, kw_only=True)
class Project:
    """All flows of a project by id, and what could not be read.

    Attributes
    ----------
    version
        Version of the format: 1 or 2.
    """

    version: int
    flows: Mapping[str, Flow]
    problems: tuple[Problem, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of the flows that can be run, sorted."""
        return tuple(sorted(flow.id for flow in self.flows.values() if flow.top))

    def choose(self, flow: str | None) -> str:
        """Return a flow that can be run: the one that was named, or the only one.

        Raises
        ------
        NotFound
            There is none of this id, or several and none was named; names those that there are.
        """
        names = ", ".join(self.names) or "none"
        if flow is None:
            if len(self.names) != 1:
                raise NotFound(f"which flow? The project has {names}")
            return self.names[0]
        if flow not in self.names:
            raise NotFound(f"the project has no flow {flow!r} (its flows: {names})")
        return flow


def in_order(jobs: Mapping[str, Job], last: str | None = None) -> dict[str, Job]:
    """Sort jobs so that dependencies come first; only those that lead to `last` if it is given."""
    order: dict[str, Job] = {}
    for root in jobs if last is None else (last,):
        # An explicit stack: chains of jobs can be longer than Python's own.
        stack = [(root, iter(jobs[root].dependencies))]
        open_now = {root}
        while stack:
            name, rest = stack[-1]
            following = next(
                (one for one in rest if one in jobs and one not in order and one not in open_now),
                None,
            )
            if following is not None:
                open_now.add(following)
                stack.append((following, iter(jobs[following].dependencies)))
                continue
            stack.pop()
            open_now.discard(name)
            order.setdefault(name, jobs[name])
    return order
