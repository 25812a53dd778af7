"""Project zips: the same files give the same bytes, and nothing is written beside them.

A project's own folder goes to the root of the zip; further folders go in under their names, so
that ``-m jobs.train`` finds ``jobs/train.py`` beside the ``.job`` files.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
import zipfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.errors import InvalidProject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["EXCLUDED", "Bundle", "collect", "extract"]

EXCLUDED = (
    "__pycache__",
    "*.pyc",
    ".git",
    ".hg",
    ".svn",
    ".venv",
    ".idea",
    ".vscode",
    ".DS_Store",
    ".ipynb_checkpoints",
    ".*_cache",
    "*.egg-info",
    "*~",
    "*.swp",
)

_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold


@dataclass(frozen=True)
class Bundle:
    """The files of a project: names within the zip, and where their bytes are.

    Attributes
    ----------
    files
        Path on disk of each name, or its bytes.
    """

    files: Mapping[str, Path | bytes]
    _cache: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names within the zip, sorted."""
        return tuple(sorted(self.files))

    @property
    def visible_names(self) -> tuple[str, ...]:
        """The names without those of hidden files, which Azkaban's loaders pass over."""
        return tuple(n for n in self.names if not n.rpartition("/")[2].startswith("."))

    def read(self, name: str) -> bytes:
        """Give the bytes of one file."""
        if name not in self._cache:
            source = self.files[name]
            self._cache[name] = source if isinstance(source, bytes) else source.read_bytes()
        return self._cache[name]

    @classmethod
    def from_zip(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read the flow files of a zip (``.job``, ``.properties``, ``.flow``, ``.project``).

        Raises
        ------
        InvalidProject
            It is not a zip, or it is damaged.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                return cls(
                    {
                        item.filename: archive.read(item) if _is_flow_file(item.filename) else b""
                        for item in archive.infolist()
                        if not item.is_dir()
                    }
                )
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise InvalidProject(f"{os.fspath(path)}: not a usable zip: {error}") from error

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the zip, whole or not at all.

        Raises
        ------
        OSError
            The disk is full, the folder not writable ...; nothing is left behind.
        """
        target = Path(path)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                self._write_to(stream)
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return target

    @contextlib.contextmanager
    def temporary(self, name: str = "project.zip") -> Iterator[Path]:
        """Write the zip to a folder for temporary files and remove it afterwards."""
        with tempfile.TemporaryDirectory(prefix="azk-") as folder:
            yield self.write(Path(folder) / name)

    def _write_to(self, stream: object) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
            for name in self.names:
                source = self.files[name]
                info = zipfile.ZipInfo(name, _TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3  # Unix, whatever this machine is: the mode counts
                if isinstance(source, bytes):
                    info.external_attr = 0o100644 << 16
                    archive.writestr(info, source)
                    continue
                executable = source.stat().st_mode & stat.S_IXUSR
                info.external_attr = (0o100755 if executable else 0o100644) << 16
                info.file_size = source.stat().st_size
                with source.open("rb") as data, archive.open(info, "w") as out:
                    while piece := data.read(1 << 20):
                        out.write(piece)


def _is_flow_file(name: str) -> bool:
    return name.endswith((".job", ".properties", ".flow", ".project"))


def collect(
    folder: str | os.PathLike[str],
    extra: Sequence[str | os.PathLike[str]] = (),
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Bundle:
    """Collect the files of a project.

    Parameters
    ----------
    folder
        Its files go to the root of the zip.
    extra
        Folders (or files) that go in under their own names: ``jobs`` becomes ``jobs/...``;
        ``NAME=PATH`` gives another name.
    include
        Patterns; when there are any, only files that match one are taken.
    exclude
        Patterns of files and folders to leave out, beside `EXCLUDED`. A pattern without a
        slash matches a name at any depth, one with a slash the whole path in the zip;
        ``*`` stays within a name, ``**`` does not.

    Raises
    ------
    InvalidProject
        A folder is missing, nothing is left, two files have the same name in the zip, or a
        link leads nowhere.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.job").write_text("type=noop")
    ...     (Path(folder) / "__pycache__").mkdir()
    ...     _ = (Path(folder) / "__pycache__/x.pyc").write_bytes(b"")
    ...     collect(folder).names
    ('a.job',)
    """
    left_out = (*EXCLUDED, *exclude)
    files: dict[str, Path] = {}
    roots = [("", Path(folder))]
    for item in extra:
        name, equals, path = os.fspath(item).partition("=")
        source = Path(path if equals else name)
        roots.append((name.strip("/") if equals else source.resolve().name, source))
    for prefix, root in roots:
        if prefix == "" and not root.is_dir():
            raise InvalidProject(f"{root}: no such folder")
        if not root.exists():
            raise InvalidProject(f"{root}: no such file or folder")
        for name, file in _walk(root, prefix, left_out):
            if include and not any(_matches(pattern, name) for pattern in include):
                continue
            if name in files:
                raise InvalidProject(
                    f"{name}: both {files[name]!s} and {file} would be this file of the zip"
                )
            files[name] = file
    if not files:
        raise InvalidProject(f"{os.fspath(folder)}: no file is left for the zip")
    return Bundle(files)


def _walk(root: Path, prefix: str, left_out: Sequence[str]) -> Iterator[tuple[str, Path]]:
    if root.is_file():
        yield prefix, root
        return
    todo, seen = [(root, prefix)], {root.resolve()}
    while todo:
        folder, inside = todo.pop()
        for path in sorted(folder.iterdir()):
            name = f"{inside}/{path.name}" if inside else path.name
            if any(_matches(pattern, name) for pattern in left_out):
                continue
            if path.is_dir():
                if path.resolve() in seen:
                    raise InvalidProject(f"{path}: a link back into the project")
                seen.add(path.resolve())
                todo.append((path, name))
            elif path.is_file():
                yield name, path
            elif path.is_symlink():
                raise InvalidProject(f"{path}: a link to a file that does not exist")


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts) + r"\Z")


def _matches(pattern: str, name: str) -> bool:
    subject = name if "/" in pattern.strip("/") else name.rpartition("/")[2]
    return bool(_regex(pattern).match(subject))


def extract(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Unpack a downloaded project into a new folder; no entry can leave it.

    Raises
    ------
    InvalidProject
        The zip is damaged, or an entry's name leads out of the folder, or is a link.
    FileExistsError
        The folder exists and is not empty.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{target} exists: name a folder that does not, or an empty one")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            for entry in entries:
                _refuse_escape(entry, os.fspath(path))
            if bad := archive.testzip():
                raise InvalidProject(f"{os.fspath(path)}: {bad} is damaged")
            target.mkdir(parents=True, exist_ok=True)
            written = []
            for entry in entries:
                place = Path(archive.extract(entry, target))
                if not entry.is_dir():
                    written.append(place)
                    mode = entry.external_attr >> 16
                    place.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
    except zipfile.BadZipFile as error:
        raise InvalidProject(f"{os.fspath(path)}: not a usable zip: {error}") from error
    return tuple(written)


def _refuse_escape(entry: zipfile.ZipInfo, path: str) -> None:
    name = entry.filename.replace("\\", "/")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise InvalidProject(f"{path}: the entry {entry.filename!r} leads out of the folder")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise InvalidProject(f"{path}: the entry {entry.filename!r} is a link")
