"""Rules of a watch for flows that are deployed: one block each, replaced as a whole."""

from __future__ import annotations

import glob
import json
import re
from typing import TYPE_CHECKING

from azkaban_client.files import write_private
from azkaban_client.watch.rules import RulesError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["KINDS", "change", "changed", "forget", "with_block", "without"]

KINDS = {"chat": "apprise_file", "slack": "apprise_file", "webhook": "webhook_file"}
"""What `azk deploy --notify` takes beside mail, and the key of the channel that it makes."""


def without(text: str, project: str, flow: str | None = None) -> str:
    """Return rules without the block of a flow, or without those of all flows of a project.

    Parameters
    ----------
    text
        The rules as they are.
    project, flow
        The flow; None for all.
    """
    name = re.escape(f"{project}/{flow}") if flow is not None else f"{re.escape(project)}/[^\n]*"
    block = rf"\n?^# azk deploy: ({name})$.*?^# azk deploy: end of \1$\n?"
    return re.sub(block, "", text, flags=re.DOTALL | re.MULTILINE)


def with_block(text: str, project: str, flow: str, channels: Sequence[tuple[str, str]]) -> str:
    r"""Return rules that report a flow's failures to exactly these channels.

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
    # azk deploy: sales/daily
    [tell."sales/daily/1"]
    apprise_file = "/home/me/.chat"
    [[rule]]
    project = "sales"
    flow = "daily"
    on = ["failed", "recovered", "missed"]
    tell = ["sales/daily/1"]
    # azk deploy: end of sales/daily
    >>> with_block(text, "sales", "daily", [])
    ''
    """
    left = without(text, project, flow)
    if not channels:
        return left
    lines = [f"# azk deploy: {project}/{flow}"]
    names = [f"{project}/{flow}/{number}" for number in range(1, len(channels) + 1)]
    for name, (kind, path) in zip(names, channels, strict=True):
        lines += [f"[tell.{_toml(name)}]", f"{KINDS[kind]} = {_toml(path)}"]
    rule: Mapping[str, object] = {
        "project": project,
        "flow": glob.escape(flow),  # a rule's flow is a pattern
        "on": ["failed", "recovered", "missed"],
        "tell": names,
    }
    lines += ["[[rule]]", *(f"{key} = {_toml(value)}" for key, value in rule.items())]
    lines += [f"# azk deploy: end of {project}/{flow}"]
    gap = "\n" if left and not left.endswith("\n\n") else ""
    return f"{left}{gap}" + "".join(f"{line}\n" for line in lines)


def _toml(value: object) -> str:
    """Write a text, or a list of them; TOML knows no escapes of JSON for what is beyond ASCII."""
    return json.dumps(value, ensure_ascii=False)


def changed(path: Path, project: str, flow: str, channels: Sequence[tuple[str, str]]) -> str | None:
    """Return the rules of a file as they shall be; None if they are so already.

    Parameters
    ----------
    path
        The file, which need not exist.
    project, flow, channels
        As in `with_block`.

    Raises
    ------
    RulesError
        They would be invalid.
    """
    before = _text_of(path)
    text = with_block(before, project, flow, channels)
    if text == before:
        return None
    if channels:  # rules without any are the user's affair
        parse(path, text)
    return text


def change(path: Path, project: str, flow: str, channels: Sequence[tuple[str, str]]) -> None:
    """Write the rules that `changed` returns; raises what it raises."""
    text = changed(path, project, flow, channels)
    if text is not None:
        _write(path, text)


def forget(path: Path, project: str) -> None:
    """Take away the rules of all flows of a project that were deployed."""
    before = _text_of(path)
    if (text := without(before, project)) != before:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """Write rules to a file; delete it when nothing is left in it."""
    if text.strip():
        write_private(path, text)
    else:
        path.unlink(missing_ok=True)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from error
