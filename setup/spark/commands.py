"""``setup spark ...``: the command line."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from setup.commands import Commands, Needs
from setup.console import say
from setup.spark.cluster import KINDS, Cluster, running
from setup.spark.install import Spark

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.layout import Layout

    _Run = Callable[[Spark, argparse.Namespace], int]

__all__ = ["add_commands"]

_EPILOG = """\
examples:
  python3 -m setup spark start yarn --workers 2       a Hadoop YARN of your own, for trying
  python3 -m setup spark status --json
  python3 -m setup spark stop
"""


def add_commands(commands: Commands) -> None:
    """Add ``spark`` to the commands of setup."""
    spark = commands.group(
        "spark",
        "Spark: install, clusters for trying, shipped environments, submit.",
        _EPILOG,
        lambda _layout, options: options.step,
    )

    def add(name: str, run: _Run, text: str, needs: Needs, **how: bool) -> argparse.ArgumentParser:
        def command(layout: Layout, options: argparse.Namespace) -> int:
            return run(Spark(layout), options)

        return spark.add(name, command, text, needs=needs, **how)

    text = "Install Spark in an environment of its own."
    install = add("install", _install, text, Needs.ENVIRONMENT, locked=True)
    install.add_argument(
        "--java", default="auto", metavar="PATH", help="the java to use (default: the system's)"
    )
    text = "Start a cluster on this machine, of Spark's own kind or Hadoop's."
    start = add("start", _start, text, Needs.ENVIRONMENT, locked=True, unprivileged=True)
    start.add_argument("kind", choices=list(KINDS))
    start.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="machines that it plays (default: 1)"
    )
    start.add_argument("--cores", type=_count, metavar="N", help="of each worker (default: 4)")
    start.add_argument(
        "--memory", type=megabytes, metavar="SIZE", help="of each worker, such as 4g (the default)"
    )
    text = "Show the cluster's processes; exit 1 when one is down."
    status = add("status", _status, text, Needs.IF_THERE)
    status.add_argument("--json", action="store_true", help="machine-readable")
    text = "Stop the cluster, and the applications that it runs."
    add("stop", _stop, text, Needs.IF_THERE)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to 1024")
    return int(text)


def megabytes(text: str) -> int:
    """Read a size as Spark writes it, in MB.

    Examples
    --------
    >>> megabytes("4g"), megabytes("512m"), megabytes("600")
    (4096, 512, 600)
    """
    match = re.fullmatch(r"(\d+)(m|mb|g|gb|t|tb)?", text.lower())
    if not match or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a size such as 512m or 4g")
    return int(match[1]) * {"": 1, "m": 1, "g": 1 << 10, "t": 1 << 20}[(match[2] or "")[:1]]


def _install(spark: Spark, options: argparse.Namespace) -> int:
    spark.install(options.java)
    return 0


def _start(spark: Spark, options: argparse.Namespace) -> int:
    spark.install()
    cluster = Cluster(spark, options.kind)
    cluster.start(options.workers, options.cores, options.memory)
    say(f"settings for its clients: {cluster.conf}")
    return 0


def _status(spark: Spark, options: argparse.Namespace) -> int:
    cluster = running(spark)
    statuses = cluster.statuses() if cluster else []
    if options.json:
        print(json.dumps([asdict(status) for status in statuses], indent=2))
    for status in [] if options.json else statuses:
        where = f"  {status.url}" if status.url else ""
        print(f"{status.server}  {status.state}  pid {status.pid}{where}")
    if not statuses:
        say("no cluster runs: setup spark start yarn")
    return 0 if statuses and all(status.state == "running" for status in statuses) else 1


def _stop(spark: Spark, _options: argparse.Namespace) -> int:
    cluster = running(spark)
    if not cluster or not cluster.stop():
        say("no cluster was running")
    return 0
