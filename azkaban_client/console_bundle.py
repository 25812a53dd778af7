"""Join the console's modules into one file for each program, so that a first visit asks for few.

The sources stay what a browser runs as they are: modules that import names of each other. Each
becomes a function that gives what the module exports, in the order in which they need each other.
"""

from __future__ import annotations

import gzip
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PROGRAMS", "bundle", "compress"]

PROGRAMS = ("app.js", "worker.js")  # the page, and what lays out large graphs beside it

_IMPORT = re.compile(
    r"^import\s+(?:\*\s+as\s+(\w+)|\{([^}]*)\})\s+from\s+'(\.[^']+)';$", re.MULTILINE
)
_EXPORT = re.compile(r"^export\s+((?:async\s+)?function\s*\*?|class|const)\s+(\w+)", re.MULTILINE)
_LIST = re.compile(r"^export\s+\{([^}]*)\};$", re.MULTILINE)
_OTHER = re.compile(r"^\s*(?:import|export)\b.*|\bimport\s*\(.*", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?://.*|/\*[\s\S]*?\*/[ \t]*)\n", re.MULTILINE)


def bundle(folder: Path, program: str) -> str:
    """Return a module and all that it imports as one script.

    Parameters
    ----------
    folder
        The console's sources.
    program
        The path of the module below it.

    Raises
    ------
    ValueError
        Two modules import each other, one imports what is not there, or in another form than
        ``import { a, b as c } from './x.js'``, ``import * as x from './x.js'``, ``export const``,
        ``export function``, ``export class`` and ``export { a, b }``.
    """
    done: dict[str, _Module] = {}
    _add(folder, program, done, ())
    return "".join(module.text for module in done.values())


@dataclass(frozen=True)
class _Module:
    """A module as it stands in the program, and what it exports."""

    text: str
    names: list[str]


def _add(folder: Path, path: str, done: dict[str, _Module], way: tuple[str, ...]) -> None:
    """Add a module after those that it imports."""
    if path in way:
        raise ValueError(f"{folder / path}: is imported by what it imports: {' -> '.join(way)}")
    if path in done:
        return
    text = (folder / path).read_text(encoding="utf-8")
    if not any(line.count("`") % 2 for line in text.splitlines()):  # no text of several lines
        text = _COMMENT.sub("", text)
    for _, listed, target in _IMPORT.findall(text):
        other = _beside(path, target)
        _add(folder, other, done, (*way, path))
        wanted = [name.split(" as ")[0].strip() for name in listed.split(",") if name.strip()]
        if missing := [name for name in wanted if name not in done[other].names]:
            raise ValueError(f"{folder / path}: {other} exports no {', '.join(missing)}")
    body = _IMPORT.sub(lambda found: _constants(path, *found.groups()), text)
    names = [name for _, name in _EXPORT.findall(body)]
    names += [name for listed in _LIST.findall(body) for name in listed.replace(",", " ").split()]
    body = _LIST.sub("", _EXPORT.sub(r"\1 \2", body))
    if strange := _OTHER.search(body):
        raise ValueError(f"{folder / path}: {strange[0].strip()}: set-up cannot join this")
    given = f"return {{ {', '.join(names)} }};\n" if names else ""
    joined = f"// {path}\nconst {_name(path)} = (() => {{\n{body}{given}}})();\n"
    done[path] = _Module(joined, names)


def _constants(path: str, whole: str | None, names: str | None, target: str) -> str:
    """Return the statement that replaces an import."""
    module = _name(_beside(path, target))
    if whole:
        return f"const {whole} = {module};"
    return f"const {{ {' '.join((names or '').replace(' as ', ': ').split())} }} = {module};"


def _beside(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _name(path: str) -> str:
    return "of_" + re.sub(r"\W", "_", path.removesuffix(".js"))


def compress(data: bytes) -> bytes:
    """Compress a file for servers that send it so; the same data always gives the same bytes."""
    return gzip.compress(data, 9, mtime=0)
