"""All the servers of an installation together: Azkaban, its database, Spark, other schedulers."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from setup import java
from setup.azkaban import Server
from setup.errors import SetupError
from setup.life import orphans, supervise
from setup.life.process import Process
from setup.life.status import Status
from setup.life.watching import Watching
from setup.messages import step
from setup.mysql import Server as MySQL
from setup.schedulers import scheduler as schedulers
from setup.spark import Spark, running

if TYPE_CHECKING:
    from pathlib import Path

    from setup.layout import Layout

__all__ = ["keep_up", "statuses", "stop"]

STOP_SECONDS = 120.0
HUNG_PATIENCE = 10.0  # for one that hangs: MySQL, if it can, writes down what it has
LOOK_SECONDS = 15.0  # between two searches for executions that no process knows


def statuses(layout: Layout) -> list[Status]:
    """Look at each server that the installation uses, and at others that run."""
    cluster = running(Spark(layout))
    others = [one for other in schedulers.running(layout) for one in other.statuses()]
    gone = [
        Status(name, "orphaned", process.pid, None, "", None)
        for name, process in orphans.find(layout.prefix)
    ]
    return [*_kept_up(layout), *(cluster.statuses() if cluster else []), *others, *gone]


def _kept_up(layout: Layout) -> list[Status]:
    """Look at those servers that a supervisor keeps up."""
    server = Server(layout)
    database = [MySQL(layout).status()] if _on_mysql(server) else []
    return [*database, *server.statuses()]


def stop(layout: Layout) -> bool:
    """Stop the supervisor and all servers; False when nothing was running."""
    server = Server(layout)
    supervisor = Process.read(supervise.pid_file(layout.prefix))
    if supervisor and supervisor.pid != os.getpid():
        with step("stopping the supervisor") as shown:
            supervisor.stop(patience=STOP_SECONDS)
            shown.done("stopped, with the servers that it kept up")
    Watching(layout).end()  # one whose supervisor was killed
    azkaban = server.stop()
    database = MySQL(layout).installed and MySQL(layout).stop()  # one of its own, too
    cluster = running(Spark(layout))
    spark = cluster is not None and cluster.stop()
    others = [other.stop() for other in schedulers.running(layout)]
    gone = orphans.end(layout.prefix)
    return bool(supervisor or gone or others) or azkaban or database or spark


def keep_up(
    layout: Layout, python: Path | None = None, policy: supervise.Policy | None = None
) -> None:
    """Restart whatever is down until this process is asked to end.

    Parameters
    ----------
    layout
        The installation.
    python
        The interpreter that jobs use; the installation's own by default.
    policy
        What is to be done about servers that hang, and who is told.

    Raises
    ------
    UsageError
        When another supervisor runs.
    """
    server = Server(layout, python)
    watching = Watching(layout)
    lost: set[int] = set()
    again = 0.0

    def look() -> list[Status]:
        nonlocal lost, again
        watching.keep()
        found = _kept_up(layout)
        if all(status.state == "running" for status in found) and time.monotonic() > again:
            again = time.monotonic() + LOOK_SECONDS
            with suppress(SetupError):  # what is wrong shows at the next look
                lost = server.end_lost(lost)
        return found

    def up() -> None:
        with layout.locked():
            server.up(java.ensure(layout))

    def tend() -> None:
        from setup.tls import renewal

        with layout.locked():
            renewal.tend(server, lambda: java.ensure(layout))

    def end(status: Status) -> None:
        process = Process.of(status.pid) if status.pid else None
        ours = [*server.running().values(), MySQL(layout).process() if _on_mysql(server) else None]
        if process and process in ours:
            process.stop(patience=HUNG_PATIENCE)

    try:
        supervise.run(
            supervise.pid_file(layout.prefix),
            supervise.Servers(look, up, lambda: stop(layout), end, tend),
            policy,
        )
    finally:
        watching.end()
        orphans.end(layout.prefix)  # if the prefix was deleted


def _on_mysql(server: Server) -> bool:
    return server.installed and server.settings.database == "mysql"
