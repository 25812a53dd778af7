"""``setup spark submit``: its options, and from them the application and what it ships."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setup import environment
from setup.called import called
from setup.errors import ServerError, UsageError
from setup.messages import say
from setup.numbers import number
from setup.spark import distribution, environments, files, line, plan, resources, settings
from setup.spark import target as targets
from setup.spark.bigdl import BigDL
from setup.spark.settings import SIZES, Settings, megabytes
from setup.spark.submit import Run, client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from setup.commands import Parser
    from setup.spark.install import Spark
    from setup.spark.resource_manager import Node
    from setup.spark.target import Target

__all__ = ["add_environment", "add_options", "lock", "run"]

_COUNT = number(1, 65536)
_PYTHONS = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")


def add_environment(add: Callable[..., Any]) -> None:
    """Add the options that say what a packed environment is made of.

    Parameters
    ----------
    add
        The `add_argument` of a parser.
    """
    add(
        "--requirements",
        metavar="FILE",
        help="pinned packages, best with hashes (default: what core and jobs need)",
    )
    add(
        "--kind",
        choices=list(environments.KINDS),
        default="whole",
        help="whole: with Python (default); venv, zip: nodes have the same one in the same place",
    )


def add_options(parser: Parser) -> None:
    """Add the options of ``setup spark submit``."""
    parser.usage = f"{parser.prog} [OPTION ...] (script.py | -m MODULE) [ARGUMENT ...]"
    parser.epilog = "All other options of spark-submit are handed through to it as they are."
    known = {"--prefix": True, "--help": False, line.PASSED: True}

    def add(*names: str, **how: Any) -> None:
        action = parser.add_argument(*names, **how)
        known.update(dict.fromkeys(action.option_strings, action.nargs != 0))

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
    add("--master", metavar="URL", help="yarn, local[N] or spark://HOST:PORT (default: see above)")
    add("--remote", help=argparse.SUPPRESS)
    add("--deploy-mode", choices=["client", "cluster"], help="(default: client)")
    add_environment(add)
    _add_shipped(add)
    _add_cluster(add)
    for name in ("driver", "executor"):
        add(f"--{name}-cores", type=_COUNT, metavar="N")
        add(f"--{name}-memory", type=megabytes, metavar="SIZE")
    add("--num-executors", type=_COUNT, metavar="N")
    add("--total-executor-cores", type=_COUNT, metavar="N")
    add("--scale", action="store_true", help="reduce these sizes to what the cluster has")
    add("--force", action="store_true", help="submit more than the cluster has: it will grow")
    add("--properties-file", metavar="FILE", help="settings of Spark's")
    add("--conf", action="append", default=[], metavar="NAME=VALUE", help="one such setting")
    add("--name", help="of the application (default: the script's)")
    add(line.PASSED, dest="passed", action="append", default=[], help=argparse.SUPPRESS)
    add("--logs", action="store_true", help="show the driver's logs on success too")
    add(
        "--dry-run",
        action="store_true",
        help="print the spark-submit that this stands for, and stop",
    )
    parser.rewrite = partial(line.normalised, known=known)


def _add_shipped(add: Callable[..., None]) -> None:
    """Add the options that say what travels with the application."""
    add("--archive", metavar="FILE", help="ship this environment instead")
    add(
        "--archives",
        metavar="LIST",
        help="archives to ship, each perhaps with #NAME; the first with a bin/python is the "
        "environment",
    )
    add("--no-environment", action="store_true", help="ship none: nodes have all that is needed")
    add("--bigdl", action="store_true", help="with BigDL, on the Spark that it runs on (YARN only)")
    add("--python-on-nodes", action="store_true", help="nodes do have the Python of a venv or zip")
    add("--py-files", default="", metavar="LIST", help="modules, zips, or folders of packages")
    add("--files", default="", metavar="LIST", help="other files to ship")


def _add_cluster(add: Callable[..., None]) -> None:
    """Add the options that say where it goes."""
    add("--spark-home", metavar="DIR", help="the cluster's own Spark, 3.3 to 4.x (or SPARK_HOME)")
    add("--hadoop-conf", metavar="DIR", help="cluster with this yarn-site.xml (or HADOOP_CONF_DIR)")
    add("--queue", metavar="NAME", help="of YARN's scheduler")


def run(spark: Spark, options: argparse.Namespace) -> int:
    """Submit an application and follow it, or show the command.

    Parameters
    ----------
    spark
        Our Spark.
    options
        As `add_options` reads them.
    """
    spark = _chosen(spark, options)
    file = Path(options.properties_file) if options.properties_file else None
    implied = None if file else settings.default_file(_home_of(spark))
    flags = {name: vars(options)[_dest(option)] for name, option in SIZES.items()}
    given = settings.users(file or implied, options.conf, flags, option="--properties-file")
    target = _target(spark, options, given)
    say(f"this application goes to {target.where}")
    application = _application(options, target, given)
    spark.refuse(target.master, environment=not options.no_environment)
    shipment = _shipment(spark, options, application)
    application = _sized(spark, application, target, options)
    if not options.dry_run:
        with spark.layout.locked():
            spark.install()
            shipment = _packed(spark, options, target, shipment)
        if not shipment:
            _check_python(spark, application)
        if target.yarn:
            application, shipment = _plainly_named(spark, application, shipment)
    elif shipment and not shipment.archive.is_file():
        say(f"note: {shipment.archive} is not there yet; {called()} spark pack makes it")
    packages = plan.zip_packages(spark, application.py_files)
    application = replace(application, py_files=packages)
    shipped = shipment.environment if shipment else None
    own = spark.properties(shipped.python) if shipped else None
    users = file or (implied if own or target.properties else None)  # else spark-submit finds it
    application = plan.merged(
        spark, target, application, own, users=users, runs=not options.dry_run
    )
    command = plan.command(spark, target, application, shipment)
    if options.dry_run:
        print(plan.shown(command, {"SPARK_HOME": str(spark.spark_home), **target.variables()}))
        return 0
    following = Run(spark, target, application, ships=shipment is not None)
    return following.follow(command, show_logs=options.logs)


def _plainly_named(
    spark: Spark, application: plan.Application, shipment: plan.Shipment | None
) -> tuple[plan.Application, plan.Shipment | None]:
    """Rename what YARN would not find, or not delete, under its own name."""
    folder = spark.home / "submissions" / application.tag
    archives = tuple(files.plainly_named(entry, folder) for entry in application.archives)
    script = application.script
    if application.deploy_mode == "cluster":
        script = files.plainly_named(script, folder)
    if shipment:
        plain = Path(files.plainly_named(str(shipment.archive), folder))
        shipment = replace(shipment, archive=plain)
    return replace(application, script=script, archives=archives), shipment


def lock(spark: Spark, requirements: str | None) -> Path:
    """Return the lock from which the environment is made."""
    return Path(requirements) if requirements else spark.workers


def _dest(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def _chosen(spark: Spark, options: argparse.Namespace) -> Spark:
    """Choose the Spark: BigDL's, the user's, or ours."""
    if options.bigdl:
        if options.spark_home:
            raise UsageError("--bigdl and --spark-home: BigDL brings the Spark that it runs on")
        return BigDL(spark.layout)
    return distribution.named(spark.layout, options.spark_home) or spark


def _home_of(spark: Spark) -> Path | None:
    return spark.spark_home if isinstance(spark, distribution.Distribution) else None


def _target(spark: Spark, options: argparse.Namespace, given: Settings) -> Target:
    """Choose the cluster."""
    if options.remote:
        options.master = options.remote
    master = options.master or given.get("spark.master")
    origin = "--remote" if options.remote else "--master"
    if not options.master and master:
        origin = f"spark.master of {given.origins['spark.master']}"
    ask = options.scale or not options.dry_run
    target = targets.find(spark, master, origin, options.hadoop_conf, ask=ask)
    if target.kerberos:
        keytab = "--keytab" in line.handed_through(options.passed)
        keytab = keytab or "spark.kerberos.keytab" in given.values
        ticket = _has_ticket()
        if not (keytab or ticket):
            raise UsageError(
                f"{target.where} asks for Kerberos, and this account has no ticket: run kinit, or "
                "name --principal and --keytab"
            )
    standalone = target.cluster and target.cluster.kind == "standalone"
    ours = target.cluster.spark.version if target.cluster else ""
    if standalone and _home_of(spark) and spark.version != ours:
        raise UsageError(
            f"the standalone cluster of this prefix runs Spark {ours}, which Spark {spark.version} "
            "cannot use: leave --spark-home out, or unset SPARK_HOME"
        )
    return target


def _has_ticket() -> bool:
    """Tell whether Kerberos has a ticket for this account; also if nobody can tell."""
    program = shutil.which("klist")
    if not program:
        return True
    asked = subprocess.run(
        [program, "-s"], env=environment.program(), check=False, capture_output=True
    )
    return asked.returncode == 0


def _application(options: argparse.Namespace, target: Target, given: Settings) -> plan.Application:
    """Read the description of the application."""
    passed = line.handed_through(options.passed)
    named = {"--deploy-mode": options.deploy_mode, "--name": options.name, "--queue": options.queue}
    if options.module and "spark.app.name" not in given.values:
        named["--name"] = options.name or options.module[0]
    script, arguments = _program(options)
    application = plan.Application(
        script=script,
        arguments=arguments,
        settings=given,
        deploy_mode=options.deploy_mode or given.get("spark.submit.deployMode", "client"),
        options={**{k: [v] for k, v in named.items() if v}, **passed},
        py_files=files.checked("--py-files", _shipped(options.py_files, given), folders=True),
        files=files.checked("--files", _shipped(options.files, given, "files")),
        archives=files.checked("--archives", _shipped(options.archives, given, "archives")),
        conf=tuple(options.conf),
    )
    _check_passed(passed, given)
    if not target.yarn and application.deploy_mode == "cluster" and application.is_python:
        what = "this machine alone" if target.local else "a standalone cluster"
        raise UsageError(f"--deploy-mode cluster: {what} runs no Python drivers; use client")
    if stray := line.misplaced(arguments if not options.module else ()):
        say(
            f"note: {', '.join(stray)} after {script} goes to that program, not to Spark: options "
            "of spark-submit stand before it"
        )
    return application


def _shipped(option: str | None, given: Settings, kind: str = "") -> tuple[str, ...]:
    """List files to ship: those of the option, else of the settings that it would win over."""
    names = (f"spark.{kind}", f"spark.yarn.dist.{kind}") if kind else ("spark.submit.pyFiles",)
    return files.listed(option or next(filter(None, map(given.get, names)), ""))


def _program(options: argparse.Namespace) -> tuple[str, tuple[str, ...]]:
    """Return the program and its arguments."""
    if options.module:
        return str(plan.RUN_MODULE), tuple(options.module)
    if not options.program:
        raise UsageError("there is nothing to run: name a script, or a module with -m")
    script = options.program[0]
    if not files.is_remote(script) and not Path(script.removeprefix("file:")).is_file():
        raise UsageError(f"{script}: no such script")
    return script, tuple(options.program[1:])


def _check_passed(passed: Mapping[str, list[str]], given: Settings) -> None:
    """Check what spark-submit would find wrong only after a while."""
    for value in passed.get("--jars", ()):
        files.checked("--jars", files.listed(value))
    files.checked("--keytab", passed.get("--keytab", ()))
    found = {
        name: bool(passed.get(f"--{name}")) or f"spark.kerberos.{name}" in given.values
        for name in ("keytab", "principal")
    }
    if found["keytab"] != found["principal"]:
        here, lacks = sorted(found, key=lambda name: not found[name])
        raise UsageError(f"--{here} without --{lacks}: Kerberos needs both, or a ticket of kinit")


def _shipment(
    spark: Spark, options: argparse.Namespace, application: plan.Application
) -> plan.Shipment | None:
    """Choose the environment to ship; its archive need not exist yet."""
    chosen = [options.archive, options.requirements, options.no_environment or None]
    if sum(value is not None for value in chosen) > 1:
        raise UsageError("--archive, --requirements and --no-environment exclude each other")
    if options.archive:
        return _known(spark, Path(options.archive).absolute())
    own_python = "spark.pyspark.python" in application.settings.values
    if options.no_environment or not application.is_python:
        return None
    own_python = own_python or bool(os.environ.get(_PYTHONS[0]) and not options.bigdl)
    if not options.requirements and own_python:
        say("no environment is shipped, as spark.pyspark.python or PYSPARK_PYTHON names a Python")
        return None
    if not options.requirements and application.archives:
        for entry in application.archives:
            path, name = files.named(entry)
            inside = "" if files.is_remote(path) else environments.python_in(Path(path))
            if inside:
                found = _known(spark, Path(path).absolute())
                name = name or Path(path).name
                return replace(found, name=name, interpreter=inside, is_listed=True)
        return None
    archive = environments.archive_of(spark, lock(spark, options.requirements), kind=options.kind)
    return _known(spark, archive)


def _known(spark: Spark, archive: Path) -> plan.Shipment:
    """Describe an archive, tested if it was before."""
    return plan.Shipment(archive, environment=environments.tested(spark, archive))


def _packed(
    spark: Spark,
    options: argparse.Namespace,
    target: Target,
    shipment: plan.Shipment | None,
) -> plan.Shipment | None:
    """Make the archive unless one was named, and test it here."""
    if not shipment:
        return None
    if not (options.archive or shipment.is_listed):
        environments.make(spark, lock(spark, options.requirements), kind=options.kind)
    # To find that it was tested, it was hashed: large ones are not hashed again.
    found = shipment.environment or environments.prepare(spark, shipment.archive)
    here = target.cluster is not None or target.local
    environments.check_nodes(found, here=here, confirmed=options.python_on_nodes)
    return replace(shipment, environment=found)


def _check_python(spark: Spark, application: plan.Application) -> None:
    """Check that the Python of a driver that ships none fits the user's Spark."""
    home = _home_of(spark)
    if not home or not application.is_python or application.deploy_mode != "client":
        return
    given = [application.settings.get(f"spark.pyspark.{n}") for n in ("driver.python", "python")]
    given += [os.environ.get(name, "") for name in reversed(_PYTHONS)]
    program = next(filter(None, given), "python3")
    ask = "import platform; print(platform.python_version())"
    try:
        done = subprocess.run(
            [program, "-c", ask],
            env=environment.program(),
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise UsageError(f"{program}, the driver's Python: {error.strerror}") from error
    if wrong := spark.misfit(done.stdout.strip()):
        raise UsageError(f"{program}: {wrong}")


def _sized(
    spark: Spark, application: plan.Application, target: Target, options: argparse.Namespace
) -> plan.Application:
    """Compare what is requested with what the cluster has, and choose the options for sizes."""
    everything = Settings()
    if target.properties:
        everything.add(settings.read_file(target.properties, "settings"), str(target.properties))
    for name, value in application.settings.values.items():
        everything.add({name: value}, application.settings.origins[name])
    request = settings.request(everything, application.deploy_mode, yarn=target.yarn)
    given = application.settings
    sizes: dict[str, object] = {
        option: given.values[name]
        for name, option in SIZES.items()
        if given.origins.get(name) == option
    }
    nodes = None if options.dry_run and not options.scale else _nodes(spark, target)
    if options.scale and nodes is None:
        say("note: --scale changes nothing, as nobody tells what the cluster has")
    if options.scale and nodes:
        fitted = resources.fitted(request, nodes)
        changes = _sizes_of(fitted).items() - _sizes_of(request).items()
        if changes:
            said = ", ".join(f"{name} {value}" for name, value in sorted(changes))
            say(f"reduced to what the cluster has (--scale): {said}")
        request, sizes = fitted, {**sizes, **dict(changes)}
        if "--total-executor-cores" in sizes:
            sizes["--total-executor-cores"] = fitted.num_executors * fitted.executor.cores
    if nodes is not None:
        try:
            resources.check(request, nodes)
        except UsageError as error:
            if not options.force:
                hint = "; --scale reduces it to that, --force submits to a cluster that grows"
                raise UsageError(f"{error}{hint}") from error
            say(f"note: {error} (--force: it waits until the cluster has grown)")
    return replace(application, sizes=_for_master(sizes, request, target))


def _nodes(spark: Spark, target: Target) -> list[Node] | None:
    """List the machines of a cluster; None if nobody tells."""
    if not target.kerberos:
        return target.nodes()
    try:
        spark.install()
        return client(spark, target).nodes()
    except ServerError as error:  # with a keytab alone, only spark-submit gets a ticket
        say(f"note: what is requested was not compared with the cluster's nodes: {error}")
        return None


def _sizes_of(request: resources.Request) -> dict[str, object]:
    """Write a request as options of spark-submit."""
    return {
        "--driver-cores": request.driver.cores,
        "--driver-memory": f"{request.driver.memory}m",
        "--executor-cores": request.executor.cores,
        "--executor-memory": f"{request.executor.memory}m",
        "--num-executors": request.num_executors,
    }


def _for_master(
    sizes: dict[str, object], request: resources.Request, target: Target
) -> dict[str, object]:
    """Say a number of executors in the words of a kind of cluster."""
    if target.yarn and "--total-executor-cores" in sizes:
        return {**sizes, "--num-executors": request.num_executors}
    if not (target.yarn or target.local) and "--num-executors" in sizes:
        # a standalone cluster counts cores
        cores = request.executor.cores
        total = request.num_executors * cores
        kept = {name: value for name, value in sizes.items() if name != "--num-executors"}
        return {**kept, "--executor-cores": cores, "--total-executor-cores": total}
    return sizes
