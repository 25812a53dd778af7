"""What a change of release replaces, saved before it and restored when it fails or on request.

`setup.life.update` saves a prefix so, `setup.azkaban.upgrade` an Azkaban.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup.errors import SetupError
from setup.messages import step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from setup.layout import Layout

__all__ = ["Contents", "Saved", "earlier", "place", "read"]

_RECORDS = ("backup.json", "update.json")  # the second one is that of earlier releases


@dataclass(frozen=True)
class Saved:
    """A state that can be restored.

    Attributes
    ----------
    folder
        Holds the copies, by their names; a record in it appears when they are complete.
    version
        Version of what was saved.
    azkaban, mysql
        Whether they ran.
    java
        Which Java was kept for later starts; empty in backups of earlier releases.
    """

    folder: Path
    version: str
    azkaban: bool = False
    mysql: bool = False
    java: str = ""

    @property
    def database(self) -> Path:
        """The backup of MySQL, if there is one."""
        return self.folder / "mysql.sql.gz"

    def save_database(self, layout: Layout) -> None:
        """Save MySQL, which is started for it."""
        from setup.mysql import Server, dump

        database = Server(layout)
        database.ensure()
        dump.backup(database, self.database)

    def restore_database(self, layout: Layout) -> None:
        """Put MySQL, which is started for it, into the state that was saved."""
        from setup.mysql import Server
        from setup.mysql.restore import restore

        database = Server(layout)
        database.ensure()
        restore(database, self.database, replace=True)


def place(backups: Path, begin: str = "") -> Path:
    """Name a new folder by the time."""
    return backups / f"{begin}{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"


def read(folder: Path | None) -> Saved | None:
    """Read the record of a backup; None if the backup is not complete, or there is none."""
    if folder is None:
        return None
    for name in _RECORDS:
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
            return Saved(**{**found, "folder": folder})
        except (OSError, ValueError, TypeError):
            continue
    return None


def earlier(backups: Path, begin: str = "") -> Iterator[Saved]:
    """Yield the complete backups whose names begin with this, the latest first."""
    yield from filter(None, map(read, sorted(backups.glob(f"{begin}*"), reverse=True)))


@dataclass(frozen=True)
class Contents:
    """What is saved of a folder.

    Attributes
    ----------
    home
        The folder.
    names
        Of files and folders in it; those that are not there are passed over.
    left_out
        For folders of which each entry is replaced on its own: the entries that are not saved,
        and that stay as they are.
    """

    home: Path
    names: tuple[str, ...]
    left_out: Mapping[str, Collection[str]] = field(default_factory=dict)

    def save(self, saved: Saved, title: str, *, database: Layout | None = None) -> None:
        """Copy everything into the folder of `saved`, which is made.

        Parameters
        ----------
        saved
            What is recorded of it.
        title
            What is said meanwhile.
        database
            Whose MySQL is saved as well; it is started for that.

        Raises
        ------
        SetupError
            When something cannot be saved; nothing is left of the folder.
        """
        folder = saved.folder
        try:
            with step(title) as shown:
                folder.parent.mkdir(mode=0o700, exist_ok=True)
                folder.mkdir(mode=0o700)
                for name in self.names:
                    _copy(self.home / name, folder / name, self.left_out.get(name, ()))
                shown.done(str(folder))
            if database:
                saved.save_database(database)
            write_private(folder / _RECORDS[0], json.dumps(asdict(saved), default=str) + "\n")
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            first = error.args[0][0][2] if isinstance(error, shutil.Error) else error
            raise SetupError(
                f"{folder}: what is there could not be saved ({first}); nothing was changed"
            ) from error

    def restore(self, folder: Path) -> None:
        """Restore what was saved; can be repeated if it is interrupted."""
        for name in self.names:
            _replace(folder / name, self.home / name, merge=name in self.left_out)


def _copy(source: Path, target: Path, left_out: Collection[str] = ()) -> None:
    """Copy a file, link or folder, without some names at the folder's top."""

    def skipped(folder: str, names: list[str]) -> set[str]:
        return set(names).intersection(left_out) if folder == str(source) else set()

    if source.is_symlink() or source.is_file():
        shutil.copy2(source, target, follow_symlinks=False)
    elif source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=skipped, copy_function=_file)


def _file(source: str, target: str) -> None:
    """Copy a file; a package's may be a hard link, because installers replace files whole."""
    if "/site-packages/" in source:
        try:
            os.link(source, target)
        except OSError:  # a disk without such links
            shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)


def _replace(source: Path, target: Path, *, merge: bool) -> None:
    """Replace a file or folder by a copy; in a folder to merge, each entry."""
    if merge:
        for entry in source.iterdir() if source.is_dir() else ():
            _replace(entry, target / entry.name, merge=False)
    elif source.is_dir() and not source.is_symlink():
        _delete(target)
        _copy(source, target)
    elif source.exists():
        new = target.with_name(f".{target.name}.new")
        _copy(source, new)
        new.replace(target)  # it exists at all times


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:  # as for files that root has made there
        raise SetupError(
            f"{folder}: what was saved cannot take its place, since {error.filename} in it cannot "
            f"be deleted ({error.strerror}): delete it, then run this again"
        ) from error
