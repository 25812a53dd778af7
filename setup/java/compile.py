"""Compile our few Java classes at set-up."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.programs import captured
from setup import environment
from setup.errors import SetupError
from setup.java.runtime import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from setup.java.runtime import Java

__all__ = ["PEER", "TRANSFORMER", "Jar", "compile_jars"]

# What Azkaban's agent and Spark's share: which account has a port, and how classes are changed.
PEER = Path(__file__).with_name("Peer.java")
TRANSFORMER = Path(__file__).with_name("MethodTransformer.java")


@dataclass(frozen=True)
class Jar:
    """What is packed into one jar.

    Attributes
    ----------
    target
        The jar to write.
    sources
        Source files of its classes.
    manifest
        Lines for its manifest, each with its newline.
    renamed
        Names in the sources that differ in this server, such as those of packages.
    """

    target: Path
    sources: Sequence[Path]
    manifest: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)

    def copy_sources(self, folder: Path) -> None:
        """Write the sources, with their names changed."""
        for source in self.sources:
            text = source.read_text(encoding="utf-8")
            for old, new in self.renamed.items():
                text = text.replace(old, new)
            (folder / source.name).write_text(text, encoding="utf-8")

    def pack(self, classes: Path) -> None:
        """Write the jar: the classes of each source, nested ones included."""
        with zipfile.ZipFile(self.target, "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\n{self.manifest}\n")
            stems = {source.stem for source in self.sources}
            for path in sorted(classes.rglob("*.class")):
                if path.stem.partition("$")[0] in stems:
                    jar.write(path, path.relative_to(classes))


def compile_jars(
    java: Java, compiler: Path, jars: Sequence[Jar], *, classpath: Iterable[Path] = ()
) -> None:
    """Compile the classes of several jars in one run of the compiler, and pack them.

    Parameters
    ----------
    java
        Runs the compiler.
    compiler
        The jar of the compiler (ecj).
    jars
        What to write; their classes may use each other.
    classpath
        Other jars that they use.

    Raises
    ------
    SetupError
        When they do not compile; with the compiler's message.
    """
    classes = jars[0].target.with_suffix(".classes")
    classes.mkdir()
    for jar in jars:
        jar.copy_sources(classes)
    command = [str(java.program), *OPTIONS, "-jar", str(compiler)]
    command += ["-source", "1.8", "-target", "1.8", "-nowarn", "-d", str(classes)]
    command += ["-cp", ":".join(map(str, classpath)) or ".", *map(str, classes.glob("*.java"))]
    result = captured(command, env=environment.local())
    if result.returncode:
        names = " and ".join(jar.target.name for jar in jars)
        raise SetupError(f"{names} could not be compiled: {result.stderr.strip()[-600:]}")
    for jar in jars:
        jar.pack(classes)
    shutil.rmtree(classes)
