"""The server's programs: pinned jars, the port guard, table definitions, pages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from setup import maven, web
from setup.compile import compile_jar
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.java import Java
    from setup.layout import Layout

__all__ = ["VERSION", "install"]

VERSION = "2.5.0"

# plugins/jobtypes must exist, else global properties never reach jobs; plugins/viewer and
# plugins/triggers must not exist while they are empty, else no page renders.
_FOLDERS = (
    *("conf", "lib", "sql", "web", "projects", "executions", "logs", "temp", "h2"),
    "plugins/jobtypes",
)


def install(layout: Layout, java: Java, update: Callable[[str], None]) -> int:
    """Put everything but the settings into ``<prefix>/azkaban``.

    Parameters
    ----------
    layout
        Where it goes.
    java
        Runs the compiler of our classes.
    update
        Told what happens.

    Returns
    -------
    int
        The number of jars, each checked against its SHA-256.

    Raises
    ------
    DownloadError
        When a jar cannot be had, or is not the pinned one.
    """
    home = layout.azkaban
    home.mkdir(exist_ok=True, mode=0o700)
    for folder in _FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True)
    jars = maven.fetch(maven.pinned("azkaban"), layout.cache, update)
    lib = home / "lib"
    wanted = {jar.name for jar in jars}
    for old in lib.glob("*.jar"):
        if old.name not in wanted:
            old.unlink()
    for jar in jars:
        shutil.copyfile(jar, lib / jar.name)
    compiler = maven.fetch(maven.pinned("compiler"), layout.cache, update)[0]
    update("compiling the port guard")
    guard = lib / "port-guard.jar"
    uses = [*lib.glob("asm-*.jar"), *lib.glob("jetty-*.jar"), *lib.glob("servlet-api-*.jar")]
    manifest = "Premain-Class: PortGuard\n"
    compile_jar(
        java, compiler, "PortGuard", guard, classpath=uses, uses=["Peer"], manifest=manifest
    )
    shutil.copytree(CHECKOUT / "setup" / "sql", home / "sql", dirs_exist_ok=True)
    web.install(layout, update)
    web.install_run_files(layout, java, compiler)
    return len(jars)
