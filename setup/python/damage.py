"""Find packages of an environment that have lost files, as by a purge of old ones or a crash."""

from __future__ import annotations

import csv
import re
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["forget", "lost", "note"]

_NOTE = ".packages"  # in the environment: what set-up has installed, one name a line


def note(env: Path, names: Collection[str]) -> None:
    """Record which packages are there, of those that set-up installs; users may add others.

    Parameters
    ----------
    env
        The environment.
    names
        What its locks name; some are for other machines.
    """
    wanted = {_normal(name) for name in names}
    there = sorted(name for name in _folders(env) if name in wanted)
    (env / _NOTE).write_text("".join(f"{name}\n" for name in there), encoding="utf-8")


def lost(env: Path) -> dict[str, list[Path]]:
    """Map recorded packages to those of their files that are gone, or empty and were not.

    One that the user has changed, or replaced by another version, is whole.
    """
    if not (env / _NOTE).is_file():  # made by an earlier release
        return {}
    folders = _folders(env)
    found = {}
    for name in (env / _NOTE).read_text(encoding="utf-8").split():
        files = _lost(folders[name]) if name in folders else [env]
        if files:
            found[name] = files
    return found


def forget(env: Path, names: Collection[str]) -> None:
    """Have installers take packages for absent."""
    folders = _folders(env)
    for name in names:
        if name in folders:
            shutil.rmtree(folders[name])


def _folders(env: Path) -> dict[str, Path]:
    """Map packages to what their installers recorded."""
    places = env.glob("lib/python3*/site-packages/*.dist-info")
    return {_normal(place.name.partition("-")[0]): place for place in places}


def _lost(folder: Path) -> list[Path]:
    record = folder / "RECORD"
    try:
        rows = list(csv.reader(record.read_text(encoding="utf-8").splitlines()))
    except OSError:
        rows = []
    sizes = {folder.parent / row[0]: row[2] for row in rows if len(row) == 3}
    return [path for path, size in sizes.items() if _is_lost(path, size)] if sizes else [record]


def _is_lost(path: Path, size: str) -> bool:
    try:
        return path.stat().st_size == 0 and int(size or 0) > 0
    except FileNotFoundError:
        return "__pycache__" not in path.parts  # which Python makes again


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
