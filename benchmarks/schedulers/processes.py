"""What processes use: time of the processors, and memory."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.demo import processor_time

if TYPE_CHECKING:
    from collections.abc import Iterable


def tree(pids: Iterable[int]) -> set[int]:
    """Return some processes, those that they started, and theirs."""
    found: set[int] = set()
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found |= {pid, *(child.pid for child in process.children(recursive=True))}
    return found


def processors(pids: Iterable[int]) -> float:
    """Sum the seconds of the processors: of these trees, and of this process's ended children."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime + ended.ru_stime
    for pid in tree(pids):
        with contextlib.suppress(OSError):
            total += processor_time(pid)
    return total


def memory(pids: Iterable[int]) -> float:
    """Sum the memory of trees, in MB: what several processes share counts once (PSS)."""
    total = 0
    for pid in tree(pids):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(text.partition("\nPss:")[2].split()[0])
    return total / 1000


def kill(pids: Iterable[int]) -> None:
    """End trees as a power cut would, and wait until they are gone."""
    found = []
    for pid in tree(pids):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(found, timeout=30)
