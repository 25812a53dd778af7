"""Try out, before any work, whether a disk can hold an installation."""

from __future__ import annotations

import fcntl
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from setup import environment
from setup.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ELSEWHERE", "TRIAL", "require"]

TRIAL = ".trial-"  # begins the name of a folder that exists during `require`

ELSEWHERE = "choose a folder on a local disk with --prefix or AZK_HOME"


def require(folder: Path) -> None:
    """Refuse a folder on a disk that lacks what the servers and their environment need.

    Parameters
    ----------
    folder
        An existing folder, which is left as it was.

    Raises
    ------
    SetupError
        With what the disk cannot do, its kind, and what to do.
    """
    trials: tuple[Callable[[Path], str], ...] = (_locks, _links, _modes, _names, _programs)
    with tempfile.TemporaryDirectory(prefix=TRIAL, dir=folder) as text:
        for trial in trials:
            if reason := trial(Path(text)):
                kind = _kind(folder)
                disk = f"its disk ({kind})" if kind else "its disk"
                raise SetupError(f"prefix {folder}: {disk} {reason}; {ELSEWHERE}")


def _locks(folder: Path) -> str:
    with (folder / "lock").open("w") as stream:
        for lock in (fcntl.flock, fcntl.lockf):  # set-up's own; those of MySQL and Java
            try:
                lock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock(stream, fcntl.LOCK_UN)
            except OSError as error:
                return f"grants no locks ({error.strerror}), as NFS does without its lock service"
    return ""


def _links(folder: Path) -> str:
    try:
        (folder / "link").symlink_to("lock")
    except OSError as error:
        return f"has no symbolic links ({error.strerror})"
    return ""


def _modes(folder: Path) -> str:
    path = folder / "private"
    path.touch()
    try:
        path.chmod(0o600)
    except OSError as error:
        return f"keeps no modes of files ({error.strerror})"
    mode = stat.S_IMODE(path.stat().st_mode)
    return "" if mode == 0o600 else f"gives files the mode {mode:04o}: others could read passwords"


def _names(folder: Path) -> str:
    (folder / "name").touch()
    alike = (folder / "NAME").exists()
    return (
        "takes names that differ in case for one, as jobs and tables must not be" if alike else ""
    )


def _programs(folder: Path) -> str:
    path = folder / "program"
    path.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    path.chmod(0o700)
    try:
        subprocess.run([str(path)], env=environment.local(), stdin=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = getattr(error, "strerror", None) or str(error)
        return f"does not allow programs to run (mounted noexec): {words}"
    return ""


def _kind(folder: Path) -> str:
    """Name the kind of a folder's file system, such as ``nfs4``; empty if it is unknown."""
    place = folder.resolve()
    best, kind = "", ""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in mounts.splitlines():
        _, target, name, *_ = line.split(" ")
        target = target.replace("\\040", " ")
        if place.is_relative_to(target) and len(target) >= len(best):
            best, kind = target, name
    return kind
