"""Our few Java classes, compiled at set-up."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from setup import environment
from setup.errors import SetupError
from setup.java.runtime import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from setup.java.runtime import Java

__all__ = ["PEER", "compile_jar"]

PEER = Path(__file__).with_name("Peer.java")  # which account has a port: both guards use it


def compile_jar(
    java: Java,
    compiler: Path,
    sources: Sequence[Path],
    target: Path,
    *,
    classpath: Iterable[Path] = (),
    manifest: str = "",
    renamed: Mapping[str, str] | None = None,
) -> None:
    """Compile classes and pack what comes out.

    Parameters
    ----------
    java
        Runs the compiler.
    compiler
        The jar of the compiler (ecj).
    sources
        Of the classes, each with the name of its file.
    target
        The jar to write.
    classpath
        Jars that they use.
    manifest
        Lines for the jar's manifest, each with its newline.
    renamed
        Names in the sources that are others in this server, such as those of packages.

    Raises
    ------
    SetupError
        When they do not compile, with what the compiler says.
    """
    classes = target.with_suffix(".classes")
    classes.mkdir()
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for old, new in (renamed or {}).items():
            text = text.replace(old, new)
        (classes / source.name).write_text(text, encoding="utf-8")
    # It ends before the second compiler of the JVM would pay off.
    command = [str(java.program), *OPTIONS, "-XX:TieredStopAtLevel=1", "-jar", str(compiler)]
    command += ["-source", "1.8", "-target", "1.8", "-nowarn", "-d", str(classes)]
    command += ["-cp", ":".join(map(str, classpath)) or ".", *map(str, classes.glob("*.java"))]
    result = subprocess.run(
        command, env=environment.local(), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SetupError(f"{target.name} does not compile: {result.stderr.strip()[-600:]}")
    with zipfile.ZipFile(target, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\n{manifest}\n")
        for path in sorted(classes.glob("*.class")):
            jar.write(path, path.name)
    shutil.rmtree(classes)
