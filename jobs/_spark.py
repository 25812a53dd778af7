"""What the jobs on Spark share: the driver's context, and all tasks at the same time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobs._allreduce import Seat
from jobs._runtime import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from jobs._runtime import Job

__all__ = ["connected", "host_of", "spark_map", "together"]

# An executor that was lost comes back in a few seconds: Spark itself would look every 15.
_SLOT_SECONDS, _SLOT_LOOKS = 3, 200


@contextmanager
def connected(job: Job) -> Iterator[Any]:
    """Connect to the cluster while the block runs.

    Raises
    ------
    InputError
        When this is not a driver of Spark.
    """
    try:
        from pyspark import SparkConf, SparkContext  # noqa: PLC0415 (only a driver of Spark has it)
    except ImportError:
        raise InputError(
            f"there is no Spark here: run it by setup spark submit --py-files core,jobs "
            f"-m jobs.{job.name}"
        ) from None
    conf = SparkConf()
    conf.set("spark.scheduler.barrier.maxConcurrentTasksCheck.interval", f"{_SLOT_SECONDS}s")
    conf.set("spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures", str(_SLOT_LOOKS))
    context = SparkContext.getOrCreate(conf)
    context.setLogLevel("WARN")
    job.log(f"application {context.applicationId}")
    try:
        yield context
    finally:
        context.stop()


def host_of(context: Any) -> str:
    """Tell the address at which executors reach this driver."""
    return str(context.getConf().get("spark.driver.host"))


def spark_map(context: Any) -> Callable[..., list[Any]]:
    """Make a ``map`` whose calls run on executors, one task each."""

    def run(function: Callable[..., Any], *columns: Iterable[Any]) -> list[Any]:
        rows = list(zip(*columns, strict=True))
        tasks = context.parallelize(rows, max(len(rows), 1))
        found: list[Any] = tasks.map(lambda row: function(*row)).collect()
        return found

    return run


def together(
    context: Any, work: Callable[[Seat], Any], *, tasks: int, secret: bytes
) -> Sequence[Any]:
    """Run `work` in several tasks at the same time, which find each other by their seats.

    When one is lost, all of them start again, up to four times.

    Parameters
    ----------
    context
        Of Spark.
    work
        What a task does, given its seat.
    tasks
        How many; the cluster must have as many free slots.
    secret
        Known to these tasks alone.

    Returns
    -------
    list
        What they return, in the order of ranks.
    """

    def task(_rows: Iterable[int]) -> Iterator[Any]:
        from pyspark import BarrierTaskContext  # noqa: PLC0415 (runs on an executor)

        barrier = BarrierTaskContext.get()
        rank = barrier.partitionId()
        addresses = [info.address for info in barrier.getTaskInfos()]
        yield work(
            Seat(
                rank=rank,
                size=len(addresses),
                host=addresses[rank].rpartition(":")[0],  # where this executor listens too
                secret=secret,
                gather=barrier.allGather,
                ticket=barrier.taskAttemptId(),
            )
        )

    stage = context.parallelize(range(tasks), tasks).barrier()
    found: Sequence[Any] = stage.mapPartitions(task).collect()
    return found
