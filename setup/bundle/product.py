"""Unpack the product of a one-file archive once under the prefix, completely or not at all.

It goes to ``PREFIX/product/<digest>``, named after the manifest, so that two files never mix. Each
process that runs from there holds a lock on it. A product that no process holds, and that no
command or script starts from, is deleted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from azkaban_client.files import lock
from setup import environment, release
from setup.called import NAME
from setup.errors import DownloadError
from setup.layout import CHECKOUT, Layout
from setup.messages import step

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "MANIFEST",
    "contents",
    "held",
    "hold",
    "home",
    "keep",
    "move_under",
    "prune",
    "unpack",
    "write",
]

MANIFEST = "MANIFEST.json"
_LOCK = ".in-use"
_KEPT = ("azkaban_client", "console", "setup", "pyproject.toml")  # what runs servers
_BIG = ("wheels/", "downloads/")
_SPARE = 100 << 20  # bytes that the following steps need at least


def home(layout: Layout) -> Path:
    """Return the folder where products are unpacked."""
    return layout.prefix / "product"


def contents(checkout: Path = CHECKOUT) -> dict[str, Any] | None:
    """Read the manifest of an unpacked product; None for a checkout."""
    try:
        found: dict[str, Any] = json.loads((checkout / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # a checkout, or the archive itself
        return None
    return found


def held() -> str:
    """Say what the archive that this came from holds; empty for a checkout or a thin archive."""
    found = contents() or {"platform": ""}
    if not found["platform"]:
        return ""
    parts = ", ".join(["the server", *found["parts"]])
    return (
        f"the file that this came from holds {parts} for Python {', '.join(found['pythons'])}; "
        "bundle --with and --python make one that holds more"
    )


def unpack(archive: Path, layout: Layout) -> Path:
    """Unpack the product unless it is there, and hold it.

    Raises
    ------
    DownloadError
        When a part of the archive does not match its manifest; nothing is kept.
    SetupError
        When there is no room, or the prefix cannot be used or belongs to a later release.
    """
    with zipfile.ZipFile(archive) as opened:
        manifest = opened.read(MANIFEST)
        size = sum(info.file_size for info in opened.infolist())
    version = json.loads(manifest)["version"]
    release.refuse_newer(layout, release.Release(version, release.FORMAT, str(archive)))
    target = home(layout) / hashlib.sha256(manifest).hexdigest()[:16]
    layout.create(_SPARE + (0 if target.is_dir() else size))
    with layout.locked():
        if not target.is_dir():
            new = target.with_name(f".{target.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            with step(f"unpacking {archive.name}") as shown:
                try:
                    write(archive, new, whole=True)
                    new.rename(target)
                except BaseException:
                    shutil.rmtree(new, ignore_errors=True)
                    raise
                shown.done(f"{size >> 20} MB, each file with the SHA-256 of the manifest")
        hold(target)
    return target


def write(archive: Path, target: Path, *, whole: bool) -> None:
    """Write the product, with packages and downloads if all of it is wanted."""
    target.mkdir(parents=True)
    with zipfile.ZipFile(archive) as opened:
        text = opened.read(MANIFEST)
        if whole:  # otherwise it is not a product that stays
            (target / MANIFEST).write_bytes(text)
        for name, sha256 in json.loads(text)["files"].items():
            top, _, inner = name.partition("/")
            if top != "product" or (inner.startswith(_BIG) and not whole):
                continue
            info = opened.getinfo(name)
            path = target / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            _copy(archive, opened, info, path, sha256)
            path.chmod(0o755 if info.external_attr >> 16 & 0o100 else 0o644)


def _copy(
    archive: Path, opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, sha256: str
) -> None:
    """Copy one file out of the archive and check it on the way."""
    if ".." in PurePosixPath(info.filename).parts:
        raise DownloadError(f"{archive}: {info.filename!r} leads outside; nothing was installed")
    found = hashlib.sha256()
    try:
        with opened.open(info) as source, path.open("wb") as file:
            while piece := source.read(1 << 20):
                found.update(piece)
                file.write(piece)
        same = found.hexdigest() == sha256
    except (zipfile.BadZipFile, EOFError):  # its own checksum
        same = False
    if not same:
        raise DownloadError(
            f"{archive} is damaged: {info.filename} is not what its manifest says; nothing of it "
            "was installed. Copy or make the file again"
        )


def move_under(layout: Layout, arguments: Sequence[str]) -> None:
    """Continue from a copy under this prefix if a product of another prefix is running.

    The other one may be deleted with its prefix, or replaced by a newer one.
    """
    if contents() is None or home(layout) in CHECKOUT.parents:
        return
    target = home(layout) / CHECKOUT.name
    with layout.locked():
        if not target.is_dir():
            new = target.with_name(f".{target.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            shutil.copytree(CHECKOUT, new)
            new.rename(target)
        hold(target)
    command = [sys.executable, str(target / "setup"), *arguments]
    os.execve(sys.executable, command, environment.program())


def keep(layout: Layout) -> Path:
    """Return a copy of this product that stays with the prefix even if the checkout goes."""
    if home(layout) in CHECKOUT.parents:
        return CHECKOUT
    files = sorted(path for name in _KEPT for path in _files(CHECKOUT / name))
    names = {path.relative_to(CHECKOUT).as_posix(): path.read_bytes() for path in files}
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in names.items()}
    # Of no platform, as a thin archive: it holds no packages.
    manifest = json.dumps({"platform": "", "files": listed}, indent=1).encode()
    target = home(layout) / hashlib.sha256(manifest).hexdigest()[:16]
    if not target.is_dir():
        new = target.with_name(f".{target.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        for name, data in names.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(data)
        (new / MANIFEST).write_bytes(manifest)
        new.rename(target)
    return target


def _files(path: Path) -> list[Path]:
    """List a file, or the files of a folder without those that Python compiles."""
    found = path.rglob("*") if path.is_dir() else [path]
    return [each for each in found if each.is_file() and "__pycache__" not in each.parts]


def hold(product: Path = CHECKOUT) -> None:
    """Lock a product for as long as this process lives, even if it runs another program."""
    if not (product / MANIFEST).is_file():
        return  # a checkout
    with suppress(OSError):  # a disk without locks: then nothing is deleted either
        handle = os.open(product / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        os.set_inheritable(handle, True)
        fcntl.flock(handle, fcntl.LOCK_SH)


def prune(layout: Layout) -> None:
    """Delete unfinished products and those that no process, command or script uses.

    An environment saved by an update has a command too, so its product stays.

    Parameters
    ----------
    layout
        Whose products; the caller holds its lock.
    """
    commands = [layout.env / "bin" / NAME]
    commands += layout.prefix.glob(f"backups/*/env/bin/{NAME}")
    for scripts in ("*/start", "backups/*/*/start"):  # beside servers, and saved by an update
        commands += layout.prefix.glob(scripts)
    named = "".join(path.read_text("utf-8", "replace") for path in commands if path.is_file())
    for product in sorted(home(layout).glob("*")) if home(layout).is_dir() else ():
        if product == CHECKOUT or f"/product/{product.name}/" in named:
            continue
        with suppress(OSError), (product / _LOCK).open("a") as stream:
            # Each process that uses a product shares its lock (`hold`).
            if lock(stream):
                shutil.rmtree(product, ignore_errors=True)
