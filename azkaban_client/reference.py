"""Write the library's reference from its docstrings: ``python -m azkaban_client.reference FILE``.

A test fails when the page in ``docs/`` is not what this writes.
"""

from __future__ import annotations

import inspect
import sys
from enum import Enum
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, is_typeddict

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["page"]

_HEAD = """\
# Reference of `azkaban_client`

Made from the docstrings; do not edit it. It is written by
`python -m azkaban_client.reference docs/reference/api.md`.
How things go together, and what is taken care of: [client.md](client.md). The command line:
[azk.md](azk.md).
"""
_MODULES = (
    "client",
    "follow",
    "models",
    "options",
    "errors",
    "auth",
    "job",
    "job.testing",
    "flow.collect",
    "flow.zip",
    "flow.lint",
    "flow.loader",
    "flow.graph",
    "flow.local",
    "flow.script.declare",
    "environments",
)
# Modules of what `azkaban_client.job` has.
_SHOWN_BY_JOB = ("azkaban_client.job.", "azkaban_client.files")
_GROUPS = ("_session", "_projects", "_executions", "_schedules", "_permissions")


def _signature(function: Any) -> str:
    parts, star = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self" or parameter.name.startswith("_"):
            continue
        text = parameter.name
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        if parameter.kind is parameter.VAR_KEYWORD:
            text = f"**{text}"
        if parameter.annotation is not parameter.empty:
            text += f": {parameter.annotation}"
        if parameter.default is not parameter.empty:
            text += f" = {parameter.default!r}"
        parts.append(text)
    returns = inspect.signature(function).return_annotation
    return f"({', '.join(parts)})" + (
        "" if returns is inspect.Signature.empty else f" -> {returns}"
    )


def _entry(level: str, name: str, thing: Any, signature: str = "") -> str:
    doc = inspect.getdoc(thing) or ""
    return f"{level} {name}\n\n```text\n{f'{name}{signature}'}\n\n{doc}\n```\n"


def _members(name: str, owner: type) -> Iterator[str]:
    """Yield methods and properties; fields are in the signature of their class."""
    for inner, member in vars(owner).items():
        function = getattr(member, "__func__", member)
        if inner.startswith("_"):
            continue
        if inspect.isfunction(function):
            yield _entry("####", f"{name}.{inner}", member, _signature(function))
        elif isinstance(member, (property, cached_property)):
            yield _entry("####", f"{name}.{inner}", member)


def _of_class(name: str, owner: type) -> Iterator[str]:
    values = [str(one) for one in owner] if issubclass(owner, Enum) else []
    if is_typeddict(owner):
        values = list(owner.__annotations__)
    if values:
        signature = f": {', '.join(values)}"
    elif issubclass(owner, Exception):
        signature = ""
    else:
        signature = _signature(owner).removesuffix(" -> None")
    yield _entry("###", name, owner, signature)
    yield from _members(name, owner)


def _sections() -> Iterator[str]:
    for name in _MODULES:
        module = import_module(f"azkaban_client.{name}")
        yield f"## azkaban_client.{name}\n\n```text\n{inspect.getdoc(module)}\n```\n"
        if name == "errors":
            continue  # its tree says it all
        for public in module.__all__:
            thing = getattr(module, public)
            home = getattr(thing, "__module__", module.__name__)
            if home != module.__name__ and not home.startswith(_SHOWN_BY_JOB):
                continue  # shown where it is at home
            if inspect.isclass(thing):
                yield from _of_class(public, thing)
            elif inspect.isfunction(thing):
                yield _entry("###", public, thing, _signature(thing))
        if name == "client":
            for group in _GROUPS:
                home = import_module(f"azkaban_client.{group}")
                yield from _members(
                    "Client",
                    next(one for one in module.Client.__mro__ if one.__module__ == home.__name__),
                )


def page() -> str:
    """Return the page as Markdown: one section for each module, its docstrings as they are."""
    return "\n".join([_HEAD, *_sections()])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
