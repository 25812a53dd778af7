"""Provide pip for an interpreter that has none, without the network if possible.

What get-pip.py does: it holds pip's wheel, and a wheel is a zip from which Python can run. Here the
wheel comes from the interpreter's own ensurepip, from Debian's package of it, or from the user.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

from azkaban_client.package_index import Index
from azkaban_client.programs import captured, runs
from setup import debian, environment
from setup.called import called
from setup.errors import SetupError, UsageError
from setup.layout import CHECKOUT

__all__ = [
    "OLDEST",
    "command",
    "ensure",
    "find_wheel",
    "interpreter",
    "make_environment",
    "version",
]

OLDEST = (23, 0)  # Debian 12's; older ones cannot install into another environment as a lock says


def interpreter() -> str:
    """Return the Python of which set-up's own environment is made."""
    return str(getattr(sys, "_base_executable", sys.executable))


def version() -> tuple[int, ...] | None:
    """Return the version of that Python's pip; None where it has none."""
    return _version(interpreter())


@cache  # each call of pip asks, and starting Python with pip takes half a second
def _version(python: str) -> tuple[int, ...] | None:
    command = [python, "-I", "-c", "import pip; print(pip.__version__)"]
    result = captured(command, env=environment.local())
    numbers = re.findall(r"\d+", result.stdout)[:3]
    return tuple(map(int, numbers)) if numbers and not result.returncode else None


_LOCK = CHECKOUT / "setup" / "locks" / "pip.txt"


def make_environment(folder: Path) -> None:
    """Make a virtual environment of the interpreter that runs set-up, without pip.

    Raises
    ------
    SetupError
        When it cannot be made; nothing is left.
    """
    base = interpreter()
    command = [base, "-I", "-m", "venv", "--without-pip", str(folder)]
    result = captured(command, env=environment.local())
    if result.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        said = (result.stdout + result.stderr).strip()[-400:]
        raise SetupError(f"{base} cannot make an environment: {said}")


def command(python: Path | None, folder: Path) -> list[str]:
    """Return the command of a pip that installs for an interpreter, which need not have it.

    Parameters
    ----------
    python
        The interpreter; that of set-up where it is not given.
    folder
        Where pip's wheel may be unpacked, for as long as the command is used.

    Raises
    ------
    SetupError
        When there is no pip to be had.
    """
    base = interpreter()
    if (found := version()) and found >= OLDEST:
        return [base, "-I", "-m", "pip", *(["--python", str(python)] if python else [])]
    if wheel := find_wheel(folder):
        return [str(python or base), "-I", str(wheel / "pip")]
    raise SetupError(
        f"{base} has neither pip nor ensurepip, and no wheel of pip was found: install the package "
        "python3-venv, or use a Python that has pip"
    )


def ensure(python: Path, folder: Path, wheel: Path | None = None) -> None:
    """Install pip for an interpreter that lacks it.

    Parameters
    ----------
    python
        The interpreter.
    folder
        Where temporary files may lie.
    wheel
        pip's wheel; found by itself where it is not given.

    Raises
    ------
    UsageError
        When `wheel` is no wheel of pip.
    SetupError
        When there is no pip to be had.
    """
    if wheel and not (wheel.name.startswith("pip-") and wheel.suffix == ".whl" and wheel.is_file()):
        raise UsageError(f"--pip-wheel {wheel}: expected a file such as pip-25.3-py3-none-any.whl")
    if _runs([str(python), "-I", "-m", "pip", "--version"], folder):
        return
    if not wheel and _runs([str(python), "-I", "-m", "ensurepip", "--default-pip"], folder):
        return
    base = interpreter()
    options = ["--quiet", "--no-cache-dir"]
    with tempfile.TemporaryDirectory(dir=folder) as text:
        if found := wheel or find_wheel(Path(text)):
            installer = [str(python), "-I", str(found / "pip"), "install", *options]
            command = [*installer, "--no-warn-script-location", "--no-index", str(found)]
        else:  # the pip that runs here installs one there
            installer = [base, "-I", "-m", "pip", "--python", str(python), "install", *options]
            command = [*installer, "--require-hashes", "--no-deps", "-r", str(_LOCK)]
        if not _runs(command, folder):
            raise SetupError(
                f"{python} has neither ensurepip nor pip, and no pip wheel was found: name one "
                f"with {called()} python install --pip-wheel, install the package python3-venv, "
                "or use a Python that has pip"
            )


def find_wheel(folder: Path) -> Path | None:
    """Find a wheel of pip: the system's, ours, or that of Debian's package, fetched without root.

    Parameters
    ----------
    folder
        Where the package may be unpacked.
    """
    places = [Path("/usr/share/python-wheels")]
    if spec := importlib.util.find_spec("ensurepip"):
        places.append(Path(str(spec.origin)).parent / "_bundled")
    wheels = [wheel for place in places for wheel in sorted(place.glob("pip-*.whl"))]
    if not wheels and debian.available():
        apt = debian.Apt(folder / "apt")
        apt.download("python3-pip-whl")
        apt.unpack(folder / "root")
        wheels = sorted((folder / "root/usr/share/python-wheels").glob("pip-*.whl"))
    return wheels[-1] if wheels else None


def _runs(command: list[str], folder: Path) -> bool:
    """Tell whether a command succeeds; its temporary files go to a folder of ours meanwhile."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        environ = Index.of().for_pip(environment.tool(Path(temporary), {"TMPDIR": temporary}))
        return runs(command, env=environ)
