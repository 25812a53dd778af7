"""Choose, pack and test the environment that an application ships."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.programs import captured
from setup import environment
from setup.errors import UsageError
from setup.messages import say
from setup.spark import environments, files
from setup.spark.distribution import Distribution
from setup.spark.plan import Application, Shipment
from setup.spark.submit_options import lock

if TYPE_CHECKING:
    import argparse

    from setup.spark.install import Spark
    from setup.spark.target import Target

__all__ = ["check_python", "chosen", "packed"]

_PYTHONS = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")


def chosen(spark: Spark, options: argparse.Namespace, application: Application) -> Shipment | None:
    """Choose the environment to ship; its archive need not exist yet."""
    sources = [options.archive, options.requirements, options.no_environment or None]
    if sum(value is not None for value in sources) > 1:
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


def _known(spark: Spark, archive: Path) -> Shipment:
    """Describe an archive, tested if it was before."""
    return Shipment(archive, environment=environments.tested(spark, archive))


def packed(
    spark: Spark,
    options: argparse.Namespace,
    target: Target,
    shipment: Shipment | None,
) -> Shipment | None:
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


def check_python(spark: Spark, application: Application) -> None:
    """Check that the Python of a driver that ships none fits the user's Spark."""
    own = isinstance(spark, Distribution)
    if not own or not application.is_python or application.deploy_mode != "client":
        return
    given = [application.settings.get(f"spark.pyspark.{n}") for n in ("driver.python", "python")]
    given += [os.environ.get(name, "") for name in reversed(_PYTHONS)]
    program = next(filter(None, given), "python3")
    ask = "import platform; print(platform.python_version())"
    try:
        done = captured([program, "-c", ask], env=environment.program())
    except OSError as error:
        raise UsageError(f"{program}, the driver's Python: {error.strerror}") from error
    if wrong := spark.misfit(done.stdout.strip()):
        raise UsageError(f"{program}: {wrong}")
