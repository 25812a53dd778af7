"""Paths that users name."""

from __future__ import annotations

import os
from pathlib import Path

from setup.errors import UsageError

__all__ = ["expanded"]


def expanded(text: str | os.PathLike[str]) -> Path:
    """Replace ``~`` by the home folder, and ``~NAME`` by that of another account.

    Raises
    ------
    UsageError
        When there is no such account.

    Examples
    --------
    >>> expanded("/srv/azk")
    PosixPath('/srv/azk')
    """
    found = os.path.expanduser(text)  # noqa: PTH111 (pathlib's raises RuntimeError)
    if found.startswith("~"):
        name = found.partition("/")[0]
        raise UsageError(
            f"{text}: this machine has no home folder for {name}; write the whole path"
        )
    return Path(found)
