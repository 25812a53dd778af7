"""Jars of Maven Central, each checked against the SHA-256 that ``versions.toml`` pins."""

from __future__ import annotations

import os
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from setup import environment
from setup.downloads import require_pinned, sha256
from setup.errors import DownloadError
from setup.layout import SHIPPED
from setup.network import explain, is_page, page_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Jar", "fetch", "missing", "pinned", "repository"]


_MIRROR = "AZK_MAVEN_REPO names a mirror"


@dataclass(frozen=True)
class Jar:
    """One pinned artifact.

    Attributes
    ----------
    coordinate
        ``group:artifact:version``, or ``group:artifact:version:classifier``.
    sha256
        SHA-256 of the file, in hexadecimal.
    licence
        SPDX expression.
    """

    coordinate: str
    sha256: str
    licence: str

    @property
    def filename(self) -> str:
        """Return its file name, such as ``h2-1.3.176.jar``."""
        return "-".join(self.coordinate.split(":")[1:]) + ".jar"

    @property
    def path(self) -> str:
        """Return its path in a repository."""
        group, artifact, version = self.coordinate.split(":")[:3]
        return f"{group.replace('.', '/')}/{artifact}/{version}/{self.filename}"


def pinned(section: str) -> tuple[Jar, ...]:
    """Read the jars of one section of ``versions.toml``."""
    text = Path(__file__).with_name("versions.toml").read_text(encoding="utf-8")
    return tuple(Jar(**entry) for entry in tomllib.loads(text)[section]["jars"])


def fetch(jars: Sequence[Jar], cache: Path, update: Callable[[str], None]) -> list[Path]:
    """Bring jars into the cache and return their paths, in the order given.

    A file that is in the cache is used only if its hash is right; a wrong one is fetched again.
    Jars inside the one-file archive are taken from there.
    ``AZK_MAVEN_REPO`` names a mirror to use instead of Maven Central.

    Raises
    ------
    DownloadError
        When a jar cannot be downloaded, or is not the pinned one.
    """
    folder = cache / "maven"
    folder.mkdir(parents=True, exist_ok=True)
    found = _present(jars, cache)
    if lacking := [jar for jar in jars if jar not in found]:
        # The resolver takes a file that it finds for a whole one, whoever left it or is writing it.
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".repository-") as store,
            environment.downloading(folder),
            ThreadPoolExecutor(max_workers=4) as pool,
        ):
            downloads = pool.map(lambda jar: _download(jar, folder, Path(store)), lacking)
            for done, _ in enumerate(downloads, 1):
                update(f"downloading {done}/{len(lacking)}")
    return [found.get(jar, folder / jar.filename) for jar in jars]


def missing(jars: Sequence[Jar], cache: Path) -> bool:
    """Tell whether some jars would have to be downloaded."""
    return len(_present(jars, cache)) < len(jars)


def _present(jars: Sequence[Jar], cache: Path) -> dict[Jar, Path]:
    """Find the pinned jars that came with the archive or are in the cache."""
    found = {}
    for jar in jars:
        for path in (SHIPPED / "maven" / jar.filename, cache / "maven" / jar.filename):
            if _matches(path, jar.sha256):
                found[jar] = path
                break
    return found


def repository() -> tuple[str, bool]:
    """Return the URL of the repository, empty where it cannot be told, and whether it was named."""
    if mirror := os.environ.get("AZK_MAVEN_REPO"):
        return mirror.rstrip("/"), True
    try:
        from jgo.maven import MavenContext
    except ImportError:
        return "", False
    return str(MavenContext().remote_repos["central"]).rstrip("/"), False


def _matches(path: Path, expected: str) -> bool:
    return path.is_file() and sha256(path) == expected


def _download(jar: Jar, folder: Path, store: Path) -> None:
    from jgo.maven import MavenContext

    mirror, named = repository()
    repos = {"central": mirror} if named else None
    group, artifact, version, classifier = [*jar.coordinate.split(":"), ""][:4]
    try:
        context = MavenContext(repo_cache=store, remote_repos=repos)
        project = context.project(group, artifact)
        source = Path(project.at_version(version).artifact(classifier).resolve())
    except Exception as error:  # the resolver's errors have no common class
        said = str(error)
        raise DownloadError(
            f"{jar.coordinate} could not be downloaded: {said}\n{explain(said, _MIRROR)}"
        ) from error
    if not _matches(source, jar.sha256) and is_page(content := source.read_bytes()):
        raise DownloadError(
            f"{jar.coordinate} could not be downloaded: a page came instead of it, as proxies "
            f"and login pages send: {page_words(content)}\nSee what a browser on this machine "
            f"shows; HTTPS_PROXY and NO_PROXY say which way is taken; {_MIRROR}"
        )
    require_pinned(jar.coordinate, source, jar.sha256)
    source.replace(folder / jar.filename)
