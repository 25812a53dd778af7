"""Read outputs of jobs as the server does, and write them as its properties."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["java_text", "read_outputs"]


def java_text(value: Any) -> str:
    """Write a JSON value as Java's ``toString`` does, as the server does to outputs.

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
    """Write the shortest digits that identify the number, with powers of ten as in Java."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    texts = (f"{value:.{digits}e}" for digits in range(1, 18))
    digits, _, exponent = next(text for text in texts if float(text) == value).partition("e")
    return f"{digits}E{int(exponent)}"


def read_outputs(path: Path, say: Callable[[str], object]) -> dict[str, str]:
    """Read a job's outputs; as on the server, an error loses all of them but not the job."""
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not text:
        return {}
    try:
        found = json.loads(text)
        if None in found.values():
            raise ValueError("null is no value")  # noqa: TRY301 (the server fails on it too)
        return {str(key): java_text(value) for key, value in found.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        say(f"the outputs are lost, they are no flat JSON object: {error}")
        return {}
