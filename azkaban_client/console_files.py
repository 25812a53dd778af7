"""Install the web console's files next to the pages of any Azkaban from 2.5 to 4.0.

Azkaban serves every file below ``js/`` and ``css/`` of its ``web.resource.dir`` without login. The
console goes to ``js/console/`` there, and asks the server's Ajax API with the user's session. Its
modules are joined (`console_bundle`), and what is large lies there compressed as well, for a server
that can send it so.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from azkaban_client.config import written_by_others
from azkaban_client.console_bundle import PROGRAMS, bundle, compress

__all__ = ["ADDRESS", "SOURCE", "add", "files", "install", "revalidate"]

_PLACE = "js/console"
ADDRESS = f"{_PLACE}/index.html"

# In the wheel the console is in this package, in a checkout next to it.
_INSIDE = Path(__file__).with_name("console")
SOURCE = _INSIDE if _INSIDE.is_dir() else Path(__file__).parents[1] / "console"

_BRIDGE = "bridge"  # what stands in for the pages of 2.5.0 is no part of the console


def add(server: Path) -> Path:
    """Add the console to the pages of a server and return the path of its first page.

    An earlier console is replaced; nothing else of the server is touched.

    Parameters
    ----------
    server
        The server's folder, or its ``web.resource.dir`` itself.

    Raises
    ------
    ValueError
        The folder is not that of a server, other files are where the console goes, or another
        account could change it there.
    OSError
        The console cannot be written there.
    """
    folder = server / "web" if (server / "web").is_dir() else server
    if not (folder / "js" / "azkaban").is_dir():
        raise ValueError(
            f"{server}: no folder of an Azkaban server: expected web/js/azkaban in it; name the "
            "folder that holds conf, lib and web, or the one that web.resource.dir names"
        )
    target = folder / _PLACE
    if reason := written_by_others(target):
        raise ValueError(
            f"{target}: {reason}, who could have the page act for everybody who opens it; "
            "AZK_TRUST=NAME names an account or group to trust"
        )
    if target.exists() and not (target / "app.js").is_file():
        raise ValueError(f"{target}: is something else than the console; move it away first")
    return install(folder)


def install(web: Path) -> Path:
    """Write the console below a ``web.resource.dir`` and return its first page.

    Parameters
    ----------
    web
        The folder; what is in ``js/console`` is replaced.
    """
    target = web / _PLACE
    new = target.with_name(f".console.{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    try:
        for name, data in files().items():
            place = new / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)  # with the mode of new files, not of a checkout's
            revalidate(place)
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return web / ADDRESS


def files() -> dict[str, bytes]:
    """Return the files to install: each path in the console's folder with its content."""
    found = {name: bundle(SOURCE, name).encode() for name in PROGRAMS}
    for path in sorted(SOURCE.rglob("*")):
        inside = path.relative_to(SOURCE)
        if path.is_file() and path.suffix != ".js" and _BRIDGE not in inside.parts:
            found[str(inside)] = path.read_bytes()
    large = {name: data for name, data in found.items() if name.endswith((".js", ".css"))}
    return found | {f"{name}.gz": compress(data) for name, data in large.items()}


def revalidate(path: Path) -> None:
    """Make browsers ask each time whether a file has changed.

    Azkaban sends no caching headers, and a browser then keeps a file for a tenth of its age: after
    an update, old and new modules would mix. A file from the future has no age.
    """
    now = time.time()
    os.utime(path, (now, now + 10 * 365 * 86400))
