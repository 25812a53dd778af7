"""Write the reference of set-up's commands: ``python -m setup.shell.reference FILE``.

A test fails when the page in ``docs/`` is not what this writes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from setup.shell.tree import of_argparse

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from setup.shell.tree import Command, Parameter

__all__ = ["page"]

_HEAD = """\
# Reference of the commands of set-up

Made from their parsers by `python -m setup.shell.reference docs/reference/commands.md`; do not
edit it. What `azkaban-jobflow` does, `python3 -m setup` does in a checkout. What belongs together,
exit codes, and where things are: [set-up](setup.md). Each command also takes `--prefix DIR` and
`-h`, `--help`.
"""
_EVERYWHERE = {"--prefix", "--help"}


def page(parser: ArgumentParser) -> str:
    """Return the whole page as Markdown: one section for each command.

    Parameters
    ----------
    parser
        That of all commands.
    """
    tree = of_argparse(parser, ("azkaban-jobflow",))
    found = [one for one in list(tree.walk())[1:] if not one.commands]
    index = [f"- [`{_name(one)}`](#{'-'.join(one.path[1:])}): {one.summary}" for one in found]
    return "\n".join([_HEAD, *index, "", *(line for one in found for line in _section(one))])


def _name(command: Command) -> str:
    return " ".join(command.path[1:])


def _section(command: Command) -> Iterator[str]:
    yield f"## {_name(command)}\n"
    yield f"```text\n{command.text.strip()}\n```\n"
    shown = [one for one in command.parameters if not _EVERYWHERE & set(one.flags)]
    if shown:
        yield "| | |\n|---|---|"
        yield from map(_row, shown)
        yield ""


def _row(one: Parameter) -> str:
    name = " ".join(filter(None, [", ".join(one.flags), one.value]))
    choices = f"one of {', '.join(one.choices)}" if one.choices and not one.help else ""
    return f"| `{_cell(name)}` | {_cell(one.help or choices)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    from setup.cli import _parser

    Path(sys.argv[1]).write_text(page(_parser()), encoding="utf-8")
