"""Run a program to its end and keep what it prints."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["captured", "runs"]


def captured(command: Sequence[str | Path], **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a program without input, and return its exit code and what it printed.

    Parameters
    ----------
    command
        The program and its arguments.
    how
        More arguments of `subprocess.run`, such as ``env``, ``cwd`` or ``input``.

    Raises
    ------
    OSError
        It cannot be started.

    Examples
    --------
    >>> captured(["printf", "ok"]).stdout, captured(["false"]).returncode
    ('ok', 1)
    """
    if "input" not in how:  # one that reads the terminal would wait for ever
        how["stdin"] = subprocess.DEVNULL
    how = {"errors": "replace", **how}  # not every program prints what the locale says
    found: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, **how
    )
    return found


def runs(command: Sequence[str | Path], **how: Any) -> bool:
    """Tell whether a program starts here and succeeds; a disk may be mounted noexec.

    Parameters
    ----------
    command, how
        As for `captured`.

    Examples
    --------
    >>> runs(["true"]), runs(["false"]), runs(["/no/such/program"])
    (True, False, False)
    """
    try:
        return not captured(command, **how).returncode
    except OSError:
        return False
