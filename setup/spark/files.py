"""Check the files that an application ships, and write their paths as Spark reads them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["checked", "is_remote", "listed", "named", "plainly_named", "written"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_GLOB = re.compile(r"[*?\[{]")
_UNSAFE = re.compile(r"[ %#?\[\]{}|\\^\"<>`,]")  # what a URI, or a list of them, gives a meaning
_MISREAD = re.compile(r"[#,]")  # of these, what Spark misreads in a path that it turns into a URI


def listed(text: str | None) -> tuple[str, ...]:
    """Split a list of files, as in ``--files A,B``."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def is_remote(entry: str) -> bool:
    """Tell whether a file lies elsewhere, as ``hdfs://``, ``https://`` and ``local:`` ones do.

    Examples
    --------
    >>> is_remote("hdfs:///x.zip"), is_remote("x.zip"), is_remote("file:/x.zip")
    (True, False, False)
    """
    return bool(_SCHEME.match(entry)) and not (entry.startswith("file:") or _exists(entry))


def _exists(entry: str) -> bool:
    return os.path.exists(entry)  # noqa: PTH110 (which also takes names that are too long)


def named(entry: str) -> tuple[str, str]:
    """Split ``FILE#NAME``; the name is empty if none is given.

    Examples
    --------
    >>> named("env.zip#venv"), named("env.zip")
    (('env.zip', 'venv'), ('env.zip', ''))
    """
    if not is_remote(entry) and _exists(entry):  # its own name has that character
        return entry, ""
    path, _, name = entry.rpartition("#") if "#" in entry else (entry, "", "")
    return path, name


def checked(option: str, entries: Iterable[str], *, folders: bool = False) -> tuple[str, ...]:
    """Check that files exist, as far as this machine can tell.

    Parameters
    ----------
    option
        What names them.
    entries
        Paths or URLs, each perhaps with ``#NAME``.
    folders
        Whether they may be folders.

    Raises
    ------
    UsageError
        When one does not exist.
    """
    found = tuple(entries)
    for entry in found:
        path = Path(re.sub("^file:/*", "/", named(entry)[0]))
        if is_remote(entry) or path.is_file() or (folders and path.is_dir()):
            continue
        if _GLOB.search(entry) and any(path.parent.glob(path.name)):
            continue  # Spark resolves it
        what = "no such file or folder" if folders else "no such file"
        raise UsageError(f"{option} {entry}: {what}")
    return found


def plainly_named(entry: str, folder: Path) -> str:
    """Give a file a second name that YARN passes on as it is, if its own is not one.

    A driver on YARN is started with the name as a URL has it, under which there is no file; and a
    node looks for an archive that it has under that name, unpacks it once more, and never deletes
    the first. Spark would follow a symbolic link to the name that does not work.

    Parameters
    ----------
    entry
        A path or a URL, perhaps with ``#NAME``.
    folder
        Where the second name goes.
    """
    text, name = named(entry)
    path = Path(text)
    if not _UNSAFE.search(path.name) or not path.is_file():
        return entry
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    plain = folder / _UNSAFE.sub("_", path.name)
    plain.unlink(missing_ok=True)
    try:
        os.link(path.resolve(), plain)
    except OSError:  # on another file system
        shutil.copyfile(path, plain)
    return f"{plain}#{name}" if name else str(plain)


def written(path: str | Path, name: str = "") -> str:
    """Write a path as Spark reads it: as it is, unless Spark would take parts of it for others.

    Examples
    --------
    >>> written("/my env/x.zip", "venv"), written("/my env/x.zip")
    ('file:///my%20env/x.zip#venv', '/my env/x.zip')
    """
    text = str(path)
    pattern = _GLOB.search(text) and not _exists(text)  # Spark resolves it
    # With a name behind it, Spark reads it as a URI and nothing else.
    misread = (_UNSAFE if name else _MISREAD).search(text)
    looks_remote = _SCHEME.match(text) and _exists(text)
    if looks_remote or (misread and not pattern and not _SCHEME.match(text)):
        text = Path(text).absolute().as_uri()
    return f"{text}#{name}" if name else text
