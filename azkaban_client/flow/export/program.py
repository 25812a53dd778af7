"""Pack `azkaban_client.flow.step` into a program of one file."""

from __future__ import annotations

import ast
import tempfile
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.flow.zip import Bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NAME", "program"]

NAME = "azkaban_step.pyz"

_MAIN = b"from azkaban_client.flow.step import program\n\nraise SystemExit(program())\n"
_ROOT = Path(__file__).parents[3]
_START = "azkaban_client.flow.step"
_BRINGS = ("javaproperties", "yaml")  # both in Python alone


def program() -> bytes:
    """Return the program: it needs a Python from 3.11 on, and nothing else.

    The same version of this package gives the same bytes.

    Examples
    --------
    >>> program().startswith(b"#!/usr/bin/env python3")
    True
    """
    files = {"__main__.py": _MAIN, **dict(_used(_START)), "azkaban_client/__init__.py": b""}
    for package in _BRINGS:
        for entry in resources.files(package).iterdir():
            if entry.name.endswith(".py"):
                files[f"{package}/{entry.name}"] = entry.read_bytes()
        for file in metadata.files({"yaml": "PyYAML"}.get(package, package)) or ():
            if file.name == "LICENSE":
                files[f"{package}/LICENSE"] = file.read_binary()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME)
        Bundle(files).write(path)
        return b"#!/usr/bin/env python3\n" + path.read_bytes()


def _used(start: str) -> Iterator[tuple[str, bytes]]:
    """Yield a module of this package and all that it imports, those imported later included."""
    todo, seen = [start], {start}
    while todo:
        name = todo.pop()
        module = f"{name.replace('.', '/')}.py"
        package = module.removesuffix(".py") + "/__init__.py"
        place = next((one for one in (module, package) if (_ROOT / one).is_file()), None)
        if place is None:
            continue  # not a module, but something in one
        source = (_ROOT / place).read_bytes()
        yield place, source
        named = {*_imports(ast.parse(source)), name.rpartition(".")[0]}
        found = {one for one in named if one.startswith("azkaban_client.")} - seen
        seen |= found
        todo += found


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module imports, but not those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)
        else:
            yield from _imports(node)
