"""Numbers and sizes on the command line."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["megabytes", "number"]


def number(least: int, most: int = 10**9, *, what: str = "a number") -> Callable[[str], int]:
    """Return a reader of whole numbers, for argparse's ``type``.

    Parameters
    ----------
    least, most
        The smallest and the largest one.
    what
        What the message says is expected.

    Examples
    --------
    >>> number(1, 65535)("8081")
    8081
    >>> number(1, 65535)("web")
    Traceback (most recent call last):
    ...
    argparse.ArgumentTypeError: 'web': expected a number from 1 to 65535
    """
    limits = f" from {least} to {most}" if most < 10**9 else f", {least} or more"

    def read(text: str) -> int:
        plain = text.isascii() and text.isdigit() and len(text) < 19
        if not plain or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: expected {what}{limits}")
        return int(text)

    return read


def megabytes(text: str) -> int:
    """Read a size as Java and Spark write them, in MB.

    Examples
    --------
    >>> megabytes("4g"), megabytes("512m"), megabytes("600"), megabytes("2048k")
    (4096, 512, 600, 2)
    """
    match = re.fullmatch(r"(\d+)([kmgtp]b?|b)?", text.strip().lower(), re.ASCII)
    if not match or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a size such as 512m or 4g")
    power = "bkmgtp".index((match[2] or "m")[0])
    return max(1, int(match[1]) << (10 * power) >> 20)
