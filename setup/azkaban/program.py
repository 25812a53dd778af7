"""The program: the server's jars, pages and table definitions, in ``<prefix>/azkaban/program``.

A program is made next to its place (``program.new``) and moved there when it is complete.
``program.json`` records what it is and the SHA-256 of each jar, so that a start can check it
without making it again::

    agent/     our classes and what they need, first on the class path; the keeper of jobs
    lib/       one folder of jars for each set of processes
    web/       what the pages load, our console among it
    sql/       table definitions
    run-files/ our plugin that shows the files of jobs
    plugins/   as they came with a distribution
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client import keeper
from azkaban_client.files import write_private
from setup import maven
from setup.azkaban import distribution, pages
from setup.called import called
from setup.downloads import sha256
from setup.errors import ServerError, SetupError
from setup.java.compile import PEER, TRANSFORMER, Jar, compile_jars
from setup.layout import CHECKOUT, copy_fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from setup.java import Java
    from setup.layout import Layout

__all__ = ["STOCK_VERSION", "Program", "folder", "make", "make_from", "place", "refresh"]

STOCK_VERSION = "2.5.0"

_SETUP = CHECKOUT / "setup"
_SQL = _SETUP / "azkaban" / "sql"
_JAVA = _SETUP / "azkaban" / "java"
_AGENT = [PEER, TRANSFORMER, *(p for p in sorted(_JAVA.glob("*.java")) if p.stem != "RunFiles")]
_KEEPER = Path(keeper.__file__)
_RECORD = "program.json"


@dataclass(frozen=True)
class Program:
    """A program that is in its place.

    Attributes
    ----------
    version
        Version of Azkaban.
    stock
        Whether set-up put it together from pinned jars; else it is the user's own.
    libraries
        For each kind of process, the folder of its jars.
    classes
        For each kind of process, the Java class with which it starts.
    jars
        SHA-256 of every jar, by its path.
    ours
        Digest of the files of this checkout that went into it.
    """

    version: str
    stock: bool
    libraries: dict[str, str]
    classes: dict[str, str] = field(default_factory=dict)
    jars: dict[str, str] = field(default_factory=dict)
    ours: str = ""

    @classmethod
    def read(cls, home: Path) -> Program | None:
        """Read the record of the program in a folder; None when there is none."""
        try:
            return cls(**json.loads((home / _RECORD).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise SetupError(
                f"{home / _RECORD} cannot be read ({error}); run {called()} azkaban install again"
            ) from error

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version as numbers."""
        return distribution.numbers(self.version)

    @property
    def several_executors(self) -> bool:
        """Whether it belongs to the releases that dispatch flows to any number of executors."""
        return self.numbers >= (3,)

    @property
    def current(self) -> bool:
        """Whether the files of this checkout are those that went into it."""
        return self.ours == _digest()

    def changed(self, home: Path) -> list[str]:
        """List the jars that are missing or not the recorded ones."""
        return [
            name
            for name, expected in self.jars.items()
            if not (home / name).is_file() or sha256(home / name) != expected
        ]

    def classpath(self, home: Path, kind: str) -> str:
        """Write the class path of a kind of process."""
        return f"{home}/agent/*:{home}/{self.libraries[kind]}/*"


def folder(layout: Layout) -> Path:
    """Tell where the program is."""
    return layout.azkaban / "program"


def make(layout: Layout, java: Java, update: Callable[[str], None]) -> Path:
    """Make the stock program next to its place.

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
    Path
        The folder, for `place`.

    Raises
    ------
    DownloadError
        When a jar cannot be downloaded, or is not the pinned one.
    """
    new = _new(layout)
    jars = maven.fetch(maven.pinned("azkaban"), layout.cache, update)
    for jar in jars:
        shutil.copyfile(jar, new / "lib" / jar.name)
    copy_fresh(_SQL, new / "sql")
    server = next((new / "lib").glob("azkaban-[0-9]*.jar"))
    pages.install_stand_ins(new / "web", pages.template_files(server))
    libraries = dict.fromkeys(("azkaban", "web", "executor"), "lib")
    _finish(layout, new, java, update, Program(STOCK_VERSION, stock=True, libraries=libraries))
    return new


def make_from(
    layout: Layout,
    sources: Sequence[str],
    java: Java,
    update: Callable[[str], None],
    accept: Callable[[distribution.Distribution], None],
) -> Path:
    """Make a program from a user's own distribution next to its place.

    Parameters
    ----------
    layout
        Where it goes.
    sources
        Archives or folders.
    java
        Runs the compiler of our classes.
    update
        Told what happens.
    accept
        Raises if the distribution does not fit.

    Returns
    -------
    Path
        The folder, for `place`.

    Raises
    ------
    UsageError
        When a source is missing, damaged, unsafe or no distribution, or versions are mixed.
    """
    with tempfile.TemporaryDirectory(dir=layout.prefix, prefix=".unpacked-") as unpacked:
        found = distribution.read(sources, Path(unpacked), update)
        accept(found)
        new = _new(layout)
        update("copying")
        libraries = distribution.copy(found, new)
        _finish(layout, new, java, update, Program(found.version, stock=False, libraries=libraries))
    return new


def refresh(layout: Layout, java: Java, update: Callable[[str], None]) -> Path:
    """Make the installed program again with our own part of this checkout; Azkaban's jars stay.

    The parameters and what is returned are those of `make`.
    """
    home = folder(layout)
    old = Program.read(home)
    if old is None:
        raise ServerError(f"{home}: there is no program; run {called()} azkaban install")
    new = _new(layout)
    shutil.rmtree(new)
    shutil.copytree(home, new)
    _finish(layout, new, java, update, old)
    return new


def place(layout: Layout, new: Path, kept: Path | None = None) -> None:
    """Move a finished program into its place.

    Parameters
    ----------
    layout
        Whose program.
    new
        What `make`, `make_from` or `refresh` returned.
    kept
        Where the earlier program goes; by default it is deleted.
    """
    home = folder(layout)
    old = kept or home.with_name("program.old")
    if kept is None:
        shutil.rmtree(old, ignore_errors=True)
    if home.exists():
        home.rename(old)
    new.rename(home)
    if kept is None:
        shutil.rmtree(old, ignore_errors=True)


def _new(layout: Layout) -> Path:
    layout.azkaban.mkdir(exist_ok=True, mode=0o700)
    new = layout.azkaban / "program.new"
    shutil.rmtree(new, ignore_errors=True)
    for name in ("lib", "web"):
        (new / name).mkdir(parents=True)
    return new


def _finish(
    layout: Layout, new: Path, java: Java, update: Callable[[str], None], program: Program
) -> None:
    """Add what is ours and write the record."""
    agent = new / "agent"
    shutil.rmtree(agent, ignore_errors=True)
    agent.mkdir()
    extra = ["agent", "jetty", *(() if program.stock else ("distribution",))]
    pins = [jar for section in extra for jar in maven.pinned(section)]
    for jar in maven.fetch(pins, layout.cache, update):
        shutil.copyfile(jar, agent / jar.name)
    compiler = maven.fetch(maven.pinned("compiler"), layout.cache, update)[0]
    update("compiling our classes")
    jars = new / program.libraries.get("web", next(iter(program.libraries.values())))
    uses = [*agent.glob("*.jar"), *sorted(jars.glob("*.jar"))]
    manifest = "Premain-Class: PortGuard\n"
    guard = Jar(agent / "port-guard.jar", _AGENT, manifest)
    run_files = pages.install_run_files(new / "run-files", layout.runs, jars)
    compile_jars(java, compiler, [guard, run_files], classpath=uses)
    shutil.copyfile(_KEEPER, agent / _KEEPER.name)
    pages.install_console(new / "web")
    site = pages.SITE if pages.SITE.is_dir() else layout.docs
    if site.is_dir():
        pages.install_site(new / "web", site)
    kinds = program.libraries.items()
    record = replace(
        program,
        classes={kind: distribution.main_class(new / lib, kind) for kind, lib in kinds},
        jars={str(p.relative_to(new)): sha256(p) for p in sorted(new.rglob("*.jar"))},
        ours=_digest(),
    )
    write_private(new / _RECORD, json.dumps(asdict(record), indent=1) + "\n")


def _digest() -> str:
    """Hash the files of this checkout that become part of a program."""
    whole = hashlib.sha256()
    for path in sorted(_inputs()):
        whole.update(f"{path.relative_to(CHECKOUT)}\0{sha256(path)}\0".encode())
    return whole.hexdigest()


def _inputs() -> Iterator[Path]:
    yield _SETUP / "versions.toml"
    yield PEER
    yield TRANSFORMER
    yield _KEEPER
    for name in ("setup/azkaban/java", "setup/azkaban/sql", "console", pages.SITE.name):
        yield from (path for path in (CHECKOUT / name).rglob("*") if path.is_file())
