"""Unpack archives only if they are safe, and write the same archive for the same content."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from azkaban_client.files import whole
from setup.errors import UsageError

__all__ = ["Links", "Member", "digest", "members", "unpack", "write"]

SUFFIXES = (".tar.gz", ".tgz", ".zip")
MOST_BYTES = 20 << 30  # the most that it may take when unpacked: more is a zip bomb

Links = Literal["inside", "none", "any"]
Choose = Callable[[Iterable[PurePosixPath]], Mapping[PurePosixPath, PurePosixPath]]

_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, RuntimeError),  # a zip with a password
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can write


@dataclass(frozen=True)
class Member:
    """One file or link of an archive.

    Attributes
    ----------
    name
        Its path in the archive, with ``/``.
    mode
        Permission bits.
    link
        Where a symbolic link leads, relative to its own folder; empty for a file.
    size
        In bytes.
    open
        Opens the content.
    """

    name: str
    mode: int
    link: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path,
    folder: Path,
    *,
    links: Links = "inside",
    most: int = MOST_BYTES,
    choose: Choose | None = None,
) -> None:
    """Unpack a tar (gz, bz2, xz) or zip, but only if all of it is safe.

    Nothing is written if a path or a link would lead outside `folder`, if a file would be written
    through a link, if the archive contains a device, or if it is too large. These rules are
    stricter than the filters of `tarfile`, and hold for zips and on every Python.

    Parameters
    ----------
    archive
        The file.
    folder
        An empty folder.
    links
        Which links are allowed: those that stay ``inside``, ``none``, or ``any`` in an archive
        that we made ourselves.
    most
        Maximum size in bytes when it is unpacked.
    choose
        Gets the paths of all members, and returns where to put those that are needed; by default
        all are unpacked under their own paths.

    Raises
    ------
    UsageError
        When it is not an archive, or not a safe one.
    """
    reader = _Rules(archive, folder, links, most, choose or _all)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                reader.unpack(_zip_members(opened, archive))
        else:
            with tarfile.open(archive) as tar:
                reader.unpack(_tar_members(tar, archive))
    except _DAMAGED as error:
        why = str(error).partition(":\n")[0]  # tarfile adds a line for each kind that it tried
        raise UsageError(
            f"{archive} cannot be unpacked ({why}): a .tar.gz, .tar.bz2, .tar.xz or .zip is needed"
        ) from error


def _zip_members(opened: zipfile.ZipFile, archive: Path) -> list[Member]:
    found = []
    for info in opened.infolist():
        if info.is_dir():
            continue
        mode = info.external_attr >> 16
        link = opened.read(info).decode() if stat.S_ISLNK(mode) else ""
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFLNK):
            raise UsageError(f"{archive}: {info.filename!r} is no file; nothing was unpacked")
        found.append(
            Member(info.filename, mode & 0o777, link, info.file_size, partial(opened.open, info))
        )
    return found


def _tar_members(tar: tarfile.TarFile, archive: Path) -> list[Member]:
    found = []
    for info in tar.getmembers():
        if info.isdir():
            continue
        if not (info.isfile() or info.issym() or info.islnk()):
            raise UsageError(f"{archive}: {info.name!r} is no file; nothing was unpacked")
        link = info.linkname if info.issym() else ""
        if info.islnk():  # a second name of a file before it
            _checked(archive, info.linkname)
        found.append(
            Member(info.name, info.mode & 0o777, link, info.size, partial(_data, tar, info))
        )
    return found


def _data(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    data = tar.extractfile(info)
    if data is None:
        raise tarfile.ReadError(f"{info.name!r} has no content")
    return data


def _all(names: Iterable[PurePosixPath]) -> dict[PurePosixPath, PurePosixPath]:
    return {name: name for name in names}


@dataclass(frozen=True)
class _Rules:
    """Hold the rules that `unpack` was given."""

    archive: Path
    folder: Path
    links: Links
    most: int
    choose: Choose

    def unpack(self, found: list[Member]) -> None:
        names = {_checked(self.archive, member.name): member for member in found}
        size = sum(member.size for member in found)
        if size > self.most:
            raise UsageError(
                f"{self.archive}: unpacked it takes {size >> 20} MB, more than the "
                f"{self.most >> 20} MB that are allowed; nothing was unpacked"
            )
        linked = {name for name, member in names.items() if member.link}
        for name, member in names.items():
            if through := linked.intersection(name.parents):
                raise UsageError(
                    f"{self.archive}: {member.name!r} would be written through the link "
                    f"{str(through.pop())!r}; nothing was unpacked"
                )
            if member.link:
                self._check_link(name, member)
        for name, place in self.choose(names).items():
            _put(names[name], self.folder / place)

    def _check_link(self, name: PurePosixPath, member: Member) -> None:
        if self.links == "any":
            return
        if self.links == "none":
            raise UsageError(f"{self.archive}: {member.name!r} is a link; nothing was unpacked")
        _checked(self.archive, f"{name.parent}/{member.link}", member.link)
        steps = PurePosixPath(member.link).parts
        if ".." in steps[[*(s == ".." for s in steps), False].index(False) :]:  # after a name
            raise UsageError(f"{self.archive}: the link to {member.link!r} turns back on its way")


def _put(member: Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.link:
        path.symlink_to(member.link)
        return
    with member.open() as data, path.open("wb") as file:
        shutil.copyfileobj(data, file)
    if member.mode & 0o100:
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o444) >> 2)  # executable for those whom the umask lets read it


def _checked(archive: Path, name: str, shown: str = "") -> PurePosixPath:
    """Refuse a path that leaves the folder in which the archive is unpacked."""
    path = PurePosixPath(os.path.normpath(name))
    outside = path.is_absolute() or path.parts[:1] == ("..",)
    if outside or (shown or name).startswith("/") or "\\" in name:
        what = "links to" if shown else "has the path"
        raise UsageError(
            f"{archive} {what} {shown or name!r}, outside of itself; nothing was unpacked"
        )
    return path


def members(folder: Path, *, links: bool = True) -> list[Member]:
    """List a folder's files and links, sorted, with modes that are 0755 or 0644 only.

    Parameters
    ----------
    folder
        Where they are.
    links
        Whether links stay links (which a zip cannot hold), or are replaced by what they lead to.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if links and path.is_symlink():
            found.append(Member(name, 0o777, str(path.readlink()), 0, BytesIO))
        elif path.is_file():
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            found.append(Member(name, mode, "", path.stat().st_size, partial(_read, path)))
    return found


def _read(path: Path) -> IO[bytes]:
    return path.open("rb")


def digest(found: Iterable[Member]) -> str:
    """Hash names, modes, links and content: the same for the same files, however compressed."""
    whole = hashlib.sha256()
    for member in found:
        content = hashlib.sha256(member.link.encode())
        if not member.link:
            with member.open() as data:
                content = hashlib.file_digest(data, "sha256")  # type: ignore[arg-type]
        whole.update(f"{member.name}\0{member.mode:o}\0{content.hexdigest()}\n".encode())
    return whole.hexdigest()


def write(found: Iterable[Member], target: Path) -> None:
    """Write a .tar.gz or .zip whose bytes depend only on the members, whole or not at all.

    A zip cannot hold links: see `members`.

    Raises
    ------
    UsageError
        When the name of `target` has neither suffix.
    """
    if not target.name.endswith(SUFFIXES):
        raise UsageError(f"{target}: the name must end in {', '.join(SUFFIXES)}")
    with whole(target) as stream:
        if target.suffix == ".zip":
            _write_zip(found, stream)
        else:
            _write_tar(found, stream)


def _write_tar(found: Iterable[Member], raw: IO[bytes]) -> None:
    with (
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for member in found:
            info = tarfile.TarInfo(member.name)
            info.mode = member.mode
            if member.link:
                info.type, info.linkname = tarfile.SYMTYPE, member.link
                tar.addfile(info)
                continue
            with member.open() as data:
                info.size = data.seek(0, os.SEEK_END)
                data.seek(0)
                tar.addfile(info, data)


def _write_zip(found: Iterable[Member], raw: IO[bytes]) -> None:
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for member in found:
            info = zipfile.ZipInfo(member.name, _EPOCH)
            info.create_system = 3  # Unix: the mode counts
            info.external_attr = (stat.S_IFREG | member.mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            with member.open() as data, archive.open(info, "w") as file:
                shutil.copyfileobj(data, file)
