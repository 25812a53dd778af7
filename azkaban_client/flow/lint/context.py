"""Hold what the rules about a job need to know besides the job."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from azkaban_client.flow.loader.model import Job
    from azkaban_client.flow.zip import Bundle

__all__ = ["OF_SERVER", "Context", "ServerFacts"]

OF_SERVER = "the server's"
"""Stands among the names of interpreters for ``${python}`` as the server defines it."""


@dataclass(frozen=True)
class ServerFacts:
    """The server that a project is checked for.

    Attributes
    ----------
    known
        Properties that the server defines; ``*`` at the end stands for any rest.
    job_types
        Types of jobs that it has.
    version
        Its version; None for any.
    dense_flows
        Whether it loads flows with very many paths (see `azkaban_client.flow.lint.paths`).
    executable
        Whether the upload makes the files executable that jobs start.
    modules
        The modules that interpreters can import besides the standard library's and the project's,
        by their names in commands, such as ``${python}``; None where jobs run on other machines.
        Those of the server's own ``${python}`` are under `OF_SERVER`.
    """

    known: tuple[str, ...] = ()
    job_types: tuple[str, ...] = ()
    version: tuple[int, int] | None = None
    dense_flows: bool = False
    executable: bool = False
    modules: Mapping[str, frozenset[str]] | None = None


@dataclass(frozen=True)
class Context:
    """What the rules need to know besides the job.

    Attributes
    ----------
    bundle, server
        The project's files, and what it is checked for.
    oldest
        The oldest server that can run such a project.
    jobs
        All jobs of the project (Flow 1.0) or of the flow (2.0), by name.
    around
        For each job of Flow 1.0, the jobs that embed a flow to which it belongs: their properties
        and inputs reach it.
    embedded
        Whether the flow (2.0) is within another one.
    flows
        The jobs of each flow of the project by the flow's id (2.0).
    """

    bundle: Bundle
    server: ServerFacts
    oldest: tuple[int, int]
    jobs: Mapping[str, Job]
    around: Mapping[str, Sequence[Job]] = field(default_factory=dict)
    embedded: bool = False
    flows: Mapping[str, Mapping[str, Job]] = field(default_factory=dict)

    @property
    def known(self) -> tuple[str, ...]:
        """Properties that the server defines."""
        return self.server.known

    @property
    def job_types(self) -> tuple[str, ...]:
        """Types of jobs that the server has."""
        return self.server.job_types

    @property
    def version(self) -> tuple[int, int] | None:
        """Version of the server; None for any."""
        return self.server.version

    def outer(self, job: Job) -> tuple[Job, ...]:
        """Return the jobs that embed a job, at any depth."""
        found: dict[str, Job] = {}
        todo = [job.name]
        while todo:
            for one in self.around.get(todo.pop(), ()):
                if one.name not in found:
                    found[one.name] = one
                    todo.append(one.name)
        return tuple(found.values())

    def is_embedded(self, job: Job) -> bool:
        """Tell whether a job can run within an embedded flow."""
        return self.embedded or bool(self.around.get(job.name))

    @cached_property
    def children(self) -> Mapping[str, Sequence[str]]:
        """The jobs that wait for each job."""
        found: dict[str, list[str]] = defaultdict(list)
        for job in self.jobs.values():
            for name in job.dependencies:
                found[name].append(job.name)
        return found

    def last_jobs(self, job: Job) -> list[Job]:
        """Return a job, or the last ones of the flow that it embeds, at any depth."""
        found, todo, seen = [], [job], set()
        while todo:
            one = todo.pop()
            if one.embeds is None:
                found.append(one)
            elif one.embeds in self.flows and one.embeds not in seen:
                inner = self.flows[one.embeds]
                needed = {name for each in inner.values() for name in each.dependencies}
                todo += [each for name, each in inner.items() if name not in needed]
            elif one.embeds in self.jobs and one.embeds not in seen:  # Flow 1.0
                todo.append(self.jobs[one.embeds])
            seen.add(one.embeds)
        return found

    def may_come_after_work(self, job: Job) -> bool:
        """Tell whether another job may have left files in the folder where this one starts.

        All jobs of an execution share one copy of the project.
        """
        if self.is_embedded(job):
            return True
        later = self._reached([job.name], lambda name: self.children.get(name, ()))
        # All that the last jobs of its flows need: the other jobs of these flows.
        ends = [name for name in later if not self.children.get(name)] or list(later)
        flow = self._reached(ends, lambda name: self.jobs[name].dependencies)
        return any(self.jobs[name].type != "noop" for name in flow - later)

    def _reached(self, start: Iterable[str], following: Callable[[str], Iterable[str]]) -> set[str]:
        found = set(start)
        todo = list(found)
        while todo:
            new = {one for one in following(todo.pop()) if one in self.jobs} - found
            found |= new
            todo += new
        return found
