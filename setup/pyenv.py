"""A private Python environment from lock files with hashes, where pip may be missing.

The environment holds the client of this checkout (`azk`) and what jobs import. A file
``.lock-NAME`` in it records the lock that it was made from; without that record (an interrupted
set-up) it is made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from setup.called import NAME, called
from setup.console import say, step
from setup.errors import SetupError
from setup.layout import CHECKOUT
from setup.python import pip
from setup.python.installer import LOCKS, Installer
from setup.shell import program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.layout import Layout

__all__ = ["LOCKS", "add", "current", "ensure", "enter", "inside", "reenter"]


def ensure(layout: Layout, *, dev: bool = False, browser: bool = False) -> None:
    """Make the environment, or bring it up to its lock; a second call does nothing.

    Parameters
    ----------
    layout
        Where it goes.
    dev
        With the tools of a checkout: pytest, ruff, mypy, import-linter.
    browser
        With what drives a browser in tests.
    """
    locks = ["base", *(["dev"] if dev else []), *(["browser"] if browser else [])]
    stale = [name for name in locks if not current(layout, name)]
    if not stale:
        return
    with step("Python environment") as shown, Installer(layout) as installer:
        fresh = not _usable(layout)
        if fresh:
            shutil.rmtree(layout.env, ignore_errors=True)
            pip.make_environment(layout.env)
        for name in stale:
            _record(layout, name).unlink(missing_ok=True)
            shown.update(f"installing packages ({name}) with {installer.name}")
            installer.install(LOCKS / f"{name}.txt", layout.python)
        for name in stale:
            _record(layout, name).touch()  # empty: no lock's, but there
        shown.update("installing the client")
        editable = _developing(layout)  # which costs each start of a Python about 30 ms
        installer.install_project(CHECKOUT, layout.python, editable=editable)
        program.write(layout)
        if wrong := installer.check(layout.python):
            _complain(layout, wrong, fresh=fresh)
        for name in locks:
            _record(layout, name).write_text(_digest(layout, name))
        shown.done(f"{layout.env} (Python {sys.version_info.major}.{sys.version_info.minor})")


def add(layout: Layout, extra: str) -> None:
    """Add the packages of an extra to the environment; a second call does nothing."""
    if current(layout, extra):
        return
    with step(f"packages of {extra}") as shown, Installer(layout) as installer:
        installer.install(LOCKS / f"{extra}.txt", layout.python)
        if wrong := installer.check(layout.python):
            _complain(layout, wrong, fresh=False)
        _record(layout, extra).write_text(_digest(layout, extra))
        shown.done(str(layout.env))


def current(layout: Layout, name: str = "base") -> bool:
    """Tell whether the environment is what a lock says."""
    record = _record(layout, name)
    return record.is_file() and record.read_text() == _digest(layout, name)


def inside(layout: Layout) -> bool:
    """Tell whether this process runs in the environment."""
    return Path(sys.prefix).resolve() == layout.env.resolve()


def reenter(layout: Layout, arguments: Sequence[str]) -> None:
    """Replace this process by the same command, run by the environment's Python."""
    environ = {k: v for k, v in layout.environ().items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    start = [str(CHECKOUT / "setup")]
    if called() != NAME:
        os.chdir(CHECKOUT)
        start = ["-m", "setup"]
    os.execve(layout.python, [str(layout.python), *start, *arguments], environ)  # noqa: S606


def enter(layout: Layout, arguments: Sequence[str], *, dev: bool = False) -> None:
    """Make the environment, or bring it up to its lock, and go on inside it.

    Parameters
    ----------
    layout
        Where it goes; the prefix folder is made too.
    arguments
        The command line, run again by the environment's Python.
    dev
        With the tools of a checkout.
    """
    need = 100 if layout.python.exists() else (1000 if dev else 700)
    layout.create(need << 20)
    with layout.locked():
        ensure(layout, dev=dev)
    if not inside(layout):
        reenter(layout, arguments)


def _complain(layout: Layout, wrong: str, *, fresh: bool) -> None:
    """Refuse an environment in which packages do not fit; where users added some, only say so."""
    if fresh:
        raise SetupError(f"the locks in {LOCKS} do not fit together: {wrong}")
    say(f"{layout.env}: packages that were added to it do not fit: {wrong}")


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
    made = _record(layout, "base").is_file() and layout.python.exists()
    return made and not subprocess.run(command, capture_output=True, check=False).returncode
