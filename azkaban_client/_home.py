"""Paths below the home folder, also of accounts that have none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["base", "expanded", "state"]


def base(variable: str, default: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return a base folder of XDG's; a relative one counts as none, as its specification says.

    Examples
    --------
    >>> base("XDG_STATE_HOME", "/var/state", {"XDG_STATE_HOME": "here"})
    PosixPath('/var/state')
    """
    named = environ.get(variable) or ""
    return Path(named) if named.startswith("/") else expanded(default)


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
    return base("XDG_STATE_HOME", "~/.local/state") / "azk" / name
