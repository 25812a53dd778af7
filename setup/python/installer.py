"""Install exactly what a lock says, with uv if it is available, else with pip.

A lock pins every package with its hashes, so nothing is resolved: neither the day nor the
installer's release nor what else an index has changes what is installed. uv is pinned in the same
way and kept in the cache as its wheel; the environments need no installer of their own.
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from azkaban_client.package_index import Index
from azkaban_client.programs import captured, runs
from setup import environment
from setup.downloads import keep, sha256
from setup.errors import DownloadError, SetupError, UsageError
from setup.layout import CHECKOUT
from setup.network import explain
from setup.python import pip

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from setup.layout import Layout

__all__ = ["LOCKS", "WHEELS", "Installer", "pins"]

LOCKS = CHECKOUT / "setup" / "locks"
WHEELS = CHECKOUT / "wheels"

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\\n]+)", re.MULTILINE)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


class _NotFoundError(DownloadError):
    """An index lacks the package, or could not be reached."""


class Installer:
    """Installs into environments and folders; a context manager.

    Nothing is fetched where `wheels` holds what a lock pins; uv itself may lie there too. Otherwise
    pip's own settings say where packages come from (`azkaban_client.package_index`). Without uv
    where ``AZK_INSTALLER=pip`` says so, where the index has none, or where its binary does not run.

    Parameters
    ----------
    layout
        Whose cache is used; the prefix exists.
    wheels
        A folder of wheels. The one-file archive has one beside `setup`.
    keep
        Whether what is fetched stays in the cache.

    Examples
    --------
    ::

        with Installer(layout) as installer:
            installer.install(LOCKS / "base.txt", layout.python)
            installer.install(LOCKS / "java.txt", layout.python, target=layout.java)
            problems = installer.check(layout.python)
    """

    def __init__(self, layout: Layout, *, wheels: Path = WHEELS, keep: bool = True) -> None:
        self.layout = layout
        self.wheels = wheels
        found = Index.of()
        self.index = found if keep else found.uncached()
        self._places: list[Path] = []  # where packages were put

    def __enter__(self) -> Self:
        """Find uv.

        Raises
        ------
        DownloadError
            When what is offered as uv is not the pinned one.
        """
        chosen = os.environ.get("AZK_INSTALLER", "uv")
        if chosen not in ("uv", "pip"):
            raise UsageError(f"AZK_INSTALLER={chosen}: expected uv or pip")
        self._environ = environment.tool(self.layout.temporary)
        place = self._environ["TMPDIR"]
        self._folder = tempfile.TemporaryDirectory(dir=place, prefix="setup-installer-")
        try:
            self._uv = self._find_uv() if chosen == "uv" else None
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Delete the temporary files."""
        self._folder.cleanup()
        packages = self.layout.cache / "packages"
        places = [packages, *self._places, Path(self._environ["TMPDIR"])]
        locks = [path for place in places for path in place.glob("*.lock")]
        locks += [
            path for kind in ("wheels", "sdists") for path in packages.glob(f"{kind}-*/**/*.lock")
        ]
        for path in locks:  # uv lets everybody write to them, whatever the umask
            with suppress(OSError):
                path.chmod(path.stat().st_mode & ~0o022)

    @property
    def name(self) -> str:
        """Return ``uv`` or ``pip``."""
        return "uv" if self._uv else "pip"

    def install(
        self,
        lock: Path,
        python: Path,
        *,
        target: Path | None = None,
        sources: Sequence[str] = (),
        hashes: bool = True,
    ) -> None:
        """Install what a lock pins.

        Parameters
        ----------
        lock
            The requirements file.
        python
            The interpreter of the environment.
        target
            A folder to install into instead of the environment.
        sources
            Packages that come as a source archive; the environment holds what builds them.
        hashes
            Whether it is a complete lock, installed as it stands. A list of the user's own without
            hashes is resolved.

        Raises
        ------
        DownloadError
            When a package cannot be had, or is not the pinned one.
        """
        options = ["--require-hashes", "--no-deps"] if hashes else []
        options += ["--target", str(target)] if target else []
        self._places.append(target or python.parents[1])
        if sources:
            others = sorted({name for name, _ in pins(lock)} - set(sources))
            options += ["--no-build-isolation", *(f"--only-binary={name}" for name in others)]
            if self._uv:  # what is built here is unpacked at once: it need not be compressed
                options.append("--config-setting=--build-option=--compression=stored")
        else:
            options += ["--only-binary=:all:"]
        options += ["-r", str(lock.absolute())]
        if self.wheels.is_dir():
            with suppress(_NotFoundError):  # what it does not hold is fetched
                self._install(self.index.only(self.wheels), python, options)
                return
        self._install(self.index, python, options)

    def install_project(self, folder: Path, python: Path, *, editable: bool) -> None:
        """Install a project with what the environment holds, with no network.

        Parameters
        ----------
        folder
            The project's.
        python
            The interpreter of the environment.
        editable
            Whether it is imported from its folder, or copied.
        """
        options = ["--no-deps", "--no-build-isolation"]
        # Its version may be the same as that of the files which are there.
        options += ["--reinstall" if self._uv else "--force-reinstall"]
        index = Index({"no-index": "1"}).uncached()
        self._install(index, python, [*options, *["-e"] * editable, str(folder)])

    def check(self, python: Path) -> str:
        """Say which packages of an environment lack others, or have them in a wrong version.

        Returns
        -------
        str
            Empty if everything is in order.
        """
        result = self._run(self.index, python, "check")
        lines = [line.strip() for line in (result.stdout + result.stderr).splitlines()]
        found = [line for line in lines if " requires " in line or " has requirement " in line]
        return "; ".join(found or lines[-1:]) if result.returncode else ""

    def _install(self, index: Index, python: Path, options: Sequence[str]) -> None:
        # pip says only where it is not quiet which host it could not reach.
        quiet = ["--quiet"] if self._uv else []
        if "no-index" in index.settings:
            quiet.append("--no-index")
        if not self._uv:
            # Compiling takes three times as long as all the rest: it is done at first use.
            quiet += ["--no-compile", "--no-warn-script-location"]
        result = self._run(index, python, "install", *quiet, *options)
        if result.returncode:
            raise _error(result.stderr, result.stdout)

    def _run(
        self, index: Index, python: Path | None, verb: str, *options: str
    ) -> subprocess.CompletedProcess[str]:
        """Run uv, or pip; URLs may contain passwords, so they are passed in variables."""
        if self._uv and python:
            command = [str(self._uv), "pip", verb, "--no-config", "--system-certs"]
            command += ["--python", str(python), *options]
            environ = index.for_uv(self._environ)
            environ["UV_CACHE_DIR"] = str(self._packages())
        else:
            command = [*pip.command(python, Path(self._folder.name)), verb, *options]
            environ = {
                "PIP_CACHE_DIR": str(self.layout.cache / "pip"),
                **index.for_pip(self._environ),
            }
        return captured(command, env=environ)

    def _packages(self) -> Path:
        """Choose uv's cache: it writes into it even to read, which a shared one may not allow."""
        kept = self.layout.cache / "packages"
        place = kept if kept.is_dir() else self.layout.cache
        return kept if os.access(place, os.W_OK) else Path(self._folder.name) / "packages"

    def _find_uv(self) -> Path | None:
        """Unpack uv from its wheel, fetched with pip where it is not on this machine yet."""
        lock = LOCKS / "uv.txt"
        hashes = set(_HASH.findall(lock.read_text(encoding="utf-8")))
        store = self.layout.cache / "installer"
        places = [store, self.wheels, *self.index.folders]
        wheel = next(_pinned_wheels(places, hashes), None)
        if not wheel and "no-index" not in self.index.settings:
            wheel = self._download(lock, store)
        if not wheel:
            return None
        program = Path(self._folder.name) / "uv"
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith("scripts/uv"))
            program.write_bytes(archive.read(name))
        program.chmod(0o700)
        return program if runs([program, "--version"], env=environment.local()) else None

    def _download(self, lock: Path, store: Path) -> Path | None:
        """Fetch uv's wheel; None where the index has none for this machine."""
        fetched = Path(self._folder.name) / "wheels"
        options = ["--require-hashes", "--no-deps", "--only-binary=:all:"]
        options += ["--no-cache-dir", "--dest", str(fetched), "-r", str(lock)]
        self._uv = None
        result = self._run(self.index, None, "download", *options)
        wheel = next(fetched.glob("*.whl"), None)
        if result.returncode or not wheel:
            error = _error(result.stderr, result.stdout)
            if not isinstance(error, _NotFoundError) or "Retrying (" in result.stderr:
                raise error  # pip itself would fare no better
            return None
        return keep(wheel, store)


def pins(lock: Path) -> list[tuple[str, str]]:
    """List the names and versions in a lock; some are for one platform or Python only."""
    return [(match[1], match[2]) for match in _PIN.finditer(lock.read_text(encoding="utf-8"))]


def _pinned_wheels(places: Sequence[Path], hashes: set[str]) -> Iterator[Path]:
    """Find wheels of uv for this machine that match the lock."""
    for wheel in (wheel for place in places for wheel in sorted(place.glob("uv-*.whl"))):
        here = "linux" in wheel.name and platform.machine() in wheel.name
        if here and sha256(wheel) in hashes:
            yield wheel


def _error(output: str, more: str) -> SetupError:
    """Turn the last lines of pip's or uv's output into an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "error", "cause"))]
    if "No space left on device" in output:
        return SetupError("the disk is full: make room and run this again")
    if match := re.search(r"DO NOT MATCH THE HASHES|Hash mismatch for", output):
        return DownloadError(
            "a package is not the pinned one, nothing of it was installed: "
            + " ".join(output[match.start() :].split())[:600]
        )
    said = " ".join(errors or lines[-1:]) or "no message"
    return _NotFoundError(
        f"packages could not be installed: {said[:600]}\n"
        + explain(output + more, "PIP_INDEX_URL names a mirror, PIP_FIND_LINKS a folder of wheels")
    )
