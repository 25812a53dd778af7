"""``setup spark ...``: the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup.called import called
from setup.commands import Commands, Needs
from setup.life.status import show
from setup.messages import say
from setup.numbers import megabytes, number
from setup.spark import environments, submit_command, submit_options
from setup.spark.bigdl import BigDL
from setup.spark.cluster import KINDS, Cluster, running
from setup.spark.install import Spark

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from setup.commands import Parser
    from setup.layout import Layout

    _Run = Callable[[Spark, argparse.Namespace], int]

__all__ = ["add_commands"]

_COUNT = number(1, 1024)

_EPILOG = """\
examples:
  python3 -m setup spark start yarn --workers 2       a Hadoop YARN of your own, for trying
  python3 -m setup spark pack --requirements my.txt   the archive that takes packages along
  python3 -m setup spark submit --requirements my.txt --num-executors 2 script.py ARGUMENT
  python3 -m setup spark submit --master yarn --archives env.zip#env --executor-memory 4g x.py
  python3 -m setup spark submit --dry-run script.py   the spark-submit that this stands for
  python3 -m setup spark stop

The same from any folder, once installed: ~/.azkaban-jobflow/spark/submit script.py
"""


def add_commands(commands: Commands) -> None:
    """Add ``spark`` to the commands of setup."""
    spark = commands.group(
        "spark",
        "Spark: install, clusters for trying, shipped environments, submit.",
        _EPILOG,
    )

    def add(name: str, run: _Run, text: str, needs: Needs, **how: bool) -> Parser:
        def command(layout: Layout, options: argparse.Namespace) -> int:
            return run(Spark(layout), options)

        return spark.add(name, command, text, needs=needs, **how)

    text = "Install Spark in an environment of its own."
    _add_install(add("install", _install, text, Needs.ENVIRONMENT, locked=True))
    text = "Start a cluster on this machine, of Spark's own kind or Hadoop's."
    _add_start(add("start", _start, text, Needs.ENVIRONMENT, locked=True, unprivileged=True))
    text = "Show the cluster's processes; exit 1 when one is down."
    status = add("status", _status, text, Needs.IF_THERE)
    status.add_argument("--json", action="store_true", help="machine-readable")
    text = "Stop the cluster, and the applications that it runs."
    add("stop", _stop, text, Needs.IF_THERE)
    text = "Pack an environment, try it in a local job, print the archive's path."
    pack = add("pack", _pack, text, Needs.ENVIRONMENT)
    submit_options.add_environment(pack.add_argument)
    pack.add_argument(
        *("--import", "-i"),
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="import it in the local job (may be repeated)",
    )
    text = "Hand a script to the cluster, environment included, and follow it to its end."
    submit_options.add_options(add("submit", submit_command.run, text, Needs.ENVIRONMENT))


def _add_install(install: argparse.ArgumentParser) -> None:
    install.add_argument(
        "--java", default="auto", metavar="PATH", help="the java to use (default: the system's)"
    )
    install.add_argument(
        "--bigdl",
        action="store_true",
        help="also BigDL: the Spark that it runs on, its environment packed and tried",
    )


def _add_start(start: argparse.ArgumentParser) -> None:
    start.add_argument("kind", choices=list(KINDS))
    start.add_argument(
        "--workers", type=_COUNT, default=1, metavar="N", help="machines that it plays (default: 1)"
    )
    start.add_argument("--cores", type=_COUNT, metavar="N", help="of each worker (default: 4)")
    start.add_argument(
        "--memory", type=megabytes, metavar="SIZE", help="of each worker, such as 4g (the default)"
    )


def _install(spark: Spark, options: argparse.Namespace) -> int:
    spark.install(options.java)
    if options.bigdl:
        older = BigDL(spark.layout)
        older.install()
        archive = environments.make(older)
        environments.prepare(older, archive)
        say(f"BigDL's environment: {archive}")
    return 0


def _start(spark: Spark, options: argparse.Namespace) -> int:
    spark.install()
    cluster = Cluster(spark, options.kind)
    cluster.start(options.workers, options.cores, options.memory)
    say(f"settings for its clients: {cluster.conf}")
    return 0


def _status(spark: Spark, options: argparse.Namespace) -> int:
    for kind in KINDS:
        if dead := Cluster(spark, kind).clear():
            say(f"{', '.join(dead)} of the {kind} cluster died; what applications left is deleted")
    cluster = running(spark)
    if not cluster:
        say(f"no cluster runs: {called()} spark start yarn")
    return show(cluster.statuses() if cluster else [], as_json=options.json)


def _pack(spark: Spark, options: argparse.Namespace) -> int:
    lock = submit_options.lock(spark, options.requirements)
    with spark.layout.locked():
        spark.install()
        archive = environments.make(spark, lock, kind=options.kind)
        environments.prepare(spark, archive, options.imports)
    print(archive)
    return 0


def _stop(spark: Spark, _options: argparse.Namespace) -> int:
    stopped = [Cluster(spark, kind).stop() for kind in KINDS]  # also what a dead one left
    if not any(stopped):
        say("no cluster was running")
    return 0
