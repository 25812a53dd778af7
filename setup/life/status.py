"""What ``status`` shows of servers: one table, or JSON, for each of them and for all together."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from setup.messages import say, table

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Status", "show"]


@dataclass(frozen=True)
class Status:
    """One server as ``setup status`` shows it.

    Attributes
    ----------
    state
        ``running``, ``unresponsive``, ``down``, ``not installed``, or ``orphaned`` (it runs,
        and its folder was deleted).
    reason
        Why it does not answer, or died, where that is known.
    """

    server: str
    state: str
    pid: int | None
    port: int | None
    version: str
    url: str | None
    reason: str = ""


def show(statuses: Sequence[Status], *, as_json: bool) -> int:
    """Print a line for each server; return the exit code, 1 when one does not run.

    Examples
    --------
    >>> up = Status("mysql", "running", 71, 3306, "5.7.29", None)
    >>> show([up], as_json=False)
    server  state    pid  port  version  url
    mysql   running  71   3306  5.7.29   -
    0
    """
    if as_json:
        print(json.dumps([asdict(status) for status in statuses], indent=2))
    else:
        header = [field.name for field in fields(Status) if field.name != "reason"]
        table(header, [[getattr(status, name) for name in header] for status in statuses])
        for status in statuses:
            if status.reason:
                say(f"{status.server} is {status.state}: {status.reason}")
    return 0 if statuses and all(status.state == "running" for status in statuses) else 1
