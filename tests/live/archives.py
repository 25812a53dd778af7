"""Archives in the layout of Azkaban's build, packed from the jars of the real 2.5.0."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

from setup import maven
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KINDS = ("solo", "web", "exec")


def members(cache: Path, kind: str, version: str) -> dict[str, bytes]:
    """What the archive of a kind of server holds, by path."""
    root = f"azkaban-{kind}-server-{version}"
    jars = maven.fetch(maven.pinned("azkaban"), cache, lambda _: None)
    held = {}
    for jar in jars:
        own = jar.name.startswith("azkaban-")
        name = f"{root}.jar" if own else jar.name
        held[f"{root}/lib/{name}"] = jar.read_bytes()
    held[f"{root}/bin/start-{kind}.sh"] = b"#!/bin/sh\nexit 1\n"
    held[f"{root}/conf/azkaban.properties"] = b"jetty.port=8081\n"
    held[f"{root}/plugins/jobtypes/commonprivate.properties"] = b"execute.as.user=false"
    if kind != "exec":
        held[f"{root}/web/js/azkaban/namespace.js"] = b"// their own\n"
    if kind == "solo":
        held |= {f"{root}/sql/{name}": text for name, text in tables().items()}
    return held


def tables() -> dict[str, bytes]:
    """The table definitions of 2.5.0, by name."""
    folder = CHECKOUT / "setup" / "azkaban" / "sql"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def database_members(version: str) -> dict[str, bytes]:
    """What the archive azkaban-db holds."""
    root = f"azkaban-db-{version}"
    held = {f"{root}/{name}": text for name, text in tables().items()}
    everything = b"\n".join(text for name, text in tables().items() if name.endswith(".sql"))
    held[f"{root}/create-all-sql-{version}.sql"] = everything
    return held


def write_tar(path: Path, held: Mapping[str, bytes]) -> Path:
    """Pack a ``.tar.gz``."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in held.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def write_zip(path: Path, held: Mapping[str, bytes]) -> Path:
    """Pack a ``.zip``."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    return path
