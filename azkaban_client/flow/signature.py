"""Read what parameters a job of the kit declares, from its text alone: nothing of it is run.

A script's own names are followed, and those that it imports from the project: aliases, classes of
parameters, enums, constants. What only a run could tell (a default that is computed) is left out.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from azkaban_client.job.kinds import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Declared", "declared", "last_name"]

_KINDS = {
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "str": "text",
    "Path": "path",
    "date": "date",
    "datetime": "time",
    "timedelta": "duration",
    "Secret": "secret",
}
_BOUNDS = ("ge", "gt", "le", "lt")
_DEEPEST = 20  # names that lead to names: more are a circle
_UNKNOWN = object()


@dataclass(frozen=True)
class Declared:
    """A parameter as its job's text declares it.

    Attributes
    ----------
    name
        The last part of its property.
    kind
        integer, number, text, path, boolean, date, time, duration, secret; empty for one that
        cannot be told.
    several
        Whether it is a list, with commas between.
    choices
        All its allowed texts, if they are few.
    bounds
        ``ge``, ``gt``, ``le``, ``lt``.
    doc
        Its sentence.
    default
        As a property has it; None where there is none, or only a run could tell.
    required
        Whether it has no default.
    """

    name: str
    kind: str = ""
    several: bool = False
    choices: tuple[str, ...] = ()
    bounds: dict[str, float] = field(default_factory=dict)
    doc: str = ""
    default: str | None = None
    required: bool = False


def declared(text: str, module: Callable[[str], str | None] = lambda _: None) -> list[Declared]:
    """List the parameters of the job in a script's text, those of a dataclass one by one.

    Parameters
    ----------
    text
        The script's.
    module
        Returns the text of a module of the project by its name; None for any other.

    Examples
    --------
    >>> text = '''
    ... from azkaban_client.job import Param, job
    ... @job
    ... def main(day: date, rows: Annotated[int, Param("To read.", ge=1)] = 100): ...
    ... '''
    >>> for one in declared(text):
    ...     print(one.name, one.kind, one.bounds, one.default, one.required)
    day date {} None True
    rows integer {'ge': 1} 100 False
    """
    reader = _Module.parse(text, module)
    function = reader.job() if reader else None
    if reader is None or function is None:
        return []
    given = function.args
    places = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(places) - len(given.defaults))
    pairs = list(zip(places, [*defaults, *given.defaults], strict=True))
    pairs += zip(given.kwonlyargs, given.kw_defaults, strict=True)
    found: list[Declared] = []
    for one, default in pairs:
        hint = _unquoted(one.annotation)
        if last_name(hint) == "Run":
            continue
        fields = list(reader.fields(hint)) if isinstance(hint, ast.Name | ast.Attribute) else []
        found += fields or [reader.parameter(one.arg, hint, default)]
    return found


def last_name(node: ast.expr | None) -> str:
    """Return the last name of an expression: ``add_argument`` of ``parser.add_argument``."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _unquoted(hint: ast.expr | None) -> ast.expr | None:
    """Read an annotation that is written as a text."""
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        try:
            return ast.parse(hint.value, mode="eval").body
        except SyntaxError:
            return None
    return hint


@dataclass
class _Module:
    """A module of the project, in which names are looked up."""

    tree: ast.Module
    module: Callable[[str], str | None]
    depth: int = 0

    @classmethod
    def parse(
        cls, text: str, module: Callable[[str], str | None], depth: int = 0
    ) -> _Module | None:
        try:
            return cls(ast.parse(text), module, depth)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def job(self) -> ast.FunctionDef | None:
        """Return the function that is the job."""
        functions = (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef))
        return next((one for one in functions if "job" in map(last_name, one.decorator_list)), None)

    def find(self, node: ast.expr) -> tuple[_Module, ast.expr | ast.ClassDef] | None:
        """Find what a name stands for: ``Colour``, or ``shapes.Colour`` of a module."""
        if isinstance(node, ast.Name):
            return self.look_up(node.id)
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            return None
        for line in _statements(self.tree.body):
            if isinstance(line, ast.Import | ast.ImportFrom):
                above = f"{line.module}." if isinstance(line, ast.ImportFrom) else ""
                for one in line.names:
                    if (one.asname or one.name) == node.value.id:
                        other = self._other(f"{above}{one.name}")
                        return other.look_up(node.attr) if other else None
        return None

    def _other(self, name: str) -> _Module | None:
        """Read another module of the project; the kit, which may travel in it, is none."""
        known = self.depth > _DEEPEST or name.partition(".")[0] == "azkaban_client"
        text = None if known else self.module(name)
        return None if text is None else _Module.parse(text, self.module, self.depth + 1)

    def look_up(self, name: str) -> tuple[_Module, ast.expr | ast.ClassDef] | None:
        """Find the class or the value that a name stands for, and the module that it is in."""
        if self.depth > _DEEPEST:
            return None
        here = _Module(self.tree, self.module, self.depth + 1)
        for node in reversed([*_statements(self.tree.body)]):
            if isinstance(node, ast.ClassDef) and node.name == name:
                return here, node
            if isinstance(node, ast.Assign) and name in map(last_name, node.targets):
                return here, node.value
            if isinstance(node, ast.AnnAssign) and last_name(node.target) == name and node.value:
                return here, node.value
            if isinstance(node, ast.ImportFrom) and node.module:
                for one in node.names:
                    if (one.asname or one.name) == name:
                        other = self._other(node.module)
                        return other.look_up(one.name) if other else None
        return None

    def fields(self, hint: ast.Name | ast.Attribute) -> Iterator[Declared]:
        """Yield the parameters that a dataclass of the project declares by its fields."""
        home, node = self.find(hint) or (self, None)
        if not isinstance(node, ast.ClassDef):
            return
        if "dataclass" not in map(last_name, node.decorator_list):
            return
        found: dict[str, Declared] = {}
        for base in reversed(node.bases):  # in the order of dataclasses: the first one wins
            if isinstance(base, ast.Name | ast.Attribute):
                found |= {one.name: one for one in home.fields(base)}
        for line in node.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                name = line.target.id
                found[name] = home.parameter(name, _unquoted(line.annotation), line.value)
        yield from found.values()

    def parameter(self, name: str, hint: ast.expr | None, default: ast.expr | None) -> Declared:
        """Read one parameter."""
        known = self.kind(hint)
        rule: dict[str, Any] = known.pop("rule", {})
        if isinstance(default, ast.Call) and last_name(default) in ("param", "field"):
            given = {one.arg: one.value for one in default.keywords if one.arg}
            rule |= self._rule(default, places=0)
            default = default.args[0] if default.args else given.get("default")
            if default is None and "default_factory" in given:
                default = ast.Constant(None)
        if isinstance(default, ast.Constant) and default.value is ...:
            default = None
        choices = tuple(map(str, rule.get("choices") or ())) or known.get("choices", ())
        return Declared(
            name=name,
            kind=known.get("kind", "" if hint else "text"),
            several=known.get("several", False),
            choices=choices,
            bounds={key: rule[key] for key in _BOUNDS if isinstance(rule.get(key), int | float)},
            doc=" ".join(str(rule.get("doc") or "").split()),
            default=None if default is None else self._text(default),
            required=default is None,
        )

    def kind(self, hint: ast.expr | None) -> dict[str, Any]:
        """Tell the kind of a type, and what ``Annotated`` says beside it."""
        hint = _unquoted(hint)
        if isinstance(hint, ast.BinOp):
            sides = [one for one in (hint.left, hint.right) if not _is_none(one)]
            return self.kind(sides[0]) if len(sides) == 1 else {}
        if isinstance(hint, ast.Subscript):
            return self._subscript(hint)
        return self._named(hint) if isinstance(hint, ast.Name | ast.Attribute) else {}

    def _named(self, hint: ast.Name | ast.Attribute) -> dict[str, Any]:
        """Tell the kind that a name stands for: an alias, an enum, or one of Python's own."""
        where = self.find(hint)
        if where is None:
            name = last_name(hint)
            return {"kind": _KINDS[name]} if name in _KINDS else {}
        home, node = where
        if not isinstance(node, ast.ClassDef):
            return home.kind(node)
        if not any(last_name(base).endswith("Enum") for base in node.bases):
            return {}
        values = [home.value(one.value) for one in node.body if isinstance(one, ast.Assign)]
        return {} if _UNKNOWN in values else {"kind": "text", "choices": tuple(map(str, values))}

    def _subscript(self, hint: ast.Subscript) -> dict[str, Any]:
        parts = hint.slice.elts if isinstance(hint.slice, ast.Tuple) else [hint.slice]
        outer = last_name(hint.value)
        if outer == "Annotated":
            known = self.kind(parts[0])
            for one in parts[1:]:
                text = self.value(one)
                rule = {"doc": text} if isinstance(text, str) else self._rule(one, places=1)
                known["rule"] = {**known.get("rule", {}), **rule}
            return known
        if outer == "Literal":
            texts = [self.value(one) for one in parts]
            plain = all(isinstance(one, str) for one in texts)
            return {"kind": "text", "choices": tuple(texts)} if plain else {}
        if outer == "Optional":
            return self.kind(parts[0])
        if outer in ("list", "tuple", "List", "Tuple"):
            return {**self.kind(parts[0]), "several": True}
        return {}

    def _rule(self, call: ast.expr, places: int) -> dict[str, Any]:
        """Read a ``Param(...)``, or the same words in a ``param(...)``."""
        if not isinstance(call, ast.Call) or last_name(call) not in ("Param", "param"):
            return {}
        found = {one.arg: self.value(one.value) for one in call.keywords if one.arg}
        if call.args[:places]:
            found["doc"] = self.value(call.args[0])
        return {key: value for key, value in found.items() if value is not _UNKNOWN}

    def value(self, node: ast.expr) -> Any:
        """Compute a constant; ``_UNKNOWN`` for what only a run could tell."""
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            pass
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.Tuple | ast.List | ast.Dict):
            parts = node.keys if isinstance(node, ast.Dict) else node.elts
            items = [_UNKNOWN if one is None else self.value(one) for one in parts]
            return _UNKNOWN if _UNKNOWN in items else items
        where = self.find(node.value) if isinstance(node, ast.Attribute) else None
        if where is None or not isinstance(where[1], ast.ClassDef):
            where = self.find(node)
        elif isinstance(node, ast.Attribute):  # a member of an enum
            lines = (one for one in where[1].body if isinstance(one, ast.Assign))
            found = (one.value for one in lines if node.attr in map(last_name, one.targets))
            where = where[0], next(found, where[1])
        if where is None or isinstance(where[1], ast.ClassDef):
            return _UNKNOWN
        return where[0].value(where[1])

    def _called(self, call: ast.Call) -> Any:
        """Compute what some calls return: ``Path("a")``, ``timedelta(hours=1)``, ``tuple(A)``."""
        name, places = last_name(call), [self.value(one) for one in call.args]
        named = {one.arg: self.value(one.value) for one in call.keywords if one.arg}
        if name in ("Path", "tuple", "list") and len(places) == 1:
            return places[0]
        if name != "timedelta":
            return _UNKNOWN
        try:
            return timedelta(*places, **named)
        except (TypeError, OverflowError):
            return _UNKNOWN

    def _text(self, node: ast.expr) -> str | None:
        """Write a default as a property would have it."""
        found = self.value(node)
        return None if found is _UNKNOWN else show(found)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, with those that stand below an ``if`` or a ``try``."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _statements([*node.body, *node.orelse])


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
