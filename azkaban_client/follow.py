"""Follow an execution: a stream of typed events, whatever happens in between.

The server has no stream, so this polls. It asks often right after something has happened and
less often the longer nothing does, at most about twice a second in the long run.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from azkaban_client.errors import (
    AzkabanError,
    BadAnswer,
    NetworkError,
    NotReady,
    ServerFault,
    TLSError,
    WaitTimeout,
    WrongAccount,
)
from azkaban_client.models import Execution, JobRun, LogChunk, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Event", "FlowEnded", "JobEnded", "JobStarted", "LogLine", "follow"]

log = logging.getLogger("azkaban_client")

_FASTEST, _SLOWEST = 0.1, 1.0  # seconds between two questions
_LOG_EVERY = 1.5  # seconds between two looks at a log; longer if many jobs run
_RATE, _BURST = 2.0, 30.0  # requests a second in the long run, and how many more at once
_RETRY = 0.2
_FIRST_RETRY = 0.05
_LAST_LINE_GRACE = 3.0
_FIRST_LINE = re.compile(r".* Starting job \S+ ")
_LAST_LINE = re.compile(r"Finishing job \S+ (?:attempt: \d+ )?at \d+ with status [A-Z_]+\s*\Z")
_SHORT = 1 << 19  # a piece of less is all that there was
_OVERLAP = 256  # bytes read twice, to notice that the log's file was replaced
_NO_LOG = {Status.SKIPPED, Status.CANCELLED, Status.DISABLED}
_NOT_YET = {Status.READY, Status.QUEUED, Status.DISABLED}


@dataclass(frozen=True, kw_only=True)
class _Base:
    execution: Execution


@dataclass(frozen=True, kw_only=True)
class JobStarted(_Base):
    """A job has started, or is being tried again (`attempt` > 0)."""

    job: JobRun
    attempt: int = 0


@dataclass(frozen=True, kw_only=True)
class LogLine(_Base):
    """One line of a job's log.

    Attributes
    ----------
    text
        The line without its newline. All `text` + `end` of an attempt, joined, are its log.
    end
        The newline, or nothing after a last line that has none.
    """

    job: JobRun
    attempt: int = 0
    text: str
    end: str = "\n"


@dataclass(frozen=True, kw_only=True)
class JobEnded(_Base):
    """An attempt of a job has ended with `status`; its log lines have come before."""

    job: JobRun
    attempt: int = 0
    status: Status


@dataclass(frozen=True, kw_only=True)
class FlowEnded(_Base):
    """The execution has ended; the last event."""


Event = JobStarted | LogLine | JobEnded | FlowEnded


class _Server(Protocol):
    def execution(self, execid: int) -> Execution: ...

    def read_log(
        self, execid: int, job: str | None = None, *, offset: int = 0, attempt: int | None = None
    ) -> LogChunk: ...


def follow(
    client: _Server,
    execid: int,
    *,
    logs: bool = True,
    patience: float = 120.0,
    timeout: float | None = None,
) -> Iterator[Event]:
    """Follow an execution to its end.

    Parameters
    ----------
    client
        A `azkaban_client.Client`.
    execid
        The execution; it may have ended already.
    logs
        Also give the lines of all jobs' logs. No byte is lost or repeated.
    patience
        Seconds to go on trying while the server cannot be reached or sends garbage: a restart,
        a lost network. An expired session is renewed by the client.
    timeout
        Seconds after which to give up waiting, by this machine's clock.

    Yields
    ------
    Event
        `JobStarted`, `LogLine` and `JobEnded` of each attempt, in this order, then `FlowEnded`.
        Each carries the state of the execution as it was known then.

    Raises
    ------
    WaitTimeout
        After `timeout` seconds; the execution continues.
    AzkabanError
        A failure of the server that lasted longer than `patience`.
    """
    yield from _Follower(client, execid, logs=logs, patience=patience, timeout=timeout).events()


@dataclass
class _Tail:
    """How far the log of one attempt has been read, and what is left of an unfinished line."""

    job: JobRun
    attempt: int
    ran: bool
    ended: Status | None
    offset: int = 0
    overlap: bytes = b""
    rest: str = ""
    last: str = ""
    ended_at: float = 0.0
    announced: bool = False
    next_read: float = 0.0
    rotated: bool = False
    closed: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return self.job.id, self.attempt


def _attempts(job: JobRun) -> Iterator[tuple[_Tail, float]]:
    """Yield the attempts of a job that have started or ended, with the times of their starts."""
    for past in job.past:
        when = past.start.timestamp() if past.start else 0.0
        yield _Tail(job, past.number, ran=True, ended=past.status), when
    if not job.status.final and (job.start is None or job.status in _NOT_YET):
        return
    ran = job.start is not None and job.status not in _NO_LOG
    when = job.start.timestamp() if job.start else 0.0
    ended = job.status if job.status.final else None
    yield _Tail(job, job.attempt, ran=ran, ended=ended), when


def _complete(tail: _Tail) -> bool:
    """Tell whether a log has been read up to the line that the executor writes last."""
    return bool(_LAST_LINE.search(tail.last)) and not tail.rest and not tail.rotated


def _whole(data: bytes) -> bytes:
    """Drop the rest of a cut character at the start of UTF-8 text."""
    start = next((i for i, byte in enumerate(data) if byte & 0xC0 != 0x80), len(data))
    return data[start:]


@dataclass
class _Follower:
    client: _Server
    execid: int
    logs: bool
    patience: float
    timeout: float | None
    tails: dict[tuple[str, int], _Tail] = field(default_factory=dict)
    ready: deque[Event] = field(default_factory=deque)
    failing_since: float | None = None
    changed: float = 0.0
    allowance: float = _BURST
    refilled: float = 0.0
    deadline: float | None = None

    def events(self) -> Iterator[Event]:
        self.changed = self.refilled = now = time.monotonic()
        self.deadline = None if self.timeout is None else now + self.timeout
        seen: Execution | None = None
        while True:
            state = self._try_state()
            if state is None:
                continue
            if state != seen:
                self.changed, seen = time.monotonic(), state
            complete = self._note(state)
            self._read_logs(state)
            yield from self._drain()
            if state.finished:
                break
            self._pause(self._delay(urgent=not complete))
        yield from self._finish(state)
        yield FlowEnded(execution=state)

    def _finish(self, state: Execution) -> Iterator[Event]:
        """Read the logs to their ends, waiting while the server cannot supply them.

        A flow that was killed just after its start can be over for the server while a job of it
        still runs; no more is heard of such a job.
        """
        while not self._note(state, final=True):
            yield from self._drain()
            self._wait_for_more()
        for tail in self.tails.values():
            if tail.ended is None:
                tail.ended, tail.ended_at = tail.job.status, time.monotonic()
                if not self.logs:
                    self._close(state, tail)
        yield from self._drain()
        while any(not tail.closed for tail in self.tails.values()):
            self._read_logs(state, final=True)
            yield from self._drain()
            if any(not tail.closed for tail in self.tails.values()):
                self._wait_for_more()

    def _wait_for_more(self) -> None:
        """Wait a little, unless a failure has made it wait already."""
        if self.failing_since is None:
            self._pause(_RETRY)

    def _drain(self) -> Iterator[Event]:
        while self.ready:
            yield self.ready.popleft()

    # -- state ------------------------------------------------------------------------------

    def _try_state(self) -> Execution | None:
        self._spend()
        try:
            state = self.client.execution(self.execid)
        except (NetworkError, BadAnswer, ServerFault) as error:
            self._bear(error)
            return None
        self.failing_since = None
        return state

    def _bear(self, error: AzkabanError) -> None:
        """Wait after a failure that may be temporary; raise it if it has lasted too long."""
        now = time.monotonic()
        self.failing_since = self.failing_since or now
        if isinstance(error, (TLSError, WrongAccount)) or now - self.failing_since > self.patience:
            raise error
        self._pause(min(2.0, _FIRST_RETRY + (now - self.failing_since) / 5))

    def _note(self, state: Execution, *, final: bool = False) -> bool:
        """Note which attempts have started or ended; return False while one waits for its log.

        Ends come first, then what is new in the order of its start, each with its log if it has
        ended too. While an ended attempt waits for the rest of its log, what comes after it waits
        as well: a job ends before one that waited for it starts.
        """
        found = [one for job in state.walk() if not job.jobs for one in _attempts(job)]
        found.sort(key=lambda one: (one[0].key not in self.tails, one[1]))
        for new, _ in found:
            tail = self.tails.setdefault(new.key, new)
            if tail is new and tail.ran:
                self.ready.append(JobStarted(execution=state, job=tail.job, attempt=tail.attempt))
            tail.job = new.job
            if new.ended is not None and not tail.ended_at:
                tail.ended, tail.ended_at = new.ended, time.monotonic()
            if tail.ended is None or tail.announced:
                continue
            if not self.logs or not tail.ran:
                self._close(state, tail)
            else:
                self._read_tail(state, tail, final=final)
            if not tail.announced:
                return False
        return True

    def _announce(self, state: Execution, tail: _Tail) -> None:
        if tail.ended is not None and not tail.announced:
            tail.announced = True
            self.ready.append(
                JobEnded(execution=state, job=tail.job, attempt=tail.attempt, status=tail.ended)
            )

    def _close(self, state: Execution, tail: _Tail) -> None:
        if tail.rest:
            self._line(state, tail, tail.rest, "")
            tail.rest = ""
        tail.closed = True
        self._announce(state, tail)

    # -- logs -------------------------------------------------------------------------------

    def _read_logs(self, state: Execution, *, final: bool = False) -> None:
        if not self.logs:
            return
        for tail in list(self.tails.values()):
            if tail.closed or (tail.ended is None and time.monotonic() < tail.next_read):
                continue
            self._read_tail(state, tail, final=final)

    def _read_tail(self, state: Execution, tail: _Tail, *, final: bool) -> None:
        """Read one attempt's log to its present end, and close it if that is the last."""
        while final or not tail.rotated:
            self._spend()
            try:
                piece = self._piece(tail)
            except NotReady as error:
                # Not there yet, or on its way from the executor to the database.
                if final:
                    self._bear(error)
                return
            except (NetworkError, BadAnswer, ServerFault) as error:
                self._bear(error)
                return
            self.failing_since = None
            if not (tail.offset or final or _FIRST_LINE.match(piece.text if piece else "")):
                # Its first lines have gone to another file already, or there are none yet.
                tail.rotated = bool(piece and piece.text)
                break
            if piece is None:
                if final:
                    self._resynchronise(tail)
                continue
            if not piece.length:
                break
            self._take(state, tail, piece)
            if piece.length < _SHORT and (tail.ended is None or _complete(tail)):
                break  # what else a job that runs may print comes with the next look
        # With a look at the state each second, and all logs together one more: _RATE.
        running = sum(not one.closed for one in self.tails.values())
        tail.next_read = time.monotonic() + max(_LOG_EVERY, 2 * running / _RATE)
        self._maybe_close(state, tail, final=final)

    def _piece(self, tail: _Tail) -> LogChunk | None:
        """Read on, with an overlap of some bytes; None if these differ from those read before.

        While a job runs, its log is a file that log4j replaces when it has reached its limit
        (5 MB by default), so that the same offset means other bytes. The whole log comes back
        when the execution ends. Reading a few bytes twice reveals this.
        """
        piece = self.client.read_log(
            self.execid,
            tail.job.id,
            offset=tail.offset - len(tail.overlap),
            attempt=tail.attempt,
        )
        if not tail.overlap or not piece.length:
            return piece
        data = piece.text.encode("utf-8", "surrogatepass")
        if not data.startswith(tail.overlap):
            tail.rotated = True
            return None
        fresh = data[len(tail.overlap) :]
        return LogChunk(
            offset=tail.offset,
            length=piece.end - tail.offset,
            text=fresh.decode("utf-8", "surrogatepass"),
        )

    def _resynchronise(self, tail: _Tail) -> None:
        """Find where reading stopped, in a log whose oldest part the server dropped."""
        offset, before = 0, b""
        while (piece := self._raw(tail, offset)).length:
            data = before + piece.text.encode("utf-8", "surrogatepass")
            found = data.find(tail.overlap)
            if found >= 0:
                tail.offset = piece.end - len(data) + found + len(tail.overlap)
                return
            before, offset = data[-len(tail.overlap) :], piece.end
        log.warning(
            "execution %d: the server has dropped a part of the log of %s", self.execid, tail.job.id
        )
        tail.offset, tail.overlap = 0, b""

    def _raw(self, tail: _Tail, offset: int) -> LogChunk:
        return self.client.read_log(self.execid, tail.job.id, offset=offset, attempt=tail.attempt)

    def _maybe_close(self, state: Execution, tail: _Tail, *, final: bool) -> None:
        """Close an ended attempt once its last line has come, or no more can be expected."""
        if tail.ended is None:
            return
        late = time.monotonic() - tail.ended_at > _LAST_LINE_GRACE
        if _complete(tail) or (final and (late or tail.rotated)):
            self._close(state, tail)
        elif late:
            self._announce(state, tail)

    def _take(self, state: Execution, tail: _Tail, piece: LogChunk) -> None:
        tail.offset = piece.end
        data = tail.overlap + piece.text[-_OVERLAP:].encode("utf-8", "surrogatepass")
        exact = len(piece.text.encode("utf-8", "surrogatepass")) == piece.length
        tail.overlap = _whole(data[-_OVERLAP:]) if exact else b""
        *lines, tail.rest = (tail.rest + piece.text).split("\n")
        for line in lines:
            self._line(state, tail, line, "\n")

    def _line(self, state: Execution, tail: _Tail, text: str, end: str) -> None:
        tail.last = text
        self.ready.append(
            LogLine(execution=state, job=tail.job, attempt=tail.attempt, text=text, end=end)
        )

    # -- pace -------------------------------------------------------------------------------

    def _spend(self) -> None:
        """Count one request; unused requests can be made later, up to a limit."""
        now = time.monotonic()
        self.allowance = min(_BURST, self.allowance + (now - self.refilled) * _RATE) - 1
        self.refilled = now

    def _delay(self, *, urgent: bool = False) -> float:
        quiet = 0.0 if urgent else time.monotonic() - self.changed
        wanted = min(_SLOWEST, max(_FASTEST, quiet / 8))
        return max(wanted, min(_SLOWEST, (1 - self.allowance) / _RATE))

    def _pause(self, seconds: float) -> None:
        if self.deadline is not None and time.monotonic() + seconds > self.deadline:
            remaining = self.deadline - time.monotonic()
            if remaining > 0:
                time.sleep(remaining)
            raise WaitTimeout(
                f"execution {self.execid} has not ended after {self.timeout:g} s; it goes on",
                ids={"execid": str(self.execid)},
            )
        time.sleep(seconds)
