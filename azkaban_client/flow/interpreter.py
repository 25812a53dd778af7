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

__all__ = ["as_word", "with_python"]

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
    text = as_word(python)
    if is_flow_2(bundle):
        flows = [name for name in bundle.visible_names if name.endswith(".flow")]
        changed = {name: _with_config(name, bundle.read(name), text) for name in flows}
    elif any(_sets_python(bundle, name) for name in bundle.visible_names):
        changed = {}
    else:
        line = f"{javaproperties.join_key_value('python', text)}\n"
        changed = {_FILE: line.encode("ascii")}
    return replace(bundle, files={**bundle.files, **changed})


def _sets_python(bundle: Bundle, name: str) -> bool:
    """Tell whether a file of Flow 1.0 sets the property for all jobs."""
    if "/" in name or not name.endswith(".properties"):
        return False
    try:
        return PropertyFile.parse(name, bundle.read(name)).get("python") is not None
    except ValueError:  # lint says what is wrong with it
        return False


def _with_config(name: str, data: bytes, python: str) -> bytes:
    """Add the property to the ``config`` of a flow, as text: the rest stays as it is written."""
    import yaml  # for Flow 2.0 alone

    try:
        content = data.decode("utf-8-sig")
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError):
        return data  # lint says what is wrong with it
    if not isinstance(root, yaml.MappingNode) or not root.value:
        return data
    first = root.value[0][0].start_mark
    key, config = next((pair for pair in root.value if pair[0].value == "config"), (None, None))
    inner = config.value if isinstance(config, yaml.MappingNode) else []
    if any(one.value == "python" for one, _ in inner):
        return data
    if root.flow_style or (isinstance(config, yaml.MappingNode) and config.flow_style):
        raise InvalidProject(
            f"{name}: nothing can be added to a config in braces: write it as lines of key: value, "
            "or set python in it"
        )
    quoted = "'" + python.replace("'", "''") + "'"
    if key is None:
        at, text = first.line, f"config:\n{' ' * (first.column + 2)}python: {quoted}"
        indent = first.column
    elif inner:
        mark = inner[0][0].start_mark
        at, indent, text = mark.line, mark.column, f"python: {quoted}"
    else:  # config: with nothing after it
        at, indent, text = key.start_mark.line + 1, key.start_mark.column + 2, f"python: {quoted}"
    lines = f"{content.removesuffix(chr(10))}\n".splitlines(keepends=True)
    lines[at:at] = [f"{' ' * indent}{text}\n"]
    return "".join(lines).encode()
