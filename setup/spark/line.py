"""Read the command line of spark-submit, its options before the program as people write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from setup.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PASSED", "handed_through", "normalised"]

PASSED = "--spark-option"  # takes the name and value of an option of which we know nothing
_SHORT = {"-c": "--conf", "-v": "--verbose"}
_DASHES = "\u2012\u2013\u2014\u2212"  # what word processors and blogs make of --

# What spark-submit knows and `setup spark submit` has no business with; whether it takes a value.
_THEIRS = {
    **dict.fromkeys(
        (
            *("--class", "--jars", "--packages", "--exclude-packages", "--repositories"),
            *("--keytab", "--principal", "--proxy-user", "--driver-java-options"),
            *("--driver-library-path", "--driver-class-path"),
        ),
        True,
    ),
    **dict.fromkeys(("--verbose", "--supervise", "--load-spark-defaults"), False),
}
_NOT_SUBMITTING = {
    "--kill": "kills a driver of a standalone cluster",
    "--status": "shows a driver of a standalone cluster",
    "--version": "shows Spark's version",
}
_PROGRAM = re.compile(r"\.(py|jar|R|r|zip|egg)$")


def normalised(words: Sequence[str], known: Mapping[str, bool]) -> list[str]:
    """Write a command line as our own parser reads it.

    Parameters
    ----------
    words
        The options, the program, its arguments.
    known
        Our parser's options, and whether each takes a value.

    Returns
    -------
    list
        Options as ``--name=value``, those of spark-submit that the parser does not know as values
        of `PASSED`. The program and what follows are left as they are.

    Raises
    ------
    UsageError
        When an option does something else than to submit.

    Examples
    --------
    >>> normalised(["\u2013master", "yarn", "-c", "a=b", "--class", "X", "x.jar", "-c"],
    ...            {"--master": True, "--conf": True})
    ['--master=yarn', '--conf=a=b', '--spark-option=--class=X', 'x.jar', '-c']
    """
    found, rest = list[str](), list(words)
    while rest and (word := _dashed(rest[0])).startswith("-") and word != "-":
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if name == "-m" or not name.startswith("--") or name == "--":
            break  # what follows -m belongs to the module
        if name in _NOT_SUBMITTING and name not in known:
            raise UsageError(
                f"{name}: this command submits; {_NOT_SUBMITTING[name]} by spark-submit itself"
            )
        rest.pop(0)
        takes = known.get(name, _THEIRS.get(name))
        if not equals and (takes or (takes is None and _looks_like_value(rest))) and rest:
            equals, value = "=", rest.pop(0)
        prefix = "" if name in known else f"{PASSED}="
        found.append(f"{prefix}{name}{equals}{value}")
    return [*found, *rest]


def handed_through(options: Sequence[str]) -> dict[str, list[str]]:
    """Read the values of `PASSED` as spark-submit's options, in order; no value for a switch.

    Examples
    --------
    >>> handed_through(["--class=X", "--verbose"])
    {'--class': ['X'], '--verbose': []}
    """
    found: dict[str, list[str]] = {}
    for option in options:
        name, equals, value = option.partition("=")
        found.setdefault(name, []).extend([value] if equals else [])
    return found


def misplaced(arguments: Sequence[str]) -> list[str]:
    """List the options of spark-submit among a program's arguments, which Spark will not see.

    Examples
    --------
    >>> misplaced(["--master", "yarn", "--epochs", "3"])
    ['--master']
    """
    ours = {"--master", "--deploy-mode", "--archives", "--py-files", "--num-executors"}
    ours |= {"--executor-memory", "--driver-memory", "--executor-cores", "--properties-file"}
    return [word for word in map(_dashed, arguments) if word.partition("=")[0] in ours]


def _dashed(word: str) -> str:
    """Write the dashes at the start of an option as a shell has them."""
    return f"--{word.lstrip(_DASHES + '-')}" if word[:1] and word[0] in _DASHES else word


def _looks_like_value(rest: Sequence[str]) -> bool:
    """Guess whether the next word is the value of an option that nobody knows."""
    following = _dashed(rest[0]) if rest else "-"
    return not following.startswith("-") and not _PROGRAM.search(following)
