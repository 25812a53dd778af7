"""Where environments are, and who uses them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client._home import base, expanded
from azkaban_client.config import written_by_others
from azkaban_client.errors import AzkabanError
from azkaban_client.files import lock, open_private, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "RECORD",
    "Environment",
    "Use",
    "cache",
    "environments",
    "forget",
    "locked",
    "modules_of_server",
    "prefix",
    "prune",
    "record_use",
    "recorded",
    "require_private",
    "root",
]

RECORD = ".azk-environment.json"  # written last: a folder without it was never finished
_USES = ".azk-uses"
_MARKER = ".azkaban-jobflow"  # of a prefix that set-up has made


@dataclass(frozen=True)
class Use:
    """A project that uses an environment.

    Attributes
    ----------
    folder
        The project's.
    time
        When it was used last.
    project, url
        Where it was uploaded to; empty where it was only run or built on this machine.
    current
        Whether the latest version that was uploaded there uses it.
    """

    folder: str
    time: datetime
    project: str = ""
    url: str = ""
    current: bool = False


@dataclass(frozen=True)
class Environment:
    """The packages of a project.

    Attributes
    ----------
    folder
        Where it is; its name is the hash of the lock and of the Python.
    python
        Its interpreter.
    version
        The Python's version.
    sites
        The folders that its packages are in.
    packages
        Versions of the packages by name.
    made
        When it was made.
    """

    folder: Path
    python: Path
    version: str
    sites: tuple[Path, ...]
    packages: dict[str, str]
    made: datetime

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.name

    @property
    def modules(self) -> frozenset[str]:
        """The names of all modules that its packages install, without those below packages."""
        return modules_in(self.sites)

    def uses(self) -> list[Use]:
        """Return who uses it, the latest first."""
        found = []
        for path in self.folder.joinpath(_USES).glob("*.json"):
            with contextlib.suppress(OSError, ValueError, TypeError):
                data = json.loads(path.read_text(encoding="utf-8"))
                found.append(Use(**{**data, "time": datetime.fromisoformat(data["time"])}))
        return sorted(found, key=lambda use: use.time, reverse=True)

    @property
    def used(self) -> datetime:
        """When it was used last."""
        return max([self.made, *(use.time for use in self.uses())])

    @property
    def needed(self) -> bool:
        """Whether the latest version of an uploaded project uses it."""
        return any(use.current for use in self.uses())

    def size(self) -> int:
        """Return the bytes of its files; some may be shared with a cache by hard links."""
        files = (path for path in self.folder.rglob("*") if not path.is_symlink())
        return sum(path.stat().st_size for path in files if path.is_file())


def modules_in(sites: Iterable[Path]) -> frozenset[str]:
    """Return the names of all modules in folders of packages, without those below packages."""
    names = {path.name.partition(".")[0] for place in sites for path in place.iterdir()}
    return frozenset(name for name in names | {"__main__"} if name.isidentifier())


def modules_of_server() -> frozenset[str] | None:
    """Return the modules that the Python of this installation's server has, if there is one."""
    home = prefix()
    sites = list(home.glob("env/lib/python3*/site-packages")) if home else []
    # Ours may be used where it lies, and then is in no such folder.
    return modules_in(sites) | {"azkaban_client"} if sites else None


def prefix() -> Path | None:
    """Return the folder of the installation that this program belongs to; None if there is none."""
    places = [Path(sys.prefix).parent, expanded("~/.azkaban-jobflow")]
    if home := os.environ.get("AZK_HOME"):
        places.insert(0, expanded(home))
    return next((place for place in places if place.joinpath(_MARKER).is_file()), None)


def root() -> Path:
    """Return the folder of all environments, which need not exist."""
    if found := prefix():
        return found / "environments"
    return base("XDG_DATA_HOME", "~/.local/share") / "azk" / "environments"


def require_private() -> None:
    """Refuse environments that another account could exchange for others.

    Raises
    ------
    AzkabanError
        With the folder and who could.
    """
    if reason := written_by_others(root()):
        raise AzkabanError(f"environments in {root()}: {reason}")


def cache() -> Path | None:
    """Return the folder of downloads that set-up uses; None outside of its installations."""
    if named := os.environ.get("AZK_CACHE"):
        return expanded(named)
    found = prefix()
    return found / "cache" if found else None


def recorded(folder: Path) -> Environment | None:
    """Read an environment that is there, whole, and whose Python still is."""
    try:
        data = json.loads(folder.joinpath(RECORD).read_text(encoding="utf-8"))
        found = Environment(
            folder=folder,
            python=folder / data["python"],
            version=str(data["version"]),
            sites=tuple(folder / site for site in data["sites"]),
            packages=dict(data["packages"]),
            made=datetime.fromisoformat(data["made"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.python.exists() else None


def environments() -> list[Environment]:
    """Return all environments, those that were used last first."""
    found = [one for path in _folders() if (one := recorded(path))]
    return sorted(found, key=lambda one: one.used, reverse=True)


def record_use(environment: Environment, folder: Path, *, project: str = "", url: str = "") -> None:
    """Note that a project uses an environment; with `url`, that it was uploaded there.

    Parameters
    ----------
    environment
        The environment.
    folder
        The project's folder.
    project, url
        The project on a server: its earlier environment is no longer the current one.
    """
    now = datetime.now(UTC)
    use = Use(str(folder.resolve()), now, project, url, current=bool(url))
    if url:
        for other, one in _uses_of(project, url):
            if other.folder != environment.folder and one.current:
                # Executions of the version before may go on for a while.
                _write(other, replace(one, current=False, time=now))
    _write(environment, use)


def forget(project: str, url: str) -> None:
    """Note that a project was deleted from a server."""
    for environment, use in _uses_of(project, url):
        _write(environment, replace(use, current=False))


def prune(
    *, unused: timedelta = timedelta(days=30), dry: bool = False, keep: Environment | None = None
) -> list[Path]:
    """Delete environments that no project uses.

    The latest version of each uploaded project keeps its environment. Others stay for a while after
    they were used last. What an interrupted call has left goes, too.

    Parameters
    ----------
    unused
        How long an environment must not have been used.
    dry
        Whether to delete nothing.
    keep
        An environment that stays.

    Returns
    -------
    list of Path
        The folders that were deleted, or would be.
    """
    before = datetime.now(UTC) - unused
    gone = []
    for folder in _folders():
        one = recorded(folder)
        if one and (one.needed or one.used > before or (keep and keep.folder == folder)):
            continue
        with locked(folder, wait=False) as free:
            if not free:  # it is being made
                continue
            if not dry:
                _delete(folder)
        gone.append(folder)
    return gone


@contextlib.contextmanager
def locked(
    folder: Path, *, wait: bool = True, waiting: Callable[[], object] = lambda: None
) -> Iterator[bool]:
    """Let one process at a time make or delete an environment.

    Parameters
    ----------
    folder
        The environment's.
    wait
        Whether to wait for another process.
    waiting
        Called before that.

    Yields
    ------
    bool
        Whether the lock is held: False only where `wait` is.
    """
    path = folder.with_name(f".{folder.name}.lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open_private(path, "a") as stream:
        held = lock(stream)
        if not held and wait:
            waiting()
            held = lock(stream, wait=True)
        yield held


def _folders() -> list[Path]:
    top = root()
    if not top.is_dir():
        return []
    return sorted(p for p in top.iterdir() if p.is_dir() and not p.name.startswith("."))


def _delete(folder: Path) -> None:
    # Its record first: what is only half deleted counts as not there.
    folder.joinpath(RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _uses_of(project: str, url: str) -> Iterator[tuple[Environment, Use]]:
    for environment in environments():
        for use in environment.uses():
            if (use.project, use.url) == (project, url):
                yield environment, use


def _write(environment: Environment, use: Use) -> None:
    place = environment.folder / _USES
    named = f"{use.folder}\0{use.project}\0{use.url}"
    path = place / f"{hashlib.sha256(named.encode()).hexdigest()[:24]}.json"
    data = {**asdict(use), "time": use.time.isoformat()}
    with contextlib.suppress(OSError):  # of another account: it can be used all the same
        place.mkdir(exist_ok=True)
        write_text(path, json.dumps(data))
