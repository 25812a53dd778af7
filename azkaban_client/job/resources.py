"""Sample the memory and processor time of a job while it runs, and plot them."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from matplotlib.figure import Figure

__all__ = ["Sample", "Usage", "plot"]

Sample = tuple[float, int, float]

_INTERVAL = 0.25  # seconds
_MOST = 240  # most samples kept; beyond that, every second one goes and the interval doubles
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss


@dataclass
class Usage:
    """Sample this process in a thread of its own within a ``with`` block.

    Attributes
    ----------
    samples
        Rows ``(seconds since the start, resident bytes, processor seconds since the start)``; the
        processor time is that of all threads of this process.

    Examples
    --------
    >>> with Usage() as usage:
    ...     total = sum(range(10**6))
    >>> usage.cpu_seconds() >= 0 and usage.peak_bytes() > 10**6
    True
    """

    samples: list[Sample] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event, repr=False)
    _began: float = 0.0
    _cpu: float = 0.0

    def __enter__(self) -> Self:
        self._began, self._cpu = time.monotonic(), _cpu()
        threading.Thread(target=self._watch, name="usage", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def seconds(self) -> float:
        """Return the wall time since the start."""
        return time.monotonic() - self._began

    def cpu_seconds(self) -> float:
        """Return the processor time since the start, ended child processes included."""
        return _cpu() - self._cpu

    @staticmethod
    def peak_bytes() -> int:
        """Return the peak of resident memory, also of ended children; 0 if it cannot be measured.

        On Linux its own comes from ``/proc``, because ``ru_maxrss`` starts at the value of the
        parent program, and Azkaban's is large.
        """
        try:
            import resource
        except ImportError:  # Windows
            return 0
        largest_child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _RSS_UNIT
        with suppress(OSError):
            for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmHWM:"):
                    return max(largest_child, 1024 * int(line.split()[1]))
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
        return max(own, largest_child)

    def _watch(self) -> None:
        interval, begin = _INTERVAL, time.process_time()
        while not self._over.wait(interval):
            used = time.process_time() - begin
            self.samples.append((self.seconds(), _resident_bytes(), used))
            if len(self.samples) > _MOST:
                del self.samples[::2]
                interval *= 2


def plot(samples: Sequence[Sample]) -> Figure:
    """Plot memory and processor time over time, for the report."""
    from azkaban_client.job.plots import COLOURS, figure

    rows = [(0.0, samples[0][1], 0.0), *samples]
    at = [second for second, _, _ in rows]
    memory_mb = [resident / 1e6 for _, resident, _ in rows]
    busy = [
        (cpu - before) / max(end - begin, 1e-9)
        for (begin, _, before), (end, _, cpu) in pairwise(rows)
    ]
    fig = figure(7.0, 2.6)
    memory, processors = fig.subplots(1, 2)
    memory.plot(at, memory_mb, color=COLOURS[0])
    memory.set(xlabel="time (s)", ylabel="memory (MB)", ylim=(0, None))
    processors.stairs(busy, at, color=COLOURS[1])
    processors.set(xlabel="time (s)", ylabel="processors busy", ylim=(0, None))
    return fig


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    except OSError:  # no Linux: the peak is all that the standard library knows
        return Usage.peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cpu() -> float:
    children = os.times()
    return time.process_time() + children.children_user + children.children_system
