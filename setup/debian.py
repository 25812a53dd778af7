"""Download Debian's packages with our own lists, and unpack them, without root."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from azkaban_client.programs import captured
from setup import environment
from setup.errors import DownloadError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Apt", "available"]


def available() -> bool:
    """Tell whether this machine has Debian's tools."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg"))


class Apt:
    """Package lists in a private folder: renewing the system's needs root, and they may be stale.

    Parameters
    ----------
    folder
        A folder for lists and packages, to be deleted afterwards.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("state/lists/partial", "cache/archives/partial", "debs"):
            (folder / name).mkdir(parents=True)
        self._options = [
            *("-qq", "-o", f"Dir::State={folder / 'state'}"),
            *("-o", f"Dir::State::lists={folder / 'state/lists'}"),
            *("-o", f"Dir::Cache={folder / 'cache'}"),
            *("-o", "Dir::State::status=/var/lib/dpkg/status"),
            *("-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="),
        ]
        self._run("apt-get", "update")

    def depends(self, package: str) -> list[str]:
        """List the packages that a package needs, by name."""
        output = self._run("apt-cache", "depends", package).stdout
        return re.findall(r"^\s*(?:Pre)?Depends: ([^<\s]\S*)", output, re.MULTILINE)

    def download(self, *names: str) -> bool:
        """Download the first of some packages that exists; False when none does."""
        return any(not self._run("apt-get", "download", name).returncode for name in names)

    def download_missing(self, packages: Sequence[str]) -> None:
        """Download some packages and those that they need and this machine lacks."""
        self._run("apt-get", "install", "--download-only", "--no-install-recommends", "-y",
                  *packages)  # fmt: skip
        for path in (self.folder / "cache/archives").glob("*.deb"):
            shutil.move(path, self.folder / "debs" / path.name)

    def unpack(self, target: Path) -> None:
        """Unpack all that was downloaded.

        Raises
        ------
        DownloadError
            When a package is damaged.
        """
        target.mkdir(parents=True, exist_ok=True)
        for package in sorted((self.folder / "debs").glob("*.deb")):
            result = self._run("dpkg", "-x", str(package), str(target))
            if result.returncode:
                raise DownloadError(f"{package.name} cannot be unpacked: {result.stderr.strip()}")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = [] if program == "dpkg" else self._options
        return captured(
            [program, *options, *arguments],
            cwd=self.folder / "debs",
            env=environment.tool(self.folder, {"TMPDIR": str(self.folder)}),
        )
