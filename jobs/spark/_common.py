"""Connect the driver to Spark, and run tasks there, one by one or all at the same time."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from azkaban_client.job import InputError
from jobs.spark._allreduce import Seat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from azkaban_client.job import Run


__all__ = ["at_once", "connected", "host_of", "spark_errors", "spark_map", "together"]

# A lost executor comes back within seconds; by default Spark would check every 15.
_SLOT_SECONDS, _SLOT_LOOKS = 3, 200


@contextmanager
def connected(run: Run, together: tuple[str, int] | None = None) -> Iterator[Any]:
    """Connect to the cluster while the block runs.

    Parameters
    ----------
    run
        The job's.
    together
        The parameter that says how many tasks must run at the same time, and its value.

    Raises
    ------
    InputError
        When this is no driver of Spark with RDDs, or so many tasks will never run at the same time.
    """
    if os.environ.get("SPARK_REMOTE"):
        raise InputError(
            f"{run.module} works on Spark's RDDs, which Spark Connect (sc://) has not: submit it "
            "with --master yarn, spark://HOST:PORT or local[N]"
        )
    try:
        from pyspark import SparkConf, SparkContext
    except ImportError:
        raise InputError(
            "there is no Spark here: run it by azkaban-jobflow spark submit "
            f"--py-files core,jobs,azkaban_client -m {run.module}"
        ) from None
    conf = SparkConf()
    conf.set("spark.scheduler.barrier.maxConcurrentTasksCheck.interval", f"{_SLOT_SECONDS}s")
    conf.set("spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures", str(_SLOT_LOOKS))
    if together:
        for name, value in at_once(dict(conf.getAll()), *together).items():
            conf.set(name, value)
            run.log(f"{name}={value}: {together[1]} tasks run at the same time")
    context = SparkContext.getOrCreate(conf)
    context.setLogLevel("WARN")
    run.log(f"application {context.applicationId}")
    try:
        yield context
    finally:
        context.stop()


def at_once(settings: Mapping[str, str], name: str, tasks: int) -> dict[str, str]:
    """Check that so many tasks can run at the same time; return the settings that this changes.

    Spark would find out by itself, but only after minutes.

    Parameters
    ----------
    settings
        Spark's.
    name
        The parameter that says how many.
    tasks
        How many.

    Raises
    ------
    InputError
        When they cannot.

    Examples
    --------
    >>> at_once({"spark.master": "yarn", "spark.executor.instances": "2"}, "spark.train.tasks", 2)
    {}
    >>> at_once({"spark.master": "local[2]"}, "spark.train.tasks", 3)
    Traceback (most recent call last):
    azkaban_client.job.run.InputError: spark.train.tasks = 3: 2 tasks run at the same time, and \
these must: lower it, or use --master local[3]
    """
    master = settings.get("spark.master", "")
    cpus = int(settings.get("spark.task.cpus", "1"))
    each = max(1, int(settings.get("spark.executor.cores", "1")) // cpus)
    more = f"raise --num-executors to {-(-tasks // each)}"
    changed = {}
    slots = 0  # unknown
    if found := re.fullmatch(r"local(?:\[(\d+).*\])?", master):
        slots, more = int(found[1] or 1) // cpus, f"use --master local[{tasks * cpus}]"
    elif master == "yarn":
        slots = int(settings.get("spark.executor.instances", "2")) * each
    elif "spark.cores.max" in settings:
        slots = int(settings["spark.cores.max"]) // cpus
        more = f"raise --total-executor-cores to {tasks * cpus}"
    if settings.get("spark.dynamicAllocation.enabled", "").lower() == "true":
        if settings.get("spark.submit.deployMode") == "cluster":
            raise InputError(
                f"{name} = {tasks}: these run at the same time, which Spark refuses with dynamic "
                f"allocation: add --conf spark.dynamicAllocation.enabled=false and {more}"
            )
        changed["spark.dynamicAllocation.enabled"] = "false"
        if master == "yarn" and "spark.executor.instances" not in settings:
            changed["spark.executor.instances"] = str(-(-tasks // each))
            slots = tasks
    if slots and tasks > slots:
        raise InputError(
            f"{name} = {tasks}: {slots} tasks run at the same time, and these must: lower it, or "
            f"{more}"
        )
    return changed


def host_of(context: Any) -> str:
    """Tell the address at which executors reach this driver."""
    return str(context.getConf().get("spark.driver.host"))


def spark_map(context: Any) -> Callable[..., list[Any]]:
    """Make a ``map`` whose calls run on executors, one task each."""

    def run(function: Callable[..., Any], *columns: Iterable[Any]) -> list[Any]:
        rows = list(zip(*columns, strict=True))
        tasks = context.parallelize(rows, max(len(rows), 1))
        with spark_errors():
            return list(tasks.map(lambda row: function(*row)).collect())

    return run


def together(
    context: Any,
    work: Callable[[Seat, Iterable[Any]], Any],
    *,
    tasks: int,
    secret: bytes,
    data: Any = None,
) -> list[Any]:
    """Run `work` in several tasks at the same time, which find each other by their seats.

    If one is lost, all of them start again; after the fourth loss Spark gives up. Spark restarts a
    stage only if its output goes to another stage, so a second stage follows.

    Parameters
    ----------
    context
        Spark's context.
    work
        What a task does, given its seat and its part of the data.
    tasks
        How many; the cluster must have as many free slots.
    secret
        Known to these tasks alone.
    data
        An RDD with a partition for each task; None for no data.

    Returns
    -------
    list
        Their results, in the order of ranks.
    """

    def task(rows: Iterable[Any]) -> Iterator[Any]:
        from pyspark import BarrierTaskContext

        barrier = BarrierTaskContext.get()
        rank = barrier.partitionId()
        addresses = [info.address for info in barrier.getTaskInfos()]
        value = work(
            Seat(
                rank=rank,
                size=len(addresses),
                host=addresses[rank].rpartition(":")[0],  # where this executor listens too
                secret=secret,
                gather=barrier.allGather,
                ticket=barrier.taskAttemptId(),
            ),
            rows,
        )
        yield rank, value

    rows = context.parallelize(range(tasks), tasks) if data is None else data
    stage = rows.barrier()
    with spark_errors():
        found = stage.mapPartitions(task).repartition(1).collect()
    return [value for _, value in sorted(found, key=itemgetter(0))]


@contextmanager
def spark_errors() -> Iterator[None]:
    """Say in one line why Spark gave up."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        java = getattr(error, "java_exception", None)
        text = str(java.getMessage() if java else error)
        if "maximum allowable number of times" in text:
            raise OSError(
                "Spark gave up: an executor was lost for the fourth time "
                "(spark.stage.maxConsecutiveAttempts); the logs of the lost ones say why"
            ) from None
        named = re.findall(r"^(?:[\w.]+\.)?(\w+(?:Error|Failure)\b.*)$", text, re.MULTILINE)
        raise OSError(f"Spark gave up: {[text.splitlines()[0], *named][-1][:500]}") from None
