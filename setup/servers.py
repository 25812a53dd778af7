"""All the servers of an installation together: supervisor, Azkaban, database, Spark."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from setup import supervise
from setup.azkaban import Server
from setup.mysql import Server as MySQL
from setup.process import Process
from setup.spark import Spark, running

if TYPE_CHECKING:
    from setup.layout import Layout
    from setup.process import Status

__all__ = ["statuses", "stop"]

STOP_SECONDS = 120.0


def statuses(layout: Layout) -> list[Status]:
    """Look at each server that the installation uses, and at a Spark cluster that runs."""
    server = Server(layout)
    database = [MySQL(layout).status()] if _on_mysql(server) else []
    cluster = running(Spark(layout))
    return [*database, *server.statuses(), *(cluster.statuses() if cluster else [])]


def stop(layout: Layout) -> bool:
    """Stop the supervisor, Azkaban, its database, Spark; False when nothing was running."""
    server = Server(layout)
    supervisor = Process.read(supervise.pid_file(layout.prefix))
    if supervisor and supervisor.pid != os.getpid():
        supervisor.stop(patience=STOP_SECONDS)
    azkaban = server.stop()
    database = MySQL(layout).installed and MySQL(layout).stop()  # one of its own, too
    cluster = running(Spark(layout))
    spark = cluster is not None and cluster.stop()
    return bool(supervisor) or azkaban or database or spark


def _on_mysql(server: Server) -> bool:
    return server.installed and server.settings.database == "mysql"
