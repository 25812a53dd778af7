"""Install the older Spark that runs BigDL, and find what BigDL's applications need besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from setup.errors import UsageError
from setup.python.installer import LOCKS
from setup.spark.install import Spark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from setup.java import Java

__all__ = ["BigDL"]

_CONF = "bigdl/share/dllib/conf/spark-bigdl.conf"
_JARS = ("bigdl/share/core/lib", "bigdl/share/dllib/lib")


@dataclass(frozen=True)
class BigDL(Spark):
    """The Spark release that runs BigDL; it shares Java, Hadoop's servers, guard and clusters.

    Parameters
    ----------
    layout
        Where it lives.
    """

    title = "Spark for BigDL"
    folder = "bigdl"
    lock = LOCKS / "bigdl-spark.txt"
    workers = LOCKS / "bigdl.txt"
    imports = ("bigdl.dllib.nn.layer",)
    # Its engine refuses to start without them; they are Spark's own defaults on YARN.
    needed: ClassVar[Mapping[str, str]] = {
        "spark.executor.cores": "1",
        "spark.executor.instances": "2",
    }

    def install(self, choice: str = "auto") -> Java:
        """Install Spark, and the older release beside it."""
        chosen = Spark(self.layout).install(choice)
        self._ensure_pyspark()
        return chosen

    def refuse(self, master: str, *, environment: bool) -> None:
        """Refuse what BigDL cannot do: it needs YARN and an environment."""
        if master != "yarn" or not environment:
            what = "a standalone cluster" if environment else "--no-environment"
            raise UsageError(f"--bigdl with {what}: it goes to YARN, with an environment")

    def properties(self, python: Path) -> Path:
        """Find the Spark settings that BigDL ships.

        Raises
        ------
        UsageError
            When the environment lacks BigDL.
        """
        prefix = python.parents[1]
        found = sorted(prefix.glob(f"lib/python*/*-packages/{_CONF}"))
        if not found:
            raise UsageError(
                f"{prefix}: there is no BigDL in it ({_CONF}); leave --archive and --requirements "
                "out, or add bigdl-dllib-spark3 to your own"
            )
        return found[0]

    def classes(self, python: Path, unpacked: Path, root: str) -> str:
        """Write the class path of BigDL's jars, which travel in the archive."""
        packages = self.properties(python).parents[_CONF.count("/")]
        site = packages.relative_to(unpacked)
        return ":".join(f"{root}/{site}/{jars}/*" for jars in _JARS)
