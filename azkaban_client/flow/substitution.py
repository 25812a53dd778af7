"""Substitute references in properties as Azkaban does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.properties import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["UnresolvedError", "expression", "resolve", "substitute"]

_DEEPEST = 200  # references to references: nobody writes a longer chain
_EXPRESSION = re.compile(r"\$\((?!\s*[A-Za-z_]\w*\s*\))")  # one word that JEXL lacks stays


class UnresolvedError(ValueError):
    """A ``${...}`` that nothing defines, in the server's words."""


def expression(value: str) -> str | None:
    """Return the start of an expression that servers from 2.6 on evaluate (JEXL), or None.

    Examples
    --------
    >>> expression("$(1 + 2)"), expression("$(word)")
    ('$(', None)
    """
    found = _EXPRESSION.search(value)
    return found[0] if found else None


def substitute(value: str, get: Callable[[str], str | None], path: tuple[str, ...] = ()) -> str:
    """Substitute each ``${name}`` in a value and in what replaces it, in one pass.

    Raises
    ------
    UnresolvedError
        Nothing defines a name, or it refers to itself.
    """

    def one(name: str) -> str:
        chain = "->".join((*path, name))
        if name in path:
            raise UnresolvedError(f"Circular variable substitution found: [{chain}]")
        if len(path) > _DEEPEST:
            raise UnresolvedError(f"More than {_DEEPEST} references to references: [{path[0]}...]")
        found = get(name)
        if found is None:
            raise UnresolvedError(f"Could not find variable substitution for variable(s) [{chain}]")
        return substitute(found, get, (*path, name))

    return REFERENCE.sub(lambda found: one(found[1]), value)


def resolve(properties: Mapping[str, str]) -> dict[str, str]:
    """Substitute ``${...}`` in all values once, as ``PropsUtils.resolveProps`` does.

    The server does so when it builds a job, and again for a job that starts processes. So
    ``${k_${day}}`` works, to this depth and no deeper.

    Raises
    ------
    UnresolvedError
        Nothing defines a name, or it refers to itself.

    Examples
    --------
    >>> resolve({"a": "1", "b": "${a}2", "c": "${b}-${n-a.x}"})
    {'a': '1', 'b': '12', 'c': '12-${n-a.x}'}
    >>> once = resolve({"day": "mon", "k_mon": "first", "k": "${k_${day}}"})
    >>> once["k"], resolve(once)["k"]
    ('${k_mon}', 'first')
    """
    return {key: substitute(value, properties.get, (key,)) for key, value in properties.items()}
