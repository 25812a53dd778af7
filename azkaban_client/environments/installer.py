"""Resolve and install packages with uv if it is there, else with pip."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client import authorities
from azkaban_client.config import ConfigError
from azkaban_client.environments import store
from azkaban_client.errors import AzkabanError, InvalidProject, NetworkError
from azkaban_client.package_index import Index
from azkaban_client.programs import captured, runs
from azkaban_client.secrecy import masked

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

__all__ = ["Installer", "installer"]

# What uv and pip say when the requirements are at fault, not the way to the packages.
_NO_SOLUTION = re.compile(
    r"No solution found|ResolutionImpossible|No matching distribution|Could not find a version"
    r"|was not found in the package registry|not found in the (?:provided )?package"
    r"|invalid requirement|Couldn't parse requirement|Expected one of|Unexpected"
    r"|Failed to build|metadata-generation-failed|subprocess-exited-with-error|Unsupported"
    r"|does not look like a Python package|Hashes are required|HASHES ARE REQUIRED"
    r"|must all have a hash|No such option|Could not open requirements|no such file or dir",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"[Ff]ailed to fetch|[Cc]onnection|[Cc]ould not connect|timed? ?out|dns error|Name or service"
    r"|error sending request|certificate|[Pp]roxy|tunnel"
)
_CHANGED = re.compile(r"(?i)DO NOT MATCH THE HASHES|Hash mismatch for|does not match expected")


@dataclass(frozen=True)
class Installer:
    """uv or pip, and a folder for its temporary files.

    Attributes
    ----------
    uv
        Its program; None for pip.
    base
        The Python that environments are made of.
    folder
        For temporary files.
    """

    uv: Path | None
    base: Path
    folder: Path

    @property
    def name(self) -> str:
        """Return ``uv`` or ``pip``."""
        return "uv" if self.uv else "pip"

    def resolve(self, requirements: Path, before: str, version: str, *, upgrade: bool) -> str:
        """Choose a version of each package that requirements need, with the hashes of its files.

        Parameters
        ----------
        requirements
            Their file.
        before
            The lock so far, whose versions stay where they fit.
        version
            Version of Python.
        upgrade
            Whether to take the newest versions instead.
        """
        if self.uv is None:
            return self._resolve_with_pip(requirements)
        target = self.folder / "requirements.lock"
        if before and not upgrade:
            target.write_text(before, encoding="utf-8")
        options = ["--universal", "--python-version", version, "--generate-hashes", "--no-header"]
        options += ["--python", str(self.base), "--output-file", str(target)]
        self._run(["compile", *options, requirements.name], requirements.parent, requirements)
        return target.read_text(encoding="utf-8")

    def install(self, lock: Path, python: Path) -> None:
        """Install what a lock says into an environment."""
        options = ["--require-hashes", "--no-deps", "-r", lock.name]
        if not self.uv:  # compiling takes three times as long as all the rest
            options += ["--no-compile", "--no-warn-script-location"]
        self._run(["install", *options], lock.parent, lock, python)
        # uv lets everybody write to these, whatever the umask.
        for path in python.parents[1].glob("*.lock"):
            path.chmod(path.stat().st_mode & ~0o022)

    def check(self, python: Path) -> str:
        """Say which packages of an environment lack others; empty if none does."""
        result = self._call(["check"], self.folder, python)
        lines = [line.strip() for line in (result.stdout + result.stderr).splitlines()]
        found = [line for line in lines if " requires " in line or " has requirement " in line]
        return "; ".join(found or lines[-1:]) if result.returncode else ""

    def _resolve_with_pip(self, requirements: Path) -> str:
        files = self.folder / "files"
        options = ["--dest", str(files), "-r", requirements.name]
        self._run(["download", *options], requirements.parent, requirements)
        lines = []
        for path in files.iterdir():
            stem = re.sub(r"\.(?:whl|tar\.\w+|tgz|zip)$", "", path.name)
            wheel = path.suffix == ".whl"
            name, version = stem.split("-")[:2] if wheel else stem.rpartition("-")[::2]
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{name.replace('_', '-')}=={version} \\\n    --hash=sha256:{digest}")
        return "\n".join(sorted(lines, key=str.lower))

    def _run(
        self, options: Sequence[str], folder: Path, file: Path, python: Path | None = None
    ) -> None:
        result = self._call(options, folder, python)
        if result.returncode:
            raise _error(result.stderr + result.stdout, file)

    def _call(
        self, options: Sequence[str], folder: Path, python: Path | None
    ) -> subprocess.CompletedProcess[str]:
        """Run uv, or pip; URLs may contain passwords, so they are passed in variables."""
        index = Index.of()
        environ = {**os.environ, "TMPDIR": str(self.folder), "LC_ALL": "C.UTF-8"}
        environ |= authorities.variables(self.folder)
        if self.uv:
            command = [str(self.uv), "pip", *options, "--no-config", "--quiet"]
            if options[0] != "compile":
                command += ["--python", str(python)]
            environ = index.for_uv(environ) | self._caches()
        else:
            command = [*_pip(python or self.base), *options, "--no-input"]
            command += [] if options[0] == "check" else ["--disable-pip-version-check"]
            environ = index.for_pip(environ)
        return captured(command, cwd=folder, env=environ)

    @staticmethod
    def _caches() -> dict[str, str]:
        """Choose variables that trust the system's authorities, and share set-up's cache if any."""
        ours = {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
        kept = store.cache()
        if kept is not None and kept.is_dir() and os.access(kept, os.W_OK):
            return {**ours, "UV_CACHE_DIR": str(kept / "packages")}
        given = os.environ.get("UV_CACHE_DIR")
        return {**ours, "UV_CACHE_DIR": given} if given else ours


@contextmanager
def installer(base: Path) -> Iterator[Installer]:
    """Find uv, or pip.

    Parameters
    ----------
    base
        The Python that environments are made of.

    Raises
    ------
    ConfigError
        ``AZK_INSTALLER`` names another program, or uv, which is not there.
    """
    chosen = os.environ.get("AZK_INSTALLER", "")
    if chosen not in ("", "uv", "pip"):
        raise ConfigError(f"AZK_INSTALLER={chosen}: expected uv or pip")
    if (place := store.prefix()) is not None:
        with suppress(OSError):  # one that can only be read
            authorities.remember(place)  # that of the company, which set-up was told once
    with tempfile.TemporaryDirectory(prefix="azk-env-") as folder:
        uv = None if chosen == "pip" else _find_uv(Path(folder))
        if chosen == "uv" and uv is None:
            raise ConfigError("AZK_INSTALLER=uv: there is no uv on the PATH")
        yield Installer(uv, base, Path(folder))


def _find_uv(folder: Path) -> Path | None:
    """Find uv: beside this Python, on the PATH, or the one that set-up has in its cache."""
    beside = Path(sys.executable).with_name("uv")
    named = str(beside) if beside.is_file() else shutil.which("uv")
    if named and runs([named, "--version"]):
        return Path(named)
    kept = store.cache()
    wheels = sorted(kept.glob("installer/uv-*.whl")) if kept else []
    for wheel in reversed([path for path in wheels if platform.machine() in path.name]):
        program = folder / "uv"
        with (
            suppress(OSError, StopIteration, zipfile.BadZipFile),
            zipfile.ZipFile(wheel) as archive,
        ):
            name = next(name for name in archive.namelist() if name.endswith("scripts/uv"))
            program.write_bytes(archive.read(name))
            program.chmod(0o700)
            if runs([str(program), "--version"]):
                return program
    return None


@functools.cache
def _with_pip() -> str:
    """Return a Python that has a pip which can install for another one; empty if none does."""
    bases = (sys.executable, getattr(sys, "_base_executable", sys.executable))
    tried = ([base, "-I", "-m", "pip", "--python", base, "--version"] for base in bases)
    return next((command[0] for command in tried if runs(command)), "")


def _pip(python: Path) -> list[str]:
    """Return the command of a pip that installs for an interpreter, which need not have it."""
    if base := _with_pip():
        return [base, "-I", "-m", "pip", "--python", str(python)]
    # A wheel is a zip from which Python can run; ensurepip brings one.
    places = [Path("/usr/share/python-wheels")]
    if spec := importlib.util.find_spec("ensurepip"):
        places.append(Path(str(spec.origin)).parent / "_bundled")
    if wheels := [wheel for place in places for wheel in sorted(place.glob("pip-*.whl"))]:
        return [str(python), "-I", str(wheels[-1] / "pip")]
    raise AzkabanError(
        f"there is neither uv nor pip: put uv on the PATH, or install pip for {sys.executable}"
    )


def _error(said: str, file: Path) -> AzkabanError:
    """Turn the output of uv or pip into an error: the project's, the network's, or neither."""
    text = masked(said)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if not re.match(r"WARNING|warning|hint|\[notice\]|×$", line)]
    words = " ".join(re.sub(r"^(ERROR|error): |^[×╰─▶│ ]+", "", line).strip() for line in kept)[
        :700
    ]
    if "No space left on device" in text:
        return AzkabanError(f"{file}: the disk is full: make room and run this again")
    if _CHANGED.search(text):
        return InvalidProject(
            f"{file}: a package is not the one that the lock has; nothing was installed: {words}"
        )
    # pip tries again only where it reached nobody, and ends as if there were no such package.
    lost = _UNREACHABLE.search(text) and not _NO_SOLUTION.search(text)
    if lost or "Retrying (" in text:
        return NetworkError(
            f"{file}: its packages cannot be fetched: {words}\nCheck the network, HTTPS_PROXY and "
            "NO_PROXY; PIP_INDEX_URL names a mirror, PIP_FIND_LINKS a folder of wheels"
        )
    return InvalidProject(f"{file}: {words or 'its packages cannot be installed'}")
