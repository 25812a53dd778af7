"""Run one job of a flow, or all of it, where another scheduler decides what runs when.

`azkaban_client.flow.export` packs this module, with those that it uses, into a program of one file
that needs a Python and nothing else. A job gets what Azkaban would give it: `Merger` merges its
properties and `run_job` runs it, as for ``azk run --local``. What the jobs of one run share lies in
a folder of that run: the copy of the project that they work in, and what each has left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from azkaban_client.errors import AzkabanError, InvalidProject, NotFound
from azkaban_client.files import whole
from azkaban_client.flow.interpreter import as_word
from azkaban_client.flow.loader import load_sound
from azkaban_client.flow.local import run as run_flow
from azkaban_client.flow.local.nodes import Node, build, ends, walk
from azkaban_client.flow.local.properties import Merger, count, known_of_server, run_properties
from azkaban_client.flow.local.worker import Processes, Work, run_job
from azkaban_client.flow.overrides import overridable_here
from azkaban_client.flow.zip import Bundle, unpack
from azkaban_client.follow import FlowEnded, LogLine
from azkaban_client.models import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from azkaban_client.flow.loader import Project

__all__ = ["Run", "begin", "main", "program", "run_step"]

_USAGE = "%(prog)s FOLDER FLOW [JOB] [options]"
_CURRENT = ".current"  # the run that was begun last, where the scheduler cannot name one


@dataclass(frozen=True)
class Run:
    """A run of a flow: a folder that its jobs share.

    Attributes
    ----------
    folder
        Where it lies.
    """

    folder: Path

    @property
    def project(self) -> Path:
        """The copy of the project that the jobs work in."""
        return self.folder / "project"

    def properties(self) -> dict[str, str]:
        """Return what Azkaban gives all jobs of one execution."""
        found: dict[str, str] = json.loads((self.folder / "run.json").read_text("utf-8"))
        return found

    def keep(
        self, job: str, status: Status, outputs: Mapping[str, str] | None = None, *, done: bool
    ) -> None:
        """Save how a job ended, replacing what an earlier attempt left.

        Parameters
        ----------
        done
            Whether the scheduler is to go on. Luigi knows it by the name of the file.
        """
        path, old = (self._record(job, done=one) for one in (done, not done))
        with whole(path) as stream:
            stream.write(json.dumps({"status": status.name, "outputs": outputs or {}}).encode())
        old.unlink(missing_ok=True)

    def _record(self, job: str, *, done: bool) -> Path:
        return self.folder / "jobs" / f"{quote(job, safe='')}.{'json' if done else 'failed'}"

    def restore(self, nodes: list[Node]) -> None:
        """Give the nodes of a flow the states and outputs that their jobs have left.

        A job that has left nothing was not started, since what it waits for did not end well.
        """
        for node in nodes:
            self.restore(node.inner)
            if node.embeds:
                last = ends(node.inner)
                node.outputs = {k: v for one in last for k, v in one.outputs.items()}
                good = all(one.run.status.good for one in last)
                status = Status.SUCCEEDED if good else Status.FAILED
            else:
                status, node.outputs = self._left(node.id)
            node.run = replace(node.run, status=status)
            node.done = True

    def _left(self, job: str) -> tuple[Status, dict[str, str]]:
        for done in (True, False):
            with contextlib.suppress(FileNotFoundError):
                found = json.loads(self._record(job, done=done).read_text("utf-8"))
                return Status[found["status"]], found["outputs"]
        return Status.CANCELLED, {}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def begin(project: Path, flow: str, runs: Path, name: str) -> Run:
    """Return a run of a flow; the first job that asks for it makes its folder.

    Parameters
    ----------
    project
        The folder of the project.
    flow
        Id of the flow.
    runs
        Where runs are kept.
    name
        What the scheduler calls this run.

    Raises
    ------
    ValueError
        The name is empty, or a folder cannot be called so.
    """
    if name in ("", ".", "..") or len(quote(name, safe="")) > 200:
        raise ValueError(f"--run {name!r}: expected a name of 1 to 200 letters")
    run = Run(runs / quote(flow, safe="") / quote(name, safe=""))
    if run.folder.is_dir():
        return run
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=run.folder.parent))
    try:
        unpack(_bundle(project), made / "project")
        (made / "jobs").mkdir()
        execid = time.time_ns() // 1_000_000
        given = run_properties(flow, execid, datetime.now(UTC))
        (made / "run.json").write_text(json.dumps(given), "utf-8")
        # Jobs that begin at the same time: the folder of one gets the name, the others use it.
        with contextlib.suppress(FileExistsError):
            try:
                made.rename(run.folder)
            except OSError as error:
                if not run.folder.is_dir():
                    raise
                raise FileExistsError from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return run


def _bundle(folder: Path) -> Bundle:
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    if not files:
        raise InvalidProject(f"{folder}: no such folder, or no files in it")
    return Bundle(files)


def _load(folder: Path, flow: str) -> Project:
    project = load_sound(_bundle(folder))
    project.choose(flow)
    return project


@dataclass(frozen=True)
class _Step:
    """What the command line asks for."""

    folder: Path
    flow: str
    job: str
    overrides: Mapping[str, str]
    attempt: int | None
    accept: bool
    skipped: int


def run_step(run: Run, step: _Step, processes: Processes) -> int:
    """Run one job; return the exit code.

    Raises
    ------
    NotFound
        The flow has no such job.
    InvalidProject
        The project cannot be read.
    """
    project = _load(step.folder, step.flow)
    nodes = build(project, step.flow)
    node = next((one for one in walk(nodes) if one.id == step.job and not one.embeds), None)
    if node is None:
        names = ", ".join(one.id for one in walk(nodes) if not one.embeds)
        raise NotFound(f"flow {step.flow} has no job {step.job!r} (its jobs: {names})")
    run.restore(nodes)
    if not node.may_run():
        _say(f"{node.id}: its condition is not met: not run")
        run.keep(node.id, Status.CANCELLED, done=True)
        return step.skipped
    server, later = known_of_server(
        project, step.folder.name, {"python": as_word(Path(sys.executable))}
    )
    defaults = overridable_here(project, step.flow).defaults
    changed = {k: v for k, v in step.overrides.items() if defaults.get(k) != v}
    merger = Merger(project, step.flow, server, run.properties(), changed, run.project)
    first = merger.merge(node, 0)
    retries = count(first.get("retries")) if step.attempt is None else 0
    for number in range(retries + 1):
        given = merger.merge(node, number if step.attempt is None else step.attempt)
        work = Work(node.job.name, given, later, evaluates=project.version == 2)
        outputs = run_job(work, processes, _say)
        if outputs is not None and not processes.stopping.is_set():
            run.keep(node.id, Status.SUCCEEDED, outputs, done=True)
            return 0
        run.keep(node.id, Status.FAILED, done=step.accept)
        if number == retries or processes.stopping.wait(count(first.get("retry.backoff")) / 1000):
            break
        _say(f"{node.id}: attempt {number} failed; once more")
    return 0 if step.accept and not processes.stopping.is_set() else 1


def _run_all(folder: Path, flow: str, overrides: Mapping[str, str]) -> int:
    """Run a whole flow; its jobs' lines go to standard output with the job's name before each."""
    status = Status.FAILED
    for event in run_flow(_bundle(folder), flow, properties=overrides, name=folder.name):
        if isinstance(event, LogLine):
            _say(f"{event.job.id}: {event.text}")
        elif isinstance(event, FlowEnded):
            status = event.execution.status
            _say(f"{flow}: {status.name}")
    return 0 if status.good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="azkaban_step.pyz",
        usage=_USAGE,
        allow_abbrev=False,
        description="Run a job of a flow as Azkaban would; without JOB, the whole flow.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the project")
    parser.add_argument("flow", metavar="FLOW", help="the flow")
    parser.add_argument("job", metavar="JOB", nargs="?", help="one of its jobs")
    parser.add_argument(
        "--run", metavar="NAME", default=os.environ.get("AZKABAN_RUN"),
        help="the run that the job is of (AZKABAN_RUN)",
    )  # fmt: skip
    parser.add_argument(
        "--runs", metavar="DIR", type=Path, help="where runs are kept; runs beside FOLDER"
    )
    parser.add_argument(
        "--begin", action="store_true", help="begin a run, for jobs that are given no --run"
    )
    parser.add_argument(
        "--prop", metavar="KEY=VALUE", action="append", default=[],
        help="a property of this run (AZKABAN_OVERRIDES: a JSON object of them)",
    )  # fmt: skip
    parser.add_argument(
        "--attempt", metavar="N", type=int,
        help="number of this attempt, of a scheduler that tries again; else this does",
    )  # fmt: skip
    parser.add_argument("--accept", action="store_true", help="exit with 0 if the job fails")
    parser.add_argument(
        "--skipped", metavar="CODE", type=int, default=0, help="exit code of a job not run; 0"
    )
    return parser


def _overrides(props: Sequence[str]) -> dict[str, str]:
    text = os.environ.get("AZKABAN_OVERRIDES", "") or "{}"
    try:
        given = json.loads(text)
        found = {str(k): str(v) for k, v in given.items() if v is not None}
    except (ValueError, AttributeError, RecursionError):
        raise ValueError(f"AZKABAN_OVERRIDES={text}: expected a JSON object") from None
    for one in props:
        key, equals, value = one.partition("=")
        if not (key and equals):
            raise ValueError(f"--prop {one}: expected KEY=VALUE")
        found[key] = value
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code: 0, 1 if a job failed, 2 for what cannot be run."""
    options = _parser().parse_args(arguments)
    folder = options.folder.absolute()
    runs = options.runs or folder.parent / "runs"
    processes = Processes()
    try:
        overrides = _overrides(options.prop)
        if options.begin:
            _load(folder, options.flow)
            return _begin_current(folder, options.flow, runs)
        if options.job is None:
            return _run_all(folder, options.flow, overrides)
        run = begin(folder, options.flow, runs, options.run or _current(runs, options.flow))
        step = _Step(
            folder, options.flow, options.job, overrides, options.attempt, options.accept,
            options.skipped,
        )  # fmt: skip
        return run_step(run, step, processes)
    except (AzkabanError, OSError, ValueError) as error:
        sys.stderr.write(f"azkaban_step: {getattr(error, 'message', error)}\n")
        return 2
    finally:
        processes.stop()


def program() -> int:
    """Run as a program of its own, whose job ends with it."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return main()


def _begin_current(folder: Path, flow: str, runs: Path) -> int:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    run = begin(folder, flow, runs, name)
    with whole(run.folder.parent / _CURRENT) as stream:
        stream.write(name.encode())
    _say(f"run {name}")
    return 0


def _current(runs: Path, flow: str) -> str:
    try:
        return (runs / quote(flow, safe="") / _CURRENT).read_text("utf-8")
    except FileNotFoundError:
        raise ValueError("give --run NAME, or begin a run with --begin") from None
