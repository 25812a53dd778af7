"""Read and show the values of each type that a parameter may have."""

from __future__ import annotations

import enum
import math
import os
import stat
import types
import typing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.times import duration, plain

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kind", "NotUsableError", "Secret", "kind_of", "show"]


class NotUsableError(ValueError):
    """A text of the right form that cannot be used; the message says why."""


class Secret:
    """A password or token; the parameter only says where it is.

    Azkaban logs all properties and shows them in its pages, and all users of a machine can see
    command lines. So the parameter names the place of the secret: ``file:PATH``, a file that nobody
    else can read, or ``env:NAME``.

    Parameters
    ----------
    source
        ``file:PATH`` or ``env:NAME``.

    Examples
    --------
    >>> os.environ["EXAMPLE_TOKEN"] = "abc"
    >>> token = Secret("env:EXAMPLE_TOKEN")
    >>> token, token.reveal()
    (Secret('env:EXAMPLE_TOKEN'), 'abc')
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._value = _secret(source)

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.source!r})"

    def __str__(self) -> str:
        return self.source

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self.source,)  # a pickle names the secret, too


@dataclass(frozen=True)
class Kind:
    """How one type of parameter is read.

    Attributes
    ----------
    expected
        Its description in messages and help: "an integer".
    read
        Converts text to a value; raises `ValueError` for other text.
    choices
        All the allowed texts, if they are few.
    part
        The type of one item of a list.
    secret
        Whether refused texts must not be shown.
    """

    expected: str
    read: Callable[[str], Any]
    choices: tuple[str, ...] = ()
    part: Kind | None = None
    secret: bool = False


def kind_of(hint: Any) -> Kind:
    """Return the kind that reads values of a type.

    Parameters
    ----------
    hint
        bool, int, float, str, Path, date, datetime, timedelta, Secret, an Enum, a Literal of texts,
        or a list or tuple of one of these; ``| None`` beside it means that it may be absent.

    Raises
    ------
    TypeError
        It is another type.

    Examples
    --------
    >>> kind_of(timedelta | None).read("1h30m")
    datetime.timedelta(seconds=5400)
    >>> kind_of(tuple[int, ...]).read("1, 2")
    (1, 2)
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        rest = [one for one in arguments if one is not type(None)]
        if len(rest) == 1:
            return kind_of(rest[0])
    elif origin is typing.Literal and all(isinstance(one, str) for one in arguments):
        return _choice({text: text for text in arguments})
    elif origin in (list, tuple) and arguments and arguments[1:] in ((), (...,)):
        return _several(origin, kind_of(arguments[0]))
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice({str(one.value): one for one in hint})
    elif hint in _KINDS:
        return _KINDS[hint]
    raise TypeError(f"a job parameter cannot be of type {hint!r}")


def show(value: object) -> str:
    """Write a value as in a property.

    Examples
    --------
    >>> show(True), show((Path("a"), Path("b"))), show(timedelta(minutes=90))
    ('true', 'a,b', '1h30m')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, timedelta):
        return plain(value)
    if isinstance(value, (list, tuple)):
        return ",".join(show(one) for one in value)
    return str(value)


def _choice(values: dict[str, Any]) -> Kind:
    def read(text: str) -> Any:
        if text not in values:
            raise ValueError(text)
        return values[text]

    return Kind("one of " + ", ".join(values), read, choices=tuple(values))


def _several(origin: type, part: Kind) -> Kind:
    def read(text: str) -> Any:
        return origin(part.read(one.strip()) for one in text.split(",") if one.strip())

    return Kind(f"several, with commas between, each {part.expected}", read, part=part)


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


def _date(text: str) -> date:
    # The usual days of a scheduled job, so that no script has to compute them.
    ago = {"today": 0, "yesterday": 1}.get(text.lower())
    if ago is None:
        return date.fromisoformat(text)
    return datetime.now(UTC).astimezone().date() - timedelta(days=ago)


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~name, and nobody is called so
        raise NotUsableError(str(error)) from None


def _secret(source: str) -> str:
    where, _, name = source.partition(":")
    if where == "env" and os.environ.get(name):
        return os.environ[name]
    if where == "file" and name:
        path = Path(name).expanduser()
        try:
            # Windows has other permissions, and shows all files as open.
            if os.name != "nt" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise NotUsableError(f"others can read {path}: chmod 600 {path}")
            return path.read_text(encoding="utf-8").removesuffix("\n")
        except OSError as error:
            raise NotUsableError(f"{path}: {error.strerror}") from None
    if where == "env" and name:
        raise NotUsableError(f"the environment has no {name}")
    raise ValueError


_KINDS = {
    bool: Kind("true or false", _boolean),
    int: Kind("an integer", int),
    float: Kind("a number", _real),
    str: Kind("text", str),
    Path: Kind("a path", _path),
    date: Kind("a date (2026-11-30, today, yesterday)", _date),
    datetime: Kind("a time (2026-11-30T06:00)", datetime.fromisoformat),
    timedelta: Kind("a duration (90s, 15m, 1h30m, 2d)", duration),
    Secret: Kind("file:PATH or env:NAME, where the secret is", Secret, secret=True),
}
