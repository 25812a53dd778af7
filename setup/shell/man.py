"""Write man pages from the parsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setup.shell.tree import Command, Parameter

__all__ = ["page"]


def page(tree: Command, summary: str, version: str) -> str:
    """Write the man page of a command line, as roff.

    Parameters
    ----------
    tree
        The command line.
    summary
        What it is for, in a few words.
    version
        Version of the program.

    Examples
    --------
    >>> from setup.shell.tree import Command
    >>> print(page(Command(("hello",), "Greet."), "greets", "1.0").splitlines()[0])
    .TH HELLO 1 "" "hello 1.0" "User Commands"
    """
    name = tree.path[0]
    lines = [f'.TH {name.upper()} 1 "" "{name} {version}" "User Commands"', ".SH NAME"]
    lines += [f"{_plain(name)} \\- {_plain(summary)}", ".SH SYNOPSIS", *_synopsis(tree)]
    lines += [".SH DESCRIPTION", *_text(tree.text)]
    if tree.parameters:
        lines += [".SH OPTIONS", *_parameters(tree.parameters)]
    lines.append(".SH COMMANDS")
    for command in list(tree.walk())[1:]:
        lines += [f".SS {_plain(' '.join(command.path))}"]
        lines += [
            *_synopsis(command),
            ".PP",
            *_text(command.text),
            *_parameters(command.parameters),
        ]
    return "\n".join(lines) + "\n"


def _synopsis(command: Command) -> Iterator[str]:
    words = [f"\\fB{_plain(' '.join(command.path))}\\fR"]
    if any(one.flags for one in command.parameters):
        words.append("[OPTION]...")
    words += [f"\\fI{_plain(one.value)}\\fR" for one in command.parameters if not one.flags]
    if command.commands:
        words.append("COMMAND ...")
    yield " ".join(words)


def _parameters(parameters: tuple[Parameter, ...]) -> Iterator[str]:
    for one in parameters:
        yield ".TP"
        flags = ", ".join(f"\\fB{_plain(flag)}\\fR" for flag in one.flags)
        value = f"\\fI{_plain(one.value)}\\fR" if one.value else ""
        yield " ".join(filter(None, [flags, value]))
        yield from _text(one.help) if one.help else ["\\&"]


def _text(text: str) -> Iterator[str]:
    """Write paragraphs; indented text, such as examples, keeps its lines."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ".PP"
        lines = paragraph.splitlines()
        if any(line.startswith(" ") for line in lines):
            yield ".nf"
            yield from map(_plain, lines)
            yield ".fi"
        else:
            yield from map(_plain, lines)


def _plain(text: str) -> str:
    """Escape text so that roff finds no commands in it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
