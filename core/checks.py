"""Arguments that are numbers: what they may be, said in one way everywhere."""

from __future__ import annotations

import math
import numbers

__all__ = ["amount", "count", "share"]


def count(name: str, value: object, least: int = 1) -> None:
    """Raise ValueError unless a value is an integer that is not below `least`.

    Examples
    --------
    >>> count("epochs", 1.5)
    Traceback (most recent call last):
        ...
    ValueError: epochs = 1.5: must be an integer >= 1
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:  # type: ignore[operator]  # an integer
        raise ValueError(f"{name} = {value!r}: must be an integer >= {least}")


def amount(name: str, value: object, *, zero: bool = False) -> None:
    """Raise ValueError unless a value is a finite number above 0, or 0 where that is allowed.

    Examples
    --------
    >>> amount("clip", -1.0)
    Traceback (most recent call last):
        ...
    ValueError: clip = -1.0: must be a finite number > 0
    """
    if not _finite(value) or value < 0 or (value == 0 and not zero):  # type: ignore[operator]
        raise ValueError(f"{name} = {value!r}: must be a finite number {'>=' if zero else '>'} 0")


def share(name: str, value: object) -> None:
    """Raise ValueError unless a value lies in [0, 1).

    Examples
    --------
    >>> share("rate", 1.0)
    Traceback (most recent call last):
        ...
    ValueError: rate = 1.0: must be in [0, 1)
    """
    if not _finite(value) or not 0 <= value < 1:  # type: ignore[operator]  # a number
        raise ValueError(f"{name} = {value!r}: must be in [0, 1)")


def _finite(value: object) -> bool:
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and math.isfinite(value)  # type: ignore[arg-type]  # a number
