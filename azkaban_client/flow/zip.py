"""Read and write project zips: the same files give the same bytes.

A zip is read as the server reads it: Java takes all names for UTF-8, unpacks stored and deflated
files, and ignores file modes.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import stat
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.errors import InvalidProject
from azkaban_client.files import whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["LARGEST", "Bundle", "Member", "extract", "members", "unpack"]

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # by Java
_SMALL = 100 << 20  # bytes that any zip may unpack to
_MOST_RATIO = 200  # of larger ones
_LONGEST_PART = 255  # bytes of a name, on Linux's disks
_LONGEST_NAME = 100  # characters of a zip's
LARGEST = 64 << 20  # of a flow file; a larger one is no flow file, or made to fill the memory
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Member:
    """A file within a zip on disk.

    Attributes
    ----------
    archive
        The zip.
    info
        Its entry.
    """

    archive: Path
    info: zipfile.ZipInfo


@dataclass(frozen=True)
class Bundle:
    """The files of a project: names within the zip, and where their bytes are.

    Attributes
    ----------
    files
        Path on disk of each name, its bytes, or its place in another zip.
    origins
        For files made from another one: ``(line, file, line there)``, sorted; what begins
        at that line, up to the next one that is named, comes from there.
    """

    files: Mapping[str, Path | bytes | Member]
    origins: Mapping[str, Sequence[tuple[int, str, int]]] = field(default_factory=dict)
    _cache: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False, init=False)
    _open: dict[Path, zipfile.ZipFile] = field(
        default_factory=dict, repr=False, compare=False, init=False
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The names within the zip, sorted."""
        return tuple(sorted(self.files))

    def origin(self, name: str, line: int | None) -> tuple[str, int | None]:
        """Return the file and line that a line of a file was made from; its own if it was not.

        Examples
        --------
        >>> bundle = Bundle({"a.job": b"type=noop"}, {"a.job": [(0, "flow.py", 7)]})
        >>> bundle.origin("a.job", 1), bundle.origin("b.job", 2)
        (('flow.py', 7), ('b.job', 2))
        """
        places = [place for place in self.origins.get(name, ()) if place[0] <= (line or 0)]
        return places[-1][1:] if places else (name, line)

    @property
    def visible_names(self) -> tuple[str, ...]:
        """The names without those of hidden files, which Azkaban's loaders ignore."""
        return tuple(n for n in self.names if not n.rpartition("/")[2].startswith("."))

    def read(self, name: str) -> bytes:
        """Return the bytes of a flow file.

        Raises
        ------
        InvalidProject
            It is damaged, or larger than any flow file.
        """
        if name not in self._cache:
            if self._size(name) > LARGEST:
                raise InvalidProject(
                    f"{name}: {self._size(name) >> 20} MB: no flow file is that large"
                )
            self._cache[name] = b"".join(self.pieces(name))
        return self._cache[name]

    def _size(self, name: str) -> int:
        source = self.files[name]
        if isinstance(source, bytes):
            return len(source)
        return source.info.file_size if isinstance(source, Member) else source.stat().st_size

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of any file, whatever its size.

        Raises
        ------
        InvalidProject
            It is in a damaged zip.
        """
        source = self.files[name]
        if isinstance(source, bytes):
            yield source
        elif isinstance(source, Path):
            with source.open("rb") as stream:
                yield from iter(lambda: stream.read(1 << 20), b"")
        else:
            try:
                # Opened once: each opening reads the whole table of contents.
                if source.archive not in self._open:
                    self._open[source.archive] = zipfile.ZipFile(source.archive)
                with self._open[source.archive].open(source.info) as stream:
                    yield from iter(lambda: stream.read(1 << 20), b"")
            except _DAMAGE as error:
                raise InvalidProject(f"{source.archive}: {name} is damaged: {error}") from error

    def is_executable(self, name: str) -> bool:
        """Tell whether a file is executable in its present place."""
        source = self.files[name]
        if isinstance(source, bytes):
            return False
        if isinstance(source, Member):
            return bool(source.info.external_attr >> 16 & stat.S_IXUSR)
        return bool(source.stat().st_mode & stat.S_IXUSR)

    @classmethod
    def from_zip(cls, path: str | os.PathLike[str]) -> Bundle:
        """Take the files of a zip, with the names that the server gives them.

        Raises
        ------
        InvalidProject
            It is not a zip, it is damaged, or the server could not unpack it.
        """
        return cls(members(path))

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the zip, whole or not at all.

        Raises
        ------
        OSError
            The disk is full, the folder not writable ...; nothing is left behind.
        """
        target = Path(path)
        with whole(target) as stream:
            self._write_to(stream)
        return target

    @contextlib.contextmanager
    def temporary(self, name: str = "project.zip") -> Iterator[Path]:
        """Write the zip to a folder for temporary files and remove it afterwards.

        Parameters
        ----------
        name
            Of the file, as the server sees it. A project may have been given any name, and it is
            for the server to refuse it.
        """
        with tempfile.TemporaryDirectory(prefix="azk-") as folder:
            yield self.write(Path(folder) / re.sub(r"[^\w.-]", "-", name)[-_LONGEST_NAME:])

    def _write_to(self, stream: object) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
            for name in self.names:
                info = zipfile.ZipInfo(name, _TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3  # Unix, whatever this machine is: the mode counts
                info.external_attr = (0o100755 if self.is_executable(name) else 0o100644) << 16
                info.file_size = self._size(name)
                with archive.open(info, "w") as out:
                    for piece in self.pieces(name):
                        out.write(piece)


def members(path: str | os.PathLike[str]) -> dict[str, Member]:
    """List the files of a zip, with the names that the server gives them.

    Raises
    ------
    InvalidProject
        It is not a zip, or the server could not unpack it within its folder.
    """
    where = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (*_DAMAGE, UnicodeDecodeError) as error:
        raise InvalidProject(f"{where}: not a usable zip: {error}") from error
    packed, whole = Path(path).stat().st_size, sum(entry.file_size for entry in entries)
    if whole > max(_SMALL, packed * _MOST_RATIO):
        raise InvalidProject(
            f"{where}: the zip unpacks to {whole >> 20} MB, from {packed} bytes: no project does"
        )
    found: dict[str, Member] = {}
    for entry in entries:
        name = _java_name(entry, where)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InvalidProject(
                f"{where}: the entry {name!r} is a link: pack the file itself (zip without -y)"
            )
        if entry.is_dir():
            continue
        if entry.flag_bits & 0x1:
            raise InvalidProject(f"{where}: {name} is encrypted: the server cannot unpack it")
        if entry.compress_type not in _READABLE:
            raise InvalidProject(
                f"{where}: {name} is compressed in a way that the server cannot unpack: "
                "pack it with deflate"
            )
        found[name] = Member(Path(path), entry)
    _check_places(found, where)
    return found


def _check_places(names: Collection[str], where: str) -> None:
    """Refuse names that no folder can hold."""
    folders: set[str] = set()
    for name in names:
        if any(len(part.encode()) > _LONGEST_PART for part in name.split("/")):
            raise InvalidProject(
                f"{where}: the entry {name!r} has a name of more than {_LONGEST_PART} bytes, which "
                "no disk takes: rename the file"
            )
        above = name.rpartition("/")[0]
        while above and above not in folders:
            if above in names:
                raise InvalidProject(
                    f"{where}: the entry {above!r} is a file and has {name!r} in it: the server "
                    "cannot unpack the zip; take one of them out"
                )
            folders.add(above)
            above = above.rpartition("/")[0]


def _java_name(entry: zipfile.ZipInfo, where: str) -> str:
    """Return the path, below the project's folder, that the server unpacks an entry to.

    Python takes a name without the flag for UTF-8 to be in code page 437; Java does not.
    """
    name = entry.orig_filename
    if not entry.flag_bits & 0x800:
        raw = name.encode("cp437")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            guess = raw.decode("gb18030", "replace")
            raise InvalidProject(
                f"{where}: the name of the entry {raw!r} (Chinese: {guess!r}) is not UTF-8: the "
                "server cannot unpack the zip; pack it with another program, or give the folder"
            ) from None
    plain = posixpath.normpath(name.lstrip("/"))
    if plain == ".." or plain.startswith("../"):
        raise InvalidProject(
            f"{where}: the entry {name!r} leads out of the folder: take it out of the zip"
        )
    if ".." in name.split("/"):
        raise InvalidProject(
            f"{where}: the entry {name!r} leads through a folder above, where the server may not "
            f"get: call it {plain!r}"
        )
    if "\0" in plain:
        raise InvalidProject(f"{where}: the entry {name!r} is no name of a file")
    return plain


def extract(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Unpack a downloaded project into a new folder; no entry can leave it.

    Raises
    ------
    InvalidProject
        The zip is damaged, or an entry's name leads out of the folder, or is a link.
    FileExistsError
        The folder exists and is not empty.
    """
    target, where = Path(folder), os.fspath(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} exists: name a folder that does not, or an empty one")
    entries = members(path)
    for name, member in entries.items():
        if re.match(r"/|[A-Za-z]:|.*\\", member.info.orig_filename):
            raise InvalidProject(f"{where}: the entry {name!r} leads out of the folder")
    bundle = Bundle(entries)
    # Beside the target, so that a damaged zip leaves nothing in it.
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".azk-", dir=target.parent) as temporary:
        whole = Path(temporary) / "whole"
        whole.mkdir()
        unpack(bundle, whole)
        for name in bundle.names:
            (whole / name).chmod(0o755 if bundle.is_executable(name) else 0o644)
        if target.exists():
            target.rmdir()
        whole.rename(target)
    return tuple(target / name for name in bundle.names)


def unpack(bundle: Bundle, folder: Path) -> None:
    """Write all files into a folder without their modes, as the server does."""
    for name in bundle.names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            for piece in bundle.pieces(name):
                stream.write(piece)
