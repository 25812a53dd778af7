"""Fetch the packages of locks as files, for the Python and glibc that the archive is for."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.package_index import Index
from azkaban_client.programs import captured
from setup import environment
from setup.downloads import keep
from setup.errors import DownloadError
from setup.python import pip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from setup.layout import Layout

__all__ = ["GLIBC", "PLATFORM", "fetch"]

PLATFORM = "linux-x86_64"
GLIBC = (2, 28)  # Debian 10, RHEL 8; what numpy's wheels ask for
_TAGS = [
    *(f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC[1], 4, -1)),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
]
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def fetch(
    layout: Layout, locks: Iterable[Path], version: str, sources: Sequence[str] = ()
) -> list[Path]:
    """Fetch what locks pin into the cache, and return the files.

    Parameters
    ----------
    layout
        Whose cache is used; files in it are not fetched again.
    locks
        Requirements files with hashes.
    version
        The Python that will install them, such as ``3.11``.
    sources
        Packages that are released as source archives.

    Raises
    ------
    DownloadError
        When a file cannot be downloaded or is not the pinned one.
    """
    pins = {pin for lock in locks for pin in _pins(lock, version)}
    store = layout.cache / "wheels"
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.temporary, prefix="setup-bundle-") as text:
        folder = Path(text)
        plain = [pin for pin in pins if pin.partition("==")[0] not in sources]
        options = ["--only-binary=:all:", "--python-version", version, "--implementation", "cp"]
        options += [f"--abi={abi}" for abi in (f"cp{version.replace('.', '')}", "abi3", "none")]
        options += [f"--platform={tag}" for tag in _TAGS]
        _download(layout, folder, store, plain, options)
        named = sorted(pins - set(plain))
        if named:
            _sources(layout, folder, store, named)
        found = sorted(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
        return [keep(path, store) for path in found]


def _pins(lock: Path, version: str) -> list[str]:
    """List the requirements of a lock that apply to a Python on our platform."""
    from packaging.markers import Marker

    where = {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
    }
    found = []
    for text in re.split(r"^(?=[A-Za-z0-9])", lock.read_text(encoding="utf-8"), flags=re.MULTILINE):
        line = " ".join(text.replace("\\\n", " ").split("\n"))
        requirement, _, rest = line.partition(" --hash")
        name, _, marker = (part.strip() for part in requirement.partition(";"))
        if rest and (not marker or Marker(marker).evaluate(where)):
            hashes = " ".join(f"--hash=sha256:{h}" for h in sorted(_HASH.findall(line)))
            found.append(f"{name} {hashes}")
    return found


def _download(
    layout: Layout,
    folder: Path,
    store: Path,
    pins: Iterable[str],
    options: Sequence[str],
    *,
    tools: Path | None = None,
) -> None:
    """Have pip choose and check the files, from the cache if it has all of them."""
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{pin}\n" for pin in sorted(pins)))
    index = Index.of()
    result = None
    for place in (index.only(store), index):
        command = [*pip.command(None, folder), "download", "--quiet", "--require-hashes"]
        command += ["--no-deps", "--dest", str(folder), *options, "-r", str(requirements)]
        environ = {
            **place.for_pip(environment.tool(layout.temporary)),
            **({"PYTHONPATH": str(tools)} if tools else {}),
        }
        if "no-index" not in place.settings:
            environ["PIP_FIND_LINKS"] = f"{environ.get('PIP_FIND_LINKS', '')} {store}".strip()
        result = captured(command, env=environ)
        if not result.returncode:
            return
    said = result.stderr.strip()[-600:] if result else ""
    raise DownloadError(f"the packages for the archive could not be fetched: {said}")


def _sources(layout: Layout, folder: Path, store: Path, pins: Sequence[str]) -> None:
    """Fetch source archives; pip runs their setup.py with the setuptools fetched before."""
    tools = next(folder.glob("setuptools-*.whl"))
    shutil.unpack_archive(tools, folder / "tools", "zip")
    options = ["--no-binary=:all:", "--no-build-isolation"]
    _download(layout, folder, store, pins, options, tools=folder / "tools")
