"""Build the command line that submits an application to Spark."""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from setup import archives
from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.spark.environments import Environment
    from setup.spark.install import Spark
    from setup.spark.resources import Request
    from setup.spark.target import Target

__all__ = ["RUN_MODULE", "Application", "command", "merge_properties", "shown", "zip_packages"]

NAME = "environment"  # the name under which nodes unpack the archive
RUN_MODULE = Path(__file__).with_name("run_module.py")


@dataclass(frozen=True)
class Application:
    """An application to submit.

    Attributes
    ----------
    script, arguments
        The program.
    request
        What it needs.
    total_executor_cores
        Cores of all executors together; None if not given.
    py_files, files
        Files to ship besides the environment.
    conf
        ``NAME=VALUE`` settings.
    properties
        A file with such settings.
    tag
        Identifies the application on the cluster.
    """

    script: Path
    arguments: tuple[str, ...]
    request: Request
    total_executor_cores: int | None = None
    py_files: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    conf: tuple[str, ...] = ()
    properties: Path | None = None
    name: str = ""
    queue: str = ""
    tag: str = field(default_factory=lambda: f"setup-{uuid.uuid4().hex[:12]}")


def command(
    spark: Spark,
    target: Target,
    application: Application,
    archive: str,
    environment: Environment | None,
) -> list[str]:
    """Write the command line of spark-submit.

    Parameters
    ----------
    spark
        Whose spark-submit.
    target
        Which cluster.
    application
        What to run.
    archive
        Path or URL of the environment's archive; empty for none.
    environment
        The same, tested here; None if it was not (for `shown` only).
    """
    files = list(application.files)
    program = f"./{NAME}/{environment.interpreter if environment else 'bin/python'}"
    if environment and not target.cluster:  # whose nodes may be unlike this machine
        script = environment.write_launcher(NAME)
        program = f"./{script.name}"
        files.append(str(script))
    settings = [f"spark.yarn.tags={application.tag}"] if target.master == "yarn" else []
    settings += _interpreters(spark, application, program if archive else "", environment)
    if environment:
        settings += _classes(spark, target, application, environment)
    options: list[tuple[str, object]] = [
        ("--master", target.master),
        ("--deploy-mode", application.request.deploy_mode),
        ("--name", application.name),
        ("--queue", application.queue),
        ("--properties-file", application.properties or target.properties or ""),
        ("--py-files", ",".join(application.py_files)),
        ("--files", ",".join(files)),
        ("--archives", f"{archive}#{NAME}" if archive else ""),
        *_sizes(target, application),
        *(("--conf", setting) for setting in (*settings, *application.conf)),
    ]
    words = [str(word) for name, value in options if value != "" for word in (name, value)]
    submit = str(spark.spark_home / "bin" / "spark-submit")
    return [submit, *words, str(application.script), *application.arguments]


def _interpreters(
    spark: Spark, application: Application, program: str, environment: Environment | None
) -> list[str]:
    """Choose the Python of executors (empty: the nodes' own) and of the driver."""
    client = application.request.deploy_mode == "client"
    if not program:
        return [f"spark.pyspark.driver.python={spark.python}"] if client else []
    driver = [f"spark.pyspark.driver.python={environment.python}"] if client and environment else []
    return [f"spark.pyspark.python={program}", *driver]


def _classes(
    spark: Spark, target: Target, application: Application, environment: Environment
) -> list[str]:
    """Choose the jars that come before Spark's own on its nodes and in the driver."""
    there = f"./{NAME}"
    client = application.request.deploy_mode == "client"
    here = str(environment.unpacked) if client else there
    found = {
        process: spark.classes(environment.python, environment.unpacked, root)
        for process, root in (("driver", here), ("executor", there))
    }
    if not any(found.values()):
        return []
    # They may hold an ASM too old for the guard, whose own has to come first.
    first = [f"{jar}:" for jar in spark.guard.parent.glob("asm-*.jar") if target.cluster]
    paths = [f"spark.{p}.extraClassPath={''.join(first)}{path}" for p, path in found.items()]
    # The settings of a cluster here name the jars of the other release.
    return [*paths, f"spark.yarn.jars=local:{spark.jars}/*"] if target.cluster else paths


def _sizes(target: Target, application: Application) -> list[tuple[str, object]]:
    """Write the application's needs as options of spark-submit."""
    request = application.request
    number: tuple[str, object] = ("--num-executors", request.num_executors)
    if target.master != "yarn":
        total = request.num_executors * request.executor.cores
        number = ("--total-executor-cores", application.total_executor_cores or total)
    return [
        ("--driver-cores", request.driver.cores if request.deploy_mode == "cluster" else ""),
        ("--driver-memory", f"{request.driver.memory}m"),
        ("--executor-cores", request.executor.cores),
        ("--executor-memory", f"{request.executor.memory}m"),
        number,
    ]


def merge_properties(
    spark: Spark, target: Target, application: Application, own: Path | None = None
) -> Application:
    """Merge the settings files of the release, the cluster and the user into one.

    The last wins.

    Parameters
    ----------
    spark
        Whose folder gets it.
    target
        The cluster.
    application
        What to run.
    own
        The release's own settings; None if it has none.

    Returns
    -------
    Application
        With that file as its properties, mode 0600, in the folder ``submissions``.

    Raises
    ------
    UsageError
        When the user's file cannot be read.
    """
    import javaproperties

    if not (application.properties or own):
        return application
    merged = {}
    for path in filter(None, (own, target.properties, application.properties)):
        try:
            merged.update(javaproperties.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"--properties-file {path}: {why}") from error
    folder = spark.home / "submissions"
    folder.mkdir(exist_ok=True, mode=0o700)
    file = folder / f"{application.tag}.conf"
    write_private(file, javaproperties.dumps(merged, timestamp=None))
    return replace(application, properties=file)


def zip_packages(spark: Spark, entries: Sequence[str]) -> tuple[str, ...]:
    """Zip the folders among ``--py-files``: each is a package, named by a hash of its content.

    Raises
    ------
    UsageError
        When one does not exist.
    """
    found = []
    for entry in entries:
        path = Path(entry)
        if "://" not in entry and not path.exists():
            raise UsageError(f"--py-files {entry}: no such file or folder")
        if not path.is_dir():
            found.append(entry)
            continue
        path = path.resolve()
        members = [
            replace(member, name=f"{path.name}/{member.name}")
            for member in archives.members(path, links=False)
            if "__pycache__" not in member.name
        ]
        folder = spark.home / "packs"
        folder.mkdir(exist_ok=True, mode=0o700)
        target = folder / f"{path.name}-{archives.digest(members)[:12]}.zip"
        if not target.is_file():
            archives.write(members, target)
        found.append(str(target))
    return tuple(found)


def shown(words: Sequence[str], environ: dict[str, str]) -> str:
    """Write a command as it would be typed."""
    first = [f"{name}={shlex.quote(value)}" for name, value in environ.items()]
    pairs, rest = [], list(words[1:])
    while rest and rest[0].startswith("--"):
        pairs.append(f"{rest[0]} {shlex.quote(rest[1])}")
        rest = rest[2:]
    lines = [" ".join([*first, shlex.quote(words[0])]), *pairs, shlex.join(rest)]
    return " \\\n    ".join(lines)
