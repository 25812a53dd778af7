"""Make the environment of a project: resolve once, install what the lock says, all or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.environments import lock, store
from azkaban_client.environments.installer import installer
from azkaban_client.errors import AzkabanError, InvalidProject
from azkaban_client.files import write_text
from azkaban_client.programs import captured

if TYPE_CHECKING:
    from collections.abc import Callable

    from azkaban_client.environments.installer import Installer
    from azkaban_client.environments.store import Environment

__all__ = ["ensure", "find"]

# Asked of an interpreter. SOABI is another for each release, platform and way of building.
_WHAT = """
import json, os, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(),
    "tag": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag,
    "path": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
}))
"""
_INSIDE = """
import json, os, sys, sysconfig
from importlib.metadata import distributions
sites = list(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))
print(json.dumps({
    "sites": [os.path.relpath(path, sys.prefix) for path in sites],
    "packages": {one.metadata["Name"]: one.version for one in distributions(path=sites)},
}))
"""


@dataclass(frozen=True)
class _Python:
    """The interpreter that environments are made of."""

    path: Path
    version: str
    tag: str

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


def find(folder: str | os.PathLike[str]) -> Environment | None:
    """Return the environment of a project, if it is there and its lock is up to date.

    Parameters
    ----------
    folder
        The project's.

    Raises
    ------
    InvalidProject
        Its files of requirements cannot be used.
    """
    place = Path(folder)
    if not lock.asks(place):
        return None
    store.require_private()
    wanted = lock.read(place)
    if wanted.lock is None or not wanted.current:
        return None
    return store.recorded(_home(wanted.lock, _python(place)))


def ensure(
    folder: str | os.PathLike[str],
    *,
    upgrade: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> Environment | None:
    """Make the environment of a project, unless it is there.

    Requirements without hashes are resolved once; the lock beside them keeps what was chosen. Two
    calls at once make one environment; one that fails or is interrupted leaves none.

    Parameters
    ----------
    folder
        The project's, with a ``requirements.txt`` or a ``requirements.lock``.
    upgrade
        Whether to resolve again, for newer releases.
    say
        Called with what goes on.

    Returns
    -------
    Environment or None
        None if the project asks for no packages.

    Raises
    ------
    InvalidProject
        The requirements cannot be read or satisfied, or a package is not the pinned one.
    NetworkError
        The packages cannot be fetched.
    ConfigError
        A setting of pip's or uv's cannot be used.
    """
    place = Path(folder)
    if not lock.asks(place):
        return None
    found = None if upgrade else find(place)
    if found is None:
        found = _ensured(place, upgrade=upgrade, say=say)
    store.record_use(found, place)
    return found


def _ensured(place: Path, *, upgrade: bool, say: Callable[[str], object]) -> Environment:
    """Bring the lock up to date, and make the environment unless it is there."""
    store.require_private()
    python = _python(place)
    with installer(python.path) as tool:
        chosen = _locked(place, python, tool, upgrade=upgrade, say=say)
        target = _home(chosen, python)
        found = store.recorded(target)
        if found is None:
            with store.locked(target, waiting=lambda: say(f"another azk makes {target}: waiting")):
                found = store.recorded(target) or _make(target, chosen, python, tool, say)
    return found


def _locked(
    folder: Path,
    python: _Python,
    tool: Installer,
    *,
    upgrade: bool,
    say: Callable[[str], object],
) -> lock.Lock:
    """Return a project's lock, resolved again if its requirements have changed."""
    wanted = lock.read(folder)
    before = wanted.lock
    if before is not None and wanted.current and not (upgrade and before.made_from):
        before.require_hashes()
        return before
    assert wanted.requirements is not None
    say(f"{wanted.requirements}: choosing versions with {tool.name}")
    text = before.text if before else ""
    pins = tool.resolve(wanted.requirements, text, python.minor, upgrade=upgrade)
    made = wanted.new_lock(pins)
    made.require_hashes()
    write_text(made.path, made.text)
    say(f"wrote {made.path}, which keeps these versions: commit it beside {lock.REQUIREMENTS}")
    return made


def _make(
    target: Path, chosen: lock.Lock, python: _Python, tool: Installer, say: Callable[[str], object]
) -> Environment:
    """Make an environment; nothing is left of one that fails."""
    began = datetime.now(UTC)
    say(f"making the environment {target} with {tool.name}")
    shutil.rmtree(target, ignore_errors=True)  # of a call that was killed
    try:
        _virtual(target, python)
        inside = target / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        tool.install(chosen.path, inside)
        if wrong := tool.check(inside):
            say(f"warning: packages of {chosen.path} do not fit together: {wrong}")
        record = {
            "python": inside.relative_to(target).as_posix(),
            "version": python.version,
            "made": datetime.now(UTC).isoformat(),
            **_ask(inside, _INSIDE),
        }
        write_text(target / store.RECORD, json.dumps(record, indent=1))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    found = store.recorded(target)
    if found is None:
        raise AzkabanError(f"{target}: the environment has gone while it was made")
    seconds = (datetime.now(UTC) - began).total_seconds()
    count = len(found.packages)
    say(f"made {target}: Python {found.version}, {count} packages ({seconds:.1f} s)")
    for gone in store.prune(keep=found):
        say(f"deleted {gone}, which no project uses any more")
    return found


def _virtual(target: Path, python: _Python) -> None:
    command = [str(python.path), "-I", "-m", "venv", "--without-pip", str(target)]
    result = captured(command)
    if result.returncode:
        said = " ".join((result.stdout + result.stderr).split())[-400:]
        raise AzkabanError(f"{python.path} cannot make the environment {target}: {said}")


def _home(chosen: lock.Lock, python: _Python) -> Path:
    """Return the folder of the environment for a lock and a Python."""
    parts = (chosen.content, python.tag, str(python.path))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return store.root() / digest[:16]


def _python(folder: Path) -> _Python:
    """Find the Python that a project names in ``.python-version``; azk's own by default."""
    named = folder / ".python-version"
    path = Path(getattr(sys, "_base_executable", sys.executable))
    if named.is_file():
        text = named.read_text(encoding="utf-8", errors="replace").split()
        path = _named_python(named, text[0] if text else "")
    facts = _ask(path, _WHAT)
    return _Python(Path(facts["path"]), facts["version"], facts["tag"])


def _named_python(file: Path, text: str) -> Path:
    if "/" in text:
        if not Path(text).is_file():
            raise InvalidProject(f"{file}: {text}: there is no such interpreter")
        return Path(text)
    version = re.fullmatch(r"(?:cpython-|python)?(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not version:
        raise InvalidProject(f"{file}: {text!r}: expected a version such as 3.12, or a path")
    name = f"python{version[1]}.{version[2]}"
    own = tuple(map(int, version.groups()[:2])) == sys.version_info[:2]
    found = getattr(sys, "_base_executable", sys.executable) if own else shutil.which(name)
    if not found:
        raise InvalidProject(
            f"{file}: {text}: there is no {name} on the PATH: install it, or write its path there"
        )
    return Path(found)


def _ask(python: Path, question: str) -> dict[str, Any]:
    """Run code in an interpreter and return the JSON that it prints."""
    try:
        result = captured([str(python), "-I", "-c", question])
        found: dict[str, Any] = json.loads(result.stdout)
    except (OSError, ValueError) as error:
        raise AzkabanError(f"{python} is no Python that runs here: {error}") from error
    return found
