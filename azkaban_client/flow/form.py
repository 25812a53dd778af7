"""Tell the console which values a flow's parameters take: the property ``azk.form``.

A server knows properties as texts alone. What the jobs of the kit declare (types, choices, bounds,
sentences) travels in the copy of the project that is uploaded: in Flow 1.0 in the file of the
flow's last job, in Flow 2.0 in the ``config`` of the flow. So the dialog that runs a flow has it
beside any server.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import javaproperties

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.interpreter import with_config
from azkaban_client.flow.lint.kit import kit_script
from azkaban_client.flow.loader import is_flow_2, load
from azkaban_client.flow.overrides import FORM, overridable_here
from azkaban_client.flow.signature import declared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.loader import Job, Project
    from azkaban_client.flow.signature import Declared
    from azkaban_client.flow.zip import Bundle

__all__ = ["form_of", "with_form"]

_REFERENCE = re.compile(r"\$\{([^${}]+)\}")
_LONGEST = 20_000  # each job's process gets all its properties: a form is no reason to fail


def with_form(bundle: Bundle) -> Bundle:
    r"""Return a project whose flows say which values their parameters take.

    A flow without jobs of the kit stays as it is, and so does one that has the property already.

    Examples
    --------
    >>> from azkaban_client.flow.zip import Bundle
    >>> script = b"from azkaban_client.job import job\n@job\ndef main(rows: int = 5): ..."
    >>> job = b"type=command\ncommand=python sales.py\nsales.rows=${rows}"
    >>> given = with_form(Bundle({"sales.py": script, "sales.job": job}))
    >>> print(given.read("sales.job").decode().splitlines()[-1])
    azk.form={"rows"\:{"type"\:"integer","default"\:"5"}}
    """
    project = load(bundle)
    changed: dict[str, bytes] = {}
    for name in project.names:
        last = _last(project, name)
        if last is None or last.get(FORM) is not None:
            continue
        text = _as_json(form_of(project, name, bundle))
        if text == "{}" or len(text) > _LONGEST:
            continue
        if not is_flow_2(bundle):
            line = javaproperties.join_key_value(FORM, text)
            # A last line that goes on after a backslash takes in the empty one, and no more.
            changed[last.own.name] = bundle.read(last.own.name) + f"\n\n{line}\n".encode("ascii")
            continue
        file = next(one for one in bundle.visible_names if f"/{one}".endswith(f"/{name}.flow"))
        with suppress(InvalidProject):  # written in braces: it stays without
            changed[file] = with_config(file, bundle.read(file), FORM, text)
    return replace(bundle, files={**bundle.files, **changed})


def _last(project: Project, flow: str) -> Job | None:
    """Return the job on which no other depends, which gives a flow of Flow 1.0 its name."""
    jobs = project.flows[flow].jobs
    needed = {one for job in jobs.values() for one in job.dependencies}
    return next((job for name, job in jobs.items() if name not in needed), None)


def form_of(project: Project, flow: str, bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Return what the jobs of a flow declare of the properties that an execution can change.

    Where two jobs take the same property, what they say differently is left out.
    """
    can = overridable_here(project, flow)
    found: dict[str, dict[str, Any]] = {}
    for job in _jobs(project, flow, (flow,)):
        script = kit_script(job, bundle)
        if script is None:
            continue
        place, prefix = script
        module = partial(_module, bundle, place.rpartition("/")[0], job.folder)
        for one in declared(_text(bundle, place) or "", module):
            name = f"{prefix}.{one.name}"
            key = _key(job, name)
            # A parameter that no file mentions can be set by its whole name.
            if key and (key in can.defaults or (key == name and key not in can.literals)):
                entry = _entry(one)
                known = found.get(key, entry)
                found[key] = {word: said for word, said in known.items() if entry.get(word) == said}
    return found


def _key(job: Job, name: str) -> str | None:
    """Return the property that changes a parameter; None where the job's file sets a value."""
    value = job.own.get(name)
    if value is None:
        return name
    reference = _REFERENCE.fullmatch(value.strip())
    return reference[1] if reference else None


def _jobs(project: Project, flow: str, above: tuple[str, ...]) -> Iterator[Job]:
    """Yield the jobs of a flow and of those that it embeds."""
    for job in project.flows[flow].jobs.values():
        yield job
        if job.embeds and job.embeds in project.flows and job.embeds not in above:
            yield from _jobs(project, job.embeds, (*above, job.embeds))


def _entry(one: Declared) -> dict[str, Any]:
    said = {
        "type": one.kind,
        "several": one.several,
        "choices": list(one.choices),
        **one.bounds,
        "doc": one.doc,
        "default": one.default,
        "required": one.required,
    }
    return {word: value for word, value in said.items() if value or word in one.bounds}


def _as_json(form: dict[str, dict[str, Any]]) -> str:
    r"""Write a form in ASCII, without characters that a server or its pages would interpret.

    Examples
    --------
    >>> _as_json({"a": {"doc": "<b> & ${x}"}})
    '{"a":{"doc":"\\u003cb\\u003e \\u0026 \\u0024{x}"}}'
    """
    text = json.dumps(form, separators=(",", ":"))
    for sign in "$<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _module(bundle: Bundle, beside: str, folder: str, name: str) -> str | None:
    """Return the text of a module of the project, beside the script or below the job's folder."""
    path = name.replace(".", "/")
    for top in dict.fromkeys((beside, folder, "")):
        for file in (f"{path}.py", f"{path}/__init__.py"):
            place = f"{top}/{file}" if top else file
            if place in bundle.files:
                return _text(bundle, place)
    return None


def _text(bundle: Bundle, place: str) -> str | None:
    try:
        return bundle.read(place).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
