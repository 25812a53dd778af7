"""Describe a cluster on this machine: its size, ports and processes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from azkaban_client.files import write_private
from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Shape", "choose", "log_settings", "write_properties", "write_xml"]

MB = 1 << 20
HEAP = "256m"  # of each server

# Spark and Hadoop log with log4j 2. Messages about an application's progress go to stderr.
_LOG = """\
rootLogger.level = {level}
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{{yy/MM/dd HH:mm:ss}} %p %c{{1}}: %m%n%ex
logger.client.name = org.apache.spark.deploy.yarn.Client
logger.client.level = INFO
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = ERROR
"""


@dataclass(frozen=True)
class Shape:
    """How large a cluster is, and where it listens.

    Attributes
    ----------
    workers
        Number of simulated machines.
    cores, memory
        What each machine offers: virtual cores, MB.
    ports
        On 127.0.0.1, in the order of the kind's own list.
    """

    workers: int
    cores: int
    memory: int
    ports: tuple[int, ...]

    @classmethod
    def read(cls, path: Path) -> Shape:
        """Read what `write` wrote."""
        content = json.loads(path.read_text())
        return cls(**{**content, "ports": tuple(content["ports"])})

    def write(self, path: Path) -> None:
        """Save the shape."""
        write_private(path, json.dumps(asdict(self)))


def choose(workers: int, cores: int | None, memory: int | None, ports: Sequence[int]) -> Shape:
    """Choose a shape that fits into this machine.

    Parameters
    ----------
    workers
        Number of machines to simulate.
    cores, memory
        Size of each; by default at least 4 cores, and half this machine's memory up to 4 GB each.
    ports
        Free ones.

    Raises
    ------
    UsageError
        When a number is too small, or the memory is more than this machine has.
    """
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MB
    cores = cores or max(4, os.cpu_count() or 1)
    memory = memory or min(4096, total // 2 // workers // 256 * 256)
    if memory < 1024:
        raise UsageError(
            f"--memory {memory}m: each worker needs 1024m or more to run a driver and an executor"
        )
    if workers * memory > total:
        raise UsageError(
            f"--workers {workers} --memory {memory}m: this machine has {total} MB; "
            "ask for fewer workers or less memory"
        )
    return Shape(workers, cores, memory, tuple(ports))


def write_xml(path: Path, settings: Mapping[str, object]) -> None:
    """Write a Hadoop configuration file."""
    lines = [
        f"<property><name>{escape(name)}</name><value>{escape(str(value))}</value></property>"
        for name, value in settings.items()
    ]
    text = "\n".join(["<configuration>", *lines, "</configuration>", ""])
    write_private(path, text)


def write_properties(path: Path, settings: Mapping[str, object]) -> None:
    """Write a properties file for spark-submit, readable by its owner alone."""
    import javaproperties

    values = {name: str(value) for name, value in settings.items()}
    write_private(path, javaproperties.dumps(values, timestamp=None))


def log_settings(level: str) -> str:
    """Write log4j2.properties."""
    return _LOG.format(level=level)
