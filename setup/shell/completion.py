"""Write completion scripts of `azkaban-jobflow` for bash, zsh and fish that start no Python.

They are generated from the parsers, so they know every new command.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from setup.shell.tree import Command, Parameter

__all__ = ["SHELLS", "script"]

_BASH = """\
# bash completion of {name}
_{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} last=${{COMP_WORDS[COMP_CWORD - 1]}} at="" i words=""
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$at ${{COMP_WORDS[i]}}" in
{paths}
        esac
    done
    case "$at $last" in
{values}
        *)
            case "$at" in
{words}
            esac ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _{function} {name}
"""

_ZSH = """\
#compdef {name}
# zsh completion of {name}
_{function}() {{
    local at="" i last=${{words[CURRENT - 1]}}
    local -a found
    for ((i = 2; i < CURRENT; i++)); do
        case "$at ${{words[i]}}" in
{paths}
        esac
    done
    case "$at $last" in
{values}
        *)
            case "$at" in
{words}
            esac ;;
    esac
    _describe -t commands '{name}' found || _files
}}
_{function} "$@"
"""

_FISH = """\
# fish completion of {name}
function __{function}_at
    set -l at
    set -l words (commandline -opc)
    for word in $words[2..]
        switch "$at $word"
{paths}
        end
    end
    test "$at" = "$argv"
end
{words}
"""


def script(shell: str, tree: Command) -> str:
    """Write the completion script of a shell.

    Parameters
    ----------
    shell
        ``bash``, ``zsh`` or ``fish``.
    tree
        The command line.
    """
    return SHELLS[shell](tree)


def _bash(tree: Command) -> str:
    words = []
    for command in tree.walk():
        known = [sub.path[-1] for sub in command.commands]
        known += [flag for one in command.parameters for flag in one.flags]
        known += [choice for one in command.parameters if not one.flags for choice in one.choices]
        words.append(f'                "{_at(command)}") words="{" ".join(known)}" ;;')
    values = [
        f'        {_either(command, one)}) words="{" ".join(one.choices)}" ;;'
        for command, one in _values(tree)
    ]
    return _filled(_BASH, tree, values, words)


def _zsh(tree: Command) -> str:
    words = []
    for command in tree.walk():
        known = [_described(sub.path[-1], sub.summary) for sub in command.commands]
        known += [_described(flag, one.help) for one in command.parameters for flag in one.flags]
        known += [
            _described(choice, "")
            for one in command.parameters
            if not one.flags
            for choice in one.choices
        ]
        words.append(f'                "{_at(command)}") found=({" ".join(known)}) ;;')
    values = [
        f"        {_either(command, one)}) found=({' '.join(one.choices)}) ;;"
        for command, one in _values(tree)
    ]
    return _filled(_ZSH, tree, values, words)


def _fish(tree: Command) -> str:
    name, function = tree.path[0], _function(tree)
    lines = []
    for command in tree.walk():
        start = f"complete -c {name} -n '__{function}_at \"{_at(command)}\"'"
        lines += [
            f"{start} -f -a {sub.path[-1]} -d {_quoted(sub.summary)}" for sub in command.commands
        ]
        for one in command.parameters:
            flags = [f"-s {flag[1:]}" if len(flag) == 2 else f"-l {flag[2:]}" for flag in one.flags]
            values = f" -x -a {_quoted(' '.join(one.choices))}" if one.choices else ""
            takes = values or (" -r" if one.value else "")
            if flags or values:
                takes = takes if flags else takes.replace(" -x", " -f")
                lines.append(f"{start} {' '.join(flags)}{takes} -d {_quoted(one.help)}")
    paths = [
        f'            case "{_at(command, start=True)}"\n                set at "{_at(command)}"'
        for command in tree.walk()
        if len(command.path) > 1
    ]
    return _FISH.format(
        name=name, function=function, paths="\n".join(paths), words="\n".join(lines)
    )


SHELLS: dict[str, Callable[[Command], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}


def _filled(template: str, tree: Command, values: list[str], words: list[str]) -> str:
    """Fill the template of a shell that has ``case ... in``."""
    paths = [
        f'            "{_at(command, start=True)}") at="{_at(command)}" ;;'
        for command in tree.walk()
        if len(command.path) > 1
    ]
    return template.format(
        name=tree.path[0],
        function=_function(tree),
        paths="\n".join(paths),
        values="\n".join(values),
        words="\n".join(words),
    )


def _at(command: Command, *, start: bool = False) -> str:
    """Write a command's place, or the place before it and its name."""
    words = command.path[1:]
    return f"{' '.join(words[:-1])} {words[-1]}" if start else " ".join(words)


def _values(tree: Command) -> Iterator[tuple[Command, Parameter]]:
    """List the options that take one of several fixed values."""
    for command in tree.walk():
        for one in command.parameters:
            if one.flags and one.choices:
                yield command, one


def _either(command: Command, parameter: Parameter) -> str:
    return "|".join(f'"{_at(command)} {flag}"' for flag in parameter.flags)


def _function(tree: Command) -> str:
    return re.sub(r"\W", "_", tree.path[0])


def _described(word: str, text: str) -> str:
    """Write a word with its description, as zsh's _describe expects it."""
    shown = text.replace(":", "\\:")
    return _quoted(f"{word}:{shown}" if text else word)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
