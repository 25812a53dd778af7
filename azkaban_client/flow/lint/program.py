"""Find the program that a command starts (after ``env``, ``nice`` ...) and its arguments."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azkaban_client.flow.loader.command_line import Word

__all__ = ["PYTHON", "SHELL", "Invocation", "find_program", "python_target", "shell_script_at"]

PYTHON = re.compile(r"(?:.*/)?(?:python[\d.]*|pypy[\d.]*)$|\$\{python\}$")
SHELL = re.compile(r"(?:.*/)?(?:ba|da|z|k|a|mk)?sh$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_WITH_VALUE = {  # options that take the next word
    "env": ("-u", "--unset"),
    "nice": ("-n", "--adjustment"),
    "ionice": ("-c", "-n"),
    "timeout": ("-k", "-s", "--kill-after", "--signal"),
    "stdbuf": ("-i", "-o", "-e"),
    "nohup": (),
    "setsid": (),
    "time": ("-f", "-o"),
}


@dataclass(frozen=True)
class Invocation:
    """The program that does the work of a command.

    Attributes
    ----------
    name
        As written in the command.
    arguments
        What follows it.
    settings
        Environment variables that ``env`` sets for it.
    """

    name: str
    arguments: Sequence[Word]
    settings: frozenset[str]


def find_program(words: Sequence[Word]) -> Invocation | None:
    """Find the program of a command; None if a word before it is not understood."""
    at = 0
    settings: set[str] = set()
    while at < len(words):
        name = posixpath.basename(words[at].text)
        if name not in _WITH_VALUE:
            return Invocation(words[at].text, words[at + 1 :], frozenset(settings))
        options = _WITH_VALUE[name]
        at += 1
        while at < len(words):
            text = words[at].text
            if name == "env" and _ASSIGNMENT.match(text):
                settings.add(text.partition("=")[0])
            elif text in options:
                at += 1
            elif text in ("-C", "-S", "--chdir") or text.startswith(("--chdir=", "--split")):
                return None  # another folder, or a command of its own in one word
            elif not text.startswith("-"):
                break
            at += 1
        if name == "timeout":
            at += 1  # the duration
    return None


def python_target(arguments: Sequence[Word]) -> tuple[str, str, str] | None:
    """Find what ``python`` runs: ``-m``, ``-c``, ``-`` or ``file``; its name; the flags before.

    One-letter options may be combined, and the value of the last may be attached: ``-um x``,
    ``-mx``, ``-Wignore``.

    Examples
    --------
    >>> from azkaban_client.flow.loader.command_line import words_of
    >>> python_target(words_of("-uBm jobs.load --n 3"))
    ('-m', 'jobs.load', 'uB')
    >>> python_target(words_of("-X dev train.py"))
    ('file', 'train.py', '')
    >>> python_target(words_of("--version"))
    """
    rest = iter(arguments)
    flags = ""
    for word in rest:
        text = word.text
        if text == "-":
            return "-", "", flags
        if text.startswith("--"):
            if text != "--check-hash-based-pycs":
                return None  # --help, --version, or an option of a future Python
            next(rest, None)
        elif text.startswith("-"):
            for at, letter in enumerate(text[1:], 2):
                if letter in "hV?":
                    return None
                if letter in "cmWX":
                    following = next(rest, None) if at == len(text) else None
                    value = text[at:] or (following.text if following else "")
                    if letter in "cm":
                        return f"-{letter}", value, flags
                    break
                flags += letter
        else:
            return "file", text, flags
    return "-", "", flags


def shell_script_at(arguments: Sequence[Word]) -> tuple[str, int]:
    """Find what a shell runs: ``-c``, ``-s`` or ``file``, and the index of that word.

    Examples
    --------
    >>> from azkaban_client.flow.loader.command_line import words_of
    >>> shell_script_at(words_of("-eo pipefail run.sh x"))
    ('file', 2)
    >>> shell_script_at(words_of("-lc 'ls | wc'"))
    ('-c', 1)
    """
    at, string = 0, False
    while at < len(arguments):
        text = arguments[at].text
        if text in ("--rcfile", "--init-file"):
            at += 1
        elif text.startswith("--") and text != "--":
            pass
        elif text.startswith(("-", "+")) and text not in ("-", "--"):
            string = string or (text[0] == "-" and "c" in text)
            if "s" in text and text[0] == "-" and not string:
                return "-s", at
            at += sum(letter in "oO" for letter in text[1:])
        else:
            at += text in ("-", "--")
            break
        at += 1
    if at >= len(arguments):
        return "-s", at
    return ("-c" if string else "file"), at
