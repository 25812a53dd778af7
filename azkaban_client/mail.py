"""Addresses of mail, as every command and file takes them."""

from __future__ import annotations

import re

__all__ = ["check_address"]

_ADDRESS = re.compile(r"[^\s,;@<>]+@[^\s,;@<>]+")


def check_address(text: str) -> None:
    """Raise a `ValueError` for a text that a server would take for several addresses, or none.

    Examples
    --------
    >>> check_address("me@example.org, you@example.org")
    Traceback (most recent call last):
    ...
    ValueError: 'me@example.org, you@example.org': expected one address of mail, as me@example.org
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r}: expected one address of mail, as me@example.org")
