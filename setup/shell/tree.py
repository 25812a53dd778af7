"""Describe a command line as data: one of argparse, or of click, in which `azk` is written."""

from __future__ import annotations

import argparse
import inspect
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azkaban_client.programs import captured
from setup import environment
from setup.called import NAME, as_called
from setup.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Command", "Parameter", "azk", "of_argparse", "of_azk"]

_DESCRIBE = """\
import json, click
from azkaban_client.cli import azk
print(json.dumps(azk.to_info_dict(click.Context(azk)), default=str))
"""


@dataclass(frozen=True)
class Parameter:
    """An option or an argument.

    Attributes
    ----------
    flags
        Such as ``-n`` and ``--lines``; empty for an argument.
    value
        The placeholder of its value; empty for an option without one.
    help
        One line.
    choices
        The allowed values, if only some are.
    """

    flags: tuple[str, ...]
    value: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command, or a group of them.

    Attributes
    ----------
    path
        All the words of its call.
    text
        What it does: one line, then details.
    parameters
        Its options and arguments.
    commands
        Those of a group.
    """

    path: tuple[str, ...]
    text: str
    parameters: tuple[Parameter, ...] = ()
    commands: tuple[Command, ...] = field(default=())

    @property
    def summary(self) -> str:
        """The first line of its text."""
        return self.text.strip().partition("\n")[0]

    def walk(self) -> Iterator[Command]:
        """Yield this command and all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def of_argparse(parser: argparse.ArgumentParser, path: tuple[str, ...], text: str = "") -> Command:
    """Describe a parser.

    Parameters
    ----------
    parser
        The parser.
    path
        The words of its call.
    text
        What it does, unless its description says so.
    """
    parameters, commands = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {shown.dest: shown.help or "" for shown in action._choices_actions}
            for name, sub in action.choices.items():
                commands.append(of_argparse(sub, (*path, name), texts.get(name, "")))
        else:
            choices = tuple(map(str, action.choices or ()))
            value = action.metavar or (f"{{{','.join(choices)}}}" if choices else action.dest)
            value = " ".join(value) if isinstance(value, tuple) else value
            takes = action.nargs != 0
            shown = (action.help or "").replace("%%", "%")
            flags = tuple(action.option_strings)
            parameters.append(Parameter(flags, value if takes else "", shown, choices))
    text = "\n\n".join(filter(None, [parser.description or text, parser.epilog]))
    return Command(path, as_called(text, NAME), tuple(parameters), tuple(commands))


def of_azk(python: Path) -> Command:
    """Describe `azk`, using the Python that has it.

    Raises
    ------
    SetupError
        When it does not start.
    """
    return _of_click(json.loads(_run([str(python), "-I", "-c", _DESCRIBE])), ("azk",))


def azk(python: Path, *arguments: str) -> str:
    """Run `azk` and return what it prints."""
    return _run([str(python.with_name("azk")), *arguments])


def _run(command: Sequence[str]) -> str:
    environ = environment.local()
    result = captured(command, env=environ)
    if result.returncode:
        raise SetupError(f"azk does not start: {result.stderr.strip()[-400:]}")
    return result.stdout


def _of_click(found: dict[str, Any], path: tuple[str, ...]) -> Command:
    text = inspect.cleandoc(found["help"] or "").replace("\b\n", "")
    commands = [
        _of_click(sub, (*path, name))
        for name, sub in (found.get("commands") or {}).items()
        if not sub["hidden"]
    ]
    parameters = [_of_click_parameter(one) for one in found["params"] if not one.get("hidden")]
    return Command(path, text, tuple(parameters), tuple(commands))


def _of_click_parameter(found: dict[str, Any]) -> Parameter:
    choices = tuple(map(str, found["type"].get("choices") or ()))
    option = found["param_type_name"] == "option"
    flags = (*found["opts"], *found["secondary_opts"]) if option else ()
    value = f"{{{','.join(choices)}}}" if choices else found["name"].upper()
    takes = not (found.get("is_flag") or found.get("count"))
    return Parameter(flags, value if takes else "", found.get("help") or "", choices)
