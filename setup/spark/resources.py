"""Compare what an application requests with what a cluster has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.spark.resource_manager import Node

__all__ = ["ProcessSize", "Request", "check", "fitted"]

# What Spark adds at least to each process for memory outside of Java's heap, mostly for Python.
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
    share
        Spark's own choice, as a share of the heap.
    more
        MB besides, for Python's own limit and memory off the heap.
    """

    cores: int = 1
    memory: int = 1024
    overhead: int | None = None
    share: float = 0.1
    more: int = 0

    @property
    def container(self) -> int:
        """MB of the whole process on YARN.

        Examples
        --------
        >>> [ProcessSize(1, *size).container for size in [(1024,), (8192,), (1024, 2048)]]
        [1408, 9011, 3072]
        """
        chosen = max(_OVERHEAD_LEAST, int(self.memory * self.share))
        return self.memory + self.more + (chosen if self.overhead is None else self.overhead)

    def largest(self, container: int) -> int:
        """Return the largest heap, in MB, whose process fits into so many MB; 0 if none does."""
        room = container - self.more - (_OVERHEAD_LEAST if self.overhead is None else self.overhead)
        if self.overhead is None and room * self.share > _OVERHEAD_LEAST:
            room = int((container - self.more) / (1 + self.share))
        return max(room, 0)


@dataclass(frozen=True)
class Request:
    """What an application requests.

    Attributes
    ----------
    driver, executor
        What each of these processes requests.
    agent
        What stands on the cluster for a driver that runs here.
    deploy_mode
        In ``cluster`` mode the driver runs in the cluster too, in ``client`` mode a small agent.
    yarn
        Whether it goes to YARN: a standalone cluster counts only heaps, and has no agent.
    """

    driver: ProcessSize = ProcessSize()
    executor: ProcessSize = ProcessSize()
    agent: ProcessSize = ProcessSize(memory=512)
    num_executors: int = 2
    deploy_mode: str = "client"
    yarn: bool = True

    @property
    def driver_need(self) -> tuple[int, int]:
        """Memory and cores of the driver or agent on the cluster."""
        if not self.yarn:
            return 0, 0
        process = self.agent if self.deploy_mode == "client" else self.driver
        return process.container, process.cores

    @property
    def executor_need(self) -> tuple[int, int]:
        """Memory and cores of one executor."""
        executor = self.executor
        return executor.container if self.yarn else executor.memory, executor.cores


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
            most = process.largest(memory) if request.yarn else memory
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


def fitted(request: Request, nodes: Sequence[Node]) -> Request:
    """Reduce a request to what the cluster has when it is idle.

    Parameters
    ----------
    request
        The request.
    nodes
        The cluster's machines that run; at least one.

    Examples
    --------
    >>> from setup.spark.resource_manager import Node
    >>> asked = Request(executor=ProcessSize(memory=4096), num_executors=128)
    >>> found = fitted(asked, [Node("n:1", "RUNNING", 3072, 4)])
    >>> found.num_executors, found.executor.memory
    (1, 1792)
    """
    biggest = max(nodes, key=lambda node: (node.memory, node.cores))
    if request.deploy_mode == "cluster" and request.yarn:  # it leaves room for an executor
        part = 1 if len(nodes) > 1 else 2
        request = replace(
            request, driver=_within(request.driver, biggest.memory // part, biggest.cores // part)
        )
    memory, cores = biggest.memory, biggest.cores
    if len(nodes) == 1:
        memory, cores = memory - request.driver_need[0], cores - request.driver_need[1]
    executor = _within(request.executor, memory, cores, yarn=request.yarn)
    request = replace(request, executor=executor)
    room = max(1, _room(request, nodes))
    return replace(request, num_executors=min(request.num_executors, room))


def _within(process: ProcessSize, memory: int, cores: int, *, yarn: bool = True) -> ProcessSize:
    """Reduce a process to so many MB and cores."""
    most = process.largest(memory) if yarn else memory
    return replace(
        process,
        memory=max(1, min(process.memory, most)),
        cores=max(1, min(process.cores, cores)),
    )


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
