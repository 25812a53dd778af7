"""Rules of a watch for a project that is deployed: one block in the file, replaced as a whole."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.watch.rules import RulesError, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["KINDS", "change", "differs", "with_block"]

KINDS = {"chat": "apprise_file", "slack": "apprise_file", "webhook": "webhook_file"}
"""What `azk deploy --notify` takes beside mail, and the key of the channel that it makes."""

_START, _END = "# azk deploy: {project}", "# azk deploy: end of {project}"


def with_block(text: str, project: str, flow: str, channels: Sequence[tuple[str, str]]) -> str:
    r"""Return rules in which a flow's failures are told to these channels, and to no others.

    Parameters
    ----------
    text
        The rules as they are.
    project, flow
        The flow.
    channels
        Kind and file of each; none takes the block away.

    Examples
    --------
    >>> text = with_block("", "sales", "daily", [("chat", "/home/me/.chat")])
    >>> print(text, end="")
    # azk deploy: sales
    [tell.deploy-sales-1]
    apprise_file = "/home/me/.chat"
    [[rule]]
    project = "sales"
    flow = "daily"
    on = ["failed", "recovered", "missed"]
    tell = ["deploy-sales-1"]
    # azk deploy: end of sales
    >>> with_block(text, "sales", "daily", [])
    ''
    """
    start, end = _START.format(project=project), _END.format(project=project)
    block = re.compile(
        rf"\n?^{re.escape(start)}$.*?^{re.escape(end)}$\n?", re.DOTALL | re.MULTILINE
    )
    left = block.sub("", text)
    if not channels:
        return left
    lines = [start]
    names = [f"deploy-{project}-{number}" for number in range(1, len(channels) + 1)]
    for name, (kind, path) in zip(names, channels, strict=True):
        lines += [f"[tell.{name}]", f"{KINDS[kind]} = {_toml(path)}"]
    rule: Mapping[str, object] = {
        "project": project,
        "flow": flow,
        "on": ["failed", "recovered", "missed"],
        "tell": names,
    }
    lines += ["[[rule]]", *(f"{key} = {_toml(value)}" for key, value in rule.items()), end]
    gap = "\n" if left and not left.endswith("\n\n") else ""
    return f"{left}{gap}" + "".join(f"{line}\n" for line in lines)


def _toml(value: object) -> str:
    """Write a text, or a list of them; TOML knows no escapes of JSON for what is beyond ASCII."""
    return json.dumps(value, ensure_ascii=False)


def change(path: Path, project: str, flow: str, channels: Sequence[tuple[str, str]]) -> None:
    """Change the rules in a file; delete it when nothing is left in it.

    Parameters
    ----------
    path
        The file, which need not exist.
    project, flow, channels
        As in `with_block`.

    Raises
    ------
    RulesError
        They would be invalid; the file stays as it was.
    """
    before = _text_of(path)
    text = with_block(before, project, flow, channels)
    if text == before:
        return
    if not text.strip():
        path.unlink()
        return
    write_private(path, text)
    try:
        if channels:  # rules without any are the user's affair
            read(path)
    except RulesError:
        if before:
            write_private(path, before)
        else:
            path.unlink()
        raise


def differs(path: Path, project: str, flow: str, channels: Sequence[tuple[str, str]]) -> bool:
    """Tell whether `change` would change the file."""
    before = _text_of(path)
    return with_block(before, project, flow, channels) != before


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from error
