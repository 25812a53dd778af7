"""What the scripts of a project import and their Python lacks, and Pythons that are not there.

Scripts are read, not run. An import in a ``try`` or for type checkers alone may be missing; one in
a function may never be reached, so it gives a warning.
"""

from __future__ import annotations

import ast
import posixpath
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from azkaban_client.flow.zip import Bundle

__all__ = ["check_imports", "missing_interpreter"]

# Packages that are not called what they are imported as.
_NAMES = {
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "GitPython",
    "google": "google-cloud-...",
    "jwt": "PyJWT",
    "mysql": "mysql-connector-python",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}

_OURS = ("azkaban_client/", "javaproperties/")  # the job kit: a job that plots needs matplotlib


@dataclass(frozen=True)
class _Import:
    """One import: of which module, where, whether it surely runs, and below which folder it is."""

    name: str
    file: str
    line: int
    certain: bool
    folder: str | None = None  # of a relative import


def check_imports(
    bundle: Bundle,
    script: str,
    path: str,
    modules: frozenset[str],
    *,
    certain: bool,
    of_server: bool = False,
) -> Iterator[Problem]:
    """Check what a script and the project's modules that it imports need.

    Parameters
    ----------
    bundle
        The project.
    script
        The script's name in it.
    path
        The folder, within the project, that Python looks for modules in.
    modules
        Names of the modules that are installed.
    certain
        Whether nothing else can put a module there.
    of_server
        The Python is the server's, for all projects: each module is named once, as a warning,
        since it may be installed there at any time.
    """
    lacking = "the project's environment lacks it: add it to requirements.txt"
    if of_server:
        lacking = "the server's Python lacks it: name it in a requirements.txt of the project"
    named = set()
    for one in _imports(bundle, script, path):
        top = one.name.partition(".")[0]
        if top in modules or top in sys.stdlib_module_names or (of_server and top in named):
            continue
        named.add(top)
        known = _NAMES.get(top, top)
        called = "" if known == top else f" (the package {known})"
        words = f"{top} is imported{called}, and {lacking}"
        problem = Problem(one.file, one.line, "missing-package", words)
        sure = certain and one.certain and not of_server
        yield problem if sure else replace(problem, severity="warning")


def _imports(bundle: Bundle, script: str, path: str) -> Iterator[_Import]:
    """Yield the imports from outside of the project, also of its modules that are imported."""
    todo, seen = [(script, True)], {script}
    while todo:
        file, certain = todo.pop()
        try:
            tree = ast.parse(bundle.read(file))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # perhaps for a newer Python
        # What it does to the path decides what it finds.
        certain = certain and b"sys.path" not in bundle.read(file)
        for one in _found(tree, file, certain=certain):
            inside = list(_homes(bundle, one.name, path if one.folder is None else one.folder))
            for home in inside:
                if home not in seen and home.endswith(".py") and not home.startswith(_OURS):
                    seen.add(home)
                    todo.append((home, one.certain))
            if not inside and one.folder is None:
                yield one


def _found(tree: ast.Module, file: str, *, certain: bool) -> Iterator[_Import]:
    todo: list[tuple[ast.AST, bool]] = [(node, certain) for node in tree.body]
    while todo:
        node, sure = todo.pop(0)
        match node:
            case ast.Import() | ast.ImportFrom():
                yield from _named(node, file, certain=sure)
            case ast.Try() | ast.TryStar():
                todo += [(one, sure) for one in (*node.orelse, *node.finalbody)]
            case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                todo += [(one, sure) for one in node.orelse]
            case ast.With() | ast.AsyncWith() | ast.ClassDef():
                todo += [(one, sure) for one in node.body]
            case _:  # a function, a loop, a branch
                todo += [(one, False) for one in ast.iter_child_nodes(node)]


def _named(node: ast.Import | ast.ImportFrom, file: str, *, certain: bool) -> Iterator[_Import]:
    """Yield what one statement imports; a name of a package may be a module of it."""
    start, folder = "", None
    if isinstance(node, ast.ImportFrom):
        start = f"{node.module}." if node.module else ""
        if node.level:
            folder = posixpath.join(posixpath.dirname(file), *[".."] * (node.level - 1))
    for alias in node.names:
        yield _Import(f"{start}{alias.name}", file, node.lineno, certain, folder)


def _homes(bundle: Bundle, module: str, path: str) -> Iterator[str]:
    """Yield the project's files that the import of a module runs."""
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        stem = posixpath.normpath(posixpath.join(path, *parts[:count]))
        for name in (f"{stem}.py", f"{stem}/__init__.py"):
            if name in bundle.files:
                yield name
    # A folder without an __init__.py, or a module that is built for some platform.
    top = posixpath.normpath(posixpath.join(path, parts[0]))
    ends = {f"{top}/": (".py",), f"{top}.": (".so", ".pyd", ".pyc")}
    if any(
        n.startswith(start) and n.endswith(end) for n in bundle.names for start, end in ends.items()
    ):
        yield top


def missing_interpreter(name: str, settings: Collection[str]) -> str | None:
    """Say that an interpreter is not on this machine; None if it is, or that cannot be told.

    Parameters
    ----------
    name
        As it stands in the command, properties resolved.
    settings
        Names of the environment variables that the job sets.
    """
    if "$" in name or "PATH" in settings:
        return None
    if name.startswith("/"):
        return None if Path(name).exists() else f"there is no {name} on this machine"
    if "/" in name or shutil.which(name):
        return None
    others = ("python3", "python", f"python3.{sys.version_info.minor}")
    there = next((other for other in others if shutil.which(other)), None)
    hint = f" (there is {there})" if there else ""
    return f"there is no {name} on this machine{hint}"
