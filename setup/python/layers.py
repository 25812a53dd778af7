"""Make a private Python environment from lock files with hashes, even where pip is missing.

The environment holds the client of this checkout (`azk`), and in layers what servers, jobs and
developers need. A file ``.lock-NAME`` in it records the lock that a layer was made from; where that
is empty (an interrupted set-up) the environment is made again.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.programs import runs
from setup import environment, release
from setup.bundle import product
from setup.called import NAME, called
from setup.errors import DownloadError, SetupError
from setup.layout import CHECKOUT
from setup.messages import say, step
from setup.python import damage, pip
from setup.python.installer import LOCKS, WHEELS, Installer, pins
from setup.shell import program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from setup.layout import Layout
    from setup.messages import Step

__all__ = [
    "LOCKS",
    "all_current",
    "current",
    "ensure",
    "enter",
    "inside",
    "present",
    "reenter",
    "variables",
]

# What a layer stands on, and the locks that are part of another one, which has them all at once.
_ON = {
    "onnx": ("jobs",),
    "routing": ("jobs",),
    "dev": ("base", "chat", "jobs", "mysql"),
    "browser": ("dev",),
}
_HOLDS = {"dev": ("base", "chat", "jobs", "mysql")}
_MEGABYTES = {"base": 100, "jobs": 500, "mysql": 100, "routing": 400, "dev": 1000, "docs": 150}


def ensure(layout: Layout, *names: str) -> None:
    """Make the environment with some layers, or bring it up to their locks.

    A second call does nothing. Layers that were added before stay, and are updated too.

    Parameters
    ----------
    layout
        Where it goes.
    names
        Locks on top of the base, such as ``jobs``; the layers that they need come with them.

    Raises
    ------
    DownloadError
        When a package cannot be downloaded, or is not the pinned one.
    """
    wanted = _with_needs(["base", *names, *present(layout)])
    lost = {} if inside(layout) else damage.lost(layout.env)  # this process runs in a whole one
    stale = wanted if lost else [name for name in wanted if not current(layout, name)]
    if not stale:
        return
    fresh = not _usable(layout)
    layout.create(sum(_MEGABYTES.get(name, 10) for name in _largest(stale)) << 20)
    if lost:
        say(f"{layout.env}: files of {', '.join(sorted(lost))} are gone: installed again")
    # What is empty here is empty in the cache, too: installers make links.
    keep = not any(path.is_file() for paths in lost.values() for path in paths)
    with step("Python environment") as shown, Installer(layout, keep=keep) as installer:
        damage.forget(layout.env, lost)
        if fresh:
            shutil.rmtree(layout.env, ignore_errors=True)
            pip.make_environment(layout.env)
            stale = wanted
        _install_layers(layout, installer, stale, shown, fresh=fresh)
        if wrong := installer.check(layout.python):
            _complain(layout, wrong, fresh=fresh)
        for name in stale:
            _record(layout, name).write_text(_digest(layout, name))
        damage.note(layout.env, _names(present(layout)))
        shown.done(
            f"{layout.env} (Python {sys.version_info.major}.{sys.version_info.minor}; "
            f"{', '.join(present(layout))})"
        )
    importlib.invalidate_caches()


def _install_layers(
    layout: Layout, installer: Installer, names: Sequence[str], shown: Step, *, fresh: bool
) -> None:
    before = {name: _read(layout, name) for name in names}
    for name in names:
        _record(layout, name).write_text("")  # no lock's, but there
    for name in _largest(names):
        shown.update(f"installing packages ({name}) with {installer.name}")
        try:
            installer.install(LOCKS / f"{name}.txt", layout.python)
        except DownloadError:  # the environment still works: nothing of this layer is in it
            if not fresh:
                _restore(layout, before)
            raise
        if name in ("base", "dev"):
            shown.update("installing the client")
            _install_client(layout, installer)
        for part in (name, *_HOLDS.get(name, ())):
            if part in before:
                before[part] = _digest(layout, part)


def _read(layout: Layout, name: str) -> str | None:
    record = _record(layout, name)
    return record.read_text() if record.is_file() else None


def _install_client(layout: Layout, installer: Installer) -> None:
    editable = _developing(layout)  # which costs each start of a Python about 30 ms
    client = CHECKOUT if editable else next(WHEELS.glob("azkaban_jobflow-*"), CHECKOUT)
    installer.install_project(client, layout.python, editable=editable)
    program.write(layout)
    product.prune(layout)


def _restore(layout: Layout, records: Mapping[str, str | None]) -> None:
    """Write the records of layers that are as they were, or done; forget those that are not."""
    for name, text in records.items():
        if text is None:
            _record(layout, name).unlink()
        else:
            _record(layout, name).write_text(text)


def current(layout: Layout, name: str = "base") -> bool:
    """Tell whether the environment is what a lock says."""
    record = _record(layout, name)
    return record.is_file() and record.read_text() == _digest(layout, name)


def all_current(layout: Layout) -> bool:
    """Tell whether the environment is what the locks of all its layers say, as `ensure` sees it."""
    whole = inside(layout) or not damage.lost(layout.env)
    return whole and all(current(layout, name) for name in {"base", *present(layout)})


def _names(layers: Sequence[str]) -> list[str]:
    """List the packages of layers, and the client."""
    return [
        "azkaban-jobflow",
        *(name for each in layers for name, _ in pins(LOCKS / f"{each}.txt")),
    ]


def present(layout: Layout) -> list[str]:
    """List the layers that the environment has, or had when a set-up was interrupted."""
    names = (path.name.removeprefix(".lock-") for path in layout.env.glob(".lock-*"))
    return sorted(name for name in names if (LOCKS / f"{name}.txt").is_file())


def inside(layout: Layout) -> bool:
    """Tell whether this process runs in the environment."""
    return Path(sys.prefix).resolve() == layout.env.resolve()


def reenter(layout: Layout, arguments: Sequence[str]) -> None:
    """Replace this process by the same command, run by the environment's Python."""
    start = [str(CHECKOUT / "setup")]
    if called() != NAME:
        os.chdir(CHECKOUT)
        start = ["-m", "setup"]
    command = [str(layout.python), *start, *arguments]
    os.execve(layout.python, command, variables(layout))


def variables(layout: Layout) -> dict[str, str]:
    """Choose the variables with which this program continues in the environment."""
    layout.temporary.mkdir(mode=0o700, exist_ok=True)
    temporary = environment.temporary(layout.temporary)
    compiled = str(layout.temporary / "pycache")
    return environment.program({"TMPDIR": temporary, "PYTHONPYCACHEPREFIX": compiled})


def enter(layout: Layout, arguments: Sequence[str], *names: str) -> None:
    """Make the environment, or update it to its lock, and continue inside it.

    Parameters
    ----------
    layout
        Where it goes; the prefix folder is made too.
    arguments
        The command line, run again by the environment's Python.
    names
        Layers of the environment, on top of the base.
    """
    release.refuse_newer(layout)
    layout.create(100 << 20)
    product.move_under(layout, arguments)
    with layout.locked():
        ensure(layout, *names)
        if release.made_by(layout) != release.current():
            release.record(layout)
    if not inside(layout):
        reenter(layout, arguments)


def _complain(layout: Layout, wrong: str, *, fresh: bool) -> None:
    """Refuse an environment in which packages do not fit; where users added some, only say so."""
    if fresh:
        raise SetupError(f"the locks in {LOCKS} do not fit together: {wrong}")
    say(f"{layout.env}: packages that were added to it do not fit: {wrong}")


def _with_needs(names: Sequence[str]) -> list[str]:
    """Put before each layer the layers that it needs."""
    found = [each for name in names for each in (*_ON.get(name, ()), name)]
    return list(dict.fromkeys(found))


def _largest(names: Sequence[str]) -> list[str]:
    """Leave out the locks that are part of another one among them."""
    parts = {part for name in names for part in _HOLDS.get(name, ())}
    return [name for name in names if name not in parts]


def _record(layout: Layout, name: str) -> Path:
    return layout.env / f".lock-{name}"


def _digest(layout: Layout, name: str) -> str:
    """Hash what the environment depends on: lock, this checkout's place, the base interpreter.

    The base also depends on the client's files, which are copied unless it is for development.
    """
    parts = [(LOCKS / f"{name}.txt").read_bytes(), (CHECKOUT / "pyproject.toml").read_bytes()]
    parts.append(f"{CHECKOUT}\0{layout.python.resolve()}\0{program.TEMPLATE}".encode())
    if name == "base" and not _developing(layout):
        parts += [path.read_bytes() for path in sorted(CHECKOUT.glob("azkaban_client/**/*.py"))]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _developing(layout: Layout) -> bool:
    return _record(layout, "dev").is_file()


def _usable(layout: Layout) -> bool:
    """Tell whether there is an environment to update, rather than to make again."""
    command = [str(layout.python), "-I", "-c", ""]
    whole = all(_record(layout, name).read_text() for name in present(layout))
    made = whole and _record(layout, "base").is_file() and layout.python.exists()
    if not made:
        return False
    return runs(command, env=environment.local())
