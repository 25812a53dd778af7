"""Read what parameters a script takes, from its text alone: nothing of it is run.

Scripts written with the job kit, argparse and click are understood, others by the names of modules
and environment variables that they use. What only a run could tell (an option made in a loop, a
default that is computed) is left to the script.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from azkaban_client.flow.signature import declared, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Option", "Script", "read"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What a job of Azkaban's, or of `azkaban_client.job.plain`, finds in its environment.
_OF_AZKABAN = {"JOB_NAME", "JOB_OUTPUT_PROP_FILE", "JOB_PROP_FILE", "OUTPUT_DIR"}
_FLAGS = {"store_true", "store_false", "store_const", "count", "version", "help", "append_const"}


@dataclass(frozen=True)
class Option:
    """One parameter of a script.

    Attributes
    ----------
    name
        For a property: letters, digits and ``_``.
    flag
        How the command line has it: ``--day``, ``-n``; empty for one that has only a place.
    default
        As text; None where there is none, or only the script knows it.
    required
        Whether the script asks for it.
    doc
        What its author says of it.
    simple
        Whether ``--day=VALUE`` is all that can be said: neither a switch nor a list.
    """

    name: str
    flag: str
    default: str | None
    required: bool
    doc: str = ""
    simple: bool = True


@dataclass(frozen=True)
class Script:
    """What can be read of a script.

    Attributes
    ----------
    path
        The file.
    kind
        What reads its parameters; ``plain`` where nothing that is known does.
    options
        Its parameters.
    subcommands
        Whether it has commands within, each with parameters of its own.
    imports
        Modules that are neither Python's own nor beside it.
    beside
        Modules that it imports from its own folder: files, and folders of packages.
    files
        Names of other files beside it that it mentions.
    environment
        Variables of the environment that it reads.
    asks
        Whether it waits for somebody to type.
    data
        Files of its packages that are no modules.
    relative
        The line of an import that is relative to a package, outside ``try``; 0 for none.
    """

    path: Path
    kind: Literal["kit", "argparse", "click", "plain"]
    options: tuple[Option, ...] = ()
    subcommands: bool = False
    imports: tuple[str, ...] = ()
    beside: tuple[Path, ...] = ()
    files: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    asks: bool = False
    data: tuple[str, ...] = ()
    relative: int = 0


def read(path: Path) -> Script:
    """Read a script.

    Raises
    ------
    ValueError
        It is no Python of today; the message names file and line.
    """
    tree = _parse(path)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [_called(call) for call in calls]
    imports = _Imports(path.parent)
    imports.add(tree)
    kind, options = _options(tree, calls, path)
    return Script(
        path=path,
        kind=kind,
        options=tuple(options),
        subcommands=(kind == "argparse" and "add_subparsers" in names)
        or (kind == "click" and "group" in _decorators(tree)),
        imports=tuple(sorted(imports.foreign)),
        beside=tuple(sorted(imports.beside)),
        files=tuple(sorted(_files_beside(tree, path.parent) - {path.name})),
        environment=tuple(sorted(set(_variables(tree)) - _OF_AZKABAN)),
        asks="input" in names,
        data=tuple(_data(imports.beside, path.parent)),
        relative=_relative(tree),
    )


def _parse(path: Path) -> ast.Module:
    try:
        with tokenize.open(path) as stream:  # in the encoding that its first lines name
            return ast.parse(stream.read(), str(path))
    except SyntaxError as error:
        place = f"{path}:{error.lineno}" if error.lineno else f"{path}"
        raise ValueError(f"{place}: not Python of today: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # zero bytes, not its encoding
        raise ValueError(f"{path}: cannot be read as Python: {error}") from None


def _called(call: ast.Call) -> str:
    """Return the last name of what is called: ``add_argument`` of ``parser.add_argument``."""
    return last_name(call.func)


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def _decorators(tree: ast.Module) -> set[str]:
    return {last_name(one) for function in _functions(tree) for one in function.decorator_list}


def _options(
    tree: ast.Module, calls: list[ast.Call], path: Path
) -> tuple[Literal["kit", "argparse", "click", "plain"], list[Option]]:
    modules = {name for name, _ in _imported(tree)}
    decorated = [function for function in _functions(tree) if function.decorator_list]
    if any(name.startswith("azkaban_client") for name in modules):
        for function in decorated:
            if any(last_name(one) == "job" for one in function.decorator_list):
                return "kit", list(_of_job(path))
    if modules & {"click", "rich_click"}:
        found = [
            option
            for function in decorated
            for one in function.decorator_list
            if isinstance(one, ast.Call) and (option := _of_click(one))
        ]
        return "click", _once(found)
    if "argparse" in modules:
        added = (call for call in calls if _called(call) == "add_argument")
        return "argparse", _once([option for call in added if (option := _of_argparse(call))])
    return "plain", []


def _once(options: list[Option]) -> list[Option]:
    return list({option.name: option for option in options}.values())


def _of_argparse(call: ast.Call) -> Option | None:
    given = {one.arg: one.value for one in call.keywords if one.arg}
    flags = [flag for one in call.args if isinstance(flag := _literal(one), str)]
    if not flags or len(flags) != len(call.args):
        return None
    positional = not flags[0].startswith("-")
    flag = next((one for one in flags if one.startswith("--")), flags[0])
    name = _literal(given.get("dest")) or flag.lstrip("-").replace("-", "_")
    action = _literal(given.get("action"))
    if action in ("help", "version"):
        return None
    switch = action in _FLAGS or last_name(given.get("action", ast.Constant(""))).endswith("Action")
    several = "nargs" in given and _literal(given["nargs"]) != "?"
    default = _default(given)
    optional = positional and _literal(given.get("nargs")) in ("?", "*")
    return Option(
        name=str(name),
        flag="" if positional else flag,
        default=default,
        required=(positional and not optional) or _literal(given.get("required")) is True,
        doc=str(_literal(given.get("help")) or ""),
        simple=not switch and not several and action not in ("append", "extend"),
    )


def _of_click(call: ast.Call) -> Option | None:
    kind = _called(call)
    if kind not in ("option", "argument"):
        return None
    given = {one.arg: one.value for one in call.keywords if one.arg}
    words = [word for one in call.args if isinstance(word := _literal(one), str)]
    if not words or len(words) != len(call.args):
        return None
    plain = [word for word in words if not word.startswith("-")]
    flags = [word for word in words if word.startswith("-")]
    flag = next((one for one in flags if one.startswith("--")), flags[0] if flags else "")
    name = plain[0] if plain else flag.lstrip("-").replace("-", "_")
    default = _default(given)
    needed = _literal(given.get("required"))
    if kind == "argument":
        required = needed is not False and "default" not in given
    else:
        required = needed is True or _literal(given.get("prompt")) not in (None, False)
        required = required and "default" not in given
    switch = "/" in flag or _literal(given.get("is_flag")) is True or "count" in given
    several = _literal(given.get("multiple")) is True or _literal(given.get("nargs")) not in (
        None,
        1,
    )
    return Option(
        name=name.partition("/")[0],
        flag=flag if kind == "option" else "",
        default=default,
        required=required,
        doc=str(_literal(given.get("help")) or ""),
        simple=not switch and not several,
    )


def _of_job(path: Path) -> Iterator[Option]:
    """Yield the parameters of a job of the kit, those of a dataclass one by one."""

    def module(name: str) -> str | None:
        file = path.parent / f"{name.replace('.', '/')}.py"
        try:
            return file.read_text(encoding="utf-8") if file.is_file() else None
        except (OSError, UnicodeDecodeError):
            return None

    with tokenize.open(path) as stream:
        text = stream.read()
    for one in declared(text, module):
        required, default = one.required, one.default or None
        if required and one.kind == "date":
            required, default = False, "yesterday"  # what a daily job is most often about
        yield Option(name=one.name, flag="", default=default, required=required, doc=one.doc)


def _literal(node: ast.expr | None) -> object:
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None


def _default(given: dict[str, ast.expr]) -> str | None:
    """Return a default as text; None where the option's type would not take that text."""
    found = _text(given.get("default"))
    whole = last_name(given.get("type", ast.Constant(""))) == "int"
    return None if found and whole and not re.fullmatch(r"-?\d+", found) else found


def _text(node: ast.expr | None) -> str | None:
    """Write a default as a property would have it; None where only a run could tell it."""
    if isinstance(node, ast.Call) and last_name(node.func) == "Path" and len(node.args) == 1:
        node = node.args[0]
    found = _literal(node)
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, str | int | float) and str(found).strip():
        return str(found)
    return None


def _imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the modules that are imported, with the level of a relative import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((one.name, 0) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module:
                yield node.module, node.level
            yield from (
                (f"{node.module}.{one.name}" if node.module else one.name, node.level)
                for one in node.names
            )


@dataclass
class _Imports:
    """Modules that a script needs, and those that they need in turn."""

    folder: Path
    beside: set[Path] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)

    def add(self, tree: ast.Module) -> None:
        for name, level in _imported(tree):
            top = name.partition(".")[0]
            file, package = self.folder / f"{top}.py", self.folder / top
            if level == 0 and top in sys.builtin_module_names:
                continue
            if file.is_file():  # before Python's own of the same name, as Python does it
                self._take(file, [file])
            elif package.is_dir() and any(package.rglob("*.py")):
                self._take(package, sorted(package.rglob("*.py")))
            elif level == 0 and top not in sys.stdlib_module_names | {"azkaban_client"}:
                self.foreign.add(top)

    def _take(self, place: Path, files: list[Path]) -> None:
        if place in self.beside:
            return
        self.beside.add(place)
        for file in files:
            try:
                tree = _parse(file)
            except ValueError:
                continue  # Python says so when it comes there
            self.add(tree)


def _files_beside(tree: ast.Module, folder: Path) -> set[str]:
    """Return the names of files in the script's folder that one of its texts is."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        text = node.value
        if not 0 < len(text) < 200 or "\0" in text or "\n" in text or text.startswith((".", "/")):
            continue
        try:
            if (folder / text).is_file() and not text.endswith(".py"):
                found.add(text)
        except OSError:
            continue
    return found


def _data(beside: set[Path], folder: Path) -> Iterator[str]:
    """Yield the files of packages that a job would miss."""
    for package in sorted(place for place in beside if place.is_dir()):
        for file in sorted(package.rglob("*")):
            made = "__pycache__" in file.parts or file.suffix in (".py", ".pyi", ".pyc")
            if file.is_file() and not made:
                yield file.relative_to(folder).as_posix()


def _relative(tree: ast.Module) -> int:
    """Return the line of an import that only works within a package, or 0."""
    tried = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        for inner in ast.walk(node)
    }
    lines = (
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in tried
    )
    return min(lines, default=0)


def _variables(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        name: object = None
        if isinstance(node, ast.Subscript) and last_name(node.value) == "environ":
            name = _literal(node.slice)
        elif isinstance(node, ast.Call) and node.args:
            of_environ = (
                isinstance(node.func, ast.Attribute) and last_name(node.func.value) == "environ"
            )
            if _called(node) == "getenv" or (of_environ and _called(node) == "get"):
                name = _literal(node.args[0])
        if isinstance(name, str):
            yield name
