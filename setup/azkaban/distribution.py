"""A user's own Azkaban: the archives that its build makes, or folders unpacked from them.

Azkaban 3.x and 4.x have no binary release. Their build makes ``azkaban-solo-server``,
``azkaban-web-server``, ``azkaban-exec-server`` (each ``lib``, ``web``, ``plugins``, ``sql``) and
``azkaban-db`` (the table definitions), as ``.tar.gz`` and ``.zip``.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from setup import archives, trust
from setup.errors import SetupError, UsageError
from setup.layout import copy_fresh
from setup.paths import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

__all__ = ["Distribution", "copy", "main_class", "numbers", "read"]

# Java classes with which each kind of process starts; the first one that a lib has is used.
_MAIN_CLASSES = {
    "azkaban": ("azkaban.soloserver.AzkabanSingleServer", "azkaban.webapp.AzkabanSingleServer"),
    "web": ("azkaban.webapp.AzkabanWebServer",),
    "executor": ("azkaban.execapp.AzkabanExecutorServer",),
}

_SERVER_JAR = re.compile(r"azkaban-(solo|web|exec)-?server-(\d[\w.+-]*)\.jar")
_ALL_TABLES = re.compile(r"create-all-sql-(\d[\w.+-]*)\.sql")
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_MOST_BYTES = 4 << 30
_WANTED = "azkaban-solo-server, azkaban-web-server, azkaban-exec-server or azkaban-db"


@dataclass(frozen=True)
class _Piece:
    """The content of one archive or folder.

    Attributes
    ----------
    kind
        ``solo``, ``web``, ``exec`` or ``db``.
    """

    kind: str
    version: str
    root: Path
    source: Path


@dataclass(frozen=True)
class Distribution:
    """The parts of one version of Azkaban.

    Attributes
    ----------
    version
        Version of all of them.
    libraries
        The folder of jars with which each kind of process (``azkaban``, ``web``, ``executor``)
        runs; a solo server can be any of them.
    web
        The folder with the pages' files, or None where no part serves pages.
    plugins
        The folder of plugins that came along, or None.
    sql
        The folder of table definitions, or None.
    """

    version: str
    libraries: dict[str, Path]
    web: Path | None
    plugins: Path | None
    sql: Path | None

    def require(self, profile: str, database: str) -> None:
        """Refuse a distribution that lacks a part that a server needs.

        Raises
        ------
        UsageError
            With the archive that is missing.
        """
        needed = {"azkaban": "solo"} if profile == "solo" else {"web": "web", "executor": "exec"}
        for kind, archive in needed.items():
            if kind not in self.libraries:
                raise UsageError(
                    f"--distribution: the profile {profile} needs azkaban-{archive}-server-"
                    f"{self.version}, which is not among what was given"
                )
        if self.web is None:
            raise UsageError("--distribution: no part of it has the folder web with the pages")
        if self.sql is None:
            raise UsageError(
                f"--distribution: a server on {database} needs the table definitions of "
                f"azkaban-db-{self.version}, which is not among what was given"
            )


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers at the beginning of a version.

    Examples
    --------
    >>> numbers("3.90.0-12-gabc"), numbers("4.0.0") > numbers("3.105.0")
    ((3, 90, 0), True)
    """
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(n) for n in leading[0].split(".")) if leading else ()


def read(sources: Sequence[str], folder: Path, update: Callable[[str], None]) -> Distribution:
    """Unpack archives and identify them, without running anything in them.

    Parameters
    ----------
    sources
        Archives, folders unpacked from them, or folders that hold either.
    folder
        Empty; archives are unpacked here, the distribution refers to it.
    update
        Called with the progress.

    Raises
    ------
    UsageError
        When a source is missing, damaged, unsafe or no distribution, or versions are mixed.
    """
    pieces: list[_Piece] = []
    for source in _expand(sources):
        if source.is_dir():
            root = source
        else:
            update(f"unpacking {source.name}")
            root = folder / str(len(pieces))
            # Only plain files, so that no link can lead a later member outside.
            archives.unpack(source, root, links="none", most=_MOST_BYTES)
        found = list(_pieces(source, root))
        if not found:
            raise UsageError(
                f"{source}: this is no Azkaban distribution, it holds none of {_WANTED}"
            )
        pieces += found
    _check(pieces)
    return _combine({piece.kind: piece for piece in pieces})


def _expand(sources: Iterable[str]) -> Iterable[Path]:
    for text in sources:
        path = expanded(text).absolute()
        if not path.exists():
            raise UsageError(f"--distribution {text}: there is no such file or folder")
        trust.require(path, "--distribution", "copy it to a folder of yours")
        packed = (
            sorted(p for p in path.iterdir() if p.is_file() and p.name.endswith(_ARCHIVES))
            if path.is_dir()
            else []
        )
        ours = [p for p in packed if p.name.startswith("azkaban-")]
        yield from ours or [path]


def _pieces(source: Path, root: Path) -> Iterable[_Piece]:
    """Find the distributions in a folder: itself, or the folders in it."""
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        jars = (folder / "lib").glob("azkaban-*.jar")
        kinds = {m[1]: m[2] for jar in jars if (m := _SERVER_JAR.fullmatch(jar.name))}
        for kind in ("solo", "web", "exec"):  # a solo server has the jars of the others, too
            if kind in kinds:
                yield _Piece(kind, kinds[kind], folder, source)
                break
        for script in folder.glob("create-all-sql-*.sql"):
            if match := _ALL_TABLES.fullmatch(script.name):
                yield _Piece("db", match[1], folder, source)


def _check(pieces: Sequence[_Piece]) -> None:
    versions = {piece.version for piece in pieces}
    if len(versions) > 1:
        found = ", ".join(f"{piece.source.name} is {piece.version}" for piece in pieces)
        raise UsageError(f"--distribution: parts of different versions do not fit: {found}")
    for piece in pieces:
        twins = [other for other in pieces if other.kind == piece.kind]
        if len(twins) > 1:
            places = " and ".join(str(twin.source) for twin in twins)
            raise UsageError(f"--distribution: azkaban-{piece.kind} was given twice: {places}")


def _combine(pieces: dict[str, _Piece]) -> Distribution:
    libraries = {}
    choices = {"azkaban": ["solo"], "web": ["web", "solo"], "executor": ["exec", "solo"]}
    for kind, names in choices.items():
        for name in names:
            if name in pieces:
                libraries[kind] = pieces[name].root / "lib"
                break
    return Distribution(
        version=next(iter(pieces.values())).version,
        libraries=libraries,
        web=_first(pieces, ["solo", "web"], "web"),
        plugins=_first(pieces, ["solo", "exec"], "plugins"),
        sql=pieces["db"].root if "db" in pieces else _first(pieces, ["solo"], "sql"),
    )


def _first(pieces: dict[str, _Piece], kinds: Sequence[str], folder: str) -> Path | None:
    found = (pieces[kind].root / folder for kind in kinds if kind in pieces)
    return next((path for path in found if path.is_dir()), None)


def main_class(library: Path, kind: str) -> str:
    """Return the main class of a kind of process.

    Raises
    ------
    SetupError
        When no jar has it.
    """
    for name in _MAIN_CLASSES[kind]:
        entry = f"{name.replace('.', '/')}.class"
        for jar in sorted(library.glob("azkaban-*.jar")):
            try:
                with zipfile.ZipFile(jar) as archive:
                    if entry in archive.namelist():
                        return name
            except zipfile.BadZipFile as error:
                raise SetupError(f"{jar.name}: the jar is damaged ({error})") from error
    raise SetupError(f"no jar in {library} has the class {_MAIN_CLASSES[kind][0]}")


def copy(distribution: Distribution, target: Path) -> dict[str, str]:
    """Copy what runs into a folder.

    Parameters
    ----------
    distribution
        What `read` returned.
    target
        Gets ``lib`` (one folder for each set of jars), ``web``, ``sql``, ``plugins``.

    Returns
    -------
    dict
        For each kind of process, the folder of its jars, relative to `target`.
    """
    places: dict[Path, str] = {}
    for kind, library in distribution.libraries.items():
        if library not in places:
            places[library] = f"lib/{kind}"
            (target / places[library]).mkdir(parents=True)
            for jar in library.glob("*.jar"):
                shutil.copyfile(jar, target / places[library] / jar.name)
    for name, folder in {
        "web": distribution.web,
        "sql": distribution.sql,
        "plugins": distribution.plugins,
    }.items():
        if folder:
            copy_fresh(folder, target / name)
    return {kind: places[library] for kind, library in distribution.libraries.items()}
