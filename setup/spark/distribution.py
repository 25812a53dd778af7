"""Use the Spark that a cluster has: that of SPARK_HOME, or of ``--spark-home``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from setup import java
from setup.errors import SetupError, UsageError
from setup.messages import say
from setup.paths import expanded
from setup.spark.install import Spark, unpacked

if TYPE_CHECKING:
    from setup.java import Java
    from setup.layout import Layout

__all__ = ["Distribution", "named"]

_CORE = re.compile(r"spark-core_[\d.]+-(\d+\.\d+[\w.-]*)\.jar")

# The Pythons for which each release was made, and the oldest and the newest Java. A release that
# is not here is newer than this table, and like the last one.
_FITS: dict[tuple[int, int], tuple[tuple[int, int], tuple[int, int], int, int]] = {
    (3, 3): ((3, 7), (3, 10), 8, 17),
    (3, 4): ((3, 7), (3, 11), 8, 17),
    (3, 5): ((3, 8), (3, 11), 8, 17),
    (4, 0): ((3, 9), (3, 13), 17, 21),
    (4, 1): ((3, 10), (3, 14), 17, 99),
}


def named(layout: Layout, option: str | None) -> Distribution | None:
    """Find the Spark that the user names; None if there is none, or if it is ours.

    Parameters
    ----------
    layout
        The prefix.
    option
        The value of ``--spark-home``; None for that of SPARK_HOME.

    Raises
    ------
    UsageError
        When it is no Spark, or one of a release that is not supported.
    """
    text, origin = (option, "--spark-home") if option else (os.environ.get("SPARK_HOME"), "")
    if not text:
        return None
    place = expanded(text).absolute()
    if place.resolve() == Spark(layout).spark_home.resolve():
        return None
    found = Distribution(layout, place, origin or "SPARK_HOME")
    for part in ("bin/spark-submit", "jars"):
        if not (place / part).exists():
            raise UsageError(f"{found.origin} {place}: there is no Spark in it, {part} is missing")
    if not (3, 3) <= found.release < (5, 0):
        raise UsageError(
            f"{found.origin} {place}: it is Spark {found.version or 'of an unknown release'}; 3.3 "
            "to 4.x work. Name another by --spark-home, or unset SPARK_HOME to use ours"
        )
    return found


@dataclass(frozen=True)
class Distribution(Spark):
    """A Spark that is not ours: nothing is installed in it, and its cluster has the same.

    Parameters
    ----------
    layout
        The prefix, for packed environments.
    place
        Its folder, with ``bin`` and ``jars``.
    origin
        What names the folder.
    """

    place: Path = Path()
    origin: str = "SPARK_HOME"

    @property
    def spark_home(self) -> Path:
        """Its folder."""
        return self.place

    @property
    def version(self) -> str:
        """Its version, by the name of its jar; empty if it has none."""
        found = (_CORE.fullmatch(path.name) for path in self.jars.glob("spark-core_*.jar"))
        return next((match[1] for match in found if match), "")

    @property
    def release(self) -> tuple[int, int]:
        """The first two numbers of its version."""
        numbers = re.match(r"(\d+)\.(\d+)", self.version)
        return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)

    @property
    def driver_python(self) -> str:
        """Empty: spark-submit chooses, by PYSPARK_DRIVER_PYTHON and PYSPARK_PYTHON."""
        return ""

    @property
    def mark(self) -> str:
        """Its version."""
        return f"-{self.version}"

    @cached_property
    def java(self) -> Java:
        """A Java that fits it: JAVA_HOME's, the one on PATH, or one of the system's.

        Raises
        ------
        SetupError
            When there is none.
        """
        *_, least, most = _fits(self.release)
        found = [*java.candidates(self.layout), *unpacked()]
        able = [one for one in found if one.major >= least]
        if not able:
            seen = ", ".join(f"{one.program} is {one.version}" for one in found)
            raise SetupError(
                f"Spark {self.version} of {self.origin} needs Java {least} or newer; "
                f"{seen or 'no Java was found'}. Name one with JAVA_HOME"
            )
        chosen = next((one for one in able if one.major <= most), able[0])
        if chosen.major > most:
            say(
                f"Spark {self.version} was made for Java {least} to {most}, and this is "
                f"{chosen.version}: if it fails, name another by JAVA_HOME"
            )
        return chosen

    def install(self, choice: str = "auto") -> Java:  # noqa: ARG002 (nothing is installed)
        """Find its Java; it is there already."""
        self.home.mkdir(exist_ok=True, mode=0o700)
        return self.java

    def misfit(self, python: str) -> str:
        """Say why it cannot run on a version of Python; empty if it can."""
        oldest, newest, *_ = _fits(self.release)
        numbers = re.match(r"(\d+)\.(\d+)", python)
        if not numbers or oldest <= (int(numbers[1]), int(numbers[2])) <= newest:
            return ""
        first, last = (".".join(map(str, each)) for each in (oldest, newest))
        return (
            f"Python {python} does not fit Spark {self.version} of {self.origin}, which runs on "
            f"{first} to {last}: pack with such a Python, or name another Spark by --spark-home"
        )


def _fits(release: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int], int, int]:
    """Look a release up."""
    known = max(each for each in _FITS if each <= release)
    oldest, newest, least, most = _FITS[known]
    return oldest, newest if release == known else (3, 99), least, most
