"""Decide which job of a local run comes next, and record how each ended."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azkaban_client.flow.local.nodes import Node, build, ends, state, walk
from azkaban_client.flow.local.properties import Merger, count, known_of_server, run_properties
from azkaban_client.flow.local.worker import Processes, Work, run_job
from azkaban_client.follow import Event, FlowEnded, JobEnded, JobStarted, LogLine
from azkaban_client.models import Attempt, Execution, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from azkaban_client.flow.loader import Project
    from azkaban_client.flow.local.worker import Say

__all__ = ["Scheduler"]

_AT_ONCE = 10  # flow.num.job.threads of the executor
# Seconds. A signal that comes just before the main thread begins to wait for a lock, or that
# another thread takes, is heard only when the wait ends.
_HEARS = 0.5


class Scheduler:
    """Runs the jobs of a flow, each in a thread of its own.

    Parameters
    ----------
    project, flow, name
        The project's files, the flow, and the project's name.
    server, overrides
        Properties of the server's own configuration, and of the execution.
    folder
        The copy of the project that the jobs run in.
    """

    def __init__(
        self,
        project: Project,
        flow: str,
        name: str,
        *,
        server: Mapping[str, str],
        overrides: Mapping[str, str],
        folder: Path,
    ) -> None:
        self.project, self.flow, self.name = project, flow, name
        self.begun = datetime.now(UTC)
        self.execid = int(time.time())
        given, self.later = known_of_server(project, name, server)
        common = run_properties(flow, self.execid, self.begun)
        self.merger = Merger(project, flow, given, common, overrides, folder)
        self.nodes = build(project, flow)
        self.queue: queue.Queue[Event | Node] = queue.Queue()
        self.processes = Processes()
        self.threads: list[threading.Thread] = []
        self.failed = False
        # Check only what an event may have changed, because flows can have thousands of jobs.
        self.touched = deque(walk(self.nodes))
        self.ready: deque[Node] = deque()
        self.unfinished = len(self.touched)
        self.running = 0
        self._states = {node.id: state(node) for node in self.nodes}
        self._snapshot: Execution | None = None
        self._lock = threading.Lock()

    def events(self) -> Iterator[Event]:
        """Run all jobs, and yield what happens."""
        while True:
            yield from self._look_at_touched()
            while self.ready and self.running < _AT_ONCE:
                self._start(self.ready.popleft())
            if not self.unfinished:
                break
            item = self._next()
            while not isinstance(item, Node):
                yield item
                item = self._next()
            self.running -= 1
            self._finish(item)
            if item.run.status is Status.FAILED:
                self._fail(item)
        status = _result(self.nodes, failed=self.failed)
        yield FlowEnded(execution=replace(self._state(), status=status, end=datetime.now(UTC)))

    def _next(self) -> Event | Node:
        """Wait for what happens next, not without an end: see `_HEARS`."""
        while True:
            with suppress(queue.Empty):
                return self.queue.get(timeout=_HEARS)

    def _start(self, node: Node) -> None:
        node.started = True
        self.running += 1
        thread = threading.Thread(target=self._work, args=(node,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _finish(self, node: Node) -> None:
        node.done = True
        self.unfinished -= 1
        self.touched += node.waiting
        if node.parent is not None:
            self.touched.append(node.parent)

    def stop(self) -> None:
        """End what still runs."""
        self.processes.stop()
        for thread in self.threads:
            thread.join(10)

    def _fail(self, node: Node) -> None:
        """Fail the flow with a node, unless all nodes that wait for it accept a failure."""
        if node.waiting and all(one.macro != "all_success" for one in node.waiting):
            return
        self.failed = True
        while node.parent is not None:
            node = node.parent
            node.failed = True
        self.touched += walk(self.nodes)  # none that has not started will
        self.ready.clear()

    def _may_run(self, node: Node) -> bool | None:
        """Tell whether a node that has not started is to run; None if undecided."""
        if self.failed:
            return False
        if node.parent is not None and not node.parent.started:
            return None
        return node.may_run()

    def _look_at_touched(self) -> Iterator[Event]:
        """Cancel what can no longer run, start and end embedded flows, and find what can run."""
        while self.touched:
            node = self.touched.popleft()
            if node.done:
                continue
            if node.started:
                if node.embeds and all(one.done for one in node.inner):
                    self._end_flow(node)
                continue
            may_run = self._may_run(node)
            if may_run is None or node in self.ready:
                continue
            if not may_run:
                yield from self._leave(node, Status.CANCELLED)
            elif node.run.status is Status.DISABLED:
                yield from self._leave(node, Status.SKIPPED)
            elif node.embeds:
                self._set(node, status=Status.RUNNING, start=datetime.now(UTC))
                node.started = True
                self.touched += [*walk(node.inner), node]
            else:
                self.ready.append(node)

    def _leave(self, node: Node, status: Status) -> Iterator[Event]:
        """End a node that will not run, and all nodes within it."""
        for one in node.inner:
            if not one.done:
                yield from self._leave(one, status)
        now = datetime.now(UTC)
        self._set(node, status=status, start=now, end=now)
        self._finish(node)
        if not node.embeds:
            yield JobEnded(execution=self._state(), job=node.run, status=status)

    def _end_flow(self, node: Node) -> None:
        status = _result(node.inner, failed=node.failed)
        self._set(node, status=status, end=datetime.now(UTC))
        for one in ends(node.inner):
            node.outputs |= one.outputs
        self._finish(node)

    def _set(self, node: Node, **changes: object) -> None:
        outer = node
        while outer.parent is not None:
            outer = outer.parent
        with self._lock:  # the threads of all jobs come here
            node.run = replace(node.run, **changes)  # type: ignore[arg-type]
            self._states[outer.id] = state(outer)
            self._snapshot = None

    def _state(self) -> Execution:
        """Return the state for events, rebuilt when a job changes and not for each log line."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = Execution(
                    execid=self.execid,
                    project=self.name,
                    flow=self.flow,
                    status=Status.RUNNING,
                    start=self.begun,
                    jobs=tuple(self._states.values()),
                )
            return self._snapshot

    # -- one job, in a thread of its own ----------------------------------------------------

    def _work(self, node: Node) -> None:
        """Run a job; any exception fails it, because a thread could not report it."""
        attempt = 0

        def say(text: str) -> None:
            self.queue.put(
                LogLine(execution=self._state(), job=node.run, attempt=attempt, text=text)
            )

        try:
            given = self.merger.merge(node, 0)
            retries, backoff = (count(given.get(key)) for key in ("retries", "retry.backoff"))
            while not self._attempt(node, attempt, say, last=attempt >= retries):
                if self.processes.stopping.wait(backoff / 1000):
                    break
                attempt += 1
        except BaseException as error:  # noqa: BLE001 (see above)
            say(f"azk run --local: {type(error).__name__}: {error}")
            self._set(node, status=Status.FAILED, end=datetime.now(UTC))
            ended = JobEnded(
                execution=self._state(), job=node.run, attempt=attempt, status=Status.FAILED
            )
            self.queue.put(ended)
        self.queue.put(node)

    def _attempt(self, node: Node, attempt: int, say: Say, *, last: bool) -> bool:
        """Run one attempt; tell whether it was the last."""
        now = datetime.now(UTC)
        self._set(node, status=Status.RUNNING, start=now, end=None, attempt=attempt)
        self.queue.put(JobStarted(execution=self._state(), job=node.run, attempt=attempt))
        given = self.merger.merge(node, attempt)
        work = Work(node.job.name, given, self.later, evaluates=self.project.version == 2)
        outputs = run_job(work, self.processes, say)
        status = Status.FAILED if outputs is None else Status.SUCCEEDED
        if self.processes.stopping.is_set():
            status, last = Status.KILLED, True
        node.outputs = outputs or {}
        ended = replace(node.run, status=status, end=datetime.now(UTC))
        last = last or outputs is not None
        if last:
            self._set(node, status=status, end=ended.end)
        else:
            past = Attempt(number=attempt, status=status, start=ended.start, end=ended.end)
            self._set(node, status=Status.READY, end=ended.end, past=(*ended.past, past))
        self.queue.put(JobEnded(execution=self._state(), job=ended, attempt=attempt, status=status))
        return last


def _result(nodes: list[Node], *, failed: bool) -> Status:
    """Return the status of a flow that has ended.

    As on the server, a flow whose last job was cancelled by a condition counts as killed.
    """
    if failed:
        return Status.FAILED
    good = all(node.run.status.good for node in ends(nodes))
    return Status.SUCCEEDED if good else Status.KILLED
