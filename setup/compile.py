"""Our few Java classes, compiled at set-up."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

from setup import environment
from setup.errors import SetupError
from setup.java import OPTIONS
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from setup.java import Java

__all__ = ["compile_jar"]


def compile_jar(
    java: Java,
    compiler: Path,
    name: str,
    target: Path,
    *,
    classpath: Iterable[Path] = (),
    uses: Sequence[str] = (),
    manifest: str = "",
    renamed: Mapping[str, str] | None = None,
) -> None:
    """Compile ``setup/NAME.java`` and pack what comes out.

    Parameters
    ----------
    java
        Runs the compiler.
    compiler
        The jar of the compiler (ecj).
    name
        Of the class.
    target
        The jar to write.
    classpath
        Jars that the class uses.
    uses
        Names of our other classes that go into the jar with it.
    manifest
        Lines for the jar's manifest, each with its newline.
    renamed
        Names in the source that are others in this server, such as those of packages.

    Raises
    ------
    SetupError
        When it does not compile, with what the compiler says.
    """
    classes = target.with_suffix(".classes")
    classes.mkdir()
    text = (CHECKOUT / "setup" / f"{name}.java").read_text(encoding="utf-8")
    for old, new in (renamed or {}).items():
        text = text.replace(old, new)
    source = classes / f"{name}.java"
    source.write_text(text, encoding="utf-8")
    command = [str(java.program), *OPTIONS, "-jar", str(compiler)]
    command += [
        "-source",
        "1.8",
        "-target",
        "1.8",
        "-nowarn",
        "-cp",
        ":".join(map(str, classpath)) or ".",
        "-d",
        str(classes),
    ]
    command += [str(source), *(str(CHECKOUT / "setup" / f"{each}.java") for each in uses)]
    result = subprocess.run(
        command, env=environment.server(), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SetupError(f"{name}.java does not compile: {result.stderr.strip()[-600:]}")
    with zipfile.ZipFile(target, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\n{manifest}\n")
        for path in sorted(classes.glob("*.class")):
            jar.write(path, path.name)
    shutil.rmtree(classes)
