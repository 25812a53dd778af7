"""Check references ``${...}`` to properties: undefined ones, and those to themselves."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.cycles import rings
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.loader.properties import REFERENCE, references
from azkaban_client.flow.server_properties import EMBEDDED_ONLY, SINCE
from azkaban_client.flow.substitution import UnresolvedError, expression, substitute

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from azkaban_client.flow.lint.context import Context
    from azkaban_client.flow.loader.model import Job

__all__ = ["check_references"]

_ONCE = ("noop", "flow")  # types of jobs whose properties the server resolves once, not twice


def check_references(job: Job, context: Context) -> Iterator[Problem]:
    """Check all values that a job sees, because the server resolves even unused ones."""
    places: dict[str, Problem] = {}
    needs: dict[str, list[str]] = {}
    for file, key, entry in job.visible():
        where = places[key] = Problem(file, entry.line, "undefined-property", "")
        needs[key] = REFERENCE.findall(entry.value)
        for name in needs[key]:
            yield from _check_reference(job, context, where, name)
        yield from _check_second_pass(job, context, where, entry.value)
        if found := expression(entry.value):
            words = (
                f"{found!r} in {key} begins an expression (JEXL) for servers from 2.6 on: they "
                "evaluate it before a shell could, and where they cannot the job fails; put a "
                "command that needs it into a script"
            )
            yield replace(where, rule="expression", message=words, severity="warning")
    for ring in rings({k: [name for name in v if name in needs] for k, v in needs.items()}):
        words = f"${{{ring[0]}}} refers to itself: {' -> '.join(ring)}"
        yield replace(places[ring[0]], rule="circular-property", message=words)


def _check_second_pass(job: Job, context: Context, where: Problem, value: str) -> Iterator[Problem]:
    """Check the result of the first pass, which turns ``${k_${day}}`` into ``${k_mon}``."""
    if "${" not in value:
        return
    try:
        once = substitute(value, job.get)
        known = True
    except UnresolvedError:
        once, known = REFERENCE.sub("x", value), False
    if job.type not in _ONCE:
        left = REFERENCE.findall(once) if known else []
        for name in left:
            yield from _check_reference(job, context, where, name)
        once = REFERENCE.sub("x", once)
    for name in references(once):
        if not REFERENCE.fullmatch(f"${{{name}}}"):
            words = (
                f"${{{name}}} is left as it is: Azkaban takes only letters, digits, '_' and '.' "
                "in a reference"
            )
            yield replace(where, rule="bad-reference", message=words, severity="warning")


def _is_known(name: str, patterns: Collection[str]) -> bool:
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )


def _check_reference(job: Job, context: Context, where: Problem, name: str) -> Iterator[Problem]:
    if _is_known(name, context.known):
        return
    here = (job, *context.outer(job))
    if any(one.get(name) is not None for one in here):
        return
    if name in SINCE and (name != EMBEDDED_ONLY or context.is_embedded(job)):
        yield from _check_version(context, where, name)
    elif not any(name.startswith(f"{giver}.") for one in here for giver in one.givers):
        yield _undefined(job, context, where, name)


def _check_version(context: Context, where: Problem, name: str) -> Iterator[Problem]:
    """Check that the server is new enough to give a property."""
    since = SINCE[name]
    if since <= (context.version or context.oldest):
        return
    first = f"{since[0]}.{since[1]}"
    if context.version is None:
        words = f"${{{name}}} is given by Azkaban {first} and later alone: the job fails on others"
        yield replace(where, message=words, severity="warning")
    else:
        shown = f"{context.version[0]}.{context.version[1]}"
        words = f"${{{name}}} is given by Azkaban {first} and later: the job fails on {shown}"
        yield replace(where, message=words)


def _undefined(job: Job, context: Context, where: Problem, name: str) -> Problem:
    """Report an undefined name; only warn if an earlier job may define it."""
    for other in context.jobs:
        if name.startswith(f"{other}."):
            words = (
                f"${{{name}}} looks like an output of {other!r}, which this job does not depend "
                "on directly: outputs reach direct children only"
            )
            return replace(where, message=words)
    defined = {key for file in (job.own, *job.shared) for key in file.entries}
    close = get_close_matches(name, {*defined, *SINCE}, n=1)
    hint = f" (did you mean ${{{close[0]}}}?)" if close else ""
    givers = sorted({one for here in (job, *context.outer(job)) for one in here.givers})
    given = f", unless {' or '.join(givers)} outputs it" if givers else ""
    place = "the config of the flow" if job.own.name.endswith(".flow") else "a .properties file"
    words = f"${{{name}}} is not defined{hint}{given}: define it in {place} (or --known {name})"
    return replace(where, message=words, severity="warning" if given else "error")
