"""Compare what the Pythons of an executor will hold with the memory that YARN gives them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from azkaban_client.job import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_room", "window_bytes"]

_PYTHON = 100  # MB of a Python with NumPy and our code, without texts
_JAVA = 512  # MB of its heap that Java is sure to take when it moves texts to their tasks
_BESIDE = 160  # MB of Java beside its heap: with less, YARN ended executors in mid-run
_UNITS = {"": 1.0, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2}


def window_bytes(window: int, steps: int, tasks: int) -> int:
    """Tell how much memory a task needs at most for windows: one is read while another is trained.

    Parameters
    ----------
    window
        Texts of a window.
    steps
        Words of a text.
    tasks
        How many tasks share it.
    """
    own = -(-window // tasks)
    return own * (13 * steps + 64) + window * 32


def check_room(
    settings: Mapping[str, str], tasks: int, needed: int, what: str, *, fix: str, texts: int
) -> None:
    """Refuse texts that the executors of a YARN have no memory for, which would end in mid-run.

    Other clusters limit Java's heap alone.

    Parameters
    ----------
    settings
        Spark's.
    tasks
        How many run at the same time.
    needed
        Bytes that a task holds.
    what, fix
        What they are, and what helps besides more memory, ``{}`` for a number of texts that fits.
    texts
        How many there are.

    Raises
    ------
    InputError
        With the numbers, and what to set.

    Examples
    --------
    >>> yarn = {"spark.master": "yarn"}
    >>> check_room(yarn, 2, 300 << 20, "windows", fix="set window to {}", texts=500_000)
    >>> check_room(yarn, 2, 1 << 30, "windows", fix="set window to {}", texts=500_000)
    Traceback (most recent call last):
    azkaban_client.job.run.InputError: windows take 1,024 MB in each task, and an executor has \
room for 636 MB in its one task: set window to 310000, or add --conf \
spark.executor.memoryOverhead=832m
    """
    if settings.get("spark.master") != "yarn":
        return
    each = _number(settings, "spark.executor.cores") // _number(settings, "spark.task.cpus")
    each = max(1, min(each, tasks))
    heap = _megabytes(settings.get("spark.executor.memory", "1g"))
    share = float(settings.get("spark.executor.memoryOverheadFactor", "0.1"))
    least = _megabytes(settings.get("spark.executor.minMemoryOverhead", "384m"))
    given = settings.get("spark.executor.memoryOverhead", "")
    overhead = _megabytes(given) if given else max(least, heap * share)
    pythons = overhead + _megabytes(settings.get("spark.executor.pyspark.memory", "0"))
    room = max(0.0, (heap + pythons - min(heap, _JAVA) - _BESIDE) / each - _PYTHON)
    size = needed / (1 << 20)
    if size > room:
        more = -(-(overhead + (size - room) * each) // 64) * 64
        fits = int(texts * room / size) // 1000 * 1000
        advice = f"{fix.format(fits)}, or " if fits or fix == fix.format(0) else ""
        tasks_of_it = "its one task" if each == 1 else f"each of its {each} tasks"
        raise InputError(
            f"{what} take {size:,.0f} MB in each task, and an executor has room for {room:,.0f} MB "
            f"in {tasks_of_it}: {advice}add --conf spark.executor.memoryOverhead={more:.0f}m"
        )


def _number(settings: Mapping[str, str], name: str) -> int:
    return max(1, int(settings.get(name, "1")))


def _megabytes(text: str) -> float:
    """Read a size as Spark writes it; a number alone means MB."""
    found = re.fullmatch(r"\s*(\d+)\s*([kmgt]?)b?\s*", text, re.IGNORECASE)
    return int(found[1]) * _UNITS[found[2].lower()] if found else 0.0
