"""Collect the files of a project's folder for its zip."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from importlib import metadata, resources
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.script import flows_of
from azkaban_client.flow.zip import LARGEST, Bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["EXCLUDED", "collect", "files_of"]

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
    "._*",
    "__MACOSX",
    "Thumbs.db",
    "desktop.ini",
    ".ipynb_checkpoints",
    ".*_cache",
    "*.egg-info",
    "*~",
    "*.swp",
)
_MOST_FILES = 200_000  # more are a mistake: a home directory, or links that lead everywhere


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
        ``NAME=PATH`` gives another name. Where modules use `azkaban_client.job`, it goes in, too.
    include
        Patterns; when there are any, only files that match one are taken.
    exclude
        Patterns of files and folders to leave out, beside `EXCLUDED` and virtual environments.
        A pattern without a slash matches a name at any depth, one with a slash the whole path in
        the zip; ``*`` stays within a name, ``**`` does not.

    Raises
    ------
    InvalidProject
        A folder is missing, nothing is left, two files have the same name in the zip, or a link
        leads nowhere or back to a folder that contains it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.job").write_text("type=noop")
    ...     (Path(folder) / "__pycache__").mkdir()
    ...     _ = (Path(folder) / "__pycache__/x.pyc").write_bytes(b"")
    ...     collect(folder).names
    ('a.job',)
    """
    files = files_of(folder, extra, include=include, exclude=exclude)
    made, origins = flows_of(files)
    return Bundle({**_job_kit(files, made, (*EXCLUDED, *exclude)), **files, **made}, origins)


def files_of(
    folder: str | os.PathLike[str],
    extra: Sequence[str | os.PathLike[str]] = (),
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> dict[str, Path]:
    """List the files on disk of a project by their names in the zip; the same as of `collect`."""
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
            if len(files) > _MOST_FILES:
                raise InvalidProject(f"{root}: more than {_MOST_FILES:,} files: is it the folder?")
    if not files:
        raise InvalidProject(f"{os.fspath(folder)}: no file is left for the zip")
    return files


def _walk(root: Path, prefix: str, left_out: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder with their names in the zip; links are followed.

    A link back to a folder that contains it is refused, because the walk would never end.
    """
    if root.is_file():
        yield prefix, root
        return
    todo: list[tuple[Path, str, tuple[Path, ...]]] = [(root, prefix, (root.resolve(),))]
    while todo:
        folder, inside, above = todo.pop()
        for path in sorted(folder.iterdir()):
            name = f"{inside}/{path.name}" if inside else path.name
            if any(_matches(pattern, name) for pattern in left_out):
                continue
            if path.is_dir():
                if (path / "pyvenv.cfg").is_file():
                    continue  # a virtual environment runs nowhere but where it was made
                place = path.resolve()
                if place in above:
                    raise InvalidProject(f"{path}: a link back to the folder {place}")
                todo.append((path, name, (*above, place)))
            elif path.is_file():
                _check_name(name, path)
                yield name, path
            elif path.is_symlink():
                raise InvalidProject(f"{path}: a link to a file that does not exist")


_STARTS_KIT = re.compile(rb"-m[ \t]+azkaban_client\.job\.plain\b")  # in a command
# Modules that use the job kit, even if the import is inside a function; tests do not run there.
_IMPORTS_KIT = re.compile(
    rb"^[ \t]*(?:from|import)[ \t]+azkaban_client(?:\.job\b(?!\.testing)|[ \t]+import\b.*\bjob\b)",
    re.MULTILINE,
)


# Modules that the job kit needs.
_BESIDE_KIT = ("__init__.py", "files.py", "secrecy.py", "times.py")


def _job_kit(
    files: Mapping[str, Path], made: Mapping[str, bytes], left_out: Sequence[str]
) -> dict[str, bytes]:
    """Return the files of the job kit if modules or commands of a project use it.

    They then run even if the executor's Python lacks the kit. Other parts of this package
    that are installed there are still found, because `azkaban_client` looks for its modules in all
    places.
    """
    texts = chain(
        made.items(),
        (
            (name, path.read_bytes())
            for name, path in files.items()
            if name.endswith((".py", ".job", ".properties", ".flow"))
            and path.stat().st_size <= LARGEST  # what is larger is refused when it is read
        ),
    )
    if (
        "azkaban_client/__init__.py" in files
        or any(_matches(pattern, "azkaban_client") for pattern in left_out)
        or not any(
            (_IMPORTS_KIT if name.endswith(".py") else _STARTS_KIT).search(text)
            for name, text in texts
        )
    ):
        return {}
    top = resources.files("azkaban_client")
    kit = {f"azkaban_client/{name}": (top / name).read_bytes() for name in _BESIDE_KIT}
    for package in ("azkaban_client.job", "javaproperties"):
        for file in resources.files(package).iterdir():
            if file.name.endswith((".py", ".html")):
                kit[f"{package.replace('.', '/')}/{file.name}"] = file.read_bytes()
    for licence in metadata.files("javaproperties") or ():
        if licence.name == "LICENSE":
            kit["javaproperties/LICENSE"] = licence.read_binary()
    return kit


def _check_name(name: str, path: Path) -> None:
    """Refuse a name that a zip cannot hold before any of the zip is written."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidProject(
            f"{os.fsencode(path)!r}: the name is not UTF-8: rename the file"
        ) from None


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts) + r"\Z")


def _matches(pattern: str, name: str) -> bool:
    subject = name if "/" in pattern.strip("/") else name.rpartition("/")[2]
    return bool(_regex(pattern).match(subject))
