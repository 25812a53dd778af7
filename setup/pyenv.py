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
from setup.console import step
from setup.errors import DownloadError, SetupError
from setup.layout import CHECKOUT
from setup.python import pip
from setup.shell import program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from setup.layout import Layout

__all__ = ["add", "current", "ensure", "enter", "inside", "pip_install", "reenter"]

LOCKS = CHECKOUT / "setup" / "locks"


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
    with step("Python environment") as shown:
        if not _usable(layout):
            shutil.rmtree(layout.env, ignore_errors=True)
            _make(layout)
        for name in stale:
            _record(layout, name).unlink(missing_ok=True)
            shown.update(f"installing packages ({name})")
            pip_install(layout, [str(layout.python)], ["-r", str(LOCKS / f"{name}.txt")])
        for name in stale:
            _record(layout, name).touch()  # empty: no lock's, but there
        _install_client(layout)
        program.write(layout)
        for name in locks:
            _record(layout, name).write_text(_digest(layout, name))
        shown.done(f"{layout.env} (Python {sys.version_info.major}.{sys.version_info.minor})")


def add(layout: Layout, extra: str) -> None:
    """Add the packages of an extra to the environment; a second call does nothing."""
    if current(layout, extra):
        return
    with step(f"packages of {extra}") as shown:
        pip_install(layout, [str(layout.python)], ["-r", str(LOCKS / f"{extra}.txt")])
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


def pip_install(
    layout: Layout,
    python: Sequence[str],
    arguments: Sequence[str],
    *,
    into: Path | None = None,
    hashes: bool = True,
) -> None:
    """Install pinned wheels with pip, hashes checked.

    Parameters
    ----------
    layout
        Whose cache pip uses (unless PIP_CACHE_DIR is set).
    python
        Command that runs an interpreter with pip.
    arguments
        What to install.
    into
        The interpreter of another environment, which need not have pip.
    hashes
        Whether it is a complete lock, installed as it stands: each package is pinned with its
        hashes, and nothing is resolved, so that no newer release of anything can come in between.

    Raises
    ------
    DownloadError
        With the last words of pip.
    """
    environ = {"PIP_CACHE_DIR": str(layout.cache / "pip"), **layout.environ()}
    environ.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    options = ["--quiet", "--only-binary", ":all:", *arguments]
    if hashes:
        options[:0] = ["--require-hashes", "--no-deps"]
    other = ["--python", str(into)] if into else []
    command = [*python, "-I", "-m", "pip", *other, "install", *options]
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if result.returncode:
        raise _pip_error(result.stderr)


def _pip_error(output: str) -> SetupError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["no message"]
    if "No space left on device" in output:
        return SetupError("the disk is full: make room and run this again")
    if "DO NOT MATCH THE HASHES" in output:
        at = output.index("DO NOT MATCH THE HASHES")
        return DownloadError(
            "a package is not the pinned one, nothing of it was installed: "
            + " ".join(output[at:].split())[:600]
        )
    return DownloadError(
        f"packages could not be installed: {errors[0]}\n"
        "Check the network and HTTPS_PROXY; PIP_INDEX_URL names a mirror, "
        "PIP_FIND_LINKS a folder of wheels"
    )


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
    """Tell whether there is an environment with pip to update, rather than to make again."""
    command = [str(layout.python), "-I", "-m", "pip", "--version"]
    made = _record(layout, "base").is_file() and layout.python.exists()
    return made and not subprocess.run(command, capture_output=True, check=False).returncode


def _make(layout: Layout) -> None:
    pip.make_environment(layout.env)
    try:
        pip.ensure(layout.python, layout.prefix)
    except SetupError:
        shutil.rmtree(layout.env, ignore_errors=True)
        raise


def _install_client(layout: Layout) -> None:
    """Put this checkout's azkaban_client and `azk` into the environment.

    For development as an editable install, which costs each start of a Python about 30 ms.
    """
    editable = ["--editable"] if _developing(layout) else ["--force-reinstall"]
    command = [str(layout.python), "-I", "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command += [*editable, str(CHECKOUT)]
    environ = layout.environ()
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SetupError(f"azkaban_client could not be installed: {result.stderr.strip()[-600:]}")
