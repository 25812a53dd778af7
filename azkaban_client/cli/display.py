"""Executions on a terminal: a live tree of jobs, a table of results, logs byte for byte."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from azkaban_client import joblog
from azkaban_client.cli._app import for_terminal, seconds, table, visible
from azkaban_client.follow import FlowEnded, JobEnded, JobStarted, LogLine
from azkaban_client.times import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from azkaban_client.client import Client
    from azkaban_client.follow import Event
    from azkaban_client.models import Execution, JobRun, Status

__all__ = [
    "Tails",
    "follow",
    "print_failed_log",
    "print_result",
    "result_table",
    "show",
    "tail",
    "upload_progress",
    "write_log",
]

_STYLES = {
    "SUCCEEDED": "green",
    "FAILED": "bold red",
    "KILLED": "bold red",
    "KILLING": "red",
    "FAILED_FINISHING": "red",
    "CANCELLED": "dim",
    "SKIPPED": "dim",
    "DISABLED": "dim",
    "READY": "dim",
    "RUNNING": "bold cyan",
    "PAUSED": "yellow",
}
_MARKS = {"SUCCEEDED": "✓", "FAILED": "✗", "KILLED": "✗", "RUNNING": "▶", "PAUSED": "‖"}
_TAIL_LINES = 30


def _status_text(status: Status) -> Text:
    mark = _MARKS.get(status.value, "·")
    return Text(f"{mark} {status.value}", style=_STYLES.get(status.value, ""))


def _depth(job: JobRun, execution: Execution) -> int:
    """Return the length of the longest chain of dependencies above a job, for its indentation."""
    jobs = {one.id: one for one in execution.walk()}
    depths: dict[str, int] = {}

    def depth(name: str, above: frozenset[str]) -> int:
        if name in above or name not in jobs:
            return 0
        if name not in depths:
            ups = jobs[name].dependencies
            depths[name] = 1 + max((depth(up, above | {name}) for up in ups), default=-1)
        return depths[name]

    return depth(job.id, frozenset()) + job.id.count(":")


def _in_order(execution: Execution) -> list[tuple[int, JobRun]]:
    """List jobs with their depth: in the order in which they can run."""
    jobs = [(_depth(job, execution), job) for job in execution.walk()]
    return sorted(jobs, key=lambda item: (item[0], item[1].id))


def result_table(execution: Execution) -> Table:
    """Make the table of an execution's jobs: status, start, duration, attempts."""
    title = visible(f"{execution.project} / {execution.flow}, execution {execution.execid}")
    framed = Table(title=Text(title), title_justify="left", header_style="bold")
    for name in ("job", "status", "start", "duration", "attempts"):
        framed.add_column(name, justify="right" if name in ("duration", "attempts") else "left")
    for depth, job in _in_order(execution):
        framed.add_row(
            Text("  " * depth + visible(job.id)),
            _status_text(job.status),
            _clock(job),
            in_words(job.duration),
            _attempts(job),
        )
    framed.add_section()
    framed.add_row(
        Text("flow", style="bold"),
        _status_text(execution.status),
        _clock(execution),
        in_words(execution.duration),
    )
    return framed


def print_result(execution: Execution) -> None:
    """Print the table of an execution's jobs on standard output; a plain one but on a terminal."""
    console = Console()
    if console.is_terminal:
        console.print(result_table(execution))
        return
    # No frame and no colour, and nothing is cut to a width: for grep, awk and files.
    rows = [
        [job.id, job.status, _clock(job), seconds(job.duration), _attempts(job)]
        for _, job in _in_order(execution)
    ]
    whole = f"{execution.project}/{execution.flow}"
    rows.append([whole, execution.status, _clock(execution), seconds(execution.duration), ""])
    click.echo(table(["job", "status", "start", "seconds", "attempts"], rows))


def _clock(run: JobRun | Execution) -> str:
    return run.start.astimezone().strftime("%H:%M:%S") if run.start else ""


def _attempts(job: JobRun) -> str:
    return str(job.attempt + 1) if job.start else ""


def follow(
    client: Client,
    execid: int,
    *,
    logs: bool = False,
    raw: bool = False,
    timeout: float | None = None,
    patience: float = 120.0,
) -> Execution:
    """Follow an execution to its end and show how it goes.

    On a terminal a live tree of jobs with durations and a progress bar; otherwise one line for
    each job that starts or ends. Messages go to standard error, log lines to standard output.

    Parameters
    ----------
    client
        Connected to the server.
    execid
        The execution.
    logs
        Also print the lines of all jobs' logs.
    raw
        Pass control codes in log lines on to a terminal.
    timeout
        Seconds after which to give up (`azkaban_client.errors.WaitTimeout`).
    patience
        Seconds to go on trying while the server cannot be reached.

    Returns
    -------
    Execution
        The final state, with the status, start and end of each job.
    """
    events = client.follow(execid, logs=logs, timeout=timeout, patience=patience)
    return show(events, lambda: client.execution(execid), raw=raw)


def show(
    events: Iterator[Event],
    first: Callable[[], Execution] | None = None,
    *,
    logs: bool = True,
    raw: bool = False,
) -> Execution:
    """Show events until the flow has ended, as `follow` does, and return the final state.

    Parameters
    ----------
    events
        From `azkaban_client.Client.follow` or `azkaban_client.flow.local.run`.
    first
        Gives the state to show before the first event.
    logs
        Print log lines.
    raw
        Pass control codes in log lines on to a terminal.
    """
    console = Console(stderr=True)
    if not logs:
        events = (event for event in events if not isinstance(event, LogLine))
    if console.is_terminal and not console.is_dumb_terminal:
        if first is None:
            event = next(events)
            return _follow_live(chain([event], events), event.execution, console, raw=raw)
        return _follow_live(events, first(), console, raw=raw)
    return _follow_plain(events, console, raw=raw)


def _follow_plain(events: Iterator[Event], console: Console, *, raw: bool) -> Execution:
    execution: Execution | None = None
    for event in events:
        execution = event.execution
        if isinstance(event, LogLine):
            write_log(event.text + event.end, raw=raw)
            continue
        console.print(Text(_plain_words(event)), highlight=False, soft_wrap=True)
    assert execution is not None
    return execution


def _plain_words(event: JobStarted | JobEnded | FlowEnded) -> str:
    """Write what happened, with the server's time: it may be long ago."""
    if isinstance(event, JobStarted):
        start, _ = _times(event)
        again = f" (attempt {event.attempt + 1})" if event.attempt else ""
        return f"{_time(start)} {event.job.id}: started{again}"
    if isinstance(event, JobEnded):
        start, end = _times(event)
        spent = in_words(end - start if start and end else None)
        return f"{_time(end)} {event.job.id}: {event.status}{f' in {spent}' if spent else ''}"
    execution = event.execution
    spent = in_words(execution.duration)
    ended = f"execution {execution.execid}: {execution.status}{f' in {spent}' if spent else ''}"
    return f"{_time(execution.end)} {ended}"


def _times(event: JobStarted | JobEnded) -> tuple[datetime | None, datetime | None]:
    """Return start and end of an attempt; one that is past may have been followed by others."""
    past = {attempt.number: attempt for attempt in event.job.past}
    found = past.get(event.attempt, event.job)
    return found.start, found.end


def _time(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%H:%M:%S") if moment else time.strftime("%H:%M:%S")


class _Tree:
    """The live display: what it shows depends on the last state and on this machine's clock."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.since: dict[str, float] = {}
        self.started = time.monotonic()

    def take(self, event: Event) -> None:
        self.execution = event.execution
        if isinstance(event, JobStarted):
            self.since[event.job.id] = time.monotonic()
        elif isinstance(event, JobEnded):
            self.since.pop(event.job.id, None)

    def __rich__(self) -> Group:
        table = Table.grid(padding=(0, 2))
        jobs = _in_order(self.execution)
        for depth, job in jobs:
            spent = job.duration or self._running_for(job)
            table.add_row(
                Text("  " * depth + visible(job.id)), _status_text(job.status), in_words(spent)
            )
        done = sum(job.status.final for _, job in jobs)
        bar = Table.grid(padding=(0, 2))
        total = in_words(time.monotonic() - self.started)
        bar.add_row(
            ProgressBar(total=max(len(jobs), 1), completed=done, width=30),
            f"{done}/{len(jobs)} jobs",
            total,
        )
        return Group(table, bar)

    def _running_for(self, job: JobRun) -> float | None:
        """Measure how long a job has run by this machine's clock: the server's may be wrong."""
        since = self.since.get(job.id)
        return None if since is None else time.monotonic() - since


def _follow_live(
    events: Iterator[Event], execution: Execution, console: Console, *, raw: bool
) -> Execution:
    tree = _Tree(execution)
    to_file = not sys.stdout.isatty()
    with Live(tree, console=console, refresh_per_second=8, transient=True):
        for event in events:
            tree.take(event)
            if isinstance(event, LogLine):
                if to_file or raw:
                    write_log(event.text + event.end, raw=raw)
                else:
                    console.print(Text(visible(event.text)), soft_wrap=True, highlight=False)
    return tree.execution


def write_log(text: str, *, raw: bool = False) -> None:
    """Write to standard output as UTF-8: every byte, but no control codes to a terminal."""
    if not raw:
        text = for_terminal(text, sys.stdout)
    sys.stdout.flush()
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # a text stream that stands in for it
        sys.stdout.write(text)
        return
    stream.write(text.encode("utf-8", "surrogatepass"))
    stream.flush()


def tail(
    client: Client, execid: int, job: str | None, attempt: int | None = None, *, raw: bool = False
) -> None:
    """Print a log until the execution has ended; without a job, those of all jobs."""
    if job is not None:
        client.execution(execid).job(job)
    for event in client.follow(execid, logs=True):
        if (
            isinstance(event, LogLine)
            and job in (None, event.job.id)
            and attempt in (None, event.attempt)
        ):
            write_log(event.text + event.end, raw=raw)


def print_failed_log(client: Client, execution: Execution) -> None:
    """Print the last lines of the log of each job that failed, on standard error."""
    for job, lines in joblog.tails(client, execution, _TAIL_LINES):
        _print_tail(job, lines)


def _print_tail(job: str, lines: list[str]) -> None:
    console = Console(stderr=True)
    about = f", last {len(lines)} lines" if lines else ": the program wrote nothing"
    console.print(Text(f"--- log of {job}{about}", style="bold"))
    for line in lines:
        console.print(Text(visible(line)), soft_wrap=True, highlight=False)


class Tails:
    """Passes events on and keeps the last log lines of each job, for a run without a server."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._lines: dict[str, deque[str]] = {}

    def __iter__(self) -> Iterator[Event]:
        for event in self._events:
            if isinstance(event, LogLine):
                lines = self._lines.setdefault(event.job.id, deque(maxlen=_TAIL_LINES))
                lines.append(event.text)
            yield event

    def print_failed(self, execution: Execution) -> None:
        """Print them for the jobs that failed."""
        for job in joblog.failed(execution):
            _print_tail(job.id, list(self._lines.get(job.id, ())))


@contextlib.contextmanager
def upload_progress(path: Path) -> Iterator[Callable[[int, int], object] | None]:
    """Show a bar for an upload of some size on a terminal; nothing otherwise."""
    console = Console(stderr=True)
    if not console.is_terminal or path.stat().st_size < 1 << 20:
        yield None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TransferSpeedColumn,
    )

    with Progress(
        "upload", BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console
    ) as bars:
        task = bars.add_task("upload", total=path.stat().st_size)
        yield lambda sent, _total: bars.update(task, completed=sent)
