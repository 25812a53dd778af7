"""Read values from Python code without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Constants", "dotted", "keywords"]

_SECONDS = {
    "days": 86400, "seconds": 1, "microseconds": 1e-6, "milliseconds": 0.001, "minutes": 60,
    "hours": 3600, "weeks": 604800,
}  # fmt: skip
"""Of timedelta's parameters, in their order."""

_ZONES = ("ZoneInfo", "timezone")  # a time zone is read as its name


class UnknownError(ValueError):
    """A value that only running the code would tell."""


@dataclass
class Constants:
    """The names of a module that are set once, to something that can be read."""

    known: dict[str, Any] = field(default_factory=dict)

    def learn(self, tree: ast.Module) -> None:
        """Read the assignments at the top of a module."""
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                if isinstance(target, ast.Name):
                    try:
                        self.known[target.id] = self.value(node.value)
                    except UnknownError:
                        self.known.pop(target.id, None)

    def value(self, node: ast.expr) -> Any:
        """Return a value.

        Raises
        ------
        UnknownError
            Only running the code would tell.
        """
        match node:
            case ast.Constant():
                found: Any = node.value
            case ast.Name() if node.id in self.known:
                found = self.known[node.id]
            case ast.List() | ast.Tuple():
                found = [self.value(one) for one in node.elts]
            case ast.Dict():
                found = self._table(node)
            case ast.BinOp(op=ast.Add()):
                found = self._add(self.value(node.left), self.value(node.right))
            case ast.JoinedStr():
                found = "".join(self._text(one) for one in node.values)
            case ast.Call() if dotted(node.func).rpartition(".")[2] == "timedelta":
                found = self._seconds(node)
            case ast.Call() if node.args and dotted(node.func).rpartition(".")[2] in _ZONES:
                found = self.value(node.args[0])
            case ast.Call() if dotted(node.func).rpartition(".")[2] == "Param":
                given = keywords(self, node)
                found = self.value(node.args[0]) if node.args else given.get("default")
            case _:
                raise UnknownError(ast.unparse(node))
        return found

    def _text(self, node: ast.expr) -> str:
        """Return a part of an f-string."""
        if not isinstance(node, ast.FormattedValue):
            return str(self.value(node))
        if node.format_spec is not None or node.conversion != -1:
            raise UnknownError(ast.unparse(node))
        return str(self.value(node.value))

    def _add(self, left: Any, right: Any) -> Any:
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        raise UnknownError(f"{left!r} + {right!r}")

    def _table(self, node: ast.Dict) -> dict[Any, Any]:
        found = {}
        for key, value in _pairs(node):
            name = self.value(key)
            if isinstance(name, (list, dict)):  # a tuple is read as a list
                raise UnknownError(ast.unparse(node))
            found[name] = self.value(value)
        return found

    def _seconds(self, node: ast.Call) -> float:
        given = [*zip(_SECONDS, node.args, strict=False)]
        given += [(one.arg or "", one.value) for one in node.keywords]
        total = 0.0
        for name, value in given:
            number = self.value(value)
            if name not in _SECONDS or not isinstance(number, (int, float)):
                raise UnknownError(ast.unparse(node))
            total += _SECONDS[name] * number
        return total


def _pairs(node: ast.Dict) -> list[tuple[ast.expr, ast.expr]]:
    if any(key is None for key in node.keys):
        raise UnknownError(ast.unparse(node))
    return [(k, v) for k, v in zip(node.keys, node.values, strict=True) if k is not None]


def dotted(node: ast.expr) -> str:
    """Return the name that is called, such as ``luigi.Parameter``; empty if it is no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def keywords(constants: Constants, node: ast.Call) -> dict[str, Any]:
    """Return the arguments that have names and can be read."""
    found = {}
    for one in node.keywords:
        if one.arg is not None:
            try:
                found[one.arg] = constants.value(one.value)
            except UnknownError:
                continue
    return found
