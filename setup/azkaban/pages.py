"""Install what Azkaban's web server shows besides its own pages: the console and jobs' files.

The jar of 2.5.0 has page templates without the scripts and style sheets that they name; a small
script and style sheet of ours stand in for each of these and lead from every such page to the
console.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from typing import TYPE_CHECKING

from azkaban_client import console_files
from setup.java.compile import Jar
from setup.layout import CHECKOUT, copy_fresh

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "SITE",
    "install_console",
    "install_run_files",
    "install_site",
    "install_stand_ins",
    "template_files",
]

SITE = CHECKOUT / "docs-site"  # in an archive: the site of the docs, built when it was made
_BRIDGE = CHECKOUT / "console" / "bridge"
_JAVA = CHECKOUT / "setup" / "azkaban" / "java"
_SITE = "js/docs"  # where the console looks; like all below js/, it is served without a login
_VIEWER = [_JAVA / "RunFiles.java", *sorted((_JAVA / "viewer").glob("*.java"))]

# What a template loads: src="${context}/js/NAME.js", href="/css/NAME.css".
_LOADED = re.compile(r"""(?:src|href)="(?:\$\{context\})?/((?:js|css)/[^"]+\.(?:js|css))["]""")


def install_console(web: Path) -> None:
    """Put the console into the web folder of a server.

    Parameters
    ----------
    web
        The server's ``web.resource.dir``.
    """
    console_files.install(web)


def install_site(web: Path, site: Path) -> None:
    """Put the site of the docs beside the console, which leads to it.

    Parameters
    ----------
    web
        The server's ``web.resource.dir``.
    site
        What ``setup docs build`` made.
    """
    target = web / _SITE
    new = target.with_name(f".{target.name}")
    for leftover in (new, target):
        shutil.rmtree(leftover, ignore_errors=True)
    copy_fresh(site, new)
    for path in new.rglob("*"):
        console_files.revalidate(path)
    new.rename(target)


def install_stand_ins(web: Path, names: set[str]) -> None:
    """Replace the scripts and style sheets of Azkaban's own pages by our bridge.

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
        shutil.copyfile(_BRIDGE / f"bridge{path.suffix}", path)
        console_files.revalidate(path)
    shutil.copyfile(_BRIDGE / "favicon.ico", web / "favicon.ico")


def install_run_files(plugin: Path, runs: Path, libraries: Path) -> Jar:
    """Write the settings of the plugin that shows the files of jobs under ``/runs``.

    Parameters
    ----------
    plugin
        Its folder.
    runs
        Where jobs leave their files.
    libraries
        The folder of the web server's jars.

    Returns
    -------
    Jar
        Its classes, to be compiled with those jars.
    """
    import javaproperties

    for folder in ("conf", "lib"):
        (plugin / folder).mkdir(parents=True, exist_ok=True)
    lines = {
        "viewer.name": "Runs",
        "viewer.path": "runs",
        "viewer.hidden": "true",
        "viewer.servlet.class": "RunFiles",
        "runs.dir": str(runs),
    }
    text = javaproperties.dumps(lines, timestamp=None)
    (plugin / "conf" / "plugin.properties").write_text(text, encoding="ascii")
    names = _renamed(libraries.glob("*.jar"))
    return Jar(plugin / "lib" / "run-files.jar", _VIEWER, renamed=names)


def _renamed(jars: Iterable[Path]) -> dict[str, str]:
    """Return the names that differ between 2.5 and a later Azkaban."""
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
