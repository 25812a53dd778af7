"""Make a project's folder, whole or not at all; what is there is never overwritten."""

from __future__ import annotations

import keyword
import re
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

__all__ = ["check_name", "fill", "from_template", "hides", "make", "module_of"]

_HIDING = {"azkaban_client", "conftest", "javaproperties", "pytest"}


def check_name(name: str) -> None:
    """Check the name of a project.

    Raises
    ------
    ValueError
        Azkaban would refuse it.

    Examples
    --------
    >>> check_name("sales-2026")
    >>> check_name("2026 sales")
    Traceback (most recent call last):
    ...
    ValueError: '2026 sales': a project's name begins with a letter, and goes on with letters, \
digits, - and _; at most 64
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or len(name) > columns.PROJECT:
        raise ValueError(
            f"{name!r}: a project's name begins with a letter, and goes on with letters, digits, "
            f"- and _; at most {columns.PROJECT}"
        )


def module_of(name: str) -> str:
    """Return the name of a Python module for a project or script.

    Examples
    --------
    >>> module_of("sales-2026")
    'sales_2026'
    """
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def hides(module: str) -> bool:
    """Tell whether a script's name takes that of a module which its job needs.

    Examples
    --------
    >>> hides("json"), hides("sales")
    (True, False)
    """
    return module in sys.stdlib_module_names | _HIDING


def from_template(folder: Path, template: str) -> tuple[str, ...]:
    """Make a project from a template and return the names of its files.

    Parameters
    ----------
    folder
        Does not exist, or is empty; its name is the project's.
    template
        One of `azkaban_client.new.TEMPLATES`.

    Raises
    ------
    ValueError
        The name cannot be used.
    FileExistsError
        Something is there.
    """
    name = folder.name
    check_name(name)
    module = module_of(name)
    if hides(module) or keyword.iskeyword(module):
        raise ValueError(
            f"{name!r}: a script of this name would hide Python's own {module}: choose another name"
        )
    files: dict[str, bytes] = {}
    values = {"name": name, "module": module}
    for path in _files(resources.files(__package__) / "templates" / template):
        renamed = path.name.removesuffix(".in").replace("NAME", name).replace("MODULE", module)
        if renamed in files:
            raise ValueError(f"{name!r}: the template has a {renamed} of its own: choose another")
        files[renamed] = fill(path.read_text(encoding="utf-8"), values).encode()
    return make(folder, files)


def _files(place: Traversable) -> Iterator[Traversable]:
    return iter(sorted((one for one in place.iterdir() if one.is_file()), key=lambda p: p.name))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace ``{{name}}`` by its value.

    Examples
    --------
    >>> fill("command=${python} {{module}}.py", {"module": "sales"})
    'command=${python} sales.py'
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)


def make(folder: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Write the files of a new folder, all or none, and return their names.

    Raises
    ------
    FileExistsError
        The folder exists and is not empty.
    OSError
        It cannot be written; nothing is left behind.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise FileExistsError(f"{folder} exists: nothing is overwritten; give another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".azk-", dir=folder.parent) as temporary:
        whole = Path(temporary) / "whole"
        for name, data in files.items():
            path = whole / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if folder.exists():
            folder.rmdir()  # it is empty
        whole.rename(folder)
    return tuple(sorted(files))
