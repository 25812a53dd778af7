"""Find what is wrong with a project before it is uploaded.

Azkaban accepts a project with a cycle, an undefined property or a missing script, and then fails
when the flow runs. `lint` reports all such problems at once, with the file, the line and what to
do, for Flow 1.0 and Flow 2.0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from azkaban_client.flow.zip import Bundle

__all__ = ["JOB_TYPES", "KNOWN", "Problem", "lint"]

# What this project's server set-up and job runtime define, beside Azkaban's own azkaban.*.
KNOWN = ("python", "output.dir", "spark.submit")
# Azkaban's own types, and those of its Hadoop plugins.
JOB_TYPES = (
    "command",
    "javaprocess",
    "noop",
    "gobblin",
    "hadoopJava",
    "hadoopShell",
    "hive",
    "java",
    "pig",
    "pig-0.11.0",
    "pig-0.12.0",
    "spark",
)


def lint(
    bundle: Bundle,
    *,
    known: Collection[str] = KNOWN,
    job_types: Collection[str] = JOB_TYPES,
    version: tuple[int, int] | None = None,
    dense_flows: bool = False,
    executable: bool = False,
    modules: Mapping[str, frozenset[str]] | None = None,
) -> list[Problem]:
    r"""Check the flows of a project.

    Parameters
    ----------
    bundle
        Its files, from `azkaban_client.collect` or `Bundle.from_zip`.
    known
        Properties that the server defines; ``*`` at the end stands for any rest. Azkaban's own
        are always known.
    job_types
        Types of jobs that the server has; ``flow`` is always known.
    version
        Version of the server, as ``(3, 84)``, for the properties that it gives; any by default.
    dense_flows
        The server loads flows with any number of paths, as this project's own does.
    executable
        The upload makes the files executable that jobs start: see
        `azkaban_client.flow.executable.make_executable`.
    modules
        Jobs run on this machine, so that interpreters which are not here are a finding. The modules
        that some of them can import, the standard library's and the project's aside, by their names
        in commands, such as ``${python}``: what scripts import besides is a finding, too.
        Those of the server's own ``${python}`` are under `OF_SERVER`; what is not among them is a
        warning.

    Returns
    -------
    list of Problem
        In the order of files and lines; empty if all is well.

    Examples
    --------
    >>> from azkaban_client.flow.zip import Bundle
    >>> bad = Bundle({"a.job": b"type=noop\nretries=x\ndependencies=b\n"})
    >>> for problem in lint(bad):
    ...     print(problem)
    a.job:2: warning: retries=x: expected a number, 0 or more
    a.job:3: error: the dependency 'b' does not exist: there is no b.job
    """
    from azkaban_client.flow.lint.context import ServerFacts
    from azkaban_client.flow.loader import is_flow_2

    server = ServerFacts(
        known=tuple(known),
        job_types=tuple(job_types),
        version=version,
        dense_flows=dense_flows,
        executable=executable,
        modules=modules,
    )
    if is_flow_2(bundle):
        from azkaban_client.flow.lint import flow2

        found = flow2.check(bundle, server)
    else:
        from azkaban_client.flow.lint import flow1

        found = flow1.check(bundle, server)
    found = (_at_origin(problem, bundle) for problem in found)
    return sorted(_once(found), key=lambda p: (p.file, p.line or 0, p.message))


def _at_origin(problem: Problem, bundle: Bundle) -> Problem:
    """Name the line of the file that a file was made from."""
    file, line = bundle.origin(problem.file, problem.line)
    return replace(problem, file=file, line=line)


def _once(found: Iterable[Problem]) -> Collection[Problem]:
    """Drop repetitions; jobs that share a file may judge one of its lines differently.

    An error for one of them outweighs a warning for another.
    """
    kept: dict[tuple[str, int | None, str, str], Problem] = {}
    for problem in sorted(set(found), key=lambda p: (p.severity, p.message)):
        undefined = problem.rule == "undefined-property"
        words = problem.message.partition(" ")[0] if undefined else str(problem)  # ${name}
        kept.setdefault((problem.file, problem.line, problem.rule, words), problem)
    return kept.values()
