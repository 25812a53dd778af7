"""Rules about one job, the same for Flow 1.0 and 2.0."""

from __future__ import annotations

import posixpath
import re
import sys
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.callbacks import check_callbacks
from azkaban_client.flow.lint.cycles import rings
from azkaban_client.flow.lint.memory import check_memory
from azkaban_client.flow.loader.command_line import split_command
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.loader.properties import REFERENCE, references

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from azkaban_client.flow.loader.model import Job
    from azkaban_client.flow.zip import Bundle

__all__ = ["Context", "check_job"]

_SERVER_GIVEN = ("azkaban.*", "user.to.proxy", "working.dir")
_PYTHON = re.compile(r"(?:.*/)?(?:python[\d.]*|pypy[\d.]*)$|\$\{python\}$")
_EXPRESSION = re.compile(r"\$\((?!\s*[A-Za-z_]\w*\s*\))")  # one word that JEXL lacks stays


@dataclass(frozen=True)
class Context:
    """What the rules know beside the job.

    Attributes
    ----------
    known
        Properties that the server defines.
    job_types
        Types that the server has.
    jobs
        Names of all jobs of the project.
    around
        Of each job of Flow 1.0 those that embed a flow which it belongs to: their properties and
        what is output to them reach it.
    """

    bundle: Bundle
    known: tuple[str, ...]
    job_types: tuple[str, ...]
    jobs: Collection[str]
    around: Mapping[str, Sequence[Job]] = field(default_factory=dict)

    def outer(self, job: Job) -> tuple[Job, ...]:
        """Give the jobs that embed a job, at any depth."""
        found: dict[str, Job] = {}
        todo = [job.name]
        while todo:
            for one in self.around.get(todo.pop(), ()):
                if one.name not in found:
                    found[one.name] = one
                    todo.append(one.name)
        return tuple(found.values())


def check_job(job: Job, context: Context) -> Iterator[Problem]:
    """Yield what is wrong with a job, its dependencies aside."""
    yield from _check_type(job, context)
    yield from _check_references(job, context)
    if job.type == "command":
        yield from _check_commands(job, context.bundle)
    for key in ("retries", "retry.backoff"):
        value = job.get(key)
        if value is not None and not REFERENCE.search(value) and not value.strip().isdecimal():
            yield Problem(
                job.own.name,
                job.line(key),
                "not-a-number",
                f"{key}={value}: expected a number, 0 or more",
            )
    yield from check_memory(job)
    yield from check_callbacks(job)


def _check_type(job: Job, context: Context) -> Iterator[Problem]:
    if job.type is None or job.type in (*context.job_types, "flow") or "${" in job.type:
        return
    close = get_close_matches(job.type, context.job_types, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    yield Problem(
        job.own.name,
        job.line("type"),
        "unknown-type",
        f"type {job.type!r} is not known{hint}; if the server has a plugin for it: "
        f"--job-type {job.type}",
    )


def _is_known(name: str, patterns: Collection[str]) -> bool:
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )


def _check_references(job: Job, context: Context) -> Iterator[Problem]:
    """Check all values that a job sees: the server resolves each of them, used or not."""
    places: dict[str, Problem] = {}
    needs: dict[str, list[str]] = {}
    for file, key, entry in job.visible():
        where = places[key] = Problem(file, entry.line, "undefined-property", "")
        names = references(entry.value)
        needs[key] = [name for name in names if REFERENCE.fullmatch(f"${{{name}}}")]
        for name in names:
            yield from _check_reference(job, context, where, name)
        if found := _EXPRESSION.search(entry.value):
            words = (
                f"{found[0]!r} in {key} begins an expression of Azkaban's own (JEXL), not of the "
                "shell; azk run --local cannot evaluate it and lets the job fail: put a command "
                "that needs it into a script"
            )
            yield replace(where, rule="expression", message=words, severity="warning")
    for ring in rings({k: [name for name in v if name in needs] for k, v in needs.items()}):
        words = f"${{{ring[0]}}} refers to itself: {' -> '.join(ring)}"
        yield replace(places[ring[0]], rule="circular-property", message=words)


def _check_reference(job: Job, context: Context, where: Problem, name: str) -> Iterator[Problem]:
    if not REFERENCE.fullmatch(f"${{{name}}}"):
        words = (
            f"${{{name}}} is left as it is: Azkaban takes only letters, digits, '_' and '.' in a "
            "reference"
        )
        yield replace(where, rule="bad-reference", message=words, severity="warning")
        return
    if _is_known(name, (*_SERVER_GIVEN, *context.known)):
        return
    here = (job, *context.outer(job))
    if any(one.get(name) is not None for one in here):
        return
    if not any(name.startswith(f"{giver}.") for one in here for giver in one.givers):
        yield _undefined(job, context, where, name)


def _undefined(job: Job, context: Context, where: Problem, name: str) -> Problem:
    """Report a name that nothing defines: a warning where a job before it may give it."""
    for other in context.jobs:
        if name.startswith(f"{other}."):
            words = (
                f"${{{name}}} looks like an output of {other!r}, which this job does not depend "
                "on directly: outputs reach direct children only"
            )
            return replace(where, message=words)
    defined = {key for file in (job.own, *job.shared) for key in file.entries}
    close = get_close_matches(name, defined, n=1)
    hint = f" (did you mean ${{{close[0]}}}?)" if close else ""
    givers = sorted({one for here in (job, *context.outer(job)) for one in here.givers})
    given = f", unless {' or '.join(givers)} outputs it" if givers else ""
    place = "the config of the flow" if job.own.name.endswith(".flow") else "a .properties file"
    words = f"${{{name}}} is not defined{hint}{given}: define it in {place} (or --known {name})"
    return replace(where, message=words, severity="warning" if given else "error")


def _commands(job: Job) -> Iterator[tuple[str, str]]:
    """Yield the commands of a job: ``command``, ``command.1`` ... as long as they follow."""
    number = 0
    key = "command"
    while (value := job.get(key)) is not None:
        yield key, value
        number += 1
        key = f"command.{number}"


def _check_commands(job: Job, bundle: Bundle) -> Iterator[Problem]:
    here = job.own.name
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
                    job.own.name,
                    line,
                    "missing-script",
                    f"the script {word} is not in the project (looked for {path})",
                )
            return


def _check_module(job: Job, bundle: Bundle, module: str, line: int | None) -> Iterator[Problem]:
    if "$" in module:
        return
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module):
        yield Problem(job.own.name, line, "missing-module", f"-m {module}: not a module's name")
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
            job.own.name,
            line,
            "missing-module",
            f"-m {module}: there is no {stem}.py in the project{hint}",
        )
        return
    yield Problem(
        job.own.name,
        line,
        "missing-module",
        f"-m {module}: the project has no folder {package}/: add it (--with {top}), "
        "or install the module where jobs run",
        "error" if "." in module else "warning",
    )
