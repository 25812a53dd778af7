"""Values of properties as Azkaban makes them: references resolved, outputs read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from azkaban_client.loader.properties import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["UnresolvedError", "java_text", "read_outputs", "resolve"]

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


def java_text(value: Any) -> str:
    """Write a JSON value as Java's ``toString`` does; that is how outputs become properties.

    Examples
    --------
    >>> java_text({"a": [1, 0.5, True], "b": 1e-5})
    '{a=[1, 0.5, true], b=1.0E-5}'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _java_double(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{key}={java_text(item)}" for key, item in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(java_text, value))}]"
    return "null" if value is None else str(value)


def _java_double(value: float) -> str:
    """Write the shortest digits that give the number back; powers of ten as Java does."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    texts = (f"{value:.{digits}e}" for digits in range(1, 18))
    digits, _, exponent = next(text for text in texts if float(text) == value).partition("e")
    return f"{digits}E{int(exponent)}"


def read_outputs(path: Path, say: Callable[[str], object]) -> dict[str, str]:
    """Read a job's outputs; as on the server, a mistake in them loses all, not the job."""
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not text:
        return {}
    try:
        found = json.loads(text)
        if None in found.values():
            raise ValueError("null is no value")  # noqa: TRY301 (the server fails on it too)
        return {str(key): java_text(value) for key, value in found.items()}
    except (ValueError, AttributeError) as error:
        say(f"the outputs are lost, they are no flat JSON object: {error}")
        return {}
