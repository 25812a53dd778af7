"""Write files that only their owner can read, such as those with passwords."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Any

from setup.errors import UsageError

__all__ = ["first_line", "open_private", "write_private"]


def first_line(name: str, option: str) -> str:
    """Read a secret from the first line of a file, or of standard input for ``-``.

    Parameters
    ----------
    name
        The file.
    option
        Which option named it, for the message.

    Raises
    ------
    UsageError
        When it cannot be read, or the line is empty.
    """
    try:
        text = sys.stdin.readline() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option} {name}: cannot be read ({error})") from error
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise UsageError(f"{option} {name}: its first line is empty")
    return lines[0]


def open_private(path: Path, mode: str) -> IO[Any]:
    """Open a file that, if it is new, only its owner can read."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, whole or not at all; a text in UTF-8."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)  # of a killed run; its mode could be another
    # Exclusive, and not through a link: nobody's prepared file receives the secret.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    temporary.replace(path)
