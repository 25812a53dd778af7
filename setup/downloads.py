"""Archives that a user names by path or URL, checked against the SHA-256 given with them."""

from __future__ import annotations

import hashlib
import shutil
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import whole
from setup import environment, trust
from setup.errors import DownloadError, UsageError
from setup.network import explain, is_page, opened, page_words
from setup.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["copy_whole", "keep", "named", "require_pinned", "sha256"]


def sha256(path: Path) -> str:
    """Hash a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def keep(path: Path, store: Path) -> Path:
    """Put a file into a cache, whole or not at all; a file that is already there is the same.

    It is copied, since a cache may lie on another disk than temporary files.

    Parameters
    ----------
    path
        The file, which stays.
    store
        The folder of the cache; created if it is missing.
    """
    kept = store / path.name
    if not kept.is_file() or sha256(kept) != sha256(path):
        store.mkdir(parents=True, exist_ok=True)
        copy_whole(path, kept)
    return kept


def copy_whole(path: Path, target: Path) -> None:
    """Copy a file, maybe to another disk, whole or not at all."""
    with path.open("rb") as source, whole(target) as stream:
        shutil.copyfileobj(source, stream)


def require_pinned(what: str, path: Path, expected: str) -> None:
    """Refuse a download that is not the file which ``versions.toml`` pins.

    Parameters
    ----------
    what
        Its coordinate, for the message.
    path
        Where it was put; the caller deletes it.
    expected
        Its SHA-256.

    Raises
    ------
    DownloadError
        When it is another file.
    """
    if (found := sha256(path)) != expected:
        raise DownloadError(
            f"{what} is not the pinned file, it was deleted: SHA-256 {found}, expected {expected} "
            "(setup/versions.toml). Somebody between here and the registry changes it: ask your "
            "network administrators"
        )


def named(
    option: str, place: str, expected: str, folder: Path, update: Callable[[str], None]
) -> Path:
    """Return the archive that an option names, downloaded if need be, and verified.

    Parameters
    ----------
    option
        Such as ``--tarball``, for messages.
    place
        Path, or URL with http or https.
    expected
        The SHA-256 that it must have; may be empty for a path.
    folder
        Where downloads are kept.
    update
        Called with the progress.

    Raises
    ------
    UsageError
        When there is no such file, or a URL came without hash.
    SetupError
        When others could exchange the file, and no hash was given.
    DownloadError
        When it cannot be downloaded, or is a different file.
    """
    expected = expected.lower()
    url = urllib.parse.urlsplit(place)
    if url.scheme in ("http", "https"):
        if not expected:
            raise UsageError(f"{option} {place}: a URL needs --sha256 beside it")
        path = folder / Path(url.path).name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or sha256(path) != expected:
            update(f"downloading {path.name}")
            partial = path.with_name(path.name + ".part")
            try:
                with (
                    environment.downloading(folder),
                    opened(place, 30.0) as answer,
                    partial.open("wb") as file,
                ):
                    shutil.copyfileobj(answer, file)
                _check(option, place, partial, expected)
                partial.replace(path)  # only the right file gets the name
            except OSError as error:
                advice = explain(f"{place} {error}", f"{option} takes a file as well")
                raise DownloadError(
                    f"{place} could not be downloaded: {error}\n{advice}"
                ) from error
            finally:
                partial.unlink(missing_ok=True)
        return path
    path = expanded(place).absolute()
    if not path.is_file():
        raise UsageError(f"{option} {place}: no such file")
    if expected:
        if trust.trouble(path):  # else it could be exchanged after it was checked
            folder.mkdir(parents=True, exist_ok=True)
            path = Path(shutil.copyfile(path, folder / path.name))
        _check(option, place, path, expected)
    else:
        trust.require(path, option, "copy it to a folder of yours, or give its --sha256")
    return path


def _check(option: str, place: str, path: Path, expected: str) -> None:
    if (found := sha256(path)) != expected:
        with path.open("rb") as stream:
            start = stream.read(20_000)
        if is_page(start):
            raise DownloadError(
                f"{option} {place}: a page came instead of it, as proxies and login pages send: "
                f"{page_words(start)}"
            )
        raise DownloadError(
            f"{option} {place}: its SHA-256 is {found}, not {expected}; "
            "it is damaged or another file, nothing was installed"
        )
