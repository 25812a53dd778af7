"""The end of a job's log as its program wrote it, without what the server adds."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from azkaban_client.errors import NetworkError, Refused
from azkaban_client.models import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from azkaban_client.client import Client
    from azkaban_client.models import Execution, JobRun

__all__ = ["failed", "own_lines", "tails"]

_HEAD = r"^\d\d-\d\d-\d{{4}} \d\d:\d\d:\d\d \S+ {} (INFO|ERROR|WARN|DEBUG) - "
# The same lines as console/joblog.js leaves out.
_ABOUT = re.compile(
    r"(Starting|Finishing) job \S+ (at|attempt)|Building \w+ job executor|"
    r"\d+ commands to execute|Command: |Environment variables: \{|Working directory: |"
    r"Job run (failed|killed)!|Kill has been called|Spawned process with id |"
    r"Process completed (un)?successfully in |Process with id \d+ completed |"
    r"Process exited with code |(java\.lang\.RuntimeException: )?"
    r"azkaban\.jobExecutor\.utils\.process\.ProcessFailureException|Caused by: azkaban\.|"
    r"(effective user|user\.to\.proxy|Memory granted) |azkaban\.webserver\.url property|"
    r"job JVM args: |JobClassLoader URLs:|Failed with \d+ inputs|cwd=/|"
    r"\S+ creation took \d+ milli|azkaban-jobflow: exit code \d+$"
)
_FRAME = re.compile(r"\s+at [\w.$/<>]+\(|\s+\.\.\. \d+ more$")


def failed(execution: Execution) -> list[JobRun]:
    """List the jobs of an execution that ran and failed or were killed."""
    return [
        job
        for job in execution.walk()
        if not job.jobs and job.status in (Status.FAILED, Status.KILLED) and job.start is not None
    ]


def tails(client: Client, execution: Execution, lines: int) -> list[tuple[str, list[str]]]:
    """Return the last lines of the log of each job that failed, as far as the server has them."""
    found = []
    for job in failed(execution):
        last: list[str] = []
        try:
            name = job.id.rpartition(":")[2]
            last = own_lines(client.log(execution.execid, job.id), name, lines)
        except NetworkError:
            raise
        except Refused:
            pass  # 2.5 can lose a log
        found.append((job.id, last))
    return found


def own_lines(pieces: Iterable[str], job: str, most: int) -> list[str]:
    r"""Return the last lines that a job's program wrote, of a log that comes in pieces.

    Of what the server adds to each line, and of its own lines, nothing is left. Where the program
    wrote nothing, the errors that the server wrote are returned.

    Examples
    --------
    >>> head = "22-11-2026 06:09:10 PST a "
    >>> log = f"{head}INFO - Command: x\n{head}ERROR - Process exited with code 1\n"
    >>> own_lines([log], "a", 5)
    ['Process exited with code 1']
    >>> own_lines([log, f"{head}INFO - no such", " file\n"], "a", 5)
    ['no such file']
    """
    head = re.compile(_HEAD.format(re.escape(job)))
    own: deque[str] = deque(maxlen=most)
    errors: deque[str] = deque(maxlen=most)
    rest = ""

    def take(line: str) -> None:
        found = head.match(line)
        text = line[found.end() :] if found else line
        if _ABOUT.match(text):
            if found and found[1] == "ERROR":
                errors.append(text)
        # Where the server itself failed in Java, the lines have no head; those of a job have one.
        elif found or not _FRAME.match(text):
            own.append(text)

    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            take(line)
    if rest:
        take(rest)
    return list(own) if any(own) else list(errors)
