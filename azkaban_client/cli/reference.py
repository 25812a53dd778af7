"""Write the reference of ``azk`` from its help: ``python -m azkaban_client.cli.reference FILE``.

A test fails when the page in ``docs/`` is not what this writes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from azkaban_client.cli import azk

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["page"]

_HEAD = """\
# Reference of `azk`

Made from `azk --help`; do not edit it. It is written by
`python -m azkaban_client.cli.reference docs/reference/azk.md`.
What the commands are for, and how they behave when something goes wrong: [client.md](client.md).
"""


def _walk(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _walk(command.commands[name], (*path, name))


def page() -> str:
    """Return the whole page as Markdown: one section for each command, its help as it is."""
    commands = list(_walk(azk, ("azk",)))
    index = [
        f"- [`{' '.join(path)}`](#{'-'.join(path)}): {command.get_short_help_str(120)}"
        for path, command in commands
        if not isinstance(command, click.Group)
    ]
    sections = []
    for path, command in commands:
        name = " ".join(path)
        context = click.Context(
            command, info_name=name, terminal_width=100, help_option_names=["-h", "--help"]
        )
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        sections.append(f"## {name}\n\n```text\n{text}\n```\n")
    return "\n".join([_HEAD, *index, "", *sections])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
