"""Rules of Flow 1.0: ``.job`` and ``.properties`` files."""

from __future__ import annotations

import re
from collections import defaultdict
from difflib import get_close_matches
from typing import TYPE_CHECKING

from azkaban_client import columns
from azkaban_client.flow.lint.context import Context
from azkaban_client.flow.lint.cycles import rings
from azkaban_client.flow.lint.job import check_job
from azkaban_client.flow.lint.names import check_lengths, check_names
from azkaban_client.flow.lint.paths import check_paths
from azkaban_client.flow.loader.flow1 import Files, read
from azkaban_client.flow.loader.model import in_order
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.server_properties import OLDEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.lint.context import ServerFacts
    from azkaban_client.flow.loader.model import Job
    from azkaban_client.flow.loader.properties import PropertyFile
    from azkaban_client.flow.zip import Bundle

__all__ = ["check"]

_MARK = "\u00ef\u00bb\u00bf"  # the bytes of a mark, read as Latin-1


def check(bundle: Bundle, server: ServerFacts) -> Iterator[Problem]:
    """Yield every problem of a project, in no order."""
    files = read(bundle)
    yield from files.problems
    yield from check_names(bundle)
    yield from _check_homes(bundle, files)
    context = Context(bundle, server, OLDEST, files.jobs, _around(files))
    for job in files.jobs.values():
        if job.type is None:
            words = "the job has no type: add type=command (or another)"
            yield Problem(job.own.name, None, "no-type", words)
        for name in job.dependencies:
            yield from _check_dependency(job, name, files)
        if job.type == "flow":
            yield from _check_embedded(job, files)
        yield from check_job(job, context)
    for file in (*files.shared, *(job.own for job in files.jobs.values())):
        yield from _check_file(file)
    yield from _cycles(files)
    longest: dict[str, str] = {}
    for root in files.roots():
        place = files.jobs[root].own.name
        yield from check_paths(root, in_order(files.jobs, root), place, server)
        yield from check_lengths(root, [_longest(files, root, longest)], place)


def _longest(files: Files, root: str, known: dict[str, str], depth: int = 0) -> str:
    """Return the longest nested id of a flow's jobs, such as ``outer:inner``."""
    if root in known or depth > 64:  # no longer one could be kept
        return known.get(root, "")
    known[root] = ""  # of a flow that embeds itself
    found = ""
    for name, job in in_order(files.jobs, root).items():
        inner = ""
        if job.embeds in files.jobs:
            inner = _longest(files, job.embeds, known, depth + 1)
        found = max(found, f"{name}:{inner}" if inner else name, key=len)
    known[root] = found
    return found


def _check_homes(bundle: Bundle, files: Files) -> Iterator[Problem]:
    """Check that there are jobs, and each name once."""
    if not files.jobs and not files.duplicates and not files.problems:
        words = f"there is no .job file (files: {', '.join(bundle.names[:5])})"
        if any(name.endswith(".flow") for name in bundle.visible_names):
            words += ": .flow files need a .project file with azkaban-flow-version: 2.0"
        yield Problem("(project)", None, "no-jobs", words)
    for name, places in files.duplicates.items():
        yield Problem(
            places[-1],
            None,
            "duplicate-job",
            f"the job name {name!r} is used twice ({', '.join(places)}): names are unique within "
            "a project, rename one",
        )


def _around(files: Files) -> dict[str, list[Job]]:
    found: dict[str, list[Job]] = defaultdict(list)
    for job in files.jobs.values():
        if job.embeds in files.jobs:
            for name in in_order(files.jobs, job.embeds):
                found[name].append(job)
    return found


def _check_file(file: PropertyFile) -> Iterator[Problem]:
    if len(file.name) > columns.PROPERTIES:
        words = (
            f"the path has {len(file.name)} characters: the server keeps {columns.PROPERTIES}, and "
            "refuses the project; use fewer folders, or shorter names"
        )
        yield Problem(file.name, None, "long-name", words)
    if file.mark is not None:
        first = next(iter(file.entries), "")
        words = (
            f"the file begins with a byte-order mark ({file.mark}), which Azkaban reads as a part "
            f"of its first key: {first!r}; save it without the mark"
        )
        # Before a comment or an empty line it only makes a key that nobody uses.
        harmless = not re.match(r"\w", first[len(_MARK) :])
        yield Problem(file.name, 1, "byte-order-mark", words, "warning" if harmless else "error")
    for key, line in file.repeated:
        yield Problem(
            file.name,
            line,
            "repeated-key",
            f"{key!r} is given twice: the last one counts",
            "warning",
        )
    for line in file.foreign:
        yield Problem(
            file.name,
            line,
            "not-ascii",
            "Azkaban reads this file as Latin-1: write other characters as \\uXXXX",
            "warning",
        )


def _check_dependency(job: Job, name: str, files: Files) -> Iterator[Problem]:
    here, line = job.own.name, job.line("dependencies")
    if name == job.name:
        yield Problem(here, line, "cycle", f"the job depends on itself: remove {name!r}")
    elif name in files.duplicates:
        yield Problem(
            here, line, "ambiguous-dependency", f"the dependency {name!r} is used for two jobs"
        )
    elif name not in files.jobs:
        close = get_close_matches(name, files.jobs, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        yield Problem(
            here,
            line,
            "missing-dependency",
            f"the dependency {name!r} does not exist: there is no {name}.job{hint}",
        )


def _check_embedded(job: Job, files: Files) -> Iterator[Problem]:
    name = job.embeds
    if name is None:
        yield Problem(
            job.own.name,
            job.line("type"),
            "no-flow-name",
            "type=flow needs flow.name=, the name of the flow to embed",
        )
    elif name not in files.roots():
        flows = ", ".join(files.roots()) or "none"
        yield Problem(
            job.own.name,
            job.line("flow.name"),
            "missing-flow",
            f"flow.name={name}: there is no such flow (flows: {flows}); mark its last job with "
            "root.node=true if other jobs depend on it",
        )


def _cycles(files: Files) -> Iterator[Problem]:
    """Report each cycle of dependencies once, at the job with the smallest name."""
    edges = {
        name: [
            *(one for one in job.dependencies if one in files.jobs and one != name),
            # The last job of a flow that a job embeds must not lead back to the job.
            *([job.embeds] if job.embeds in files.jobs else []),
        ]
        for name, job in files.jobs.items()
    }
    for ring in rings(edges):
        job = files.jobs[ring[0]]
        yield Problem(
            job.own.name,
            job.line("dependencies") or job.line("flow.name"),
            "cycle",
            f"a cycle of dependencies: {' -> '.join(ring)}: remove one",
        )
