"""Following: every byte once, in order, through every fault that passes."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import pytest

from azkaban_client import Execution, JobRun, Status, errors
from azkaban_client._executions import _CHUNK
from azkaban_client.follow import FlowEnded, JobEnded, JobStarted, LogLine, follow
from azkaban_client.models import LogChunk

END = b"22-11-2026 06:09:10 PST a INFO - Finishing job a at 1795356550238 with status SUCCEEDED\n"
START = b"22-11-2026 06:09:08 PST a INFO - Starting job a at 1795356548224\n"
LOG = START + "".join(f"line {i}: häßlich 😀 <b>&amp;</b>\n" for i in range(300)).encode() + END

BEGUN = datetime(2026, 11, 22, tzinfo=UTC)
NAMES = ("_FASTEST", "_SLOWEST", "_LOG_EVERY", "_RATE")
PACE = {name: getattr(sys.modules["azkaban_client.follow"], name) for name in NAMES}


def text_of(events, job="a"):
    lines = [e for e in events if isinstance(e, LogLine) and e.job.id == job]
    return "".join(e.text + e.end for e in lines).encode()


def kinds(events):
    return [type(e).__name__ for e in events if not isinstance(e, LogLine)]


@pytest.mark.parametrize("escape", [False, True])
def test_the_whole_log_through_both_windows(simulate, sim_job, escape) -> None:
    _, client, _ = simulate(sim_job("a", LOG, 3, 20), escape=escape)
    events = list(client.follow(7))
    assert text_of(events) == LOG
    assert kinds(events) == ["JobStarted", "JobEnded", "FlowEnded"]
    assert events[-1].execution.succeeded


def test_events_of_two_jobs_in_order(simulate, sim_job) -> None:
    jobs = sim_job("a", LOG, 2, 5), sim_job("b", START + b"x\nunfinished", 6, 9, "FAILED", ("a",))
    _, client, _ = simulate(*jobs)
    events = list(client.follow(7))
    order = [(type(e), e.job.id) for e in events if isinstance(e, (JobStarted, JobEnded))]
    assert order == [(JobStarted, "a"), (JobEnded, "a"), (JobStarted, "b"), (JobEnded, "b")]
    assert text_of(events, "b") == START + b"x\nunfinished"
    assert events[-2].status == "FAILED"
    assert isinstance(events[-1], FlowEnded)
    assert not events[-1].execution.succeeded


def test_lines_come_before_the_end_of_their_job(simulate, sim_job) -> None:
    _, client, _ = simulate(sim_job("a", LOG, 1, 4), sim_job("b", LOG, 1, 30))
    events = list(client.follow(7))
    ended = next(i for i, e in enumerate(events) if isinstance(e, JobEnded) and e.job.id == "a")
    assert text_of(events[:ended]) == LOG


def test_a_job_that_never_ran_has_no_log(simulate, sim_job) -> None:
    _, client, server = simulate(
        sim_job("a", LOG, 1, 3, "FAILED"), sim_job("b", b"", 99, 3, "CANCELLED", ("a",))
    )
    events = list(client.follow(7))
    assert [e.status for e in events if isinstance(e, JobEnded)] == ["FAILED", "CANCELLED"]
    assert "b" not in {a.fields.get("jobId") for a in server.asked}


def test_a_rotated_log_file_neither_loses_nor_repeats(simulate, sim_job) -> None:
    job = sim_job("a", LOG, 1, 40, rotate_at=3000)
    _, client, _ = simulate(job)
    assert text_of(list(client.follow(7))) == LOG


def test_a_log_that_was_rotated_before_it_was_first_read(simulate, sim_job):
    _, client, _ = simulate(sim_job("a", LOG, 1, 9, rotate_at=len(START)))
    assert text_of(list(client.follow(7))) == LOG


def test_without_logs_no_log_is_asked_for(simulate, sim_job) -> None:
    _, client, server = simulate(sim_job("a", LOG, 1, 3))
    assert kinds(client.follow(7, logs=False)) == ["JobStarted", "JobEnded", "FlowEnded"]
    assert "fetchExecJobLogs" not in server.actions()


def test_the_log_of_a_job_that_has_ended_is_asked_for_once(simulate, sim_job) -> None:
    _, client, server = simulate(*(sim_job(name, LOG, 0, 1) for name in "abcdefgh"), filing=0)
    events = list(client.follow(7))
    assert all(text_of(events, name) == LOG for name in "abcdefgh")
    assert server.actions().count("fetchExecJobLogs") == 8


@pytest.mark.parametrize("end", [1, 20])
def test_a_job_may_print_what_looks_like_the_last_line(simulate, sim_job, end) -> None:
    filler = b"x" * (_CHUNK - len(START) - len(END) - 1) + b"\n"  # a piece ends just there
    log = START + filler + END + b"more\n" + END
    _, client, _ = simulate(sim_job("a", log, 0, end), filing=0)
    assert text_of(list(client.follow(7))) == log


def test_an_expired_session_is_renewed(simulate, sim_job) -> None:
    simulation, client, _ = simulate(sim_job("a", LOG, 1, 10))
    events = client.follow(7)
    first = [next(events) for _ in range(3)]
    simulation.sessions = {"none"}
    assert text_of([*first, *events]) == LOG
    assert simulation.logins == 2


def test_passing_faults_are_borne(simulate, sim_job, answer, fault) -> None:
    simulation, client, _ = simulate(sim_job("a", LOG, 1, 30))
    events = client.follow(7)
    first = [next(events)]
    simulation.faults.extend(
        [
            lambda _: fault("java.lang.NullPointerException"),
            lambda _: answer(body="<html><title>Maintenance</title></html>"),
            lambda _: answer(body='{"status": "RUN'),
            lambda _: None,
            lambda _: answer(body=json.dumps({"a": "b" * 999}), cut_after=100),
        ]
    )
    assert text_of([*first, *events]) == LOG
    assert not simulation.faults


def test_a_log_that_is_cut_in_the_middle_is_read_on(simulate, sim_job, answer) -> None:
    simulation, client, server = simulate(sim_job("a", LOG, 1, 30))
    whole = server.reply
    cuts = []

    def cutting(asked):
        reply = whole(asked)
        if asked.action == "fetchExecJobLogs" and reply.status == 200 and len(cuts) < 5:
            cuts.append(asked)
            return answer(body=reply.body, cut_after=len(reply.body) // 2)
        return reply

    server.reply = cutting
    assert text_of(list(client.follow(7))) == LOG
    assert len(cuts) == 5
    assert simulation.over


def test_a_restarted_server_is_found_again(simulate, sim_job, serve) -> None:
    simulation, client, server = simulate(sim_job("a", LOG, 1, 30))
    events = client.follow(7)
    first = [next(events) for _ in range(5)]
    server.stop()
    simulation.sessions = set()
    again = serve(simulation, server.port)
    assert text_of([*first, *events]) == LOG
    assert again.asked


def test_a_fault_that_stays_ends_it_within_bounded_time(simulate, sim_job, fault) -> None:
    simulation, client, _ = simulate(sim_job("a", LOG, 1, 30))
    events = client.follow(7, patience=0.3)
    next(events)
    simulation.faults.extend([lambda _: fault("broken")] * 99)
    with pytest.raises(errors.ServerFault, match="broken"):
        list(events)


def test_a_missing_execution_is_told_at_once(recorded) -> None:
    replay, client = recorded
    replay.play("fetchexecflow, no such execution")
    with pytest.raises(errors.NotFound, match="Cannot find execution"):
        next(client.follow(999999))


def test_the_wait_times_out(simulate, sim_job) -> None:
    _, client, _ = simulate(sim_job("a", LOG, 1, 10**6))
    with pytest.raises(errors.WaitTimeout, match=r"execution 7 has not ended after 0\.2 s"):
        list(client.follow(7, timeout=0.2))


def test_following_what_has_ended(recorded) -> None:
    replay, client = recorded
    replay.play("fetchexecflow, failed")
    events = list(client.follow(34, logs=False))
    attempts = [(type(e).__name__, e.attempt) for e in events[:-1]]
    assert attempts == [("JobStarted", 0), ("JobEnded", 0), ("JobStarted", 1), ("JobEnded", 1)]
    assert events[-1].execution.status == "FAILED"


@pytest.mark.parametrize("logs", [True, False])
def test_a_flow_that_is_over_while_a_job_runs(serve, connect, answer, logs):
    """Seen on 2.5 when a flow is killed before its first job is submitted."""
    node = {"id": "a", "status": "RUNNING", "startTime": 1000, "endTime": -1, "attempt": 0}
    state = {"execid": 7, "project": "p", "flow": "f", "status": "KILLED", "nodes": [node]}
    body = json.dumps({"session.id": "s", **state, "offset": 0, "length": 0, "data": ""})
    events = list(connect(serve(lambda _: answer(body=body)).url).follow(7, logs=logs))
    assert kinds(events) == ["JobStarted", "JobEnded", "FlowEnded"]
    assert events[1].status == "RUNNING"


class Clock:
    """A server, and time that passes only while the follower waits or asks."""

    def __init__(self, jobs: int, seconds: float) -> None:
        self.now, self.seconds, self.jobs, self.made = 0.0, seconds, jobs, 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def execution(self, execid: int) -> Execution:
        self.made, self.now = self.made + 1, self.now + 0.01
        over = self.now >= self.seconds
        status, when = (Status.SUCCEEDED if over else Status.RUNNING), datetime.now(UTC)
        runs = [JobRun(id=f"j{n}", status=status, start=BEGUN) for n in range(self.jobs)]
        # One job after the other starts and ends all the time.
        runs += [
            JobRun(id=f"s{n}", status=Status.SKIPPED, start=BEGUN)
            for n in range(int(min(self.now, self.seconds) / 3))
        ]
        end = when if over else None
        return Execution(
            execid=execid,
            project="p",
            flow="f",
            status=status,
            start=BEGUN,
            end=end,
            jobs=tuple(runs),
        )

    def read_log(self, _execid, _job=None, *, offset=0, attempt=None) -> LogChunk:
        assert attempt == 0
        self.made, self.now = self.made + 1, self.now + 0.01
        last = "x INFO - Finishing job j at 1 with status SUCCEEDED\n"
        text = "x INFO - Starting job j at 1\n" + "a line\n" * int(min(self.now, self.seconds))
        data = (text + (last if self.now >= self.seconds else "")).encode()[offset:]
        return LogChunk(offset=offset, length=len(data), text=data.decode())


@pytest.mark.parametrize("jobs", [1, 10])
def test_two_requests_a_second_in_the_long_run(monkeypatch, jobs) -> None:
    """With jobs that print a line each second, and others that start and end meanwhile."""
    for name, value in PACE.items():
        monkeypatch.setattr(f"azkaban_client.follow.{name}", value)
    clock = Clock(jobs, 600)
    monkeypatch.setattr("azkaban_client.follow.time", clock)
    events = list(follow(clock, 7))
    lines = [event.text for event in events if isinstance(event, LogLine)]
    assert lines.count("a line") == 600 * jobs
    assert clock.made < 2.1 * 600 + 30 + 3 * jobs
    assert clock.now < 600 + 1.5 + 0.05 * jobs
