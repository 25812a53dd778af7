"""``setup spark submit``: from its options the application, and its run."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.programs import runs
from setup import environment
from setup.called import called
from setup.errors import SetupError, UsageError
from setup.messages import say
from setup.spark import connect, distribution, files, line, plan, settings, shipping
from setup.spark import target as targets
from setup.spark.bigdl import BigDL
from setup.spark.secrecy import (
    DRIVER_JAVA,
    advice,
    as_settings,
    is_open,
    is_secret,
    parted,
    without_secrets,
)
from setup.spark.settings import SIZES, Settings
from setup.spark.sizes import sized
from setup.spark.submit import Run, environ, variables

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from setup.spark.install import Spark
    from setup.spark.target import Target

__all__ = ["run"]


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
    _, hidden = as_settings(line.handed_through(options.passed))
    conf = [*options.conf, *hidden]  # an option wins over --conf
    option = "--properties-file" if file else "settings"
    given = settings.users(file or implied, conf, flags, option=option)
    target = _target(spark, options, given)
    say(f"this application goes to {target.where}")
    if file and is_open(file, settings.read_file(file, "--properties-file")):
        say(f"note: {file} has secrets that other accounts can read: chmod 600 closes it to them")
    application = _application(options, target, given)
    spark.refuse(target.master, environment=not options.no_environment)
    shipment = shipping.chosen(spark, options, application)
    way = (_Session if target.remote else _SparkSubmit)(spark, target, options, file, implied)
    application = way.fitted(application)
    if not options.dry_run:
        with spark.layout.locked():
            spark.install()
            shipment = shipping.packed(spark, options, target, shipment)
        way.check_python(application, shipment)
    elif shipment and not shipment.archive.is_file():
        say(f"note: {shipment.archive} is not there yet: {_pack_command(options)} makes it")
    try:
        return _submitted(way, application, shipment)
    finally:
        if not options.dry_run:
            plan.forget(spark, application.tag)  # it may hold secrets


@dataclass(frozen=True)
class _Way:
    """How an application gets to its cluster.

    Attributes
    ----------
    spark, target, options
        The Spark, the cluster, and what the user says.
    file, implied
        The file of settings that the user names, and else the one that Spark reads.
    """

    spark: Spark
    target: Target
    options: argparse.Namespace
    file: Path | None
    implied: Path | None


class _SparkSubmit(_Way):
    """By spark-submit, which starts a driver and executors."""

    def fitted(self, application: plan.Application) -> plan.Application:
        """Compare what is requested with what the cluster has, and choose the sizes."""
        return sized(self.spark, application, self.target, self.options)

    def check_python(self, application: plan.Application, shipment: plan.Shipment | None) -> None:
        """Check the Python of a driver that ships none."""
        if not shipment:
            shipping.check_python(self.spark, application)

    def command(
        self, application: plan.Application, shipment: plan.Shipment | None
    ) -> tuple[plan.Application, list[str]]:
        """Write the file of settings and the command."""
        runs = not self.options.dry_run
        shipped = shipment.environment if shipment else None
        own = self.spark.properties(shipped.python) if shipped else None
        is_merged = own or self.target.properties or (application.secrets and runs)
        users = self.file or (self.implied if is_merged else None)  # else spark-submit finds it
        application = plan.merged(self.spark, self.target, application, own, users=users, runs=runs)
        return application, plan.command(self.spark, self.target, application, shipment)


class _Session(_Way):
    """By a session of Spark Connect, whose server has driver and executors already."""

    def fitted(self, application: plan.Application) -> plan.Application:
        """Refuse what the server cannot heed, and find out whether it answers."""
        connect.refuse(self.options, application)
        if not self.options.dry_run:
            connect.check_server(self.target)
        return application

    def check_python(self, application: plan.Application, shipment: plan.Shipment | None) -> None:
        """Check that the program's Python can be a client."""
        connect.check_client(self.spark, application, shipment)

    def command(
        self, application: plan.Application, shipment: plan.Shipment | None
    ) -> tuple[plan.Application, list[str]]:
        """Write the file of what the program needs and the command."""
        return connect.client(self.spark, application, shipment, runs=not self.options.dry_run)


def _submitted(
    way: _SparkSubmit | _Session, application: plan.Application, shipment: plan.Shipment | None
) -> int:
    """Write what the application needs, then follow it, or show its command."""
    spark, target, options = way.spark, way.target, way.options
    if plan.goes_without_page(spark, target, application):
        say(
            "note: Spark's own page is off, since its start can end a driver of Spark 4 in client "
            "mode on YARN; --conf spark.ui.enabled=true turns it on"
        )
    if target.yarn:
        application, shipment = _plainly_named(
            spark, application, shipment, runs=not options.dry_run
        )
    packages = plan.zip_packages(spark, application.py_files)
    application, command = way.command(replace(application, py_files=packages), shipment)
    ships = shipment is not None
    if not options.dry_run:
        following = Run(spark, target, application, ships=ships)
        return following.follow(command, show_logs=options.logs)
    if (open_ := without_secrets(command)) != command or application.secrets:
        say("note: secrets are shown as ***, and this command works only with them in their place")
    print(_shown(spark, target, open_, ships=ships))
    return 0


def _shown(spark: Spark, target: Target, command: list[str], *, ships: bool) -> str:
    """Write the command for a shell, with the variables that a run has and this shell has not."""
    try:
        own = environ(spark, target)
    except (OSError, SetupError) as error:
        known = isinstance(error, SetupError)
        say(f"note: {error if known else f'{called()} spark install installs this Spark first'}")
        return plan.shown(command, {"SPARK_HOME": str(spark.spark_home), **target.variables()})
    found = variables(spark, target, ships=ships)
    more = {name: value for name, value in found.items() if os.environ.get(name) != value}
    return plan.shown(command, {**own, **more}, sorted(os.environ.keys() - found.keys()))


def _pack_command(options: argparse.Namespace) -> str:
    """Write the command that makes the archive of these options."""
    if options.bigdl and not options.requirements:
        return f"{called()} spark install --bigdl"
    words = ["--requirements", options.requirements] if options.requirements else []
    words += ["--kind", options.kind] if options.kind != "whole" else []
    return " ".join([called(), "spark pack", *map(shlex.quote, words)])


def _plainly_named(
    spark: Spark, application: plan.Application, shipment: plan.Shipment | None, *, runs: bool
) -> tuple[plan.Application, plan.Shipment | None]:
    """Rename what YARN would not find, or not delete, under its own name.

    The names of a run are deleted at its end; a command that is shown keeps its own.
    """
    names = [application.script, *application.archives, str(shipment and shipment.archive)]
    digest = hashlib.sha256("\0".join(map(os.path.abspath, names)).encode()).hexdigest()
    folder = spark.home / "submissions" / (application.tag if runs else f"shown-{digest[:12]}")
    archives = tuple(files.plainly_named(entry, folder) for entry in application.archives)
    script = application.script
    if application.deploy_mode == "cluster":
        script = files.plainly_named(script, folder)
    if shipment:
        plain = Path(files.plainly_named(str(shipment.archive), folder))
        shipment = replace(shipment, archive=plain)
    return replace(application, script=script, archives=archives), shipment


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
    names = [name for name in ("spark.remote", "spark.master") if given.get(name)]
    named = [
        ("--remote", options.remote),
        ("--master", options.master),
        *((f"{name} of {given.origins[name]}", given.get(name)) for name in names),
        ("SPARK_REMOTE", os.environ.get("SPARK_REMOTE")),
    ]
    origin, master = next(((who, value) for who, value in named if value), ("", ""))
    ask = options.scale or not options.dry_run
    target = targets.find(spark, master, origin, options.hadoop_conf, ask=ask)
    target = replace(target, login=_login(line.handed_through(options.passed), given))
    if target.kerberos and not (target.login or _has_ticket()):
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


def _login(passed: Mapping[str, list[str]], given: Settings) -> tuple[str, ...]:
    """Return the principal and the keytab that the user names; empty without both."""
    names = ("principal", "keytab")
    found = tuple(
        [given.get(f"spark.kerberos.{name}"), *passed.get(f"--{name}", ())][-1] for name in names
    )
    return found if all(found) else ()


def _has_ticket() -> bool:
    """Tell whether Kerberos has a ticket for this account; also if nobody can tell."""
    program = shutil.which("klist")
    return not program or runs([program, "-s"], env=environment.program())


def _application(options: argparse.Namespace, target: Target, given: Settings) -> plan.Application:
    """Read the description of the application."""
    passed = line.handed_through(options.passed)
    own = {"--deploy-mode": options.deploy_mode, "--name": options.name, "--queue": options.queue}
    if options.module and "spark.app.name" not in given.values:
        own["--name"] = options.name or options.module[0]
    script, arguments = _program(options)
    named = {"--master": [options.remote or options.master or ""], **passed}
    if warning := advice(parted(options.conf)[1], named):
        say(warning)
    _check_passed(passed, given)
    # A server of Spark Connect gets the jars from its client, and the other options are refused.
    passed, hidden = (passed, []) if target.remote else as_settings(passed)
    conf, secrets = parted([*options.conf, *hidden])
    if is_secret(DRIVER_JAVA, given.get(DRIVER_JAVA)):  # from wherever: Java's line shows it
        secrets.setdefault(DRIVER_JAVA, given.get(DRIVER_JAVA))
    application = plan.Application(
        script=script,
        arguments=arguments,
        settings=given,
        deploy_mode=options.deploy_mode or _deploy_mode(given),
        options={**{k: [v] for k, v in own.items() if v}, **passed},
        py_files=files.checked("--py-files", _shipped(options.py_files, given), folders=True),
        files=files.checked("--files", _shipped(options.files, given, "files")),
        archives=files.checked("--archives", _shipped(options.archives, given, "archives")),
        conf=conf,
        secrets=secrets,
    )
    if not target.yarn and application.deploy_mode == "cluster" and application.is_python:
        what = "this machine alone" if target.local else "a standalone cluster"
        raise UsageError(f"--deploy-mode cluster: {what} runs no Python drivers; use client")
    if stray := line.misplaced(arguments if not options.module else ()):
        say(
            f"note: {', '.join(stray)} after {script} goes to that program, not to Spark: options "
            "of spark-submit stand before it"
        )
    return application


def _deploy_mode(given: Settings) -> str:
    """Read the deploy mode among the settings."""
    name = "spark.submit.deployMode"
    found = given.get(name, "client")
    if found not in ("client", "cluster"):
        raise UsageError(f"{given.origins[name]} {name}={found!r}: expected client or cluster")
    return found


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
