"""Every path of an installation: all of them are under one prefix folder."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import open_private
from setup import disk, trust
from setup.errors import SetupError, UsageError
from setup.messages import wait_for_lock
from setup.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["CHECKOUT", "LOCK", "SHIPPED", "Layout", "copy_fresh"]

CHECKOUT = Path(__file__).resolve().parent.parent
SHIPPED = CHECKOUT / "downloads"  # what came along, where this is the product of an archive

# Azkaban hands paths to a shell unquoted, Java reads ':' and '*' in a class path, H2 ';'.
_SAFE = re.compile(r"[\w/.,+@-]")

LOCK = "AZK_LOCK_FD"  # the variable that names a lock that is held, as PROCESS:DESCRIPTOR

_MARKER = ".azkaban-jobflow"

# Large temporary folders of set-up, which stay if it is killed outright.
_WORK = ("tmp/setup-*", ".python-*", ".unpacked-*")
_DAY = 86400.0

# Folders under the prefix from which programs run.
_PROGRAMS = (
    "env/bin",
    "product",
    "java",
    "python/bin",
    "azkaban/program",
    "mysql/program",
    "spark/env/bin",
)


@dataclass(frozen=True)
class Layout:
    """Where things are.

    Attributes
    ----------
    prefix
        The folder that holds everything.
    cache
        Downloads; the only part that several installations may share (``AZK_CACHE``).

    Examples
    --------
    >>> Layout.of("/tmp/azk", environ={}).env
    PosixPath('/tmp/azk/env')
    """

    prefix: Path
    cache: Path

    @classmethod
    def of(cls, prefix: str | None = None, environ: Mapping[str, str] = os.environ) -> Layout:
        """Choose the prefix: argument, else ``AZK_HOME``, else ``~/.azkaban-jobflow``.

        Raises
        ------
        UsageError
            When the path has a space or another character that Azkaban or Java would misread, or
            is empty, as that of a variable which is not set.
        """
        if prefix == "":
            raise UsageError("--prefix '': expected a folder")
        text = prefix or environ.get("AZK_HOME") or "~/.azkaban-jobflow"
        path = expanded(text).absolute()
        for char in str(path):
            if not _SAFE.fullmatch(char):
                raise UsageError(
                    f"prefix {str(path)!r}: the character {char!r} cannot be in it, Azkaban and "
                    "Java would misread it; choose another with --prefix or AZK_HOME"
                )
        cache = environ.get("AZK_CACHE")
        return cls(path, expanded(cache).absolute() if cache else path / "cache")

    @property
    def env(self) -> Path:
        """The private Python environment."""
        return self.prefix / "env"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.env / "bin" / "python"

    @property
    def java(self) -> Path:
        """A private Java, where the system has none."""
        return self.prefix / "java"

    @property
    def azkaban(self) -> Path:
        """The Azkaban server: programs, settings, database, logs."""
        return self.prefix / "azkaban"

    @property
    def spark(self) -> Path:
        """Spark: its environment, trial clusters, packed environments."""
        return self.prefix / "spark"

    @property
    def runs(self) -> Path:
        """What jobs leave: ``<project>/<execution>/<job>/``."""
        return self.prefix / "runs"

    @property
    def docs(self) -> Path:
        """The site of the docs, where it was built."""
        return self.prefix / "docs"

    @property
    def client_config(self) -> Path:
        """Settings by which `azk` finds the server."""
        return self.prefix / "azk.toml"

    @property
    def ca(self) -> Path:
        """Certificates with which clients check the server's."""
        return self.prefix / "tls" / "ca.pem"

    @property
    def temporary(self) -> Path:
        """Temporary files of programs, and what Python compiles of this checkout."""
        return self.prefix / "tmp"

    @property
    def marker(self) -> Path:
        """A file that marks the prefix as ours, and says which release has set it up."""
        return self.prefix / _MARKER

    def exists(self) -> bool:
        """Tell whether the prefix is an installation made by `create`."""
        return self.marker.is_file()

    def create(self, need: int) -> None:
        """Make the prefix folder, or check that it is one of ours with room left.

        Parameters
        ----------
        need
            Free bytes that the next steps need.

        Raises
        ------
        SetupError
            When it is not writable, not ours, or the disk is too full.
        """
        self.require_private()
        new = not self.prefix.exists()
        try:
            self.prefix.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.exists() and any(map(_is_content, self.prefix.iterdir())):
                raise SetupError(
                    f"prefix {self.prefix}: the folder is not empty and was not made by this "
                    "program; nothing was changed. Choose another with --prefix or AZK_HOME"
                )
            disk.require(self.prefix)
            self.marker.touch()
        except OSError as error:
            raise SetupError(
                f"prefix {self.prefix}: cannot write there ({error.strerror}); "
                "choose a writable folder with --prefix or AZK_HOME"
            ) from error
        finally:
            if new and not self.exists():
                with suppress(OSError):
                    self.prefix.rmdir()
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(
                f"cache {self.cache}: cannot be made ({error.strerror}); choose a writable folder "
                "with AZK_CACHE"
            ) from error
        self.require_private()  # what others made in the meantime
        free = shutil.disk_usage(self.prefix).free
        if free < need:
            raise SetupError(
                f"prefix {self.prefix}: {free >> 20} MB free on its disk, {need >> 20} MB needed; "
                "make room, or choose a folder on another disk with --prefix or AZK_HOME"
            )

    def require_private(self) -> None:
        """Refuse folders whose programs or downloads another account could exchange.

        Raises
        ------
        SetupError
            With the folder, who could, and what to do; or when one is not a folder.
        """
        for path, what, setting in (
            (self.prefix, "prefix", "--prefix or AZK_HOME"),
            (self.cache, "cache", "AZK_CACHE"),
        ):
            if os.path.lexists(path) and not path.is_dir():
                raise SetupError(f"{what} {path}: is no folder; choose another with {setting}")
        for name in ("", *_PROGRAMS):
            trust.require(self.prefix / name, "prefix", "choose another with --prefix or AZK_HOME")
        trust.require(self.cache, "cache", "choose another with AZK_CACHE")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one set-up at a time change the installation; a second one waits.

        A program that inherits the descriptor that `LOCK` names shares the lock; a thread of
        this process does not.
        """
        path = self.prefix / ".lock"
        owner, _, descriptor = os.environ.get(LOCK, "").partition(":")
        if owner != str(os.getpid()) and _is_open(descriptor, path):
            yield
            return
        with open_private(path, "a") as stream:
            wait_for_lock(stream, f"another setup works in {self.prefix}")
            os.environ[LOCK] = f"{os.getpid()}:{stream.fileno()}"
            self._sweep()
            try:
                yield
            finally:
                del os.environ[LOCK]

    def _sweep(self) -> None:
        """Delete what set-ups that were killed have left; one that works is younger than a day."""
        old = time.time() - _DAY
        for folder in (path for pattern in _WORK for path in self.prefix.glob(pattern)):
            with suppress(OSError):
                if folder.lstat().st_mtime < old:
                    shutil.rmtree(folder)


def _is_content(path: Path) -> bool:
    """Tell whether a file is more than a leftover of a disk test that was killed."""
    return not path.name.startswith(disk.TRIAL)


def _is_open(descriptor: str, path: Path) -> bool:
    """Tell whether an inherited descriptor is that of a file."""
    try:
        return os.path.samestat(os.fstat(int(descriptor)), path.stat())
    except (OSError, ValueError):
        return False


def copy_fresh(source: Path, target: Path) -> None:
    """Copy a folder with the modes of new files: a checkout's may let others write."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        else:
            shutil.copyfile(path, copy)
