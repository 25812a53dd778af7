"""Start, inspect, await and stop executions, and read their logs."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Unpack

from azkaban_client._http import Call
from azkaban_client._logs import chunk
from azkaban_client._projects import ProjectCalls
from azkaban_client.errors import (
    AlreadyRunning,
    BadAnswer,
    NotFound,
    NotReady,
    OutcomeUnknown,
    PermissionDenied,
    Refused,
    ServerFault,
    WaitTimeout,
)
from azkaban_client.follow import FlowEnded, follow
from azkaban_client.models import (
    Execution,
    ExecutionPage,
    ExecutionSummary,
    JobRun,
    LogChunk,
    runs,
)
from azkaban_client.options import RETRY_OF, execution_fields, refuse_unknown_jobs, sla_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from azkaban_client.errors import AzkabanError
    from azkaban_client.follow import Event
    from azkaban_client.models import Sla
    from azkaban_client.options import ExecutionOptions

__all__ = ["ExecutionCalls"]

_CHUNK = 1 << 20
_LAST_EXECUTION = 2**31 - 1  # servers count in 32 bits, and fail on what is larger
_FILING = 15.0  # seconds
_AT_ONCE = 50  # executions about which the viewer of a server that set-up installed answers


class ExecutionCalls(ProjectCalls):
    """Calls about executions."""

    def execute(
        self,
        project: str,
        flow: str,
        *,
        sla: Sequence[Sla] = (),
        sla_emails: Sequence[str] = (),
        **options: Unpack[ExecutionOptions],
    ) -> int:
        """Start a flow and return the execution's id.

        Parameters
        ----------
        project, flow
            Names of the project and of the flow in it.
        sla, sla_emails
            Time limits of this execution and whom to tell (servers from 4.0 on; on older ones
            set them on a schedule).
        options
            Those of `azkaban_client.options.ExecutionOptions`: ``properties``, ``only`` ...

        Raises
        ------
        NotFound
            There is no such project, flow or job.
        PermissionDenied
            The user may read the project, and not execute its flows.
        AlreadyRunning
            The flow is running and ``concurrency`` is ``skip``.
        OutcomeUnknown
            The answer was lost and the execution was not found afterwards.
        """
        if sla:
            self._need("sla_settings", "an SLA of a single execution", "4.0")
        names_jobs = options.get("disabled") or options.get("only") is not None
        limited = [limit.job for limit in sla if limit.job is not None]
        graph = self.flow(project, flow) if names_jobs or limited else None
        fields = execution_fields(graph, options)
        if sla:
            if graph is not None:
                refuse_unknown_jobs([node.id for node in graph.walk()], limited, flow, project)
            fields |= sla_fields(sla, sla_emails, "slaSettings")
        query = {"ajax": "executeFlow", "project": project, "flow": flow, **fields}
        return self._submit(Call("POST", "/executor", form=query, safe=False), project, flow)

    def _submit(self, call: Call, project: str, flow: str) -> int:
        """Send an execution once; where the answer is lost, look whether it was started."""
        before = self._latest(project, flow)
        try:
            data = self._once_filed(
                lambda: self._ask(call, expect=("execid",)),
                AlreadyRunning,
                lambda: all(self.execution(one).finished for one in self._running(project, flow)),
            )
        except OutcomeUnknown as error:
            execid = self._find_submitted(project, flow, before)
            if execid is None:
                raise OutcomeUnknown(
                    f"{error.message}; no new execution of {project}/{flow} was found since: "
                    "look at its history before you start it again",
                    request=error.request,
                    ids=call.about(),
                ) from error
            return execid
        except ServerFault as error:
            self._refuse_missing_flow(project, flow, error)
            raise
        except NotFound as error:
            # Servers say so of a project to those who may not execute its flows; its history,
            # which has just been read, shows that it exists.
            if f"Project '{project}' doesn't exist" not in error.message:
                raise
            raise PermissionDenied(
                f"{self.username or 'this user'} may not execute flows of project {project!r}: its "
                f"administrators can grant that (azk permission add {project} NAME read execute)",
                request=error.request,
                status=error.status,
                ids=call.about(),
            ) from error
        execid = int(data["execid"])
        if execid < 0:  # 4.0 answers so for a locked flow
            words = str(data.get("message") or f"flow {flow!r} was not started")
            raise Refused(words, request=str(call), ids=call.about())
        return execid

    def _latest(self, project: str, flow: str) -> int:
        """Return the id of the flow's newest execution; also tells a missing flow early."""
        page = self.history(project, flow, length=1)
        return page.executions[0].execid if page.executions else -1

    def _find_submitted(self, project: str, flow: str, before: int) -> int | None:
        for pause in (0.5, 1.0, 2.0):
            time.sleep(pause)
            new = [
                item
                for item in self.history(project, flow, length=10).executions
                if item.execid > before and item.user in (self.username, None)
            ]
            if len(new) == 1:
                return new[0].execid
        return None

    def execution(self, execid: int) -> Execution:
        """Return the state of an execution and of its jobs."""
        return Execution.parse(self._execution(execid, "fetchexecflow", _expect=("status",)))

    def changes(self, execid: int, since: datetime | None = None) -> tuple[JobRun, ...]:
        """Return the jobs whose state has changed since a time of the server's clock.

        Notes
        -----
        It returns less about a job than `execution`: its status, times and attempts.
        """
        after = -1 if since is None else int(since.timestamp() * 1000)
        expect = ("status",)
        data = self._execution(execid, "fetchexecflowupdate", lastUpdateTime=after, _expect=expect)
        return runs(data)

    def running(self, project: str, flow: str) -> tuple[int, ...]:
        """List the ids of a flow's running executions.

        Raises
        ------
        NotFound
            There is no such project or flow.
        """
        found = self._running(project, flow)
        if not found:  # so it is of a flow that does not exist, too
            self._refuse_missing_flow(project, flow)
        return found

    def running_all(self, project: str) -> dict[str, tuple[int, ...]]:
        """List the ids of a project's running executions, by flow."""
        return {flow: self._running(project, flow) for flow in self.flows(project)}

    def _running(self, project: str, flow: str) -> tuple[int, ...]:
        data = self._get("/executor", ajax="getRunning", project=project, flow=flow)
        return tuple(data.get("execIds") or ())

    def history(
        self, project: str, flow: str, *, offset: int = 0, length: int = 20
    ) -> ExecutionPage:
        """List executions of a flow, newest first, running ones included.

        Raises
        ------
        NotFound
            There is no such project or flow.
        """
        query = {"flow": flow, "start": offset, "length": length}
        for pause in (0.2, 0.5, 1.0, None):
            try:
                data = self._project(project, "fetchFlowExecutions", **query)
                break
            except ServerFault:  # the server's database is locked for a moment
                if pause is None:
                    raise
                time.sleep(pause)
        if not data["total"]:  # so it is of a flow that does not exist, too
            self._refuse_missing_flow(project, flow)
        return ExecutionPage(
            total=data["total"],
            offset=data["from"],
            executions=tuple(ExecutionSummary.parse(item) for item in data["executions"]),
        )

    def cancel(self, execid: int) -> None:
        """Kill a running execution. Jobs get SIGTERM, and SIGKILL after 30 s."""
        self._execution(execid, "cancelFlow")

    def pause(self, execid: int) -> None:
        """Let the running jobs end and start no more, until `resume`."""
        self._execution(execid, "pauseFlow")

    def resume(self, execid: int) -> None:
        """Resume a paused execution."""
        self._execution(execid, "resumeFlow")

    def retry_failed(self, execid: int) -> None:
        """Rerun the failed jobs of an execution that has not ended yet."""
        self._execution(execid, "retryFailedJobs", _safe=False)

    def cancel_all(self, project: str, flow: str | None = None) -> tuple[int, ...]:
        """Kill all running executions of a project, or of one flow, and return their ids.

        One that ends by itself in the meantime is left out.
        """
        running = {flow: self.running(project, flow)} if flow else self.running_all(project)
        killed = []
        for execid in chain.from_iterable(running.values()):
            try:
                self.cancel(execid)
            except ServerFault:
                raise
            except Refused:
                continue
            killed.append(execid)
        return tuple(killed)

    def last_success(self, project: str, flow: str) -> int | None:
        """Return the id of the flow's latest successful execution, or None."""
        data = self._project(
            project, "fetchLastSuccessfulFlowExecution", flow=flow, _expect=("success",)
        )
        if data["success"] == "true":
            return int(data["execId"])
        self._refuse_missing_flow(project, flow)
        return None

    def execution_options(self, execid: int) -> dict[str, Any]:
        """Return the options that an execution was started with, by the server's names."""
        return self._execution(execid, "flowInfo", _expect=("failureAction",))

    def outputs(self, execid: int) -> dict[str, dict[str, str]] | None:
        """Return the outputs of an execution's jobs and embedded flows, by nested id.

        Azkaban itself does not tell them: a server that set-up installed does. Of any other
        server, the answer is None.
        """
        try:
            data = self._get("/runs", ajax="outputs", execid=execid, _expect=("outputs",))
        except (BadAnswer, Refused):
            self._execution(execid, "fetchexecflow", _expect=("status",))  # or there is none
            return None
        return dict(data["outputs"])

    def retries(self, execids: Iterable[int]) -> dict[int, int]:
        """Return the first executions of those that are retries (``azk retry``, the console).

        Parameters
        ----------
        execids
            Executions. A server that set-up installed is asked once for fifty, others once for
            each.
        """
        asked, found = list(execids), {}
        for begin in range(0, len(asked), _AT_ONCE):
            page = asked[begin : begin + _AT_ONCE]
            told = self._told_retries(page)
            for execid, first in (self._each_retry(page) if told is None else told).items():
                if str(first).isascii() and str(first).isdecimal() and int(first) < int(execid):
                    found[int(execid)] = int(first)
        return found

    def _told_retries(self, execids: Sequence[int]) -> dict[str, Any] | None:
        try:
            numbers = ",".join(map(str, execids))
            data = self._get("/runs", ajax="retries", execids=numbers, _expect=("retries",))
        except (BadAnswer, Refused):
            return None
        return dict(data["retries"])

    def _each_retry(self, execids: Sequence[int]) -> dict[str, Any]:
        found = {}
        for execid in execids:
            try:
                given = self.execution_options(execid).get("flowParam") or {}
            except (BadAnswer, Refused):  # of a project that one may not read, or deleted since
                continue
            if RETRY_OF in given:
                found[str(execid)] = given[RETRY_OF]
        return found

    def job_stats(self, execid: int, job: str) -> list[Any]:
        """Return what a job reported about itself (Hadoop jobs do); empty for others."""
        data = self._once_filed(
            lambda: self._execution(execid, "fetchExecJobStats", jobid=job),
            NotReady,
            lambda: self.execution(execid).finished,
        )
        return list(data.get("jobStats") or ())

    # -- logs -------------------------------------------------------------------------------

    def read_log(
        self,
        execid: int,
        job: str | None = None,
        *,
        offset: int = 0,
        length: int = _CHUNK,
        attempt: int | None = None,
    ) -> LogChunk:
        """Read a piece of the log of a job, or of the flow.

        Parameters
        ----------
        execid, job
            The execution, and the nested id of the job; without it the flow's own log.
        offset, length
            In bytes of the log's UTF-8 form; a piece ends with a whole character and may be
            shorter. At the end of what there is, its length is 0.
        attempt
            Attempt of a job that was retried; the latest by default.

        Raises
        ------
        NotReady
            The job has not started yet, or the execution ended in the last seconds.
        """
        if job is None:
            data = self._execution(execid, "fetchExecFlowLogs", offset=offset, length=length)
        else:
            data = self._execution(
                execid,
                "fetchExecJobLogs",
                jobId=job,
                offset=offset,
                length=length,
                attempt=attempt,
            )
        return chunk(data, offset)

    def log(
        self,
        execid: int,
        job: str | None = None,
        *,
        attempt: int | None = None,
        offset: int = 0,
        patience: float = 15.0,
    ) -> Iterator[str]:
        """Read a log from `offset` to its present end, piece by piece.

        Right after the end of an execution the server cannot give its logs for a second or
        two; this waits for it, up to `patience` seconds.

        Raises
        ------
        NotFound
            There is no such execution, job or attempt.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                piece = self.read_log(execid, job, offset=offset, attempt=attempt)
            except NotReady:
                if time.monotonic() > deadline:
                    raise
                if not self.execution(execid).finished:
                    if job is None:
                        raise
                    return
                time.sleep(0.2)
                continue
            if not piece.length:
                break
            yield piece.text
            offset = piece.end
        if not offset and attempt and job is not None:
            self._refuse_missing_attempt(execid, job, attempt)

    def _refuse_missing_attempt(self, execid: int, job: str, attempt: int) -> None:
        latest = self.execution(execid).job(job).attempt
        if attempt > latest:  # its log is empty for the server
            raise NotFound(
                f"job {job!r} of execution {execid} has no attempt {attempt} "
                f"(its latest: {latest})",
                ids={"execid": str(execid), "jobId": job},
            )

    # -- following --------------------------------------------------------------------------

    def follow(
        self,
        execid: int,
        *,
        logs: bool = True,
        patience: float = 120.0,
        timeout: float | None = None,
    ) -> Iterator[Event]:
        """Follow an execution to its end as a stream of events.

        See `azkaban_client.follow.follow` for what is guaranteed.
        """
        return follow(self, execid, logs=logs, patience=patience, timeout=timeout)

    def wait(
        self, execid: int, *, patience: float = 120.0, timeout: float | None = None
    ) -> Execution:
        """Wait for the end of an execution and return its final state.

        Raises
        ------
        WaitTimeout
            It had not ended after `timeout` seconds.
        """
        for event in self.follow(execid, logs=False, patience=patience, timeout=timeout):
            if isinstance(event, FlowEnded):
                return event.execution
        raise WaitTimeout(f"execution {execid} did not end", ids={"execid": str(execid)})

    def _once_filed(
        self,
        ask: Callable[[], dict[str, Any]],
        refusal: type[AzkabanError],
        ended: Callable[[], bool],
    ) -> dict[str, Any]:
        """Ask, and again where a refusal is only that the server has not filed what has ended.

        For a second or two after its end, 3.x and 4.0 count an execution among those that run.
        """
        deadline = time.monotonic() + _FILING
        while True:
            try:
                return ask()
            except refusal:
                over = False
                with suppress(Refused):  # of an execution that one may not read
                    over = ended()
                if not over or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def _execution(self, execid: int, action: str, **query: Any) -> dict[str, Any]:
        words, ids = f"there is no execution {execid}", {"execid": str(execid)}
        if not 0 <= execid <= _LAST_EXECUTION:
            raise NotFound(words, ids=ids)
        try:
            return self._get("/executor", ajax=action, execid=execid, **query)
        except ServerFault as error:
            if error.message.startswith("Index"):  # 2.5 takes the first of no rows
                raise NotFound(
                    words, request=error.request, status=error.status, ids=ids
                ) from error
            raise
