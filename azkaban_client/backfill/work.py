"""Start the runs that are due, a few at a time, and watch them to their ends."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from azkaban_client.backfill.dates import fill
from azkaban_client.backfill.ledger import Entry
from azkaban_client.errors import (
    BadAnswer,
    NetworkError,
    NotFound,
    OutcomeUnknown,
    ServerFault,
    TLSError,
    WrongAccount,
)
from azkaban_client.history import IN_FLIGHT, LOGICAL_DATE, executions, find_start, started_with
from azkaban_client.models import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from azkaban_client.backfill.ledger import Ledger
    from azkaban_client.client import Client
    from azkaban_client.errors import AzkabanError
    from azkaban_client.options import ExecutionOptions

__all__ = ["Plan", "Worker", "plan", "succeeded_dates"]

_PATIENCE = 120.0  # seconds without a server, as those who follow an execution have it


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes
    ----------
    project, flow
        The flow.
    entries
        One for each logical date, in the order in which they are started.
    options
        Options of each execution, but for its properties.
    """

    project: str
    flow: str
    entries: Sequence[Entry]
    options: ExecutionOptions


def plan(
    project: str,
    flow: str,
    dates: Iterable[tuple[datetime, datetime]],
    options: ExecutionOptions,
) -> Plan:
    """Make the plan of a backfill.

    Parameters
    ----------
    project, flow
        The flow.
    dates
        Each logical date with the next one.
    options
        Those of each execution; its properties are templates.

    Raises
    ------
    ValueError
        A property is named ``logical.date``, which is given by the backfill itself.
    """
    templates: Mapping[str, str] = options.get("properties") or {}
    if LOGICAL_DATE in templates:
        raise ValueError(f"{LOGICAL_DATE}: each run of a backfill gets its own; leave it out")
    rest: ExecutionOptions = {**options, "concurrency": "concurrent"}
    rest.pop("properties", None)
    told = json.dumps(rest, sort_keys=True, default=list)
    entries = []
    for date, end in dates:
        properties = {name: fill(text, date, end) for name, text in templates.items()}
        entries.append(Entry(date.isoformat(), properties, told))
    return Plan(project, flow, entries, rest)


class Worker:
    """Runs a plan.

    Parameters
    ----------
    client
        Connected to the server.
    ledger
        Ledger of the flow; nobody else writes it meanwhile (`Ledger.alone`).
    plan
        Its entries become those that the ledger has.
    concurrent
        At most so many run at once.
    stop_after
        Start nothing new after so many failures.
    poll
        Seconds between two looks at what runs.
    """

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        plan: Plan,
        *,
        concurrent: int = 1,
        stop_after: int | None = None,
        poll: float = 2.0,
    ) -> None:
        self.client, self.ledger, self.plan = client, ledger, plan
        self.concurrent, self.stop_after, self.poll = concurrent, stop_after, poll
        self.entries: list[Entry] = []
        self.failures = 0
        self._lost_since: float | None = None

    def prepare(
        self, *, failed: bool = False, succeeded: bool = False, elsewhere: bool = True
    ) -> None:
        """Read what earlier calls did.

        Parameters
        ----------
        failed, succeeded
            Make what has ended so due once more.
        elsewhere
            Also run for dates for which a run with other properties has succeeded, or one that
            another ledger knows.
        """
        self.entries = [self.ledger.take(entry) for entry in self.plan.entries]
        if not elsewhere:
            done = succeeded_dates(self.client, self.plan.project, self.plan.flow)
            done |= {one.date for one in self.ledger.entries.values() if one.succeeded}
            self.entries = [one for one in self.entries if one.executions or one.date not in done]
        for entry in self.entries:
            if (failed and entry.failed) or (succeeded and entry.succeeded):
                entry.again()

    @property
    def stopped(self) -> bool:
        """Whether there were too many failures to go on."""
        return self.stop_after is not None and self.failures >= self.stop_after

    def run(self) -> Iterator[Entry]:
        """Start the runs that are due and watch them, until none is left.

        Yields
        ------
        Entry
            Each time one has changed. It is on disk by then.

        Raises
        ------
        NetworkError
            The server cannot be reached for two minutes. Executions go on; so does the backfill
            when it is run again.
        """
        yield from self._find_starting()
        while True:
            yield from self._start()
            running = [entry for entry in self.entries if entry.state == "running"]
            if not running and self._lost_since is None:
                return
            yield from self._look(running)
            if all(entry.state == "running" for entry in running):
                time.sleep(self.poll)

    def _find_starting(self) -> Iterator[Entry]:
        """Find the executions whose start an interruption left without an answer."""
        since = None
        for entry in self.entries:
            if entry.state != "starting":
                continue
            while (execid := self._started(entry)) is None:
                since = since or time.monotonic()  # from the server's first answer on
                if time.monotonic() - since > IN_FLIGHT:
                    break
                time.sleep(self.poll)
            self._keep(entry, execid)
            yield entry

    def _keep(self, entry: Entry, execid: int | None) -> None:
        if execid is None:
            entry.again()
        else:
            entry.state = "running"
            entry.executions.append(execid)
        self.ledger.save()

    def _started(self, entry: Entry) -> int | None:
        """Look in the flow's history for the execution of an entry."""
        project, flow = self.plan.project, self.plan.flow
        return find_start(
            self.client, project, flow, LOGICAL_DATE, entry.date, after=entry.after, most=None
        )

    def _start(self) -> Iterator[Entry]:
        for entry in self.entries:
            running = sum(one.state == "running" for one in self.entries)
            if self.stopped or running >= self.concurrent:
                return
            if entry.state != "due":
                continue
            project, flow = self.plan.project, self.plan.flow
            try:
                latest = self.client.history(project, flow, length=1).executions
            except (NetworkError, ServerFault, BadAnswer) as error:
                self._bear(error)
                return
            self._lost_since = None
            entry.after = latest[0].execid if latest else -1
            entry.state = "starting"
            self.ledger.save()  # before the start: see _find_starting
            properties = {**entry.properties, LOGICAL_DATE: entry.date}
            options: ExecutionOptions = {**self.plan.options, "properties": properties}
            try:
                execid: int | None = self.client.execute(project, flow, **options)
            except (OutcomeUnknown, ServerFault, BadAnswer):
                execid = self._started(entry)
                if execid is None:
                    raise  # it stays "starting": the next call looks again
            except BaseException as error:
                if not isinstance(error, (KeyboardInterrupt, SystemExit)):
                    self._keep(entry, None)  # the server said no, or never heard of it
                raise
            self._keep(entry, execid)
            yield entry

    def _look(self, running: Sequence[Entry]) -> Iterator[Entry]:
        for entry in running:
            try:
                execution = self.client.execution(entry.executions[-1])
            except NotFound:
                entry.state, entry.status = "ended", "LOST"  # with the server's database
            except (NetworkError, ServerFault, BadAnswer) as error:
                self._bear(error)
                return
            else:
                self._lost_since = None
                if not execution.finished:
                    continue
                entry.state, entry.status = "ended", execution.status.value
            self.failures += entry.failed
            self.ledger.save()
            yield entry

    def _bear(self, error: AzkabanError) -> None:
        """Raise an error of the connection that waiting does not resolve."""
        now = time.monotonic()
        if self._lost_since is None:
            self._lost_since = now
        if isinstance(error, (TLSError, WrongAccount)) or now - self._lost_since > _PATIENCE:
            raise error


def succeeded_dates(client: Client, project: str, flow: str, *, most: int = 1_000) -> set[str]:
    """Return the logical dates for which an execution on the server has succeeded.

    Parameters
    ----------
    client
        Connected to the server.
    project, flow
        The flow.
    most
        How many executions of its history are looked at, the newest first: one request each.
    """
    dates = (
        started_with(client, one.execid, LOGICAL_DATE)
        for one in islice(executions(client, project, flow), most)
        if one.status is Status.SUCCEEDED
    )
    return {date for date in dates if date}
