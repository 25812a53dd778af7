"""Typed job parameters: a frozen dataclass from a flat ``dict[str, str]``.

A job declares its parameters once, as dataclass fields made by `param`; the same declaration
parses and checks the properties, prints ``--help`` and fills the parameter reference.

Examples
--------
>>> @dataclass(frozen=True, kw_only=True)
... class Params:
...     epochs: int = param(20, doc="Passes over the data.", ge=1)
...     cell: str = param("lstm", doc="Recurrent cell.", choices=("lstm", "gru"))
>>> parse(Params, "nn", {"nn.epochs": "5", "azkaban.flow.execid": "7"})
Params(epochs=5, cell='lstm')
>>> parse(Params, "nn", {"nn.epochs": "0", "nn.epoch": "5"})
Traceback (most recent call last):
    ...
jobs._params.ParamError: nn.epochs = '0': expected an integer >= 1
nn.epoch = '5': no such parameter (did you mean nn.epochs?)
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Info", "ParamError", "describe", "param", "parse"]

T = TypeVar("T")


class ParamError(ValueError):
    """Every bad parameter of a job, one line each: key, value, what was expected."""


@dataclass(frozen=True)
class _Rule:
    doc: str
    ge: float | None
    gt: float | None
    le: float | None
    lt: float | None
    choices: tuple[str, ...] | None


@dataclass(frozen=True)
class Info:
    """One parameter as the reference shows it."""

    key: str
    expected: str
    default: str | None
    doc: str


def param(
    default: Any = MISSING,
    *,
    doc: str,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """Declare one parameter of a job.

    Parameters
    ----------
    default
        Its value when the property is absent or empty; without one it is required.
    doc
        One sentence for ``--help`` and the reference, with the unit.
    ge, gt, le, lt
        Bounds of a number: ``>=``, ``>``, ``<=``, ``<``.
    choices
        The words that a string may be.
    """
    rule = _Rule(doc, ge, gt, le, lt, tuple(choices) if choices else None)
    return field(default=default, metadata={"rule": rule})


def parse(cls: type[T], prefix: str, props: Mapping[str, str]) -> T:
    """Build `cls` from the properties ``<prefix>.<field>``.

    Keys outside the prefix are ignored (Azkaban adds its own); an unknown key under it is an error.

    Raises
    ------
    ParamError
        Names all the bad keys at once.
    """
    fields = {f.name: f for f in dataclasses.fields(typing.cast("Any", cls))}
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    errors: list[str] = []
    for name, spec in fields.items():
        key, rule = f"{prefix}.{name}", spec.metadata["rule"]
        text = props.get(key, "").strip()
        if not text:
            if spec.default is MISSING:
                errors.append(f"{key}: required, expected {_expected(hints[name], rule)}")
            continue
        try:
            values[name] = _convert(text, hints[name], rule)
        except ValueError:
            errors.append(f"{key} = {text!r}: expected {_expected(hints[name], rule)}")
    known = [f"{prefix}.{name}" for name in fields]
    for key, text in props.items():
        if key.startswith(f"{prefix}.") and key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            errors.append(f"{key} = {text!r}: no such parameter ({hint})")
    if errors:
        raise ParamError("\n".join(errors))
    return cls(**values)


def describe(cls: type, prefix: str) -> list[Info]:
    """List the parameters of a job in their order of declaration."""
    hints = typing.get_type_hints(cls)
    return [
        Info(
            key=f"{prefix}.{f.name}",
            expected=_expected(hints[f.name], f.metadata["rule"]),
            default=None if f.default is MISSING else _show(f.default),
            doc=f.metadata["rule"].doc,
        )
        for f in dataclasses.fields(cls)
    ]


def _show(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_KINDS: dict[type, tuple[str, Callable[[str], Any]]] = {
    bool: ("true or false", _boolean),
    int: ("an integer", int),
    float: ("a number", _real),
    str: ("text", str),
    Path: ("a path", Path),
}


def _plain(hint: Any) -> type:
    """Drop ``| None``: an absent or empty property is what gives None."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if hint not in _KINDS:
        raise TypeError(f"a job parameter cannot be of type {hint!r}")
    return typing.cast("type", hint)


def _bounds(rule: _Rule) -> list[tuple[str, float, Callable[[float, float], bool]]]:
    bounds = [
        (">=", rule.ge, float.__ge__),
        (">", rule.gt, float.__gt__),
        ("<=", rule.le, float.__le__),
        ("<", rule.lt, float.__lt__),
    ]
    return [(sign, float(limit), test) for sign, limit, test in bounds if limit is not None]


def _expected(hint: Any, rule: _Rule) -> str:
    if rule.choices:
        return "one of " + ", ".join(rule.choices)
    limits = [f"{sign} {limit:g}" for sign, limit, _ in _bounds(rule)]
    return " ".join([_KINDS[_plain(hint)][0], " and ".join(limits)]).rstrip()


def _convert(text: str, hint: Any, rule: _Rule) -> Any:
    value = _KINDS[_plain(hint)][1](text)
    if rule.choices and value not in rule.choices:
        raise ValueError(text)
    if not all(test(float(value), limit) for _, limit, test in _bounds(rule)):
        raise ValueError(text)
    return value
