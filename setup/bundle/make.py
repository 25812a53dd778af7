"""Write the one-file archive: the same bytes for the same checkout, pins and options.

Times, order and modes are fixed, so the result does not depend on the day, the umask, the locale or
the place of the checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.programs import captured
from setup import environment, maven
from setup.azkaban import pages
from setup.bundle import wheels
from setup.bundle.product import MANIFEST
from setup.downloads import sha256
from setup.errors import SetupError, UsageError
from setup.layout import CHECKOUT
from setup.mysql import program as mysql
from setup.python.installer import LOCKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from setup.layout import Layout

    Update = Callable[[str], None]

__all__ = ["DEFAULT", "EXTRAS", "FILES", "FOLDERS", "Selection", "name", "version", "write"]

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can store
FOLDERS = ("azkaban_client", "console", "core", "flows", "jobs", "setup")
FILES = ("CHANGELOG.md", "LICENSE", "README.md", "mkdocs.yml", "pyproject.toml")
_SKIPPED = ("__pycache__", "*.pyc", "*~", ".*")

# A truncated file is not a zip any more, and Python reads it as a program: its message then quotes
# this line.
_HEAD = b"#!/usr/bin/env python3\n# coding: this-file-is-not-whole--copy-it-again\n"


@dataclass(frozen=True)
class Extra:
    """An optional part of an archive, beside the product.

    Attributes
    ----------
    locks
        Locks of the packages.
    jars
        Sections of ``versions.toml``.
    folders
        Folders of the checkout.
    """

    locks: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


_SERVER = Extra(("uv", "pip", "base"), ("azkaban", "agent", "jetty", "distribution", "compiler"))
EXTRAS = {
    "chat": Extra(("chat",)),
    "java": Extra(("java",)),
    "jobs": Extra(("jobs",)),
    "mysql": Extra(("mysql",)),
    "onnx": Extra(("jobs", "onnx")),
    "routing": Extra(("jobs", "routing")),
    "spark": Extra(("spark", "workers"), ("hadoop",)),
    "tests": Extra(("dev",), ("loader", "web-tests", "hadoop"), ("tests", "docs", "benchmarks")),
    "tls": Extra(),
}
DEFAULT = ("jobs", "mysql", "tls")


@dataclass(frozen=True)
class Selection:
    """What an archive is to hold.

    Attributes
    ----------
    parts
        Names in `EXTRAS`.
    pythons
        Versions of the Pythons that are to run it, such as ``3.11``.
    thin
        Whether it downloads packages and jars where it runs instead of holding them.
    """

    parts: tuple[str, ...] = DEFAULT
    pythons: tuple[str, ...] = ()
    thin: bool = False


@dataclass(frozen=True)
class _File:
    """One file of the archive."""

    name: str
    path: Path
    mode: int = 0o644


def version() -> str:
    """Return the version of this checkout."""
    text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


def name(*, thin: bool) -> str:
    """Choose the archive's name."""
    return f"azkaban-jobflow-{version()}{'' if thin else f'-{wheels.PLATFORM}'}.pyz"


def write(
    layout: Layout,
    selection: Selection,
    output: Path,
    update: Update,
    *,
    site: Path | None = None,
) -> str:
    """Write the archive, whole or not at all.

    Parameters
    ----------
    layout
        Whose cache is used and whose environment builds the client.
    selection
        What goes into it.
    output
        The file.
    update
        Called with the progress.
    site
        The built site of the docs, for the console to open.

    Returns
    -------
    str
        Its SHA-256.

    Raises
    ------
    DownloadError
        When a file cannot be downloaded or is not the pinned one.
    """
    partial = output.with_name(f".{output.name}.new")
    layout.temporary.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.temporary, prefix="setup-bundle-") as text:
        folder = Path(text)
        files = [_File("__main__.py", CHECKOUT / "setup" / "bundle" / "start.py")]
        files += _product(selection)
        if site:
            files += _inside(pages.SITE.name, site)
        if not selection.thin:
            files += _packages(layout, selection, folder, update)
            files += _downloads(layout, selection, update)
        files.sort(key=lambda file: file.name)
        manifest = folder / MANIFEST
        update("hashing")
        manifest.write_text(_manifest(selection, files), encoding="utf-8")
        update(f"writing {output.name}")
        try:
            _write(partial, [*files, _File(MANIFEST, manifest)])
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)
    return sha256(output)


def _product(selection: Selection) -> Iterator[_File]:
    """List the files of the checkout, without those that editors and Python leave there."""
    folders = [*FOLDERS, *(folder for part in selection.parts for folder in EXTRAS[part].folders)]
    for part in selection.parts:
        for folder in EXTRAS[part].folders:
            if not (CHECKOUT / folder).is_dir():
                raise UsageError(f"--with {part}: {CHECKOUT} has no folder {folder}")
    paths = [CHECKOUT / name for name in FILES]
    for folder in folders:
        paths += [path for path in (CHECKOUT / folder).rglob("*") if path.is_file()]
    for path in paths:
        inner = path.relative_to(CHECKOUT)
        if not any(Path(step).match(skipped) for step in inner.parts for skipped in _SKIPPED):
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            yield _File(f"product/{inner.as_posix()}", path, mode)


def _inside(name: str, folder: Path) -> Iterator[_File]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield _File(f"product/{name}/{path.relative_to(folder).as_posix()}", path)


def _packages(
    layout: Layout, selection: Selection, folder: Path, update: Update
) -> Iterator[_File]:
    """Fetch the packages, and build the client."""
    parts = [_SERVER, *(EXTRAS[part] for part in selection.parts)]
    locks = [LOCKS / f"{lock}.txt" for lock in dict.fromkeys(n for p in parts for n in p.locks)]
    found = {_client(layout, folder)}
    for python in selection.pythons:
        update(f"fetching packages for Python {python}")
        found |= set(wheels.fetch(layout, locks, python, ("pyspark",)))
    for path in found:
        yield _File(f"product/wheels/{path.name}", path)


def _client(layout: Layout, folder: Path) -> Path:
    command = [str(layout.python), "-I", "-m", "hatchling", "build", "-t", "wheel", "-d"]
    environ = environment.tool(layout.temporary, {"SOURCE_DATE_EPOCH": "315532800"})
    result = captured([*command, str(folder)], cwd=CHECKOUT, env=environ)
    if result.returncode:
        raise SetupError(f"the client could not be built: {result.stderr.strip()[-600:]}")
    return next(folder.glob("*.whl"))


def _downloads(layout: Layout, selection: Selection, update: Update) -> Iterator[_File]:
    """Fetch jars, and the database server with the libraries that a small system lacks."""
    parts = [_SERVER, *(EXTRAS[part] for part in selection.parts)]
    sections = dict.fromkeys(section for part in parts for section in part.jars)
    jars = dict.fromkeys(jar for section in sections for jar in maven.pinned(section))
    for path in maven.fetch(list(jars), layout.cache, update):
        yield _File(f"product/downloads/maven/{path.name}", path)
    if "mysql" in selection.parts:
        archive = mysql.fetch(layout.cache, update)
        yield _File(f"product/downloads/mysql/{archive.name}", archive)
        update("fetching libraries of MySQL")
        for path in mysql.fetch_libraries(layout.cache):
            yield _File(f"product/downloads/mysql/lib/{path.name}", path)


def _manifest(selection: Selection, files: Sequence[_File]) -> str:
    content = {
        "version": version(),
        "platform": "" if selection.thin else wheels.PLATFORM,
        "glibc": wheels.GLIBC,
        "pythons": [] if selection.thin else selection.pythons,
        "parts": [] if selection.thin else sorted(selection.parts),
        "files": {file.name: sha256(file.path) for file in files},
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _write(path: Path, files: Sequence[_File]) -> None:
    with path.open("wb") as raw:
        raw.write(_HEAD)
        with zipfile.ZipFile(raw, "w", compresslevel=9) as archive:
            for file in files:
                info = zipfile.ZipInfo(file.name, _EPOCH)
                info.create_system = 3  # Unix: the mode counts
                info.external_attr = (stat.S_IFREG | file.mode) << 16
                info.file_size = file.path.stat().st_size
                packed = file.path.suffix in (".whl", ".jar", ".gz", ".tgz")
                info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                with file.path.open("rb") as source, archive.open(info, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    path.chmod(0o755 & ~_umask())


def _umask() -> int:
    mask = os.umask(0o022)  # the only way to ask for it is to set it
    os.umask(mask)
    return mask
