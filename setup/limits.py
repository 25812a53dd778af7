"""Limits of this shell (``ulimit``) under which no server could work."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from setup.errors import SetupError

__all__ = ["require", "threads"]

# The limit, its option of ulimit, the least that servers need, and what it limits. Of open files
# Java and set-up's tools take as many as the hard limit allows.
_LEAST = (
    (resource.RLIMIT_NOFILE, "-n", 256, "{} open files"),
    (resource.RLIMIT_FSIZE, "-f", 256 << 20, "files of {} bytes"),
    (resource.RLIMIT_CPU, "-t", 600, "{} s of processor time"),
)

_THREADS = 200  # more, at least, that servers start; each counts as a process


def require() -> None:
    """Refuse limits under which a server would end, or lose what it writes.

    Raises
    ------
    SetupError
        With the limit and its option of ``ulimit``.
    """
    for kind, option, least, text in _LEAST:
        soft, hard = resource.getrlimit(kind)
        most = hard if kind == resource.RLIMIT_NOFILE else soft
        if most != resource.RLIM_INFINITY and most < least:
            raise SetupError(
                f"this shell allows a program {text.format(most)}, {least} or more are needed: "
                f"raise it (ulimit {option}), or have it raised, and try again"
            )
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if os.geteuid() and most != resource.RLIM_INFINITY and most < (used := threads()) + _THREADS:
        raise SetupError(
            f"this account may have {most} processes and threads and has {used}; servers start "
            f"{_THREADS} more: end some, raise it (ulimit -u), or have it raised, and try again"
        )


def threads() -> int:
    """Count the threads of this account, each of which is a process to ``ulimit -u``."""
    found = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid == os.getuid():
                found += len(os.listdir(entry / "task"))  # noqa: PTH208 (names are enough)
        except OSError:  # it ended meanwhile
            continue
    return found
