"""Paths below the home folder, also of accounts that have none."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["expanded", "state"]


def expanded(path: str | os.PathLike[str]) -> Path:
    """Replace ``~`` by the home folder; by ``/`` if there is none, as in containers.

    Examples
    --------
    >>> expanded("/etc/azk.toml")
    PosixPath('/etc/azk.toml')
    """
    found = os.path.expanduser(path)  # noqa: PTH111 (pathlib's raises where there is no home)
    return Path("/", found[2:]) if found == "~" or found.startswith("~/") else Path(found)


def state(name: str) -> Path:
    """Return a folder of what ``azk`` remembers between two calls, which need not exist."""
    return expanded(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "azk" / name
