"""Servers that still run though their folder was deleted.

A deleted folder can be made again, under the same name and with the same records in it. Its old
servers then look like those of the new one: they have the same command lines and answer on the
same ports. The kernel tells them apart: their working folder no longer exists.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from setup.life.process import Process, living, stop_all
from setup.messages import step

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["end", "find"]

# Where servers work, below the prefix.
_FOLDERS = {
    "azkaban": "azkaban",
    "mysql": "mysql",
    "mysql/mysql_data": "mysql",
    "mysql/restore": "mysql",
    "mysql/restore/mysql_data": "mysql",
    "spark/standalone": "spark standalone",
    "spark/yarn": "spark yarn",
}
_DELETED = " (deleted)"  # what the kernel appends to the name of a deleted folder


def find(prefix: Path) -> list[tuple[str, Process]]:
    """List the servers of a prefix that was deleted, each with its kind.

    Parameters
    ----------
    prefix
        Need not exist.
    """
    return list(_orphans(prefix))


def end(prefix: Path) -> int:
    """End the servers of a prefix that was deleted, with their jobs, and count the servers."""
    found = find(prefix)
    if found:
        with step("ending servers whose folder was deleted") as shown:
            jobs = [job for _, process in found for job in process.children()]
            for _, process in found:
                process.stop(patience=10.0)
            stop_all(jobs)
            names = ", ".join(f"{name} (pid {process.pid})" for name, process in found)
            shown.done(names)
    return len(found)


def _orphans(prefix: Path) -> Iterator[tuple[str, Process]]:
    place = Path(os.path.realpath(prefix))
    for process in living():
        folder = process.folder
        named = os.fsencode(prefix) in b"\0".join(process.command)
        if not (named and folder.endswith(_DELETED)):
            continue
        path = Path(folder.removesuffix(_DELETED))
        name = _FOLDERS.get(str(path.relative_to(place))) if path.is_relative_to(place) else None
        if name:
            yield name, process
