"""Count the paths through a flow, which decide how long a stock Azkaban takes to load it.

Its loader walks every path from the end of a flow to its start, once for the nodes and once for
their levels: with layers of eight jobs that all depend on each other, nine layers take minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from azkaban_client.flow.lint.context import ServerFacts
    from azkaban_client.flow.loader.model import Job

__all__ = ["MOST_PATHS", "check_paths", "count_paths"]

_LINEAR = (3, 45)  # the first version that does not
MOST_PATHS = 1_000_000
"""What a stock server loads within some seconds."""


def count_paths(jobs: Mapping[str, Job]) -> int:
    r"""Count the steps of a walk along every path of a flow.

    Parameters
    ----------
    jobs
        Dependencies come before their dependents; those around a cycle count once.

    Examples
    --------
    >>> from azkaban_client.flow.loader import load
    >>> from azkaban_client.flow.zip import Bundle
    >>> files = {"a.job": b"type=noop"}
    >>> for n in range(20):
    ...     for side in "lr":
    ...         up = f"l{n - 1},r{n - 1}" if n else "a"
    ...         files[f"{side}{n}.job"] = f"type=noop\ndependencies={up}".encode()
    >>> files["end.job"] = b"type=noop\ndependencies=l19,r19"
    >>> count_paths(load(Bundle(files)).flows["end"].jobs)
    3145727
    """
    paths: dict[str, int] = {}  # of each job: along all paths from it to the start
    for name, job in jobs.items():
        paths[name] = 1 + sum(paths.get(one, 0) for one in set(job.dependencies) - {name})
    needed = {one for job in jobs.values() for one in job.dependencies if one in jobs}
    return sum(count for name, count in paths.items() if name not in needed)


def check_paths(
    flow: str, jobs: Mapping[str, Job], file: str, server: ServerFacts
) -> Iterator[Problem]:
    """Refuse a flow that the server would take minutes, or forever, to load."""
    count = count_paths(jobs)
    if count <= MOST_PATHS or server.dense_flows or (server.version or (0, 0)) >= _LINEAR:
        return
    shown = f"{count:,}" if count < 10**15 else f"about 10^{len(str(count)) - 1}"
    words = (
        f"flow {flow} has {shown} paths through its {len(jobs):,} jobs, and Azkaban before "
        f"{_LINEAR[0]}.{_LINEAR[1]} walks each when it loads the flow ({MOST_PATHS:,} take it some "
        "seconds): put a job of type noop between layers that depend on each other, or use "
        "--dense-flows for a server that need not, such as this project's own"
    )
    yield Problem(file, None, "dense-flow", words)
