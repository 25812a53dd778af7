"""Which jobs of an ended execution run again, and the outputs that they need of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azkaban_client.errors import Refused
from azkaban_client.flow.overrides import FlowOnServer
from azkaban_client.models import Execution, JobRun, Status
from azkaban_client.options import RETRY_OF, options_of, refuse_unknown_jobs
from azkaban_client.reports.outputs import recorded_outputs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from azkaban_client.client import Client
    from azkaban_client.models import JobNode
    from azkaban_client.options import ExecutionOptions

__all__ = ["Resume", "Selection", "choose", "not_run", "resume", "retry"]

_LOOKED_AT = 30  # executions of a flow's history, to find one with all outputs
_LEFT_OUT = {Status.SKIPPED, Status.DISABLED}


@dataclass(frozen=True)
class Selection:
    """What to run again.

    Attributes
    ----------
    start
        These jobs and all after them; by default, what did not succeed.
    only
        These jobs alone.
    downstream
        With `only`: and all after them.
    upstream
        Also the jobs whose outputs are needed and cannot be had.
    bare
        Go on without outputs that cannot be had.
    """

    start: Collection[str] = ()
    only: Collection[str] = ()
    downstream: bool = False
    upstream: bool = False
    bare: bool = False


@dataclass(frozen=True)
class Resume:
    """A plan.

    Attributes
    ----------
    jobs
        Nested ids of the jobs that run.
    kept
        Those that succeeded and do not run again.
    properties
        The outputs of the kept jobs that those after them get.
    reasons
        Why a job that succeeded runs again.
    unknown
        With `Selection.bare`: the kept jobs whose outputs nobody can tell, and which are not given.
    """

    jobs: tuple[str, ...]
    kept: tuple[str, ...]
    properties: Mapping[str, str]
    reasons: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def resume(
    execution: Execution,
    outputs: Mapping[str, Mapping[str, str] | None] | None,
    selection: Selection | None = None,
    *,
    own: Collection[str] = (),
) -> Resume:
    """Plan how to go on with an execution that has ended.

    Parameters
    ----------
    execution
        It has ended.
    outputs
        Outputs of its jobs and embedded flows, by nested id; None where nobody can tell.
    selection
        What to run again.
    own
        Properties that the project's own files set. An output of the same name must not be given
        to the whole flow, since jobs that are not after its producer use the file's value.

    Returns
    -------
    Resume
        Jobs that succeeded run again only where they must: a remaining condition names them
        (Azkaban does not look at properties there), two of them give different values of one
        output, or, with `Selection.upstream`, nobody can tell their outputs.

    Raises
    ------
    NotFound
        A job that is named does not exist.
    Refused
        Nothing would run, or outputs are needed that cannot be had.
    """
    return _Planner(execution, outputs, selection or Selection(), set(own)).plan()


class _Planner:
    """Grows the set of jobs that run until nothing more is needed."""

    def __init__(
        self,
        execution: Execution,
        outputs: Mapping[str, Mapping[str, str] | None] | None,
        selection: Selection,
        own: set[str],
    ) -> None:
        self.execution, self.outputs, self.selection, self.own = execution, outputs, selection, own
        self.nodes = {job.id: job for job in execution.walk()}
        self.leaves = {
            name: job
            for name, job in self.nodes.items()
            if not job.jobs and job.status not in _LEFT_OUT
        }
        self.inside: dict[str, list[str]] = {}
        for leaf in self.leaves:
            for name in _chain(leaf):
                self.inside.setdefault(name, []).append(leaf)
        self.run: set[str] = set()
        self.reasons: dict[str, str] = {}
        self.unknown: set[str] = set()

    def plan(self) -> Resume:
        self.run = self._wished()
        if not self.run:
            raise Refused(
                f"all jobs of execution {self.execution.execid} succeeded: nothing is left to "
                "run again (say which with --from or --only, or run the flow anew)"
            )
        properties = self._settle()
        self.run |= self._empty_ends()
        kept = [
            name
            for name, job in self.leaves.items()
            if name not in self.run and job.status is Status.SUCCEEDED
        ]
        return Resume(
            tuple(name for name in self.leaves if name in self.run),
            tuple(kept),
            properties,
            {name: why for name, why in self.reasons.items() if name in self.run},
            tuple(name for name in self.leaves if name in self.unknown),
        )

    def _empty_ends(self) -> set[str]:
        """Return the last jobs of type noop: without them 4.0 may end the flow early.

        It does so while a job waits to be tried again by its own ``retries``.
        """
        waited = {name for job in self.execution.jobs for name in job.dependencies}
        return {
            job.id
            for job in self.execution.jobs
            if job.type == "noop" and job.id in self.leaves and job.id not in waited
        }

    def _wished(self) -> set[str]:
        named = (*self.selection.start, *self.selection.only)
        refuse_unknown_jobs(list(self.nodes), named, self.execution.flow, self.execution.project)
        if not named:
            return {name for name, job in self.leaves.items() if not job.status.good}
        chosen = {leaf for name in named for leaf in self._inside(name)}
        if self.selection.only and not self.selection.downstream:
            return chosen
        return chosen | self._after(
            chosen if self.selection.only else self._of(self.selection.start)
        )

    def _of(self, names: Iterable[str]) -> set[str]:
        return {leaf for name in names for leaf in self._inside(name)}

    def _inside(self, name: str) -> list[str]:
        """List the jobs of a node: itself, or those of its embedded flow."""
        return self.inside.get(name, [])

    def _givers(self, name: str) -> list[str]:
        """List the nodes whose outputs a job gets: its parents and those of the enclosing flows."""
        found: list[str] = []
        while name:
            found += self.nodes[name].dependencies
            name = name.rpartition(":")[0]
        return found

    def _after(self, first: Iterable[str]) -> set[str]:
        """Return all jobs that must wait for others."""
        waiting: dict[str, list[str]] = {}
        for name in self.leaves:
            for leaf in self._of(self._givers(name)):
                waiting.setdefault(leaf, []).append(name)
        found: set[str] = set()
        todo = list(first)
        while todo:
            for name in waiting.get(todo.pop(), []):
                if name not in found:
                    found.add(name)
                    todo.append(name)
        return found

    def _settle(self) -> dict[str, str]:
        """Collect the outputs; a job that turns out to be needed restarts the search."""
        while True:
            needed = self._by_condition() or self._by_outputs()
            if isinstance(needed, dict):
                return needed
            self.run |= needed

    def _by_condition(self) -> set[str]:
        """Return jobs that succeeded and that a condition asks for."""
        for name in self.leaves.keys() & self.run:
            chain = _chain(name)
            asking = [one for one in chain if self.nodes[one].condition]
            for one in asking:
                missing = self._of(self.nodes[one].dependencies) - self.run
                if missing:
                    self._note(missing, f"the condition of {one} asks for it")
                    return missing
        return set()

    def _by_outputs(self) -> dict[str, str] | set[str]:
        """Return the outputs to give, or jobs that have to run again instead."""
        found: dict[str, str] = {}
        source: dict[str, str] = {}
        unknown: set[str] = set()
        for name in self.run:
            for giver in self._kept_givers(name):
                given = self._outputs(giver)
                if given is None:
                    unknown.update(self._inside(giver))
                    continue
                for key, value in given.items():
                    if key in self.own:
                        return self._again({giver}, f"a file of the project sets {key}, too")
                    if found.setdefault(key, value) != value:
                        why = f"{source[key]} and {giver} have different values of {key}"
                        return self._again({source[key], giver}, why)
                    source[key] = giver
        self.unknown = unknown if self.selection.bare else set()
        if not unknown or self.unknown:
            return found
        if not self.selection.upstream:
            names = ", ".join(sorted(unknown))
            raise Refused(
                f"neither the server nor a record (--runs DIR) tells the outputs of {names}, which "
                "the jobs after them may need: run them again as well (--upstream), or go on "
                "without, if there are none (--without-outputs)"
            )
        self._note(unknown, "nobody can tell its outputs")
        return unknown

    def _again(self, givers: set[str], why: str) -> set[str]:
        jobs = self._of(givers)
        self._note(jobs, why)
        return jobs

    def _note(self, jobs: Iterable[str], why: str) -> None:
        for job in jobs:
            self.reasons.setdefault(job, why)

    def _kept_givers(self, name: str) -> Iterable[str]:
        """Iterate over the nodes whose outputs must be given, since they do not run again."""
        for giver in self._givers(name):
            inside = self._inside(giver)
            kept = [leaf for leaf in inside if leaf not in self.run]
            if kept == inside and inside:
                yield giver
            else:  # an embedded flow of which a part runs
                yield from kept

    def _outputs(self, giver: str) -> Mapping[str, str] | None:
        job = self.nodes[giver]
        if job.status is not Status.SUCCEEDED or job.type == "noop":
            return {}  # it failed or does nothing, and gave none
        return None if self.outputs is None else self.outputs.get(giver, {})


def _chain(name: str) -> list[str]:
    """List a nested id and those of the enclosing flows."""
    parts = name.split(":")
    return [":".join(parts[:count]) for count in range(1, len(parts) + 1)]


def retry(
    client: Client,
    execid: int,
    selection: Selection | None = None,
    *,
    properties: Mapping[str, str] | None = None,
    runs: Path | None = None,
    dry_run: bool = False,
) -> tuple[int | None, Resume]:
    """Go on with an execution that has ended, as a new execution.

    It gets the properties and options of the first, the outputs of the jobs that do not run
    again, and the property ``retry.of``: the number of the first.

    Parameters
    ----------
    client
        Connected to the server.
    execid
        An execution that has ended.
    selection
        Which jobs, if not those that did not succeed.
    properties
        In place of the first one's, or beside them.
    runs
        Where the jobs left their records (``output.dir``): they have the outputs if the server
        does not tell them.
    dry_run
        Only make the plan.

    Returns
    -------
    tuple
        The new execution's number, None for a dry run; and the plan.

    Raises
    ------
    Refused
        The execution goes on, nothing would run, or outputs are needed that cannot be had.
    """
    execution = client.execution(execid)
    if not execution.finished:
        raise Refused(f"execution {execid} has not ended", ids={"execid": str(execid)})
    options_before = client.execution_options(execid)
    earlier = dict(options_before.get("flowParam") or {})
    own = _own(FlowOnServer(client, execution.project, execution.flow))
    plan = resume(execution, _outputs(client, execution, runs), selection, own=own)
    if dry_run:
        return None, plan
    given = {
        **earlier,
        **plan.properties,
        **(properties or {}),
        RETRY_OF: earlier.get(RETRY_OF, str(execid)),
    }
    options: ExecutionOptions = {
        **options_of(options_before),
        "properties": given,
        "only": plan.jobs,
        "disabled": [
            job.id for job in execution.walk() if job.status in _LEFT_OUT and not job.jobs
        ],
    }
    return client.execute(execution.project, execution.flow, **options), plan


def _outputs(
    client: Client, execution: Execution, runs: Path | None
) -> Mapping[str, Mapping[str, str] | None]:
    """Return the outputs of an execution's jobs, from the server or else from their records."""
    outputs = client.outputs(execution.execid)
    return recorded_outputs(runs, execution) if outputs is None else outputs


def choose(
    there: FlowOnServer,
    selection: Selection,
    *,
    disabled: Collection[str] = (),
    runs: Path | None = None,
) -> tuple[int | None, Resume]:
    """Plan a run of some jobs of a flow, with the others' outputs of its last whole success.

    Parameters
    ----------
    there
        The flow.
    selection
        Which jobs.
    disabled
        Jobs that are left out and give no outputs.
    runs
        Where the jobs left their records.

    Returns
    -------
    tuple
        The execution whose outputs are given, None if the flow has never succeeded or nobody can
        tell them; and the plan.
    """
    latest = _last_whole_success(there, disabled)
    outputs = None if latest is None else _outputs(there.client, latest, runs)
    as_if = Execution(
        execid=-1 if latest is None else latest.execid,
        project=there.project,
        flow=there.flow,
        status=Status.SUCCEEDED,
        jobs=_as_succeeded(there.graph.nodes, disabled),
    )
    plan = resume(as_if, outputs, selection, own=_own(there))
    return (None if latest is None else latest.execid), plan


def _last_whole_success(there: FlowOnServer, disabled: Collection[str]) -> Execution | None:
    """Find the latest execution in which every job succeeded that is not left out now as well.

    One that was itself a part of the flow does not have the outputs of the rest.
    """
    past = there.client.history(there.project, there.flow, length=_LOOKED_AT)
    for one in past.executions:
        if one.status is Status.SUCCEEDED:
            execution = there.client.execution(one.execid)
            jobs = [job for job in execution.walk() if job.id not in disabled]
            if all(job.status is Status.SUCCEEDED for job in jobs):
                return execution
    return None


def _as_succeeded(nodes: Iterable[JobNode], disabled: Collection[str]) -> tuple[JobRun, ...]:
    return tuple(
        JobRun(
            id=node.id,
            type=node.type,
            status=Status.SKIPPED if node.id in disabled else Status.SUCCEEDED,
            dependencies=node.dependencies,
            condition=node.condition,
            jobs=_as_succeeded(node.nodes, disabled),
        )
        for node in nodes
    )


def _own(there: FlowOnServer) -> list[str]:
    """List the properties that the files of a project set."""
    return [key for key, value in there.properties.defaults.items() if value is not None]


def not_run(plan: Resume, execution: Execution) -> list[str]:
    """List the jobs of a plan that its execution left out, although it may say that it succeeded.

    Parameters
    ----------
    plan
        What was to run.
    execution
        The one that `retry` started, when it has ended.
    """
    return [
        name
        for name in plan.jobs
        if execution.job(name).status not in (Status.SUCCEEDED, Status.FAILED, Status.KILLED)
    ]
