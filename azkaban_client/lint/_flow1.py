"""Rules of Flow 1.0: ``.job`` and ``.properties`` files."""

from __future__ import annotations

import posixpath
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from azkaban_client.lint._problems import Problem
from azkaban_client.lint._props import REFERENCE, PropertyFile
from azkaban_client.lint._words import split_command

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from azkaban_client.zip import Bundle

__all__ = ["Job", "Project", "check", "load"]

_SERVER_GIVEN = ("azkaban.*", "user.to.proxy", "working.dir", "job.*")
_PYTHON = re.compile(r"(?:.*/)?(?:python[\d.]*|pypy[\d.]*)$|\$\{python\}$")


@dataclass(frozen=True)
class Job:
    """A ``.job`` file and the ``.properties`` files that it sees, nearest last."""

    name: str
    file: PropertyFile
    shared: tuple[PropertyFile, ...]

    @property
    def folder(self) -> str:
        """The folder of its file within the zip; empty at the root."""
        return posixpath.dirname(self.file.name)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Names in its ``dependencies``, spaces and empty ones dropped."""
        return tuple(
            name for part in (self.get("dependencies") or "").split(",") if (name := part.strip())
        )

    def get(self, key: str) -> str | None:
        """Give a property as this job sees it; the job's own file is the strongest."""
        for file in (self.file, *reversed(self.shared)):
            if (value := file.get(key)) is not None:
                return value
        return None

    def line(self, key: str) -> int | None:
        """Give the line of a key in the job's own file."""
        entry = self.file.entries.get(key)
        return entry.line if entry else None


@dataclass(frozen=True)
class Project:
    """All jobs of a project by name; one given twice is left out, as the server does."""

    jobs: dict[str, Job]
    shared: tuple[PropertyFile, ...]
    duplicates: dict[str, list[str]]

    def roots(self) -> list[str]:
        """Names of the flows: jobs that nothing depends on, and those marked as roots."""
        needed = {name for job in self.jobs.values() for name in job.dependencies}
        return sorted(
            name
            for name, job in self.jobs.items()
            if name not in needed or (job.get("root.node") or "").lower() == "true"
        )

    def flow(self, root: str) -> list[str]:
        """Names of the jobs of one flow, dependencies first."""
        order: list[str] = []

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in order or name in above or name not in self.jobs:
                return
            for dependency in self.jobs[name].dependencies:
                visit(dependency, (*above, name))
            order.append(name)

        visit(root, ())
        return order


def load(bundle: Bundle) -> tuple[Project, list[Problem]]:
    """Read the files as Azkaban's loader does, with what cannot be read."""
    problems: list[Problem] = []
    parsed: dict[str, PropertyFile] = {}
    for name in bundle.names:
        base = posixpath.basename(name)
        if base.startswith(".") or not base.endswith((".job", ".properties")):
            continue
        try:
            parsed[name] = PropertyFile.parse(name, bundle.read(name))
        except ValueError as error:
            problems.append(Problem(name, None, "syntax", f"cannot be read: {error}"))
    shared = sorted(
        (file for name, file in parsed.items() if name.endswith(".properties")),
        key=lambda file: (file.name.count("/"), file.name),
    )
    homes: dict[str, list[str]] = defaultdict(list)
    for name in parsed:
        if name.endswith(".job"):
            homes[posixpath.basename(name)[: -len(".job")]].append(name)
    jobs = {
        job: Job(job, parsed[places[0]], tuple(f for f in shared if _sees(places[0], f.name)))
        for job, places in homes.items()
        if len(places) == 1
    }
    duplicates = {job: places for job, places in homes.items() if len(places) > 1}
    return Project(jobs, tuple(shared), duplicates), problems


def _sees(job: str, properties: str) -> bool:
    folder = posixpath.dirname(properties)
    return not folder or job.startswith(f"{folder}/")


def check(bundle: Bundle, known: Collection[str]) -> Iterator[Problem]:
    """Yield every problem of a project, in no order."""
    marks = [name for name in bundle.names if name.endswith(".project")]
    if marks:
        yield Problem(
            marks[0],
            None,
            "flow-2",
            "this file makes the whole project Flow 2.0: .job files are ignored, and servers "
            "before 3.43 take it and find no flows. Its .flow files are not checked",
            "warning",
        )
        return
    project, problems = load(bundle)
    yield from problems
    if not project.jobs and not project.duplicates and not problems:
        names = ", ".join(bundle.names[:5])
        yield Problem("(project)", None, "no-jobs", f"there is no .job file (files: {names})")
    for name, places in project.duplicates.items():
        yield Problem(
            places[-1],
            None,
            "duplicate-job",
            f"the job name {name!r} is used twice ({', '.join(places)}): names are unique within "
            "a project, rename one",
        )
    for job in project.jobs.values():
        yield from _check_job(job, project, bundle, known)
    for file in (*project.shared, *(job.file for job in project.jobs.values())):
        yield from _check_file(file)
    yield from _cycles(project)


def _check_file(file: PropertyFile) -> Iterator[Problem]:
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


def _check_job(
    job: Job, project: Project, bundle: Bundle, known: Collection[str]
) -> Iterator[Problem]:
    here = job.file.name
    if job.get("type") is None:
        yield Problem(here, None, "no-type", "the job has no type: add type=command (or another)")
    for name in job.dependencies:
        yield from _check_dependency(job, name, project)
    if job.get("type") == "flow":
        yield from _check_embedded(job, project)
    yield from _check_references(job, project, known)
    if job.get("type") == "command":
        yield from _check_commands(job, bundle)
    for key in ("retries", "retry.backoff"):
        value = job.get(key)
        if value is not None and not REFERENCE.search(value) and not value.strip().isdecimal():
            yield Problem(
                here, job.line(key), "not-a-number", f"{key}={value}: expected a number, 0 or more"
            )


def _check_dependency(job: Job, name: str, project: Project) -> Iterator[Problem]:
    here, line = job.file.name, job.line("dependencies")
    if name == job.name:
        yield Problem(here, line, "cycle", f"the job depends on itself: remove {name!r}")
    elif name in project.duplicates:
        yield Problem(
            here, line, "ambiguous-dependency", f"the dependency {name!r} is used for two jobs"
        )
    elif name not in project.jobs:
        close = get_close_matches(name, project.jobs, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        yield Problem(
            here,
            line,
            "missing-dependency",
            f"the dependency {name!r} does not exist: there is no {name}.job{hint}",
        )


def _check_embedded(job: Job, project: Project) -> Iterator[Problem]:
    name = (job.get("flow.name") or "").strip()
    if not name:
        yield Problem(
            job.file.name,
            job.line("type"),
            "no-flow-name",
            "type=flow needs flow.name=, the name of the flow to embed",
        )
    elif name not in project.roots():
        flows = ", ".join(project.roots()) or "none"
        yield Problem(
            job.file.name,
            job.line("flow.name"),
            "missing-flow",
            f"flow.name={name}: there is no such flow (flows: {flows}); mark its last job with "
            "root.node=true if other jobs depend on it",
        )


def _is_known(name: str, patterns: Collection[str]) -> bool:
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )


def _check_references(job: Job, project: Project, known: Collection[str]) -> Iterator[Problem]:
    """Find references that nothing defines, in the job's file and in what it draws on."""
    patterns = (*_SERVER_GIVEN, *known)
    for name, key, line in job.file.references():
        where = Problem(job.file.name, line, "undefined-property", "")
        yield from _check_reference(job, project, patterns, where, path=(key,), name=name)


def _check_reference(
    job: Job,
    project: Project,
    patterns: Collection[str],
    where: Problem,
    *,
    path: tuple[str, ...],
    name: str,
) -> Iterator[Problem]:
    if not REFERENCE.fullmatch(f"${{{name}}}"):
        yield Problem(
            where.file,
            where.line,
            "bad-reference",
            f"${{{name}}} is left as it is: Azkaban takes only letters, digits, '_' and '.' in a "
            "reference",
            "warning",
        )
        return
    if name in path:
        chain = " -> ".join((*path, name))
        yield Problem(
            where.file, where.line, "circular-property", f"${{{name}}} refers to itself: {chain}"
        )
        return
    if _is_known(name, patterns) or any(name.startswith(f"{one}.") for one in job.dependencies):
        return
    value = job.get(name)
    if value is None:
        yield Problem(where.file, where.line, "undefined-property", _undefined(job, project, name))
        return
    for further in REFERENCE.findall(value):
        yield from _check_reference(job, project, patterns, where, path=(*path, name), name=further)


def _undefined(job: Job, project: Project, name: str) -> str:
    for other in project.jobs:
        if name.startswith(f"{other}."):
            return (
                f"${{{name}}} looks like an output of {other!r}, which this job does not depend "
                "on directly: outputs reach direct children only"
            )
    defined = {key for file in (job.file, *job.shared) for key in file.entries}
    close = get_close_matches(name, defined, n=1)
    hint = f" (did you mean ${{{close[0]}}}?)" if close else ""
    return f"${{{name}}} is not defined{hint}: define it in a .properties file (or --known {name})"


def _commands(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the commands of a job: ``command``, ``command.1`` ... as long as they follow."""
    number = 0
    key = "command"
    while (value := job.get(key)) is not None:
        yield key, value
        number += 1
        key = f"command.{number}"


def _check_commands(job: Job, bundle: Bundle) -> Iterator[Problem]:
    here = job.file.name
    commands = list(_commands(job))
    if not commands:
        yield Problem(here, job.line("type"), "no-command", "type=command needs command=...")
    for key, value in commands:
        line = job.line(key)
        if not value.strip():
            yield Problem(here, line, "no-command", f"{key} is empty")
            continue
        words = split_command(value)
        yield from _check_entry_point(job, bundle, words, line)
        shell = [word for word in words if word in ("|", ">", ">>", "<", "&&", "||", ";", "&")]
        if shell and not re.search(r"(?:^|/)(?:ba|da|z|k)?sh$", words[0]):
            yield Problem(
                here,
                line,
                "no-shell",
                f"{shell[0]!r} is passed to the program as it is, there is no shell: write "
                'bash -c "..." if you mean one',
                "warning",
            )


def _check_entry_point(
    job: Job, bundle: Bundle, words: list[str], line: int | None
) -> Iterator[Problem]:
    """Look for the module of ``python -m MODULE`` or the script of ``python FILE`` in the zip."""
    if not words or not _PYTHON.match(words[0]):
        return
    arguments = iter(words[1:])
    for word in arguments:
        if word == "-m":
            yield from _check_module(job, bundle, next(arguments, ""), line)
            return
        if word in ("-W", "-X"):
            next(arguments, None)
        elif word == "-c":
            return
        elif not word.startswith("-"):
            path = posixpath.normpath(posixpath.join(job.folder, word))
            if "$" not in word and not word.startswith("/") and path not in bundle.names:
                yield Problem(
                    job.file.name,
                    line,
                    "missing-script",
                    f"the script {word} is not in the project (looked for {path})",
                )
            return


def _check_module(job: Job, bundle: Bundle, module: str, line: int | None) -> Iterator[Problem]:
    if "$" in module:
        return
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module):
        yield Problem(job.file.name, line, "missing-module", f"-m {module}: not a module's name")
        return
    stem = posixpath.join(job.folder, module.replace(".", "/"))
    if f"{stem}.py" in bundle.names or f"{stem}/__main__.py" in bundle.names:
        return
    top = module.split(".", maxsplit=1)[0]
    package = posixpath.join(job.folder, top)
    inside = any(name.startswith(f"{package}/") or name == f"{package}.py" for name in bundle.names)
    if top in sys.stdlib_module_names and not inside:
        return
    if inside:
        found = sorted(
            name[len(posixpath.dirname(stem)) + 1 : -len(".py")]
            for name in bundle.names
            if posixpath.dirname(name) == posixpath.dirname(stem) and name.endswith(".py")
        )
        close = get_close_matches(module.rpartition(".")[2], found, n=1)
        hint = f" (did you mean {module.rpartition('.')[0]}.{close[0]}?)" if close else ""
        yield Problem(
            job.file.name,
            line,
            "missing-module",
            f"-m {module}: there is no {stem}.py in the project{hint}",
        )
        return
    yield Problem(
        job.file.name,
        line,
        "missing-module",
        f"-m {module}: the project has no folder {package}/: add it (--with {top}), "
        "or install the module where jobs run",
        "error" if "." in module else "warning",
    )


def _cycles(project: Project) -> Iterator[Problem]:
    """Report each cycle of dependencies once, at the job with the smallest name."""
    edges = {
        name: [
            *(one for one in job.dependencies if one in project.jobs and one != name),
            *_embedded_ends(job, project),
        ]
        for name, job in project.jobs.items()
    }
    reported: set[frozenset[str]] = set()
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> Iterator[list[str]]:
        if name in path:
            yield path[path.index(name) :]
            return
        if name in done:
            return
        for other in edges[name]:
            yield from visit(other, [*path, name])
        done.add(name)

    for name in sorted(edges):
        for cycle in visit(name, []):
            if frozenset(cycle) not in reported:
                reported.add(frozenset(cycle))
                start = cycle.index(min(cycle))
                ring = [*cycle[start:], *cycle[:start]]
                job = project.jobs[ring[0]]
                yield Problem(
                    job.file.name,
                    job.line("dependencies") or job.line("flow.name"),
                    "cycle",
                    f"a cycle of dependencies: {' -> '.join([*ring, ring[0]])}: remove one",
                )


def _embedded_ends(job: Job, project: Project) -> list[str]:
    """Name the last job of the flow that a job embeds: it must not lead back to the job."""
    name = (job.get("flow.name") or "").strip()
    return [name] if job.get("type") == "flow" and name in project.jobs else []
