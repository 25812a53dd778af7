"""Exit codes of ``azk``, and which error leads to which."""

from __future__ import annotations

from azkaban_client import errors

__all__ = ["EXIT_CODES", "exit_code"]

EXIT_CODES = {
    0: "ok",
    1: "the execution failed or was killed",
    2: "usage: bad arguments, settings or project",
    3: "authentication",
    4: "not found",
    5: "refused by the server",
    6: "network or TLS",
    7: "the wait timed out",
    130: "interrupted",
}


def exit_code(error: Exception) -> int:
    """Return the exit code of an error."""
    kinds: list[tuple[type[Exception], int]] = [
        (errors.AuthenticationError, 3),
        (errors.NotFound, 4),
        (errors.InvalidProject, 2 if getattr(error, "status", None) is None else 5),
        (errors.Refused, 5),
        (errors.NetworkError, 6),
        (errors.BadAnswer, 6),
        (errors.WaitTimeout, 7),
    ]
    return next((code for kind, code in kinds if isinstance(error, kind)), 2)
