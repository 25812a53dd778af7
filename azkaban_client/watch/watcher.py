"""The rounds of a watch: look at every flow, write down what happened, tell it."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from azkaban_client import joblog
from azkaban_client.errors import (
    AuthenticationError,
    AzkabanError,
    BadAnswer,
    NetworkError,
    Refused,
    ServerFault,
)
from azkaban_client.history import TRIGGER, find_start
from azkaban_client.watch.journal import Pending
from azkaban_client.watch.look import Event, Scope, arrived, is_late, look
from azkaban_client.watch.tell import Undelivered, headline, message, printable, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import tzinfo

    from azkaban_client.client import Client
    from azkaban_client.schedules.scheduler import Scheduler
    from azkaban_client.watch.journal import Journal
    from azkaban_client.watch.metrics import Metrics
    from azkaban_client.watch.rules import Channel, MetricsRule, Rule, Rules

__all__ = ["Watcher"]

_RUN = "run "
_GIVEN_UP = "given-up"
_FLOWS_EVERY = 300.0  # seconds after which new projects and flows are found
_LISTED = 50  # projects whose flows are listed anew at a time
_TICK = 1.0  # seconds between two looks at the schedules
_RATE = 1.5  # requests a second at most, on the average of a round
_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 900.0  # seconds until an undelivered message is tried again
_KEPT = 2 * 86_400.0  # seconds after which it is given up
_FORGET_EVERY = 3600.0  # seconds between two looks for files that are gone
_MOST_ABOUT = 50  # messages that were given up and are named


class Watcher:
    """Watches a server by rules.

    Parameters
    ----------
    client
        Connected to the server.
    rules
        Who is told of what.
    journal
        What is known and still has to be told; nobody else writes it meanwhile.
    say
        Takes a line for the person who looks on.
    zone
        Time zone of the server's times; this machine's by default.
    metrics
        Where what is seen is counted.
    scheduler
        Starts the runs of the schedules that no server keeps.
    """

    def __init__(
        self,
        client: Client,
        rules: Rules,
        journal: Journal,
        say: Callable[[str], object],
        *,
        zone: tzinfo | None = None,
        metrics: Metrics | None = None,
        scheduler: Scheduler | None = None,
    ) -> None:
        self.client, self.rules, self.journal, self.say = client, rules, journal, say
        self.zone, self.metrics, self.scheduler = zone, metrics, scheduler
        self._flows: list[tuple[str, str]] = []
        self._flows_at = float("-inf")
        self._flows_by: dict[str, tuple[str, ...]] = {}
        self._known_now: set[str] = set()  # projects whose flows are not asked for this time
        self._listed: datetime | None = None  # when these were all the flows that there were
        self._lost_since: float | None = None
        self._said: set[str] = set()
        self._counted = 0  # requests that the metrics have
        self._forgot_at = float("-inf")
        self._covering: list[Rule | MetricsRule] = [*rules.rules]
        if rules.metrics is not None:
            self._covering.append(rules.metrics)

    def run(self) -> None:
        """Make rounds until interrupted, whatever fails in one of them."""
        while True:
            begin = time.monotonic()
            self._survive(self.round)
            self._survive(self.deliver)
            end = begin + self.rules.every.total_seconds()
            self._pause(max(1.0, end - time.monotonic()))

    def _survive(self, what: Callable[[], object]) -> None:
        try:
            what()
        except AzkabanError:
            raise
        except OSError as error:  # a full disk; what is known in memory is written later
            self._say_once(f"what happened cannot be written down, tried again: {error}")
        except Exception as error:  # noqa: BLE001 (schedules and messages of others hang on it)
            self._say_once(f"a fault of azk watch, which goes on: {error!r}")

    def start_due(self) -> None:
        """Start the runs of schedules that are due, and write down those that were missed."""
        if self.scheduler is None:
            return
        try:
            if missed := self.scheduler.tick():
                self._note(
                    Event("missed", entry.project, entry.flow, due=lost.date)
                    for entry, lost in missed
                )
                self.scheduler.mark_told(missed)
        except AzkabanError:
            raise
        except Exception as error:  # noqa: BLE001 (a full disk, say; it is looked for again)
            self._say_once(
                f"schedules wait: {error if isinstance(error, OSError) else repr(error)}"
            )

    def _pause(self, seconds: float) -> None:
        """Sleep, and start the runs that become due meanwhile."""
        end = time.monotonic() + seconds
        while True:
            self.start_due()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _TICK))

    def round(self) -> None:
        """Look at every flow once; what happened is in the journal afterwards."""
        whole = True
        try:
            for project, flow in self._watched():
                begin, before = time.monotonic(), self.client.requests_made
                try:
                    self._look(project, flow)
                except ServerFault as error:
                    self.client.projects()  # raises, too, if more than this flow is at fault
                    self._say_once(f"{project}/{flow} cannot be looked at: {error.message}")
                    whole = False
                except (AzkabanError, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 (it hides no other flow)
                    self._say_once(f"{project}/{flow} cannot be looked at: {error!r}")
                    whole = False
                self._measure(project, flow)
                spent = self.client.requests_made - before
                if spent:
                    self._pause(max(0.0, spent / _RATE - (time.monotonic() - begin)))
        except (NetworkError, ServerFault, BadAnswer, AuthenticationError) as error:
            self._lost(error)
            return
        if whole and self._listed and self._listed > self.journal.since:
            self.journal.since = self._listed  # of flows that are found from now on
            self.journal.save()
        self._look_for_files()
        self._lost_since = None
        if self.metrics is not None:
            self.metrics.seen(whole=whole)
            self.metrics.forget(set(self._flows))
        if self.journal.down:
            self.journal.down = False
            self._note([Event("server-up", due=_now())])

    def _measures(self, project: str, flow: str) -> bool:
        return self.rules.metrics is not None and self.rules.metrics.covers(project, flow)

    def _measure(self, project: str, flow: str) -> None:
        if self.metrics is None:
            return
        if seen := self.journal.flows.get(f"{project}/{flow}"):
            self.metrics.tell((project, flow), seen, late=is_late(seen, self.zone))
        self.metrics.pending.set(len(self.journal.pending))
        self.metrics.requests.inc(self.client.requests_made - self._counted)
        self._counted = self.client.requests_made

    def _watched(self) -> Iterable[tuple[str, str]]:
        if time.monotonic() - self._flows_at < _FLOWS_EVERY:
            return self._flows
        listed = datetime.now(UTC)
        self._known_now = set(list(self._flows_by)[_LISTED:])
        projects = [
            project.name for project in self.client.projects() if self._covers(project.name)
        ]
        found = [
            (project, flow)
            for project in projects
            for flow in self._flows_of(project)
            if self._covers(project, flow)
        ]
        self._flows, self._flows_at, self._listed = found, time.monotonic(), listed
        return found

    def _covers(self, project: str, flow: str | None = None) -> bool:
        """Tell whether a rule or a schedule is about a project, or a flow of it."""
        return self._keeps(project, flow) or any(
            one.covers_project(project) if flow is None else one.covers(project, flow)
            for one in self._covering
        )

    def _keeps(self, project: str, flow: str | None) -> bool:
        """Tell whether the server keeps a schedule that was made here."""
        return self.scheduler is not None and self.scheduler.of_server(project, flow)

    def _flows_of(self, project: str) -> tuple[str, ...]:
        """List the flows of a project; of many projects a part is asked for each time, in turn."""
        if project in self._known_now:
            return self._flows_by[project]
        try:
            found = self.client.flows(project)
        except ServerFault:
            raise
        except Refused as error:  # servers list projects that one may not read; or it is gone
            self._say_once(f"{project} cannot be watched: {error.message}")
            found = ()
        self._flows_by.pop(project, None)  # the one that was asked for last is the last
        self._flows_by[project] = found
        return found

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.say(line)

    def _look(self, project: str, flow: str) -> None:
        name = f"{project}/{flow}"
        rules = [rule for rule in self.rules.rules if rule.covers(project, flow)]
        scope = Scope(
            since=self.journal.since,
            limits=tuple({rule.limit for rule in rules if rule.limit}),
            schedule=any("missed" in rule.on for rule in rules)
            or self._measures(project, flow)
            or self._keeps(project, flow),
            zone=self.zone,
        )
        try:
            events, seen = look(self.client, project, flow, self.journal.flows.get(name), scope)
        except (NetworkError, ServerFault):
            raise
        except Refused:  # deleted, or no longer ours to read
            if before := self.journal.flows.get(name):  # it may come back
                self.journal.flows[name] = replace(before, due=None)
            self._flows_at = float("-inf")
            self._flows_by.pop(project, None)
            return
        if self.scheduler is not None:
            for one in events:
                if one.kind == "missed":
                    self.scheduler.missed_by_server(project, flow, one.due)
        if seen != self.journal.flows.get(name) or events:
            self.journal.flows[name] = seen
            self._note(events)

    def _look_for_files(self) -> None:
        if time.monotonic() - self._forgot_at > _FORGET_EVERY:
            self._forgot_at = time.monotonic()
            self.journal.forget_files(time.time())
        for rule in self.rules.rules:
            if rule.file:
                for name, state in arrived(rule.file, rule.quiet_for, self.journal.files):
                    self.journal.files[name] = state
                    # Bytes that are no UTF-8 are written as \xf6: no message could hold them.
                    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
                    self._note([Event("arrived", file=shown, due=state)])

    def _lost(self, error: AzkabanError) -> None:
        now = time.monotonic()
        if self.metrics is not None:
            self.metrics.lost(answers=isinstance(error, ServerFault))
        if self._lost_since is None:
            self._lost_since = now
        gone = now - self._lost_since >= self.rules.down_after.total_seconds()
        if gone and not self.journal.down:
            self.journal.down = True
            self.say(f"the server does not answer: {error.message}")
            self._note([Event("server-down", due=_now())])

    def _note(self, events: Iterable[Event]) -> None:
        """Save what is to be reported together with what is known."""
        for event in events:
            if self.metrics is not None:
                self.metrics.count(event)
            channels = self._channels_of(event)
            if channels:
                self.say(_line(event))
            for channel, lines in channels.items():
                self._put(channel, event, lines)
        self.journal.save()

    def _put(self, channel: str, event: Event, lines: int = 0) -> None:
        content = {**event.plain(), "log_lines": lines}
        identity = hashlib.sha256(f"{event.id}:{channel}".encode()).hexdigest()[:24]
        self.journal.pending.append(Pending(identity, channel, content))

    def _channels_of(self, event: Event) -> dict[str, int]:
        """Return the channels that get an event, each with the number of log lines.

        A flow that is to be started is a channel as well.
        """
        found: dict[str, int] = {}
        kind = "server-down" if event.kind == "server-up" else event.kind
        for rule in self.rules.rules:
            if kind not in rule.on or (event.flow and not rule.covers(event.project, event.flow)):
                continue
            if event.file and not _matches(event.file, rule.file):
                continue
            if kind == "long" and event.due != str(rule.limit):
                continue
            if rule.run and event.kind != "server-up":
                found[f"{_RUN}{rule.run}"] = 0
            for channel in rule.tell:
                lines = 0 if self._is_lineage(channel) else rule.log_lines
                found[channel] = max(found.get(channel, 0), lines)
        return found

    def deliver(self) -> None:
        """Send what is pending, each channel's in one message, as far as it can be sent now."""
        for name in dict.fromkeys(one.channel for one in self.journal.pending):
            channel = self.rules.channels.get(name)
            mine = [one for one in self.journal.pending if one.channel == name]
            if name.startswith(_RUN):
                self._start(name.removeprefix(_RUN), mine)
                continue
            if channel is None:  # it is no longer in the file
                self._drop(mine)
                continue
            now = time.time()
            due = [one for one in mine if one.after <= now]
            if due and not is_quiet(channel, datetime.now().astimezone()):
                # Of lineage each event is a message, in their order.
                parts = [[one] for one in due] if self._is_lineage(name) else [due]
                for part in parts:
                    if not self._send(channel, part):
                        break

    def _is_lineage(self, name: str) -> bool:
        channel = self.rules.channels.get(name)
        return channel is not None and channel.format == "openlineage"

    def _send(self, channel: Channel, due: list[Pending]) -> bool:
        events = [self._with_logs(one.event) for one in due]
        identity = due[0].id if len(due) == 1 else f"{due[0].id}-{len(due)}"
        try:
            send(channel, message(self.client.url, events, identity))
        except Exception as error:  # noqa: BLE001 (one message keeps back no other)
            why = error.message if isinstance(error, Undelivered) else repr(error)
            if len(due) > 1 and not isinstance(error, Undelivered):  # one of them is at fault
                sent = [self._send(channel, [one]) for one in due]
                return all(sent)
            self.say(f"not told, tried again later: {why}")
            for one in due:
                one.tries += 1
            self._later(due)
            return False
        self._drop(due)
        return True

    def _start(self, target: str, due: list[Pending]) -> None:
        """Start a flow once for each event, with the event as a property."""
        project, _, flow = target.partition("/")
        for one in due:
            if one.after > time.time():
                continue
            try:
                if not (one.tries and self._was_started(project, flow, one.id)):
                    one.tries += 1
                    self.journal.save()  # so that a crash from here on is seen above
                    properties = {TRIGGER: one.id, f"{TRIGGER}.file": str(one.event["file"])}
                    if one.event["execid"] is not None:
                        properties[f"{TRIGGER}.execution"] = str(one.event["execid"])
                    execid = self.client.execute(
                        project, flow, properties=properties, concurrency="concurrent"
                    )
                    self.say(f"started {target} as execution {execid}")
            except Exception as error:  # noqa: BLE001 (one start keeps back no other)
                why = error.message if isinstance(error, AzkabanError) else repr(error)
                self.say(f"not started, tried again later: {target}: {why}")
                self._later([one])
                continue
            self._drop([one])

    def _was_started(self, project: str, flow: str, identity: str) -> bool:
        """Tell whether a start whose answer was lost has happened."""
        return find_start(self.client, project, flow, TRIGGER, identity) is not None

    def _later(self, due: list[Pending]) -> None:
        for one in due:
            pause = min(_FIRST_PAUSE * 2 ** max(one.tries - 1, 0), _LONGEST_PAUSE)
            one.after = time.time() + pause
        self._give_up([one for one in due if one.tries * _LONGEST_PAUSE > _KEPT])

    def _give_up(self, lost: list[Pending]) -> None:
        """Drop what could not be delivered, and report the loss as soon as that is possible."""
        lines: dict[str, list[str]] = {}
        for one in lost:
            if one.event["kind"] != _GIVEN_UP:
                line = headline(one.event)
                target = one.channel.removeprefix(_RUN)
                self.say(f"given up: {line} ({one.channel})")
                if target == one.channel:
                    lines.setdefault(one.channel, []).append(line)
                    continue
                channels = {
                    name for rule in self.rules.rules if rule.run == target for name in rule.tell
                }
                for channel in channels:
                    lines.setdefault(channel, []).append(f"{target} was not started: {line}")
        self._drop([one for one in lost if one.event["kind"] != _GIVEN_UP])
        for channel, about in lines.items():
            if channel not in self.rules.channels or self._is_lineage(channel):
                continue
            earlier = [
                one
                for one in self.journal.pending
                if one.channel == channel and one.event["kind"] == _GIVEN_UP
            ]
            before = [line for one in earlier for line in one.event["about"]]
            self._drop(earlier)
            all_lines = (*before, *about)[-_MOST_ABOUT:]
            self._put(channel, Event(_GIVEN_UP, due=_now(), about=all_lines))
            if earlier:
                self.journal.pending[-1].after = earlier[0].after
                self.journal.pending[-1].tries = earlier[0].tries
        self.journal.save()

    def _drop(self, done: list[Pending]) -> None:
        self.journal.pending = [one for one in self.journal.pending if one not in done]
        self.journal.save()

    def _with_logs(self, event: dict[str, object]) -> dict[str, object]:
        """Add the ends of the logs of the jobs that failed, if the server has them."""
        content = {key: value for key, value in event.items() if key != "log_lines"}
        lines = event.get("log_lines")
        if event["kind"] == "failed" and isinstance(lines, int) and lines:
            try:
                execution = self.client.execution(int(str(event["execid"])))
                content["logs"] = joblog.tails(self.client, execution, lines)
            except AzkabanError:
                content["logs"] = []  # better without than not at all
        return content


def _line(event: Event) -> str:
    execid = "" if event.execid is None else f" (execution {event.execid})"
    flow = f" {event.project}/{event.flow}" if event.flow else ""
    return printable(f"{event.kind}{flow or (event.file and f' {event.file}')}{execid}")


def _matches(file: str, pattern: str) -> bool:
    """Tell whether a pattern of the shell means a file: its ``*`` stays within a folder."""
    return fnmatchcase(file, pattern) and file.count("/") == pattern.count("/")


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")


def is_quiet(channel: Channel, now: datetime) -> bool:
    """Tell whether a channel must not be used at a time."""
    if (hours := channel.quiet_hours) is None:
        return False
    begin, end = hours
    clock = now.time()
    return begin <= clock < end if begin <= end else clock >= begin or clock < end
