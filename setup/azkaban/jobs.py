"""The processes of jobs: found wherever they went, and ended.

A job works in a folder below its executor's, and has a mark in its environment; what it starts is
below it, since its keeper stays the parent of all (`azkaban_client.keeper`). A process of a job
can leave some of these behind.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client import keeper
from setup.life.process import Process

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from azkaban_client.keeper import Found

__all__ = ["end", "mark", "working"]


def mark(home: Path) -> str:
    """Return how the marks of all jobs begin that a server starts.

    Parameters
    ----------
    home
        The folder in which the server works.
    """
    return os.path.realpath(home)


def end(home: Path, others: Collection[Process] = ()) -> list[str]:
    """End the processes of all jobs of a server, and say which.

    Parameters
    ----------
    home
        The folder in which the server works; need not exist any more.
    others
        What else is known to belong to them.

    Returns
    -------
    list of str
        One line for each way in which processes ended; empty if there were none.
    """
    known = {(one.pid, one.started) for one in others}

    def left() -> set[Found]:
        found = {*keeper.marked(f"{mark(home)}:"), *(one for one, _ in working(home))}
        found |= {below for pid, _, _ in found for below in keeper.descendants(pid)}
        return found | {one for one in keeper.living() if one[:2] in known}

    # Keepers last: without theirs, processes that have no mark would be lost.
    lines = keeper.end(lambda: [one for one in left() if not keeper.keeps(one[0])])
    keeper.end(left)
    return lines


def working(home: Path) -> Iterator[tuple[Found, str]]:
    """Iterate over the processes that work in the folder of an execution, each with its name.

    Parameters
    ----------
    home
        The folder in which the server works. Each executor has a folder of executions in it.
    """
    place = mark(home)
    for one in keeper.living():
        folder = Path(Process(*one[:2]).folder)
        names = folder.relative_to(place).parts if folder.is_relative_to(place) else ()
        if "executions" in names[:-1]:
            yield one, names[names.index("executions") + 1]
