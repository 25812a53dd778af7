"""What the server tells, as frozen dataclasses. Times are aware datetimes in UTC."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from azkaban_client.errors import BadAnswer, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_P = ParamSpec("_P")
_T = TypeVar("_T")

__all__ = [
    "Attempt",
    "Execution",
    "ExecutionPage",
    "ExecutionSummary",
    "Flow",
    "JobNode",
    "JobRun",
    "LogChunk",
    "Permission",
    "Project",
    "ProjectEvent",
    "Schedule",
    "Sla",
    "Status",
    "Upload",
    "moment",
    "runs",
]


class Status(StrEnum):
    """State of a job or of a flow, by the server's names; one that is not listed is UNKNOWN."""

    READY = "READY"
    PREPARING = "PREPARING"
    DISPATCHING = "DISPATCHING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    SUCCEEDED = "SUCCEEDED"
    KILLING = "KILLING"
    KILLED = "KILLED"
    FAILED = "FAILED"
    FAILED_FINISHING = "FAILED_FINISHING"
    SKIPPED = "SKIPPED"
    DISABLED = "DISABLED"
    QUEUED = "QUEUED"
    FAILED_SUCCEEDED = "FAILED_SUCCEEDED"
    CANCELLED = "CANCELLED"
    EXECUTION_STOPPED = "EXECUTION_STOPPED"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, _value: object) -> Status:
        return cls.UNKNOWN

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in _FINAL

    @property
    def good(self) -> bool:
        """Whether it ended well; a job that was left out on purpose counts as well."""
        return self in _GOOD


_GOOD = {Status.SUCCEEDED, Status.SKIPPED, Status.FAILED_SUCCEEDED}
_FINAL = _GOOD | {Status.KILLED, Status.FAILED, Status.CANCELLED, Status.EXECUTION_STOPPED}


def _reads_answer(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Raise `BadAnswer` where an answer has not the shape of Azkaban's."""

    @functools.wraps(function)
    def read(*args: _P.args, **options: _P.kwargs) -> _T:
        try:
            return function(*args, **options)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            words = f"the server's answer cannot be read: {type(error).__name__}: {error}"
            raise BadAnswer(words) from error

    return read


def moment(milliseconds: object) -> datetime | None:
    """Make a datetime of the server's milliseconds since 1970; -1 and 0 mean never."""
    if not isinstance(milliseconds, int) or milliseconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None  # no time of this world


def _span(start: datetime | None, end: datetime | None) -> timedelta | None:
    return end - start if start and end else None


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project; what a server's version does not tell is None."""

    name: str
    id: int | None = None
    description: str | None = None
    created_by: str | None = None
    created: datetime | None = None
    modified_by: str | None = None
    modified: str | None = None


@dataclass(frozen=True, kw_only=True)
class Upload:
    """Result of an upload: the project's id and its new version.

    The version is None where the answer was lost and the upload was found in the project's log.
    """

    project_id: int
    version: int | None


@dataclass(frozen=True, kw_only=True)
class JobNode:
    """A job of a flow as it was uploaded.

    Attributes
    ----------
    id
        Its name; within an embedded flow ``<flow job>:<job>``.
    type
        Its job type; ``flow`` for an embedded flow.
    dependencies
        Ids of the jobs that must end first.
    embedded
        The id of the embedded flow, where the job is one.
    condition
        The condition under which it runs (Flow 2.0, from 3.60 on).
    nodes
        The jobs of the embedded flow.
    """

    id: str
    type: str | None
    dependencies: tuple[str, ...]
    embedded: str | None = None
    condition: str | None = None
    nodes: tuple[JobNode, ...] = ()

    def walk(self) -> Iterator[JobNode]:
        """Iterate over this job and, if it is an embedded flow, its jobs at any depth."""
        yield self
        for node in self.nodes:
            yield from node.walk()


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The graph of a flow."""

    id: str
    project: str
    nodes: tuple[JobNode, ...]

    def walk(self) -> Iterator[JobNode]:
        """Iterate over all jobs, those of embedded flows included."""
        for node in self.nodes:
            yield from node.walk()

    @classmethod
    @_reads_answer
    def parse(cls, data: Mapping[str, Any]) -> Flow:
        """Read the answer of ``fetchflowgraph``."""
        return cls(id=data["flow"], project=data["project"], nodes=_nodes(data, ""))


def _nodes(data: Mapping[str, Any], prefix: str) -> tuple[JobNode, ...]:
    return tuple(
        JobNode(
            id=prefix + node["id"],
            type=node.get("type"),
            dependencies=tuple(prefix + name for name in node.get("in") or ()),
            embedded=node.get("flowId") or (node.get("flow") if node.get("nodes") else None),
            condition=node.get("condition"),
            nodes=_nodes(node, f"{prefix}{node['id']}:"),
        )
        for node in data.get("nodes") or ()
    )


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One past run of a job that was retried."""

    number: int
    status: Status
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """A job within an execution.

    Attributes
    ----------
    id
        Nested id: the name, or ``<flow job>:<job>`` within an embedded flow.
    attempt
        Number of the latest attempt, from 0.
    past
        The attempts before it.
    condition
        The condition under which it runs (Flow 2.0, from 3.60 on).
    jobs
        The jobs of the embedded flow, where the job is one.
    """

    id: str
    status: Status
    type: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    attempt: int = 0
    past: tuple[Attempt, ...] = ()
    dependencies: tuple[str, ...] = ()
    condition: str | None = None
    jobs: tuple[JobRun, ...] = ()

    @property
    def duration(self) -> timedelta | None:
        """Time from its start to its end, once it has both."""
        return _span(self.start, self.end)

    def walk(self) -> Iterator[JobRun]:
        """Iterate over this job and those of its embedded flow at any depth."""
        yield self
        for job in self.jobs:
            yield from job.walk()


@_reads_answer
def runs(data: Mapping[str, Any], prefix: str = "") -> tuple[JobRun, ...]:
    """Read the jobs of an answer about an execution."""
    return tuple(
        JobRun(
            id=prefix + node["id"],
            status=Status(node["status"]),
            type=node.get("type"),
            start=moment(node.get("startTime")),
            end=moment(node.get("endTime")),
            attempt=node.get("attempt", 0),
            past=tuple(
                Attempt(
                    number=past["attempt"],
                    status=Status(past["status"]),
                    start=moment(past.get("startTime")),
                    end=moment(past.get("endTime")),
                )
                for past in node.get("pastAttempts") or ()
            ),
            dependencies=tuple(prefix + name for name in node.get("in") or ()),
            condition=node.get("condition"),
            jobs=runs(node, f"{prefix}{node['id']}:"),
        )
        for node in data.get("nodes") or ()
    )


@dataclass(frozen=True, kw_only=True)
class Execution:
    """State of an execution at one moment."""

    execid: int
    project: str
    flow: str
    status: Status
    user: str | None = None
    project_id: int | None = None
    submitted: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    jobs: tuple[JobRun, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status.final

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well."""
        return self.status is Status.SUCCEEDED

    @property
    def duration(self) -> timedelta | None:
        """Time from its start to its end, once it has both."""
        return _span(self.start, self.end)

    def walk(self) -> Iterator[JobRun]:
        """Iterate over all jobs, those of embedded flows included."""
        for job in self.jobs:
            yield from job.walk()

    def job(self, name: str) -> JobRun:
        """Return one job by its nested id.

        Raises
        ------
        NotFound
            Names the jobs that there are.
        """
        for job in self.walk():
            if job.id == name:
                return job
        known = ", ".join(job.id for job in self.walk())
        raise NotFound(
            f"execution {self.execid} has no job {name!r} (its jobs: {known})",
            ids={"execid": str(self.execid), "jobId": name},
        )

    @classmethod
    @_reads_answer
    def parse(cls, data: Mapping[str, Any]) -> Execution:
        """Read the answer of ``fetchexecflow``."""
        return cls(
            execid=data["execid"],
            project=data["project"],
            project_id=data.get("projectId"),
            flow=data.get("flowId") or data["flow"],
            status=Status(data["status"]),
            user=data.get("submitUser"),
            submitted=moment(data.get("submitTime")),
            start=moment(data.get("startTime")),
            end=moment(data.get("endTime")),
            jobs=runs(data),
        )


@dataclass(frozen=True, kw_only=True)
class ExecutionSummary:
    """One line of a flow's history.

    Attributes
    ----------
    retry_of
        The execution of which it is a retry: the first, if there were several. No server tells it
        in a history: `azkaban_client.attempts.with_retries` looks it up.
    """

    execid: int
    flow: str
    status: Status
    user: str | None
    submitted: datetime | None
    start: datetime | None
    end: datetime | None
    retry_of: int | None = None

    @property
    def duration(self) -> timedelta | None:
        """Time from its start to its end, once it has both."""
        return _span(self.start, self.end)

    @classmethod
    @_reads_answer
    def parse(cls, data: Mapping[str, Any]) -> ExecutionSummary:
        """Read one item of ``fetchFlowExecutions``."""
        return cls(
            execid=data["execId"],
            flow=data["flowId"],
            status=Status(data["status"]),
            user=data.get("submitUser"),
            submitted=moment(data.get("submitTime")),
            start=moment(data.get("startTime")),
            end=moment(data.get("endTime")),
        )


@dataclass(frozen=True, kw_only=True)
class ExecutionPage:
    """A page of a flow's history, newest first."""

    total: int
    offset: int
    executions: tuple[ExecutionSummary, ...]


@dataclass(frozen=True, kw_only=True)
class LogChunk:
    """A piece of a log; `offset` and `length` count the bytes of its UTF-8 form on the server."""

    offset: int
    length: int
    text: str

    @property
    def end(self) -> int:
        """Offset of the byte after this piece."""
        return self.offset + self.length


@dataclass(frozen=True, kw_only=True)
class ProjectEvent:
    """One line of a project's own log."""

    user: str
    time: datetime | None
    type: str
    message: str | None


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What a user or a group may do with a project."""

    name: str
    group: bool
    types: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule.

    Attributes
    ----------
    first, next
        As the server writes them: in its own time zone, which it does not name.
    period
        How often it repeats, by the server's words; None if it does not.
    cron
        Its cron expression, on servers from 3.2 on.
    """

    id: int
    project: str | None = None
    flow: str | None = None
    user: str | None = None
    first: str | None = None
    next: str | None = None
    period: str | None = None
    cron: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sla:
    """A time limit of a flow or of one of its jobs.

    Attributes
    ----------
    job
        The job; None for the whole flow.
    rule
        ``finish`` or ``success``: what must have happened in time.
    within
        The time from the start; whole minutes.
    email, kill
        What the server does when it has not.
    """

    within: timedelta
    job: str | None = None
    rule: Literal["finish", "success"] = "finish"
    email: bool = True
    kill: bool = False

    def __post_init__(self) -> None:
        minutes = self.within.total_seconds() / 60
        if minutes < 1 or minutes != int(minutes):
            raise ValueError(f"within = {self.within}: expected whole minutes, 1 or more")
        if not (self.email or self.kill):
            raise ValueError("an SLA does something when it is missed: email=True or kill=True")
