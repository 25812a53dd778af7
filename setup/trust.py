"""Refuse what others could change, and say whom the user trusts like root.

Programs run from the prefix, as this account: `azkaban_client.trust` finds out who could replace
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client import owners
from azkaban_client.trust import trouble, trusted
from setup.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["accounts", "require", "trouble"]


def require(path: Path, what: str, instead: str) -> None:
    """Refuse a path whose content somebody else could change.

    Parameters
    ----------
    path
        Need not exist yet.
    what
        How the message names it, such as ``prefix``.
    instead
        How to name another one, such as ``choose another with --prefix``.

    Raises
    ------
    SetupError
        With who could, where, and what to do.
    """
    if reason := trouble(path):
        raise SetupError(
            f"{what} {path}: {reason}, who could have your account run other programs. "
            f"Otherwise {instead}; AZK_TRUST=NAME,... names accounts and groups to trust like root"
        )


def accounts() -> list[int]:
    """Return the numbers of the accounts that the user trusts like root."""
    found = set()
    for name in trusted():
        try:
            found.add(owners.uid_of(name))
        except ValueError:  # a group's
            continue
    return sorted(found)
