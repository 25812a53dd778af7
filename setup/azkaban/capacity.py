"""Choose how much a server does at once, by the machine's processors, heap and database."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from setup.numbers import megabytes

if TYPE_CHECKING:
    from setup.azkaban.settings import Settings

__all__ = ["Capacity", "of"]

# For each processor; at least; at most. Most of them wait, for the database or the executor, and
# a new connection is greeted by a free thread only.
_REQUESTS = (64, 128, 256)
_REQUEST_MB = 8  # of heap: an upload takes the most, see Limits.java
_FLOWS = (8, 30, 100)
_POOLS_WEB, _POOLS_EXECUTOR = 3, 2  # of connections: each part of Azkaban has its own
# Of a pool: a flow whose thread has to wait for a connection can miss the end of a job, since
# Azkaban wakes it by an interrupt, and then its state is not written.
_CONNECTIONS = (16, 120)
_ALL = 600  # connections of all pools; MySQL has more, for set-up, backups and people


@dataclass(frozen=True)
class Capacity:
    """How much a server does at once; what comes beyond that waits.

    Attributes
    ----------
    requests
        Calls that the web server works on.
    flows
        Executions that an executor runs; the others are PREPARING.
    connections
        To the database, for each of the server's pools.
    """

    requests: int
    flows: int
    connections: int


def of(settings: Settings, processors: int | None = None) -> Capacity:
    """Tell how much a server does at once.

    Parameters
    ----------
    settings
        What it is.
    processors
        How many it may use; those of this process by default.
    """
    cores = processors or len(os.sched_getaffinity(0))
    heap = settings.heap_of("azkaban" if settings.profile == "solo" else "web")
    pools = _POOLS_WEB + _POOLS_EXECUTOR * (1 + len(settings.more_executors))
    least, most = _CONNECTIONS
    return Capacity(
        requests=min(_within(cores, *_REQUESTS), max(megabytes(heap) // _REQUEST_MB, 10)),
        flows=_within(cores, *_FLOWS),
        connections=max(least, min(most, _ALL // pools)),
    )


def _within(cores: int, each: int, least: int, most: int) -> int:
    return min(max(each * cores, least), most)
