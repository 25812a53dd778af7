"""Declare typed job parameters once, for properties, options, help and reference.

A job's parameters are those of its function, annotated with a sentence and bounds::

    def main(rows: Annotated[int, Param("Rows to count.", ge=1)] = 100) -> None: ...

If they are many, or shared by several jobs, they are the fields of a dataclass, and the function
takes an instance::

    @dataclass(frozen=True, kw_only=True)
    class Params:
        epochs: int = param(20, doc="Passes over the data.", ge=1)
        cell: str = param("lstm", doc="Recurrent cell.", choices=("lstm", "gru"))

Examples
--------
>>> @dataclass(frozen=True, kw_only=True)
... class Params:
...     epochs: int = param(20, doc="Passes over the data.", ge=1)
...     cell: str = param("lstm", doc="Recurrent cell.", choices=("lstm", "gru"))
>>> parse(parameters_of(Params), "nn", {"nn.epochs": "5", "azkaban.flow.execid": "7"})
{'epochs': 5, 'cell': 'lstm'}
>>> parse(parameters_of(Params), "nn", {"nn.epochs": "0", "nn.epoch": "5"})
Traceback (most recent call last):
    ...
azkaban_client.job.params.ParamError: nn.epochs = '0': expected an integer >= 1
nn.epoch = '5': no such parameter (did you mean nn.epochs?)
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import KW_ONLY, MISSING, dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

from azkaban_client.job.kinds import Kind, NotUsableError, kind_of, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "Param",
    "ParamError",
    "Parameter",
    "as_text",
    "hints_of",
    "make_parameter",
    "param",
    "parameters_of",
    "parse",
]


class ParamError(ValueError):
    """Every bad parameter of a job, one line each: key, value, what was expected."""


@dataclass(frozen=True)
class Param:
    """What a parameter has besides its type and its default.

    Attributes
    ----------
    doc
        One sentence for help and reference, with the unit.
    ge, gt, le, lt
        Bounds of a number, or of each number in a list: ``>=``, ``>``, ``<=``, ``<``.
    choices
        The allowed words of a text; a ``Literal`` means the same.
    """

    doc: str = ""
    _: KW_ONLY
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: Sequence[str] = ()


def param(default: Any = ..., *, doc: str, **rule: Any) -> Any:
    """Declare one parameter as a field of a dataclass.

    Parameters
    ----------
    default
        Its value if the property is absent or empty; a parameter without default is required.
    doc
        One sentence for help and reference, with the unit.
    **rule
        Bounds and choices, as in `Param`.
    """
    return field(
        default=MISSING if default is ... else default, metadata={"rule": Param(doc, **rule)}
    )


@dataclass(frozen=True)
class Parameter:
    """One parameter of a job.

    Attributes
    ----------
    name
        The last part of its property, and the name of its option.
    kind
        How it is read.
    rule
        Its sentence and bounds.
    default
        Its value if none is given; ``MISSING`` if it is required.
    """

    name: str
    kind: Kind
    rule: Param
    default: Any

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    @property
    def flag(self) -> bool:
        """Whether it is a boolean."""
        return self.kind is kind_of(bool)

    @property
    def choices(self) -> tuple[str, ...]:
        """All its allowed texts, if they are few."""
        return tuple(self.rule.choices) or self.kind.choices

    @property
    def expected(self) -> str:
        """Its allowed values, for messages and help."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        limits = [f"{sign} {limit:g}" for sign, limit, _ in self._bounds()]
        return " ".join([self.kind.expected, " and ".join(limits)]).rstrip()

    def read(self, text: str) -> Any:
        """Convert a text to a value; raise `ValueError` for other texts."""
        value = self.kind.read(text)
        if self.kind.part and self.required and not value:
            raise ValueError  # commas alone
        for one in value if self.kind.part else (value,):
            if self.rule.choices and one not in self.rule.choices:
                raise ValueError
            if not all(test(float(one), limit) for _, limit, test in self._bounds()):
                raise ValueError
        return value

    def _bounds(self) -> list[tuple[str, float, Callable[[float, float], bool]]]:
        bounds = [
            (">=", self.rule.ge, float.__ge__),
            (">", self.rule.gt, float.__gt__),
            ("<=", self.rule.le, float.__le__),
            ("<", self.rule.lt, float.__lt__),
        ]
        return [(sign, float(limit), test) for sign, limit, test in bounds if limit is not None]


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a function's parameters; its return type need not be importable."""
    given = {k: v for k, v in function.__annotations__.items() if k != "return"}
    space = function.__globals__
    return typing.get_type_hints(SimpleNamespace(__annotations__=given), space, include_extras=True)


def parameters_of(cls: type) -> list[Parameter]:
    """List the parameters that a dataclass declares by its fields."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return [
        make_parameter(f.name, hints[f.name], _default(f), f.metadata.get("rule"))
        for f in dataclasses.fields(cls)
        if f.init
    ]


def _default(item: dataclasses.Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def make_parameter(name: str, hint: Any, default: Any, rule: Param | None = None) -> Parameter:
    """Make a parameter from an annotation and a default.

    Parameters
    ----------
    name
        Its name.
    hint
        Its type; ``Annotated`` holds a `Param` or only its sentence.
    default
        ``MISSING`` when it is required.
    rule
        Used if the annotation has none.
    """
    said: list[Any] = []
    if typing.get_origin(hint) is Annotated:
        hint, *said = typing.get_args(hint)
    for one in said:
        rule = Param(one) if isinstance(one, str) else one
    try:
        return Parameter(name, kind_of(hint), rule or Param(), default)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def parse(parameters: Sequence[Parameter], prefix: str, props: Mapping[str, str]) -> dict[str, Any]:
    """Read parameters from the properties ``<prefix>.<name>``.

    Keys elsewhere are ignored (Azkaban adds its own); an unknown key under the prefix is an error.

    Raises
    ------
    ParamError
        Names all the bad keys at once.
    """
    values: dict[str, Any] = {}
    errors: list[str] = []
    for one in parameters:
        key = f"{prefix}.{one.name}"
        text = props.get(key, "").strip()
        if not text:
            if one.required:
                errors.append(f"{key}: required, expected {one.expected}")
            values[one.name] = one.default
            continue
        try:
            values[one.name] = one.read(text)
        except ValueError as error:
            why = f" ({error})" if isinstance(error, NotUsableError) else ""
            shown = "" if one.kind.secret else f" = {text!r}"
            errors.append(f"{key}{shown}: expected {one.expected}{why}")
    errors += _unknown(parameters, prefix, props)
    if errors:
        raise ParamError("\n".join(errors))
    return values


def as_text(parameter: Parameter) -> str | None:
    """Return the default as text; None if there is none."""
    return None if parameter.required else show(parameter.default)


def _unknown(parameters: Sequence[Parameter], prefix: str, props: Mapping[str, str]) -> list[str]:
    """List the properties under the prefix that match no parameter."""
    known = {f"{prefix}.{one.name}": one for one in parameters}
    strange = [key for key in props if key.startswith(f"{prefix}.") and key not in known]
    if not strange:
        return []
    import difflib

    errors = []
    for key in strange:
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
        # A value given for a secret may be the secret itself.
        shown = "" if close and known[close[0]].kind.secret else f" = {props[key]!r}"
        errors.append(f"{key}{shown}: no such parameter ({hint})")
    return errors
