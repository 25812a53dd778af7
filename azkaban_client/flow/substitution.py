"""Substitute references in properties as Azkaban does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from azkaban_client.flow.loader.properties import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UnresolvedError", "resolve"]

_WORD = re.compile(r"[A-Za-z_]\w*\Z")


class UnresolvedError(ValueError):
    """A ``${...}`` that nothing defines, in the server's words."""


def resolve(properties: Mapping[str, str]) -> dict[str, str]:
    """Substitute ``${...}`` in all values, as ``PropsUtils.resolveProps`` does.

    Raises
    ------
    ValueError
        Nothing defines a name, it refers to itself, or a value holds an expression ``$(...)``,
        which only the server can evaluate (a single word in it stays as it is, there as well).

    Examples
    --------
    >>> resolve({"a": "1", "b": "${a}2", "c": "${b}-${n-a.x}"})
    {'a': '1', 'b': '12', 'c': '12-${n-a.x}'}
    """

    def expand(value: str, path: tuple[str, ...]) -> str:
        def substitute(name: str) -> str:
            chain = "->".join((*path, name))
            if name in path:
                raise UnresolvedError(f"Circular variable substitution found: [{chain}]")
            if name not in properties:
                raise UnresolvedError(
                    f"Could not find variable substitution for variable(s) [{chain}]"
                )
            return expand(properties[name], (*path, name))

        return REFERENCE.sub(lambda found: substitute(found[1]), value)

    resolved = {key: expand(value, (key,)) for key, value in properties.items()}
    for key, value in resolved.items():
        for rest in value.split("$(")[1:]:
            if not _WORD.match(rest.partition(")")[0].strip()) or ")" not in rest:
                words = f"{key}={value}: Azkaban would evaluate $(...), azk run --local cannot"
                raise UnresolvedError(words)
    return resolved
