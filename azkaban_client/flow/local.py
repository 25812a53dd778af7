"""Run a flow on this machine, without a server, as Azkaban would.

Flow 1.0 and Flow 2.0. Jobs of the types ``command``, ``noop`` and ``flow`` run in the order of
their dependencies and by their conditions, up to ten at once. Each gets what Azkaban gives it: the
properties merged in the same order, the files JOB_PROP_FILE and JOB_OUTPUT_PROP_FILE, JOB_NAME,
``env.*`` as environment variables, the folder of its ``.job`` file (in Flow 2.0 the project's) as
its working directory, and the outputs of its direct parents.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import javaproperties

from azkaban_client._options import left_out
from azkaban_client.errors import InvalidProject, NotFound
from azkaban_client.flow.loader import conditions, load
from azkaban_client.flow.loader.command_line import split_command
from azkaban_client.flow.loader.properties import values
from azkaban_client.flow.outputs import read_outputs
from azkaban_client.flow.substitution import UnresolvedError, resolve
from azkaban_client.follow import Event, FlowEnded, JobEnded, JobStarted, LogLine
from azkaban_client.models import Attempt, Execution, JobRun, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from azkaban_client.flow.loader import Job, Project
    from azkaban_client.flow.zip import Bundle

__all__ = ["run"]

_AT_ONCE = 10  # flow.num.job.threads of the executor


@dataclass
class _Node:
    """A job of this run; for an embedded flow, also its jobs."""

    id: str
    job: Job
    parent: _Node | None
    siblings: list[_Node] = field(default_factory=list)
    needs: list[_Node] = field(default_factory=list)
    inner: list[_Node] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    condition: conditions.Condition | None = None
    run: JobRun = field(init=False)
    started: bool = False
    failed: bool = False  # an embedded flow in which a job has failed
    done: bool = False  # its end has been reported

    def __post_init__(self) -> None:
        self.run = JobRun(id=self.id, status=Status.READY, type=self.job.type)

    @property
    def embeds(self) -> bool:
        """Whether it is an embedded flow."""
        return self.job.type == "flow"

    @property
    def macro(self) -> str:
        """What it wants of the jobs before it."""
        return self.condition.status if self.condition else "all_success"

    def verdict(self) -> bool | None:
        """Tell whether it is to run, once that can be told."""
        if not all(one.done for one in self.needs):
            return None
        good = [one.run.status.good for one in self.needs]
        met = {
            "all_success": all(good),
            "all_failed": not any(good),
            "all_done": True,
            "one_success": any(good),
            "one_failed": not all(good),
        }[self.macro]
        if not met or self.condition is None:
            return met
        outputs = {
            (one.job.name, key): value
            for one in self.siblings
            for key, value in one.outputs.items()
        }
        return self.condition.holds(outputs)


def run(
    bundle: Bundle,
    flow: str,
    *,
    properties: Mapping[str, str] | None = None,
    disabled: Collection[str] = (),
    only: Collection[str] | None = None,
    server: Mapping[str, str] | None = None,
    folder: Path | None = None,
    name: str = "local",
) -> Iterator[Event]:
    """Run a flow of a project.

    Parameters
    ----------
    bundle
        The project's files.
    flow
        Id of the flow: the job that nothing depends on, or the name of a ``.flow`` file.
    properties, disabled, only
        As of `azkaban_client.Client.execute`.
    server
        What the server's own configuration would define; ``python`` is this interpreter unless
        it is given.
    folder
        Where the files are unpacked and the jobs run; a temporary one by default, which is
        removed at the end.
    name
        The project's name, for the jobs' properties.

    Yields
    ------
    Event
        As `azkaban_client.Client.follow` does; log lines are what the jobs print.

    Raises
    ------
    NotFound
        There is no such flow or job.
    InvalidProject
        A cycle, a missing dependency, or a file that cannot be read.
    """
    project = load(bundle)
    problems = [problem for problem in project.problems if problem.severity == "error"]
    if problems:
        raise InvalidProject("\n".join(map(str, problems)))
    if flow not in project.names:
        names = ", ".join(project.names) or "none"
        raise NotFound(f"the project has no flow {flow!r} (its flows: {names})")
    with tempfile.TemporaryDirectory(prefix="azk-run-") as temporary:
        place = Path(temporary) if folder is None else folder
        _unpack(bundle, place)
        given = {"azkaban.flow.projectname": name, **(server or {})}
        runner = _Runner(project, flow, dict(properties or {}), given, place)
        runner.disable(disabled, only)
        try:
            yield from runner.events()
        finally:
            runner.stop()


def _unpack(bundle: Bundle, folder: Path) -> None:
    for name in bundle.names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        source = bundle.files[name]
        path.write_bytes(bundle.read(name))
        if isinstance(source, Path):
            path.chmod(source.stat().st_mode & 0o777 | 0o600)


class _Runner:
    def __init__(
        self,
        project: Project,
        flow: str,
        overrides: dict[str, str],
        server: dict[str, str],
        folder: Path,
    ) -> None:
        self.project, self.flow, self.folder = project, flow, folder
        self.overrides = overrides
        self.server = {"python": sys.executable, **server}
        self.begun = datetime.now(UTC)
        self.execid = int(time.time())
        self.common = self._common()
        self.nodes = self._build(flow, "", None, ())
        self.queue: queue.Queue[Event | _Node] = queue.Queue()
        self.processes: set[subprocess.Popen[bytes]] = set()
        self.threads: list[threading.Thread] = []
        self.lock = threading.Lock()
        self.stopping = False
        self.failed = False

    def _build(
        self, flow: str, prefix: str, parent: _Node | None, above: tuple[str, ...]
    ) -> list[_Node]:
        if flow in above:
            raise InvalidProject(f"flows embed each other: {' -> '.join((*above, flow))}")
        nodes: dict[str, _Node] = {}
        siblings: list[_Node] = []
        for name, job in self.project.flows[flow].jobs.items():
            node = _Node(f"{prefix}{name}", job, parent, siblings, condition=_condition(job))
            for one in job.dependencies:
                if one not in nodes:
                    raise InvalidProject(
                        f"{job.own.name}: {name} depends on {one!r}, which does not exist or "
                        "leads back"
                    )
                node.needs.append(nodes[one])
            if node.embeds:
                if job.embeds is None or job.embeds not in self.project.flows:
                    raise InvalidProject(
                        f"{job.own.name}: there is no flow {job.embeds!r} to embed"
                    )
                node.inner = self._build(job.embeds, f"{node.id}:", node, (*above, flow))
            nodes[name] = node
        siblings += nodes.values()
        return siblings

    def _walk(self, nodes: list[_Node] | None = None) -> Iterator[_Node]:
        for node in self.nodes if nodes is None else nodes:
            yield node
            yield from self._walk(node.inner)

    def disable(self, disabled: Collection[str], only: Collection[str] | None) -> None:
        """Leave jobs out; within an embedded flow that is left out, all of them."""
        nodes = {node.id: node for node in self._walk()}
        for name in left_out(nodes, disabled, only, flow=self.flow):
            for one in self._walk([nodes[name]]):
                one.run = replace(one.run, status=Status.DISABLED)

    # -- the run ----------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        while True:
            yield from self._settle()
            for node in self._ready():
                node.started = True
                thread = threading.Thread(target=self._work, args=(node,), daemon=True)
                self.threads.append(thread)
                thread.start()
            if all(node.done for node in self._walk()):
                break
            item = self.queue.get()
            while not isinstance(item, _Node):
                yield item
                item = self.queue.get()
            item.done = True
            if item.run.status is Status.FAILED:
                self._fail(item)
        status = _result(self.nodes, failed=self.failed)
        yield FlowEnded(execution=self._state(status, datetime.now(UTC)))

    def _fail(self, node: _Node) -> None:
        """Let the flow fail with a node, unless all that wait for it have a use for that."""
        waiting = [one for one in node.siblings if node in one.needs]
        if waiting and all(one.macro != "all_success" for one in waiting):
            return
        self.failed = True
        while node.parent is not None:
            node = node.parent
            node.failed = True

    def _verdict(self, node: _Node) -> bool | None:
        """Tell whether a node that has not started is to run; None if that is open."""
        if self.failed:
            return False
        if node.parent is not None and not node.parent.started:
            return None
        return node.verdict()

    def _ready(self) -> list[_Node]:
        free = _AT_ONCE - sum(
            node.started and not node.done and not node.inner for node in self._walk()
        )
        found = [
            node
            for node in self._walk()
            if not node.started
            and not node.done
            and not node.embeds
            and node.run.status is not Status.DISABLED
            and self._verdict(node)
        ]
        return found[: max(free, 0)]

    def _settle(self) -> Iterator[Event]:
        """Cancel what cannot run any more; start and end embedded flows."""
        changed = True
        while changed:
            changed = False
            for node in self._walk():
                if node.done:
                    continue
                if node.embeds and node.started and all(one.done for one in node.inner):
                    self._end_flow(node)
                    node.done = changed = True
                elif not node.started and (verdict := self._verdict(node)) is not None:
                    if not verdict:
                        yield from self._leave(node, Status.CANCELLED)
                        changed = True
                    elif node.run.status is Status.DISABLED:
                        yield from self._leave(node, Status.SKIPPED)
                        changed = True
                    elif node.embeds:
                        now = datetime.now(UTC)
                        node.run = replace(node.run, status=Status.RUNNING, start=now)
                        node.started = changed = True

    def _leave(self, node: _Node, status: Status) -> Iterator[Event]:
        """End a node, and all within it, that does not run."""
        for one in node.inner:
            if not one.done:
                yield from self._leave(one, status)
        now = datetime.now(UTC)
        node.run = replace(node.run, status=status, start=now, end=now)
        node.done = True
        if not node.embeds:
            yield JobEnded(execution=self._state(), job=node.run, status=status)

    def _end_flow(self, node: _Node) -> None:
        status = _result(node.inner, failed=node.failed)
        node.run = replace(node.run, status=status, end=datetime.now(UTC))
        for one in _last(node.inner):
            node.outputs |= one.outputs

    def _state(self, status: Status = Status.RUNNING, end: datetime | None = None) -> Execution:
        def tree(nodes: list[_Node]) -> tuple[JobRun, ...]:
            return tuple(
                replace(
                    node.run,
                    dependencies=tuple(one.id for one in node.needs),
                    jobs=tree(node.inner),
                )
                for node in nodes
            )

        return Execution(
            execid=self.execid,
            project=self.server["azkaban.flow.projectname"],
            flow=self.flow,
            status=status,
            start=self.begun,
            end=end,
            jobs=tree(self.nodes),
        )

    # -- one job, in a thread of its own ----------------------------------------------------

    def _work(self, node: _Node) -> None:
        given = self._properties(node, 0)
        retries, backoff = (_count(given.get(key)) for key in ("retries", "retry.backoff"))
        for attempt in range(retries + 1):
            node.run = replace(
                node.run,
                status=Status.RUNNING,
                start=datetime.now(UTC),
                end=None,
                attempt=attempt,
            )
            self.queue.put(JobStarted(execution=self._state(), job=node.run, attempt=attempt))
            good = self._attempt(node, attempt)
            status = Status.SUCCEEDED if good else Status.FAILED
            if self.stopping:
                status = Status.KILLED
            ended = replace(node.run, status=status, end=datetime.now(UTC))
            again = not good and attempt < retries and not self.stopping
            if again:
                past = Attempt(number=attempt, status=status, start=ended.start, end=ended.end)
                node.run = replace(ended, status=Status.READY, past=(*ended.past, past))
            else:
                node.run = ended
            self.queue.put(
                JobEnded(execution=self._state(), job=ended, attempt=attempt, status=status)
            )
            if not again:
                break
            time.sleep(backoff / 1000)
        self.queue.put(node)

    def _attempt(self, node: _Node, attempt: int) -> bool:
        def say(text: str, end: str = "\n") -> None:
            self.queue.put(
                LogLine(execution=self._state(), job=node.run, attempt=attempt, text=text, end=end)
            )

        try:
            merged = resolve(self._properties(node, attempt))
        except UnresolvedError as error:
            say(f"Failed to build job executor for job {node.job.name}: {error}")
            return False
        for key in merged:
            if key.startswith("job.notification.") and key.endswith(".url"):
                say(f"{key}: job callbacks are for the server: not called here")
        kind = merged.get("type")
        if kind == "noop":
            return True
        if kind != "command":
            say(f"jobs of type {kind!r} need a server: only command, noop and flow run here")
            return False
        return self._commands(node, merged, say)

    def _commands(self, node: _Node, merged: dict[str, str], say: Any) -> bool:
        cwd = Path(merged["working.dir"])
        number, key = 0, "command"
        while key in merged:
            handle, props = tempfile.mkstemp(f"_{node.job.name}_props", dir=cwd)
            with os.fdopen(handle, "w", encoding="iso-8859-1") as stream:
                javaproperties.dump(merged, stream, timestamp=True)
            handle, outputs = tempfile.mkstemp(f"_{node.job.name}_output", dir=cwd)
            os.close(handle)
            env = {k[4:]: v for k, v in merged.items() if k.startswith(("env.", "ENV."))}
            env |= {
                "JOB_PROP_FILE": props,
                "JOB_OUTPUT_PROP_FILE": outputs,
                "JOB_NAME": node.job.name,
            }
            if not self._process(split_command(merged[key]), cwd, env, say):
                return False
            node.outputs = read_outputs(Path(outputs), say)
            number += 1
            key = f"command.{number}"
        return True

    def _process(self, words: list[str], cwd: Path, env: dict[str, str], say: Any) -> bool:
        try:
            with self.lock:
                if self.stopping:
                    return False
                process = subprocess.Popen(  # noqa: S603 (the job's own command, no shell)
                    words,
                    cwd=cwd,
                    env={**os.environ, **env},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                self.processes.add(process)
        except (OSError, ValueError, IndexError) as error:
            say(f"Cannot run program: {error}")
            return False
        assert process.stdout is not None  # noqa: S101 (it is a pipe)
        with process.stdout as stream:
            for line in stream:
                say(line.decode("utf-8", "replace").removesuffix("\n"))
        code = process.wait()
        with self.lock:
            self.processes.discard(process)
        if code:
            say(f"Process exited with code {code}")
        return code == 0

    def stop(self) -> None:
        """Terminate what still runs, and kill what does not heed it within some seconds."""
        with self.lock:
            self.stopping = True
            processes = list(self.processes)
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for thread in self.threads:
            thread.join(10)

    # -- properties -------------------------------------------------------------------------

    def _common(self) -> dict[str, str]:
        now = self.begun
        start = {
            "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "year": f"{now:%Y}",
            "month": f"{now:%m}",
            "day": f"{now:%d}",
            "hour": f"{now:%H}",
            "minute": f"{now:%M}",
            "second": f"{now:%S}",
            "milliseconds": f"{now.microsecond // 1000:03}",
            "timezone": "UTC",
        }
        return {
            "azkaban.flow.flowid": self.flow,
            "azkaban.flow.execid": str(self.execid),
            "azkaban.flow.projectid": "0",
            "azkaban.flow.projectversion": "0",
            "azkaban.flow.uuid": str(uuid.uuid4()),
            **{f"azkaban.flow.start.{key}": value for key, value in start.items()},
        }

    def _properties(self, node: _Node, attempt: int) -> dict[str, str]:
        """Merge in Azkaban's order, the weakest first.

        In Flow 1.0 it is that of 2.5; from 2.6 on, shared files are the weakest of all, which
        differs where a job of an embedded flow and the job that embeds it set the same property.
        """
        merged = {**self.server, **self.common}
        if config := self.project.flows[self.flow].config:
            merged |= values(config)
            merged |= self.overrides
        chain = [node]
        while chain[0].parent is not None:
            chain.insert(0, chain[0].parent)
        for one in chain:
            if self.project.version == 1:  # in Flow 2.0 they are those of the flows around it
                for file in one.job.shared:
                    merged |= values(file)
                merged |= self.overrides
            for giver in one.needs:
                merged |= giver.outputs
            merged |= values(one.job.own)
            if self.project.version == 2 and one.job.type is not None:
                merged["type"] = one.job.type
        merged["azkaban.job.attempt"] = str(attempt)
        home = self.folder / node.job.folder
        merged["working.dir"] = merged.get("working.dir") or str(home)
        return merged


def _count(text: str | None) -> int:
    return int(text) if text is not None and text.strip().isdecimal() else 0


def _condition(job: Job) -> conditions.Condition | None:
    if job.condition is None:
        return None
    try:
        return conditions.parse(job.condition)
    except ValueError as error:
        raise InvalidProject(f"{job.own.name}: condition of {job.name}: {error}") from error


def _last(nodes: list[_Node]) -> list[_Node]:
    """Give the nodes that no other waits for."""
    needed = {id(one) for node in nodes for one in node.needs}
    return [node for node in nodes if id(node) not in needed]


def _result(nodes: list[_Node], *, failed: bool) -> Status:
    """Give the status of a flow that has ended.

    As on the server, a flow whose last job was cancelled by a condition counts as killed.
    """
    if failed:
        return Status.FAILED
    good = all(node.run.status.good for node in _last(nodes))
    return Status.SUCCEEDED if good else Status.KILLED
