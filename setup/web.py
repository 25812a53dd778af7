"""The console in the browser: our static files, put where Azkaban serves them.

Azkaban serves every file below ``js/`` and ``css/`` of its ``web.resource.dir`` without login. The
console lies in ``js/console/`` there. The jar of 2.5.0 has page templates without the scripts and
style sheets that they name; a small script and style sheet of ours stand in for each of these and
lead from every such page to the console.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from setup import maven
from setup.errors import UsageError
from setup.java.compile import compile_jar
from setup.layout import copy_fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from setup.java import Java

__all__ = [
    "ADDRESS",
    "add_console",
    "install_console",
    "install_run_files",
    "install_stand_ins",
    "template_files",
]

_SOURCE = Path(__file__).with_name("web")
_RUN_FILES = Path(__file__).with_name("azkaban") / "java" / "RunFiles.java"
_CONSOLE = "js/console"
ADDRESS = f"{_CONSOLE}/index.html"

# The file of each WebJar that the console loads.
_LIBRARIES = {"dagre": "dist/dagre.min.js"}

# What a template loads: src="${context}/js/NAME.js", href="/css/NAME.css".
_LOADED = re.compile(r"""(?:src|href)="(?:\$\{context\})?/((?:js|css)/[^"]+\.(?:js|css))["]""")


def add_console(server: Path, cache: Path, update: Callable[[str], None]) -> Path:
    """Put the console beside the pages of a server of any version, and give its first page.

    Parameters
    ----------
    server
        The server's folder, or its ``web.resource.dir`` itself.
    cache
        Where downloads are kept.
    update
        Told what happens.

    Raises
    ------
    UsageError
        The folder is not that of a server, or other files are where the console goes.
    """
    folder = server / "web" if (server / "web").is_dir() else server
    if not (folder / "js" / "azkaban").is_dir():
        raise UsageError(
            f"{server}: no folder of an Azkaban server: expected web/js/azkaban in it; name the "
            "folder that holds conf, lib and web, or the one that web.resource.dir names"
        )
    target = folder / _CONSOLE
    if target.exists() and not (target / "app.js").is_file():
        raise UsageError(f"{target}: is something else than the console; move it away first")
    install_console(folder, cache, update)
    return folder / ADDRESS


def install_console(web: Path, cache: Path, update: Callable[[str], None]) -> None:
    """Put the console alone into the web folder of a server of any version.

    What was there of an earlier console is replaced; the server's other files are left alone.

    Parameters
    ----------
    web
        The server's ``web.resource.dir``.
    cache
        Where downloads are kept.
    update
        Told what happens.
    """
    libraries = maven.pinned("web")
    jars = maven.fetch(libraries, cache, update)
    target = web / _CONSOLE
    shutil.rmtree(target, ignore_errors=True)
    copy_fresh(_SOURCE / "console", target)
    (target / "lib").mkdir()
    for library, path in zip(libraries, jars, strict=True):
        _, artifact, version = library.coordinate.split(":")
        inside = f"META-INF/resources/webjars/{artifact}/{version}"
        with zipfile.ZipFile(path) as jar:
            script = PurePosixPath(_LIBRARIES[artifact])
            (target / "lib" / script.name).write_bytes(jar.read(f"{inside}/{script}"))
            (target / "lib" / f"{artifact}.LICENSE").write_bytes(jar.read(f"{inside}/LICENSE"))
    for file in target.rglob("*"):
        _revalidate(file)


def install_stand_ins(web: Path, names: set[str]) -> None:
    """Put our bridge in the place of the scripts and style sheets of Azkaban's own pages.

    Parameters
    ----------
    web
        The server's ``web.resource.dir``.
    names
        Paths below it, such as ``js/azkaban/namespace.js``.
    """
    for name in sorted(names):
        path = web / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_SOURCE / "stock" / f"bridge{path.suffix}", path)
        _revalidate(path)
    shutil.copyfile(_SOURCE / "stock" / "favicon.ico", web / "favicon.ico")


def install_run_files(
    plugin: Path, runs: Path, java: Java, compiler: Path, libraries: Path
) -> None:
    """Make the plugin that shows the files which jobs leave, under ``/runs`` (RunFiles.java).

    Parameters
    ----------
    plugin
        Its folder.
    runs
        Where jobs leave their files.
    java
        Runs the compiler.
    compiler
        The jar of the compiler.
    libraries
        The folder of the web server's jars.
    """
    import javaproperties  # noqa: PLC0415 (in the environment only)

    for folder in ("conf", "lib"):
        (plugin / folder).mkdir(parents=True, exist_ok=True)
    target = plugin / "lib" / "run-files.jar"
    jars = sorted(libraries.glob("*.jar"))
    compile_jar(java, compiler, [_RUN_FILES], target, classpath=jars, renamed=_renamed(jars))
    lines = {
        "viewer.name": "Runs",
        "viewer.path": "runs",
        "viewer.hidden": "true",
        "viewer.servlet.class": "RunFiles",
        "runs.dir": str(runs),
    }
    text = javaproperties.dumps(lines, timestamp=None)
    (plugin / "conf" / "plugin.properties").write_text(text, encoding="ascii")


def _renamed(jars: Iterable[Path]) -> dict[str, str]:
    """Find what is otherwise in a later Azkaban than in 2.5."""
    names: set[str] = set()
    for jar in jars:
        if jar.name.startswith(("azkaban-", "az-")):
            with zipfile.ZipFile(jar) as archive:
                names |= set(archive.namelist())
    found = {}
    if "azkaban/server/session/Session.class" in names:
        found["azkaban.webapp.session."] = "azkaban.server.session."
    if "azkaban/server/AzkabanAPI.class" in names:
        found["super();"] = "super(new ArrayList<>());"
    return found


def template_files(jar: Path) -> set[str]:
    """List the scripts and style sheets that the page templates in a jar load.

    Parameters
    ----------
    jar
        The server's jar.
    """
    with zipfile.ZipFile(jar) as archive:
        pages = [name for name in archive.namelist() if name.endswith(".vm")]
        return {name for page in pages for name in _LOADED.findall(archive.read(page).decode())}


def _revalidate(path: Path) -> None:
    """Make browsers ask each time whether a file has changed.

    Azkaban sends no caching headers, and a browser then keeps a file for a tenth of its age: after
    an update, old and new modules would mix. A file from the future has no age.
    """
    now = time.time()
    os.utime(path, (now, now + 10 * 365 * 86400))
