"""What an application of BigDL needs beside its environment: BigDL's own settings, its jars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup.errors import UsageError
from setup.python.installer import LOCKS

if TYPE_CHECKING:
    from pathlib import Path

    from setup.spark.environments import Environment

__all__ = ["IMPORTS", "LOCK", "classes", "properties"]

LOCK = LOCKS / "bigdl.txt"
IMPORTS = ("bigdl.dllib.nn.layer",)  # what the trial of the environment imports

_CONF = "bigdl/share/dllib/conf/spark-bigdl.conf"
_JARS = ("bigdl/share/core/lib", "bigdl/share/dllib/lib")


def properties(environment: Environment) -> Path:
    """Find the settings of Spark's that BigDL ships.

    Raises
    ------
    UsageError
        When the environment is without BigDL.
    """
    found = sorted(_prefix(environment).glob(f"lib/python*/*-packages/{_CONF}"))
    if not found:
        raise UsageError(
            f"{environment.archive}: there is no BigDL in it ({_CONF}); leave --archive and "
            "--requirements out, or add bigdl-dllib-spark3 to your own"
        )
    return found[0]


def classes(environment: Environment, root: str | Path) -> str:
    """Write the class path of BigDL's jars, which travel in the archive.

    Parameters
    ----------
    environment
        What is shipped.
    root
        Where it is unpacked: a folder here, or ``./environment`` on nodes.
    """
    packages = properties(environment).parents[_CONF.count("/")]
    site = packages.relative_to(environment.unpacked)
    return ":".join(f"{root}/{site}/{jars}/*" for jars in _JARS)


def _prefix(environment: Environment) -> Path:
    return environment.python.parents[1]
