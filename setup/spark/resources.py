"""Compare what an application requests with what a cluster has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.spark.resource_manager import Node

__all__ = ["ProcessSize", "Request", "check"]

# What Spark adds to each process for memory outside of Java's heap, mostly for Python.
_OVERHEAD_SHARE = 0.1
_OVERHEAD_LEAST = 384


@dataclass(frozen=True)
class ProcessSize:
    """The cores and memory that one process requests.

    Attributes
    ----------
    cores, memory
        Virtual cores; MB of Java's heap.
    overhead
        MB outside of the heap; None for Spark's own choice.
    """

    cores: int = 1
    memory: int = 1024
    overhead: int | None = None


@dataclass(frozen=True)
class Request:
    """What an application requests.

    Attributes
    ----------
    driver, executor
        What each of these processes requests.
    deploy_mode
        In ``cluster`` mode the driver runs in the cluster too, in ``client`` mode a small agent.
    yarn
        Whether it goes to YARN: a standalone cluster counts only heaps, and has no agent.
    """

    driver: ProcessSize = ProcessSize()
    executor: ProcessSize = ProcessSize()
    num_executors: int = 2
    deploy_mode: str = "client"
    yarn: bool = True

    @property
    def driver_need(self) -> tuple[int, int]:
        """Memory and cores of the driver or agent on the cluster."""
        if not self.yarn:
            return 0, 0
        if self.deploy_mode == "client":
            return with_overhead(512), 1
        return with_overhead(self.driver.memory, self.driver.overhead), self.driver.cores

    @property
    def executor_need(self) -> tuple[int, int]:
        """Memory and cores of one executor."""
        memory = self.executor.memory
        if self.yarn:
            memory = with_overhead(memory, self.executor.overhead)
        return memory, self.executor.cores


def with_overhead(memory: int, overhead: int | None = None) -> int:
    """Add Spark's own overhead, unless one is given.

    Examples
    --------
    >>> with_overhead(1024), with_overhead(8192), with_overhead(1024, 2048)
    (1408, 9011, 3072)
    """
    if overhead is None:
        overhead = max(_OVERHEAD_LEAST, int(memory * _OVERHEAD_SHARE))
    return memory + overhead


def check(request: Request, nodes: Sequence[Node]) -> None:
    """Refuse what the cluster cannot provide even when it is idle.

    Parameters
    ----------
    request
        The request.
    nodes
        The cluster's machines that run.

    Raises
    ------
    UsageError
        Naming the option, what there is, and a value that fits.

    Examples
    --------
    >>> from setup.spark.resource_manager import Node
    >>> check(Request(executor=ProcessSize(memory=8192)), [Node("n:1", "RUNNING", 4096, 4)])
    Traceback (most recent call last):
    setup.errors.UsageError: --executor-memory 8192m: 9011 MB with Spark's overhead, but the \
largest node has 4096 MB; use --executor-memory 3712m or less
    """
    memory = max((node.memory for node in nodes), default=0)
    cores = max((node.cores for node in nodes), default=0)
    if not memory:
        raise UsageError("no node of the cluster runs: ask its administrators, or try again later")
    asked = {"executor": (request.executor, request.executor_need)}
    if request.deploy_mode == "cluster":
        asked["driver"] = (request.driver, request.driver_need)
    for who, (process, (need, need_cores)) in asked.items():
        if need > memory:
            most = _largest(memory, process.overhead) if request.yarn else memory
            fix = f"use --{who}-memory {most}m or less"
            if not most:
                fix = f"set spark.{who}.memoryOverhead to less"
            raise UsageError(
                f"--{who}-memory {process.memory}m: {need} MB with Spark's overhead, but the "
                f"largest node has {memory} MB; {fix}"
            )
        if need_cores > cores:
            raise UsageError(
                f"--{who}-cores {need_cores}: the largest node has {cores}; use --{who}-cores "
                f"{cores} or less"
            )
    room = _room(request, nodes)
    if request.num_executors > room:
        total = sum(node.memory for node in nodes)
        need, need_cores = request.executor_need
        what = f"{request.num_executors} executors of {need} MB and {need_cores} cores each"
        fix = f"use --num-executors {room}" if room else "ask for less memory or fewer cores"
        raise UsageError(
            f"--num-executors {request.num_executors}: {what} beside the driver, but the cluster's "
            f"{len(nodes)} nodes ({total} MB, {sum(node.cores for node in nodes)} cores) have room "
            f"for {room}; {fix}"
        )


def _largest(memory: int, overhead: int | None) -> int:
    """Find the largest heap whose process fits into an amount of memory."""
    if overhead is not None:
        return max(memory - overhead, 0)
    return max(memory - _OVERHEAD_LEAST, 0) if memory < 4224 else int(memory / 1.1)


def _room(request: Request, nodes: Sequence[Node]) -> int:
    """Count the executors that fit beside the driver in its best place."""
    need, need_cores = request.executor_need
    driver, driver_cores = request.driver_need

    def fit(memory: int, cores: int) -> int:
        return max(0, min(memory // need, cores // need_cores))

    slots = [fit(node.memory, node.cores) for node in nodes]
    rests = [
        sum(slots) - slots[at] + fit(node.memory - driver, node.cores - driver_cores)
        for at, node in enumerate(nodes)
        if node.memory >= driver and node.cores >= driver_cores
    ]
    return max(rests, default=0)
