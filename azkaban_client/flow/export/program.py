"""Pack `azkaban_client.flow.step` into a program of one file."""

from __future__ import annotations

import tempfile
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.flow.zip import Bundle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

__all__ = ["NAME", "program"]

NAME = "azkaban_step.pyz"

_MAIN = b"from azkaban_client.flow.step import program\n\nraise SystemExit(program())\n"
_MODULES = ("errors", "files", "follow", "keeper", "models", "options")  # beside the flow's own
_BRINGS = ("javaproperties", "yaml")  # both in Python alone


def program() -> bytes:
    """Return the program: it needs a Python from 3.11 on, and nothing else.

    The same version of this package gives the same bytes.

    Examples
    --------
    >>> program().startswith(b"#!/usr/bin/env python3")
    True
    """
    ours = resources.files("azkaban_client")
    files = {"__main__.py": _MAIN, "azkaban_client/__init__.py": b""}
    for name in _MODULES:
        files[f"azkaban_client/{name}.py"] = (ours / f"{name}.py").read_bytes()
    files |= dict(_modules(ours / "flow", "azkaban_client/flow"))
    for package in _BRINGS:
        files |= dict(_modules(resources.files(package), package))
        for file in metadata.files({"yaml": "PyYAML"}.get(package, package)) or ():
            if file.name == "LICENSE":
                files[f"{package}/LICENSE"] = file.read_binary()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME)
        Bundle(files).write(path)
        return b"#!/usr/bin/env python3\n" + path.read_bytes()


def _modules(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir() and entry.name not in ("__pycache__", "lint", "export", "script"):
            yield from _modules(entry, f"{name}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{name}/{entry.name}", entry.read_bytes()
