"""``setup spark ...``: the command line."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from setup.called import called
from setup.commands import Commands, Needs
from setup.errors import UsageError
from setup.life.status import show
from setup.messages import say
from setup.numbers import number
from setup.spark import environments, plan, resources
from setup.spark import target as targets
from setup.spark.bigdl import BigDL
from setup.spark.cluster import KINDS, Cluster, running
from setup.spark.install import Spark
from setup.spark.submit import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from setup.layout import Layout
    from setup.spark.target import Target

    _Run = Callable[[Spark, argparse.Namespace], int]

__all__ = ["add_commands"]

_COUNT = number(1, 1024)

_EPILOG = """\
examples:
  python3 -m setup spark start yarn --workers 2       a Hadoop YARN of your own, for trying
  python3 -m setup spark pack --requirements my.txt   the archive that takes packages along
  python3 -m setup spark submit --requirements my.txt --num-executors 2 script.py ARGUMENT
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

    def add(name: str, run: _Run, text: str, needs: Needs, **how: bool) -> argparse.ArgumentParser:
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
    _add_environment(pack)
    pack.add_argument(
        *("--import", "-i"),
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="import it in the local job (may be repeated)",
    )
    text = "Hand a script to the cluster, environment included, and follow it to its end."
    _add_submit(add("submit", _submit, text, Needs.ENVIRONMENT))


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


def _add_environment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--requirements",
        metavar="FILE",
        help="pinned packages, best with hashes (default: what core and jobs need)",
    )
    parser.add_argument(
        "--kind",
        choices=list(environments.KINDS),
        default="whole",
        help="whole: with Python (default); venv, zip: nodes have the same one in the same place",
    )


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} [OPTION ...] (script.py | -m MODULE) [ARGUMENT ...]"
    parser.add_argument(
        "program", nargs=argparse.REMAINDER, metavar="script.py", help="the program, its arguments"
    )
    parser.add_argument(
        "-m",
        dest="module",
        nargs=argparse.REMAINDER,
        metavar="MODULE",
        help="run this module (of --py-files) instead, as python -m does",
    )
    _add_environment(parser)
    parser.add_argument("--archive", metavar="FILE", help="ship this archive instead")
    parser.add_argument(
        "--no-environment", action="store_true", help="ship none: nodes have all that is needed"
    )
    parser.add_argument(
        "--bigdl", action="store_true", help="with BigDL, on the Spark that it runs on (YARN only)"
    )
    parser.add_argument(
        "--python-on-nodes", action="store_true", help="nodes do have the Python of a venv or zip"
    )
    parser.add_argument("--deploy-mode", choices=["client", "cluster"], default="client")
    for name, default in (("driver", 1), ("executor", 1)):
        parser.add_argument(f"--{name}-cores", type=_COUNT, default=default, metavar="N")
        parser.add_argument(f"--{name}-memory", type=megabytes, default=1024, metavar="SIZE")
    parser.add_argument("--num-executors", type=_COUNT, metavar="N", help="(default: 2)")
    parser.add_argument("--total-executor-cores", type=_COUNT, metavar="N")
    parser.add_argument(
        "--py-files", default="", metavar="LIST", help="modules, zips, or folders of packages"
    )
    parser.add_argument("--files", default="", metavar="LIST", help="other files to ship")
    parser.add_argument("--properties-file", metavar="FILE", help="settings of Spark's")
    parser.add_argument(
        "--conf", action="append", default=[], metavar="NAME=VALUE", help="one such setting"
    )
    parser.add_argument("--name", default="", help="of the application (default: the script's)")
    parser.add_argument("--queue", default="", help="of YARN's scheduler")
    parser.add_argument(
        "--hadoop-conf", metavar="DIR", help="cluster with this yarn-site.xml (or HADOOP_CONF_DIR)"
    )
    parser.add_argument("--logs", action="store_true", help="show the driver's logs on success too")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the spark-submit that this stands for, and stop",
    )


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
    cluster = running(spark)
    if not cluster:
        say(f"no cluster runs: {called()} spark start yarn")
    return show(cluster.statuses() if cluster else [], as_json=options.json)


def _pack(spark: Spark, options: argparse.Namespace) -> int:
    lock = _lock(spark, options)
    with spark.layout.locked():
        spark.install()
        archive = environments.make(spark, lock, kind=options.kind)
        environments.prepare(spark, archive, options.imports)
    print(archive)
    return 0


def _submit(spark: Spark, options: argparse.Namespace) -> int:
    spark = BigDL(spark.layout) if options.bigdl else spark
    target = targets.find(spark, options.hadoop_conf, ask=not options.dry_run)
    spark.refuse(target.master, environment=not options.no_environment)
    application = _application(options, target)
    archive = _archive(spark, options)
    if options.dry_run:
        command = plan.command(spark, target, application, str(archive or ""), None)
        print(plan.shown(command, {"HADOOP_CONF_DIR": str(target.conf)}))
        return 0
    resources.check(application.request, target.nodes())
    with spark.layout.locked():
        spark.install()
        environment = _environment(spark, options, target, archive) if archive else None
        packages = plan.zip_packages(spark, application.py_files)
    application = replace(application, py_files=packages)
    own = spark.properties(environment.python) if environment else None
    application = plan.merge_properties(spark, target, application, own)
    command = plan.command(spark, target, application, str(archive or ""), environment)
    run = Run(spark, target, application.tag, options.deploy_mode)
    return run.follow(command, show_logs=options.logs)


def _environment(
    spark: Spark, options: argparse.Namespace, target: Target, archive: Path
) -> environments.Environment:
    """Make the archive unless one was named, and test it here."""
    if not options.archive:
        environments.make(spark, _lock(spark, options), kind=options.kind)
    found = environments.prepare(spark, archive)
    here = target.cluster is not None
    environments.check_nodes(found, here=here, confirmed=options.python_on_nodes)
    return found


def _archive(spark: Spark, options: argparse.Namespace) -> Path | None:
    """Return the archive to ship; it need not exist yet."""
    chosen = [options.archive, options.requirements, options.no_environment or None]
    if sum(value is not None for value in chosen) > 1:
        raise UsageError("--archive, --requirements and --no-environment exclude each other")
    if options.no_environment:
        return None
    if options.archive:
        return Path(options.archive).absolute()
    return environments.archive_of(spark, _lock(spark, options), kind=options.kind)


def _lock(spark: Spark, options: argparse.Namespace) -> Path:
    """Return the lock from which the environment is made."""
    return Path(options.requirements) if options.requirements else spark.workers


def _program(options: argparse.Namespace) -> tuple[Path, tuple[str, ...]]:
    """Return the program and its arguments."""
    if options.module:
        return plan.RUN_MODULE, tuple(options.module)
    if not options.program:
        raise UsageError("there is nothing to run: name a script, or a module with -m")
    script = Path(options.program[0])
    if not script.is_file():
        raise UsageError(f"{script}: no such script")
    return script, tuple(options.program[1:])


def _application(options: argparse.Namespace, target: Target) -> plan.Application:
    """Read the description of the application."""
    script, arguments = _program(options)
    if target.master != "yarn" and options.deploy_mode == "cluster":
        raise UsageError(
            "--deploy-mode cluster: a standalone cluster runs no Python drivers; use client"
        )
    for setting in options.conf:
        if "=" not in setting:
            raise UsageError(f"--conf {setting}: expected NAME=VALUE")
    return plan.Application(
        script=script,
        arguments=arguments,
        request=_request(options, yarn=target.master == "yarn"),
        total_executor_cores=options.total_executor_cores,
        py_files=tuple(filter(None, options.py_files.split(","))),
        files=_files(options),
        conf=tuple(options.conf),
        properties=Path(options.properties_file) if options.properties_file else None,
        name=options.name or (options.module or [script.stem])[0],
        queue=options.queue,
    )


def _request(options: argparse.Namespace, *, yarn: bool) -> resources.Request:
    """Read the requested number and size of processes."""
    number, cores, total = (
        options.num_executors,
        options.executor_cores,
        options.total_executor_cores,
    )
    if total and total % cores:
        raise UsageError(f"--total-executor-cores {total}: no multiple of --executor-cores {cores}")
    if total and number and number * cores != total:
        raise UsageError(
            f"--total-executor-cores {total}: --num-executors {number} with {cores} cores each are "
            f"{number * cores}; leave one of the two out"
        )
    overhead = {who: _overhead(who, options.conf) for who in ("driver", "executor")}
    return resources.Request(
        resources.ProcessSize(options.driver_cores, options.driver_memory, overhead["driver"]),
        resources.ProcessSize(cores, options.executor_memory, overhead["executor"]),
        num_executors=number or (total // cores if total else 2),
        deploy_mode=options.deploy_mode,
        yarn=yarn,
    )


def _files(options: argparse.Namespace) -> tuple[str, ...]:
    """Read the files to ship."""
    files = tuple(filter(None, options.files.split(",")))
    for entry in files:
        if "://" not in entry and not Path(entry.partition("#")[0]).is_file():
            raise UsageError(f"--files {entry}: no such file")
    return files


def _overhead(who: str, conf: Sequence[str]) -> int | None:
    """Find the memory outside of Java's heap that --conf sets; the last one counts."""
    name = f"spark.{who}.memoryOverhead"
    size = dict(setting.split("=", 1) for setting in conf).get(name)
    try:
        return None if size is None else megabytes(size)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--conf {name}={error}") from None


def _stop(spark: Spark, _options: argparse.Namespace) -> int:
    cluster = running(spark)
    if not cluster or not cluster.stop():
        say("no cluster was running")
    return 0
