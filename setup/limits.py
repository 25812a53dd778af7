"""Limits of this shell (``ulimit``) under which no server could work."""

from __future__ import annotations

import resource

from setup.errors import SetupError

__all__ = ["require"]

# The limit, its option of ulimit, the least that servers need, and what it limits. Of open files
# Java and set-up's tools take as many as the hard limit allows.
_LEAST = (
    (resource.RLIMIT_NOFILE, "-n", 256, "{} open files"),
    (resource.RLIMIT_FSIZE, "-f", 256 << 20, "files of {} bytes"),
    (resource.RLIMIT_CPU, "-t", 600, "{} s of processor time"),
)


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
