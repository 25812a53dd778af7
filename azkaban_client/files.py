"""Files that are written whole or not at all, locks, and the first line of a secret's file.

It needs nothing but the standard library: set-up starts with it, and it travels with the job kit.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_MOST = 16 << 20  # characters of a file that somebody has written by hand

__all__ = [
    "alone",
    "first_line",
    "lock",
    "open_private",
    "read_text",
    "rotate",
    "whole",
    "write_bytes",
    "write_private",
    "write_text",
]


@contextlib.contextmanager
def whole(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a file for writing that gets its name when it is complete.

    Parameters
    ----------
    path
        Its folder exists; a file that is there is replaced.
    mode
        Mode of the complete file; until then only its owner can read it.

    Raises
    ------
    OSError
        The disk is full, the folder not writable ...; nothing is left behind, as after any error.
    """
    import tempfile  # takes 3 ms, and not every import of the job kit writes

    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        error.filename = str(path)  # not the temporary file, which means nothing to anybody
        raise
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and not error.filename:
            error.filename = str(path)  # a write does not say where the disk was full
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a binary file, whole or not at all, so that a killed job leaves no partial file.

    Parameters
    ----------
    path
        Its folder must exist; an existing file is replaced.
    data
        The content.
    """
    with whole(path) as stream:
        stream.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, whole or not at all; line ends are kept."""
    write_bytes(path, text.encode("utf-8"))


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner can read, whole or not at all; a text in UTF-8."""
    with whole(path, mode=0o600) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)


def open_private(path: Path, mode: str) -> IO[Any]:
    """Open a file that, if it is new, only its owner can read."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def read_text(path: Path) -> str:
    """Read a text that somebody has written by hand, without its byte-order mark.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not in UTF-8, or far too large to be such a text, or has no end, as a device.
    """
    # Editors of Windows write a mark at the beginning (utf-8-sig).
    with path.open(encoding="utf-8-sig") as stream:
        text = stream.read(_MOST + 1)
    if len(text) > _MOST:
        raise ValueError(
            f"it has more than {_MOST >> 20} million characters: is it the right file?"
        )
    return text


def first_line(name: str | Path) -> str:
    """Read a secret from the first line of a file, or of standard input for ``-``.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not in UTF-8, or its first line is empty.
    """
    text = sys.stdin.readline(_MOST) if name == "-" else read_text(Path(name))
    line = text.split("\n", 1)[0].rstrip("\r")
    if not line.strip():
        raise ValueError("its first line is empty")
    return line


def lock(stream: IO[Any], *, wait: bool = False) -> bool:
    """Lock an open file for this process, until it closes the file or ends.

    Parameters
    ----------
    stream
        The open file.
    wait
        Whether to wait for a process that has the lock.

    Returns
    -------
    bool
        False if another process has it; True on Windows, where nothing is locked.

    Raises
    ------
    OSError
        The disk grants no locks.
    """
    try:
        if fcntl is not None:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        error.filename = stream.name  # the system does not say where it grants none
        raise
    return True


@contextlib.contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Keep out other processes that call this; yield whether none was inside.

    Parameters
    ----------
    path
        The lock. Its folder is made; it stays when this ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open_private(path, "a") as stream:
        yield lock(stream)


def rotate(log: Path, count: int) -> None:
    """Rename a log to ``NAME.1``, the older ones one further, and forget the oldest."""
    for number in range(count - 1, 0, -1):
        older = Path(f"{log}.{number}")
        if older.exists():
            older.replace(f"{log}.{number + 1}")
    if log.exists():
        log.replace(f"{log}.1")
