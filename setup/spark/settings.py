"""Merge the settings of an application as spark-submit does, and read from them what it requests.

From the weakest to the strongest: the settings of the release and of the cluster here, the user's
file (``--properties-file``, else ``spark-defaults.conf`` of SPARK_CONF_DIR or SPARK_HOME),
``--conf``, and the options for sizes.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from setup.errors import UsageError
from setup.messages import say
from setup.numbers import megabytes
from setup.paths import expanded
from setup.spark.resources import ProcessSize, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["SIZES", "Settings", "default_file", "read_file", "request", "users"]

# The options of spark-submit for sizes, by the settings that they stand for.
SIZES = {
    "spark.driver.cores": "--driver-cores",
    "spark.driver.memory": "--driver-memory",
    "spark.executor.cores": "--executor-cores",
    "spark.executor.memory": "--executor-memory",
    "spark.executor.instances": "--num-executors",
    "spark.cores.max": "--total-executor-cores",
}


@dataclass
class Settings:
    """Settings, each with where it comes from.

    Attributes
    ----------
    values
        By name.
    origins
        Such as ``--conf``, or a file, by name.
    """

    values: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def add(self, values: Mapping[str, str], origin: str) -> None:
        """Add settings that win over those that are there."""
        self.values.update(values)
        self.origins.update(dict.fromkeys(values, origin))

    def get(self, name: str, default: str = "") -> str:
        """Return a setting as written."""
        return self.values.get(name, default)

    def on(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.get(name).strip().lower() == "true"

    def size(self, name: str, default: int | None = None) -> int | None:
        """Read a size in MB.

        Raises
        ------
        UsageError
            When it is none; naming where it was set.
        """
        try:
            return megabytes(self.values[name]) if name in self.values else default
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{self.origins[name]} {name}={error}") from None

    def number(self, name: str, default: int) -> int:
        """Read a number.

        Raises
        ------
        UsageError
            When it is none from 1 on; naming where it was set.
        """
        text = self.get(name, str(default)).strip()
        if not text.isascii() or not text.isdigit() or not int(text):
            raise UsageError(f"{self.origins[name]} {name}={text!r}: expected a number from 1 on")
        return int(text)

    def share(self, name: str, default: float) -> float:
        """Read a share, such as 0.1.

        Raises
        ------
        UsageError
            When it is none; naming where it was set.
        """
        text = self.get(name, str(default))
        try:
            return float(text)
        except ValueError:
            raise UsageError(f"{self.origins[name]} {name}={text!r}: expected a number") from None


def read_file(path: Path, option: str) -> dict[str, str]:
    """Read a settings file of Spark's.

    Raises
    ------
    UsageError
        When it cannot be read.
    """
    import javaproperties

    try:
        found = javaproperties.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{option} {path}: {why}") from error
    return {name: value.strip() for name, value in found.items()}


def default_file(spark_home: Path | None) -> Path | None:
    """Return the settings file that spark-submit reads without being told; None if there is none.

    Parameters
    ----------
    spark_home
        A Spark of the user's; None for ours, which has no settings.
    """
    given = os.environ.get("SPARK_CONF_DIR")
    folder = expanded(given) if given else spark_home / "conf" if spark_home else None
    if given and folder and not folder.is_dir():
        say(f"note: SPARK_CONF_DIR {folder}: there is no such folder, so no settings come from it")
    file = folder / "spark-defaults.conf" if folder else None
    return file if file and file.exists() else None


def users(
    file: Path | None, conf: Sequence[str], flags: Mapping[str, object], *, option: str
) -> Settings:
    """Merge the user's own settings.

    Parameters
    ----------
    file
        With settings; None if there is none.
    conf
        ``NAME=VALUE``, as in ``--conf``.
    flags
        Values of the options of `SIZES`, by setting; those not given are None.
    option
        What named the file.

    Raises
    ------
    UsageError
        When the file cannot be read, or one of `conf` is no setting.
    """
    found = Settings()
    if file:
        found.add(read_file(file, option), str(file))
    for setting in conf:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--conf {setting}: expected NAME=VALUE")
        found.add({name.strip(): value}, "--conf")
    for name, given in flags.items():
        if given is not None:
            size = f"{given}m" if name.endswith(".memory") else str(given)
            found.add({name: size}, SIZES[name])
    return found


def request(settings: Settings, deploy_mode: str, *, yarn: bool) -> Request:
    """Read the requested number and size of processes.

    Parameters
    ----------
    settings
        All of them, merged.
    deploy_mode
        ``client`` or ``cluster``.
    yarn
        Whether it goes to YARN.

    Raises
    ------
    UsageError
        When a value is none, or two contradict each other.
    """
    cores, default = settings.number("spark.executor.cores", 1), 2 if yarn else 1
    total = settings.number("spark.cores.max", 1) if "spark.cores.max" in settings.values else 0
    counted = "spark.executor.instances" in settings.values
    number = settings.number("spark.executor.instances", default)
    if total and total % cores:
        raise UsageError(f"--total-executor-cores {total}: no multiple of --executor-cores {cores}")
    if total and counted and number * cores != total:
        raise UsageError(
            f"--total-executor-cores {total}: --num-executors {number} with {cores} cores each are "
            f"{number * cores}; leave one of the two out"
        )
    if settings.on("spark.dynamicAllocation.enabled"):  # it takes what there is
        least = settings.get("spark.dynamicAllocation.minExecutors").strip()
        number = int(least) if least.isascii() and least.isdigit() and int(least) else 1
    elif total and not counted:
        number = total // cores
    agent = settings.size("spark.yarn.am.memory", 512) or 512
    return Request(
        driver=_process(settings, "driver"),
        executor=_process(settings, "executor"),
        agent=ProcessSize(
            settings.number("spark.yarn.am.cores", 1),
            agent,
            settings.size("spark.yarn.am.memoryOverhead"),
        ),
        num_executors=number,
        deploy_mode=deploy_mode,
        yarn=yarn,
    )


def _process(settings: Settings, who: str) -> ProcessSize:
    """Read the size of one kind of process."""
    more = 0
    if who == "executor":
        more = settings.size("spark.executor.pyspark.memory", 0) or 0
        if settings.on("spark.memory.offHeap.enabled"):
            more += settings.size("spark.memory.offHeap.size", 0) or 0
    return ProcessSize(
        settings.number(f"spark.{who}.cores", 1),
        settings.size(f"spark.{who}.memory", 1024) or 1024,
        settings.size(f"spark.{who}.memoryOverhead"),
        share=settings.share(f"spark.{who}.memoryOverheadFactor", 0.1),
        more=more,
    )
