"""What of a job's log its program wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from azkaban_client import joblog
from azkaban_client.errors import NetworkError, Refused
from azkaban_client.models import Status

LOG = """\
22-11-2026 06:09:08 PST a INFO - Starting job a at 1795356548224
22-11-2026 06:09:08 PST a INFO - cwd=/opt/azkaban/executions/32
22-11-2026 06:09:08 PST a INFO - Spawned process with id 7895
22-11-2026 06:09:10 PST a INFO - Exception in thread "main" Empty
22-11-2026 06:09:10 PST a INFO - \tat com.example.Count.main(Count.java:3)
22-11-2026 06:09:10 PST a INFO - Process with id 7895 completed unsuccessfully in 2 seconds.
22-11-2026 06:09:10 PST a ERROR - Kill has been called.
22-11-2026 06:09:10 PST a ERROR - Job run killed!
22-11-2026 06:09:10 PST a ERROR - Job run failed!
java.lang.RuntimeException: FAILURE: Process exited with code 1
\tat azkaban.jobExecutor.ProcessJob.run(ProcessJob.java:312)
\tat java.base/java.util.concurrent.Executors$RunnableAdapter.call(Executors.java:539)
Caused by: FAILURE: Process exited with code 1
\t... 8 more
22-11-2026 06:09:10 PST a ERROR - FAILURE: Process exited with code 1 cause: FAILURE
22-11-2026 06:09:10 PST a INFO - Finishing job a at 1795356550238 with status FAILED
""".replace("FAILURE", "azkaban.jobExecutor.utils.process.ProcessFailureException")


def test_only_what_the_program_wrote_is_left_however_the_log_is_cut() -> None:
    for size in (1, 7, 300, len(LOG)):
        pieces = [LOG[start : start + size] for start in range(0, len(LOG), size)]
        lines = joblog.own_lines(pieces, "a", 20)
        assert [line for line in lines if line] == [
            'Exception in thread "main" Empty',
            "\tat com.example.Count.main(Count.java:3)",
        ]
    assert joblog.own_lines([LOG], "a", 1) == ["\tat com.example.Count.main(Count.java:3)"]


def test_of_a_program_that_wrote_nothing_the_errors_of_the_server_are_told() -> None:
    silent = "".join(line for line in LOG.splitlines(keepends=True) if "ma" not in line)
    lines = joblog.own_lines([silent], "a", 20)
    assert "Job run failed!" in lines
    assert lines[-1].startswith("azkaban.jobExecutor.utils.process.ProcessFailureException: Proc")


def _client(answer: object) -> SimpleNamespace:
    def log(*_: object) -> list[str]:
        if isinstance(answer, Exception):
            raise answer
        return [LOG]

    return SimpleNamespace(log=log)


def test_a_lost_log_has_no_lines_and_a_lost_server_is_an_error() -> None:
    job = SimpleNamespace(jobs=(), status=Status.FAILED, start=datetime.now(UTC), id="flow:a")
    never = SimpleNamespace(jobs=(), status=Status.KILLED, start=None, id="never")
    run = SimpleNamespace(execid=1, walk=lambda: [job, never])
    ((name, lines),) = joblog.tails(_client(None), run, 20)
    assert (name, len(lines)) == ("flow:a", 2)
    assert joblog.tails(_client(Refused("no log")), run, 20) == [("flow:a", [])]
    with pytest.raises(NetworkError):
        joblog.tails(_client(NetworkError("gone")), run, 20)
