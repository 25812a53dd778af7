"""Find what is wrong before a start, and what a log says after a failed one."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from typing import TYPE_CHECKING

from setup.called import called
from setup.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from setup.mysql.config import Files

__all__ = ["check_modes", "check_private", "check_space", "check_version", "diagnosis", "has_data"]

MB = 1 << 20

# Words of mysqld's log, and what they mean for the reader; the first that fits is shown.
_SYMPTOMS = (
    (r"No space left on device|Disk is full|errno: 28|error 28", "the disk is full: make room"),
    (r"Can't start server: Bind on TCP/IP port", "another program took the port: see --port"),
    (r"Unable to lock .*error: (?!11\b)\d+",
     "its disk grants no locks (NFS?): choose a folder on a local disk with --prefix or AZK_HOME"),
    (r"unknown or incorrect time zone|unknown default time zone",
     "default-time-zone in my.local.cnf is none of this server: write an offset such as +02:00"),
    (r"Unable to lock .*ibdata1|Check that you do not already have another mysqld",
     "another mysqld works on the same data"),
    (r"unix socket file.*(exists|in use)|Another process with pid",
     "another process holds the socket"),
    (r"Cannot allocate memory for the buffer pool",
     "too little memory: set a smaller innodb-buffer-pool-size in my.local.cnf"),
    (r"unknown variable|unknown option|ambiguous option",
     "an option in my.local.cnf is not one of this server"),
    (r"Permission denied|Errcode: 13|errno: 13",
     "a file cannot be read or written: see its owner and mode"),
    (r"error while loading shared libraries",
     f"a shared library is gone: run {called()} mysql init"),
    (r"corrupt|Database page .* checksum", "the data is damaged: restore a backup"),
)  # fmt: skip


def has_data(files: Files) -> bool:
    """Tell whether there is a complete data folder of ours.

    Raises
    ------
    SetupError
        When there is one that this program did not make.
    """
    if files.marker.is_file():
        return True
    if not files.data.exists() or not any(files.data.iterdir()):
        return False
    what = "made by MySQL 8 or newer" if (files.data / "mysql.ibd").exists() else "not empty"
    raise SetupError(
        f"{files.data} is {what} and was not made by this program; nothing was changed. "
        "Move it away, or choose another folder with --prefix or AZK_HOME"
    )


def check_version(files: Files, version: str) -> None:
    """Check that a program of this version can use the data, if there is any.

    Raises
    ------
    SetupError
        When the data was used by a newer program, or is of another series.
    """
    if not has_data(files):
        return
    try:
        written = str(json.loads(files.marker.read_text())["version"])
        older = _numbers(written) > _numbers(version)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SetupError(
            f"{files.marker} cannot be read ({error}); it says which version the data is of. "
            f'Write {{"version": "5.7.N"}} into it'
        ) from error
    if older or written.split(".")[:2] != version.split(".")[:2]:
        raise SetupError(
            f"{files.data} was last used by MySQL {written}, the program is {version}: an older "
            f"or another series cannot read it. Name a newer 5.7 with {called()} mysql init "
            "--tarball or --basedir, or start an empty server and restore a backup into it"
        )


def check_modes(files: Files) -> None:
    """Check that every file is ours to read and write, and no other's to write.

    Raises
    ------
    SetupError
        Naming the first file that is not.
    """
    for path in [files.home, files.files, files.data, *files.data.rglob("*")]:
        _check_mode(path)


def check_private(path: Path) -> None:
    """Refuse a file whose words others could change or, if it is secret, read."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
    secret = path.name in ("root.cnf", "azkaban.password")
    if mode & (0o077 if secret else 0o022):
        raise SetupError(
            f"{path} can be {'read' if secret else 'changed'} by others (mode {mode:04o}); "
            f"see what is in it, then: chmod 600 {path}"
        )


def check_space(folder: Path, need: int) -> None:
    """Require free space: mysqld fails in the middle of its work without it."""
    free = shutil.disk_usage(folder).free
    if free < need:
        raise SetupError(
            f"{folder}: {free // MB} MB free on its disk, {need // MB} MB needed by MySQL; "
            "make room, or choose a folder on another disk with --prefix or AZK_HOME"
        )


def diagnosis(log: str) -> str:
    """Say what a failed server's log means, in one line; empty when nothing known is in it."""
    for pattern, meaning in _SYMPTOMS:
        if re.search(pattern, log):
            return meaning
    return ""


def _check_mode(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:  # a temporary table that went meanwhile
        return
    folder = stat.S_ISDIR(found.st_mode)
    wanted = 0o700 if folder else 0o600
    if found.st_uid != os.geteuid():
        raise SetupError(
            f"{path} belongs to user {found.st_uid}, not to you (user {os.geteuid()}): "
            f"MySQL could not use it. Have it given back: chown {os.geteuid()} {path}"
        )
    if found.st_mode & wanted != wanted or found.st_mode & 0o022:
        raise SetupError(
            f"{path} has mode {stat.S_IMODE(found.st_mode):04o}, {wanted:04o} is needed: "
            f"chmod {wanted:o} {path}"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
