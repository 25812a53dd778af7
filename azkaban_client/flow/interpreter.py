"""Tell the jobs of a project which Python is theirs: the property ``python``.

Jobs say ``command=${python} train.py``. A server defines ``python`` for all projects; a project
with packages of its own sets it for its jobs, in the copy that is uploaded: in Flow 1.0 in a file
of shared properties, in Flow 2.0 in the ``config`` of each flow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import javaproperties

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.loader import is_flow_2
from azkaban_client.flow.loader.properties import PropertyFile

if TYPE_CHECKING:
    from pathlib import Path

    from azkaban_client.flow.zip import Bundle

__all__ = ["as_word", "with_config", "with_property", "with_python"]

_FILE = "azk-environment.properties"


def as_word(python: Path) -> str:
    """Write an interpreter's path so that it is one word of a command, on Windows too.

    Examples
    --------
    >>> from pathlib import Path
    >>> as_word(Path("/my py/bin/python"))
    '"/my py/bin/python"'
    """
    path = python.as_posix()
    return f'"{path}"' if " " in path else path


def with_python(bundle: Bundle, python: Path) -> Bundle:
    r"""Return a project whose jobs have an interpreter of their own as ``${python}``.

    Where the project sets ``python`` for all jobs itself, that stays.

    Parameters
    ----------
    bundle
        The project, of Flow 1.0 or 2.0.
    python
        The interpreter.

    Raises
    ------
    InvalidProject
        A flow of Flow 2.0 is written in a way that nothing can be added to.

    Examples
    --------
    >>> from pathlib import Path
    >>> from azkaban_client.flow.zip import Bundle
    >>> given = with_python(Bundle({"a.job": b"type=noop"}), Path("/e/bin/python"))
    >>> given.read("azk-environment.properties").decode()
    'python=/e/bin/python\n'
    """
    return with_property(bundle, "python", as_word(python))


def with_property(bundle: Bundle, key: str, value: str, folder: str = "") -> Bundle:
    """Return a project that sets a property for all its jobs, unless it does so itself.

    Parameters
    ----------
    bundle
        The project, of Flow 1.0 or 2.0.
    key, value
        The property.
    folder
        Of Flow 1.0: for the jobs in this folder alone and below it.

    Raises
    ------
    InvalidProject
        A flow of Flow 2.0 is written in a way that nothing can be added to.
    """
    if is_flow_2(bundle):
        flows = [name for name in bundle.visible_names if name.endswith(".flow")]
        changed = {name: with_config(name, bundle.read(name), key, value) for name in flows}
    elif any(_sets(bundle, name, key) for name in bundle.visible_names):
        changed = {}
    else:
        line = f"{javaproperties.join_key_value(key, value)}\n"
        changed = {f"{folder}/{_FILE}".lstrip("/"): line.encode("ascii")}
    return replace(bundle, files={**bundle.files, **changed})


def _sets(bundle: Bundle, name: str, key: str) -> bool:
    """Tell whether a file of the project's sets the property for all jobs (Flow 1.0)."""
    if "/" in name or not name.endswith(".properties") or name == _FILE:
        return False
    try:
        return PropertyFile.parse(name, bundle.read(name)).get(key) is not None
    except ValueError:  # lint says what is wrong with it
        return False


def with_config(name: str, data: bytes, key: str, value: str) -> bytes:
    """Add a property to the ``config`` of a flow, as text: the rest stays as it is written.

    Parameters
    ----------
    name, data
        The flow's file.
    key, value
        The property; one that is there stays.

    Raises
    ------
    InvalidProject
        The config is written in a way that nothing can be added to.
    """
    import yaml  # for Flow 2.0 alone

    try:
        content = data.decode("utf-8-sig")
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError):
        return data  # lint says what is wrong with it
    if not isinstance(root, yaml.MappingNode) or not root.value:
        return data
    first = root.value[0][0].start_mark
    place, config = next((pair for pair in root.value if pair[0].value == "config"), (None, None))
    inner = config.value if isinstance(config, yaml.MappingNode) else []
    if any(one.value == key for one, _ in inner):
        return data
    if root.flow_style or (isinstance(config, yaml.MappingNode) and config.flow_style):
        raise InvalidProject(
            f"{name}: nothing can be added to a config in braces: write it as lines of key: value, "
            f"or set {key} in it"
        )
    line = f"{key}: '" + value.replace("'", "''") + "'"
    if place is None:
        at, text = first.line, f"config:\n{' ' * (first.column + 2)}{line}"
        indent = first.column
    elif inner:
        mark = inner[0][0].start_mark
        at, indent, text = mark.line, mark.column, line
    else:  # config: with nothing after it
        at, indent, text = place.start_mark.line + 1, place.start_mark.column + 2, line
    lines = f"{content.removesuffix(chr(10))}\n".splitlines(keepends=True)
    lines[at:at] = [f"{' ' * indent}{text}\n"]
    return "".join(lines).encode()
