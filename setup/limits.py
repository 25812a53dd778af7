"""Limits of this shell (``ulimit``) under which no server could work."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from setup.errors import SetupError

__all__ = ["memory", "require", "require_heap", "threads"]

# The limit, its option of ulimit, the least that servers need, and what it limits. Of open files
# Java and set-up's tools take as many as the hard limit allows.
_LEAST = (
    (resource.RLIMIT_NOFILE, "-n", 256, "{} open files"),
    (resource.RLIMIT_FSIZE, "-f", 256 << 20, "files of {} bytes"),
    (resource.RLIMIT_CPU, "-t", 600, "{} s of processor time"),
)

# Address space of a Java process of a server beside its heap, in MB: 1024 for classes alone.
_BESIDE_HEAP = 3072
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


def require_heap(heap: int) -> None:
    """Refuse a limit of address space under which Java starts, but ends while a server works.

    Parameters
    ----------
    heap
        Most memory of Java's objects, in MB.

    Raises
    ------
    SetupError
        With what is needed.
    """
    most, need = resource.getrlimit(resource.RLIMIT_AS)[0], heap + _BESIDE_HEAP
    if most != resource.RLIM_INFINITY and most >> 20 < need:
        raise SetupError(
            f"this shell allows a program {most >> 20} MB of address space, a server with a heap "
            f"of {heap} MB needs {need}: raise it (ulimit -v), or have it raised, and try again"
        )


def memory() -> int:
    """Return the bytes of memory that this account may use."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(path).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return total


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
