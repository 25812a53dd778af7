"""Rules of Flow 2.0: ``.flow`` files."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.context import Context
from azkaban_client.flow.lint.cycles import rings
from azkaban_client.flow.lint.job import check_job
from azkaban_client.flow.lint.names import check_lengths, check_names
from azkaban_client.flow.lint.paths import check_paths
from azkaban_client.flow.loader import conditions, flow2
from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.lint.context import ServerFacts
    from azkaban_client.flow.loader.model import Flow, Job
    from azkaban_client.flow.zip import Bundle

__all__ = ["check"]


_OLDEST = (3, 43)  # the first server that reads Flow 2.0


def check(bundle: Bundle, server: ServerFacts) -> Iterator[Problem]:
    """Yield every problem of a project, in no order."""
    project = flow2.load(bundle)
    yield from check_names(bundle)
    yield from project.problems
    yield from _check_version(bundle, server)
    if not any(name.endswith(".flow") for name in bundle.visible_names):
        words = "there is no .flow file: this project has no flows"
        yield Problem("(project)", None, "no-flows", words)
    ignored = [name for name in bundle.visible_names if name.endswith(".job")]
    if ignored:
        words = "not read: a .project file makes the whole project Flow 2.0"
        yield Problem(ignored[0], None, "ignored-file", words, "warning")
    flows = {flow.id: flow.jobs for flow in project.flows.values()}
    for flow in project.flows.values():
        context = Context(bundle, server, _OLDEST, flow.jobs, embedded=not flow.top, flows=flows)
        if not flow.jobs and not any(one.severity == "error" for one in project.problems):
            words = f"flow {flow.id} has no nodes: it cannot run"
            place = flow.config.name if flow.config else "(project)"
            yield Problem(place, None, "no-nodes", words, "warning")
        for job in flow.jobs.values():
            yield from _check_dependencies(job, flow)
            yield from _check_condition(job, flow)
            yield from check_job(job, context)
        yield from _cycles(flow)
        place = flow.config.name if flow.config else "(project)"
        yield from check_paths(flow.id, flow.jobs, place, server)
        top, *inside = flow.id.split(":")
        yield from check_lengths(top, (":".join([*inside, one]) for one in flow.jobs), place)


def _check_version(bundle: Bundle, server: ServerFacts) -> Iterator[Problem]:
    """Refuse a project that the server would accept and find no flow in."""
    if server.version is None or server.version >= _OLDEST:
        return
    name = next(name for name in bundle.visible_names if name.endswith(".project"))
    words = (
        f"Flow 2.0 needs Azkaban {_OLDEST[0]}.{_OLDEST[1]} or later, and the server is "
        f"{server.version[0]}.{server.version[1]}, which would take the project and find no flow: "
        "write the flows as .job files, without conditions"
    )
    yield Problem(name, None, "flow-2-unread", words)


def _check_dependencies(job: Job, flow: Flow) -> Iterator[Problem]:
    for name in job.dependencies:
        if name not in flow.jobs:
            close = get_close_matches(name, flow.jobs, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            yield Problem(
                job.own.name,
                job.line("dependsOn"),
                "missing-dependency",
                f"{job.name} depends on {name!r}: flow {flow.id} has no such node{hint}",
            )


def _cycles(flow: Flow) -> Iterator[Problem]:
    edges = {
        name: [one for one in job.dependencies if one in flow.jobs]
        for name, job in flow.jobs.items()
    }
    for ring in rings(edges):
        job = flow.jobs[ring[0]]
        words = f"a cycle of dependencies: {' -> '.join(ring)}: remove one"
        yield Problem(job.own.name, job.line("dependsOn"), "cycle", words)


def _check_condition(job: Job, flow: Flow) -> Iterator[Problem]:
    if job.condition is None:
        return
    here, line = job.own.name, job.line("condition")
    about = f"condition of {job.name}"
    try:
        condition = conditions.parse(job.condition)
    except ValueError as error:
        yield Problem(here, line, "condition", f"{about}: {job.condition!r}: {error}")
        return
    before = _ancestors(job, flow)
    for name, key in condition.variables:
        if name not in flow.jobs:
            close = get_close_matches(name, flow.jobs, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            words = f"{about}: ${{{name}:{key}}}: flow {flow.id} has no node {name!r}{hint}"
            yield Problem(here, line, "condition", words)
        elif job.name == name or job.name in _ancestors(flow.jobs[name], flow):
            words = f"{about}: ${{{name}:{key}}}: {name!r} has not run by then"
            yield Problem(here, line, "condition", words)
        elif name not in before:
            words = f"{about}: ${{{name}:{key}}}: {name!r} need not have run by then: depend on it"
            yield Problem(here, line, "condition", words, "warning")


def _ancestors(job: Job, flow: Flow) -> set[str]:
    found: set[str] = set()
    todo = list(job.dependencies)
    while todo:
        name = todo.pop()
        if name in flow.jobs and name not in found:
            found.add(name)
            todo += flow.jobs[name].dependencies
    return found
