"""Describe one run of a job: its inputs, its folder, and what it can leave there."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy as np

    from azkaban_client.job.report import Page

__all__ = ["InputError", "Run"]

T = TypeVar("T")


class InputError(ValueError):
    """Input that the job cannot use; the message names the value, the place and the fix."""


@dataclass(frozen=True)
class Run:
    """One run of a job: its place, its folder for artifacts, its random numbers and its log.

    Attributes
    ----------
    module
        What Python was asked to run: ``jobs.nn.train``, or the name of a script.
    name
        The node's name in the flow; without Azkaban the module's below ``jobs``, with ``_`` for
        dots.
    project, flow, execid
        As Azkaban gives them; ``local`` without it.
    dir
        This job's own folder for artifacts: ``<output.dir>/<project>/<execid>/<name>``. It exists
        while the job runs.
    seed
        The property ``seed``; `rng` is made from it.
    props
        All the job's properties.
    attempt
        How often this job was tried before in this execution.
    pages
        Pages passed to `report`; the last one counts.
    """

    module: str
    name: str
    project: str
    flow: str
    execid: str
    dir: Path
    seed: int
    props: Mapping[str, str] = field(repr=False)
    attempt: int = 0
    pages: list[Page] = field(default_factory=list, repr=False)

    @property
    def prefix(self) -> str:
        """The prefix of this job's properties: the module below ``jobs``."""
        return self.module.removeprefix("jobs.")

    @cached_property
    def rng(self) -> np.random.Generator:
        """Random numbers that depend only on the seed."""
        from numpy.random import default_rng

        return default_rng(self.seed)

    def report(self, page: Page) -> Path:
        """Set the job's report, and return the file to which it will be written.

        It is written at the end, with parameters, inputs, environment, time and metrics added.

        Parameters
        ----------
        page
            The job's results.
        """
        self.pages.append(page)
        return self.dir / "report.html"

    def log(self, text: str) -> None:
        """Write one line to the job's log."""
        print(text, flush=True)

    def progress(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Iterate over `items` with a progress bar on a terminal, or a log line every tenth.

        Parameters
        ----------
        items
            What to iterate over.
        label
            What is being done.
        total
            Number of items, if ``len(items)`` does not work.
        """
        if total is None:
            total = len(items)  # type: ignore[arg-type]
        if sys.stderr.isatty() and (bar := _bar(items, label, total)):
            yield from bar
            return
        start, tenth = time.monotonic(), 0
        for done, item in enumerate(items, 1):
            yield item
            if done * 10 // total > tenth:
                tenth = done * 10 // total
                spent = time.monotonic() - start
                self.log(f"{label}: {done}/{total} ({tenth * 10}%), {spent:.1f} s")


def _bar(items: Iterable[T], label: str, total: int) -> Iterable[T] | None:
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError:
        return None
    return track(items, label, total, console=Console(stderr=True), transient=True)
