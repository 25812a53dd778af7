"""Find shell syntax in commands that no shell reads."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from azkaban_client.flow.lint.program import PYTHON, SHELL, find_program, shell_script_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azkaban_client.flow.loader.command_line import Word

__all__ = ["needs_shell", "waits_for_input"]

_BUILTINS = {
    "(", ".", "[[", "alias", "case", "cd", "declare", "eval", "exec", "exit", "export", "for",
    "function", "if", "let", "local", "popd", "pushd", "read", "return", "set", "shopt", "source",
    "trap", "typeset", "ulimit", "umask", "unset", "until", "wait", "while", "{",
}  # fmt: skip
_SIGN = re.compile(r"[|<>`]|^~|^#|^\(|\$(?:[A-Za-z_?@*#!$]|\d)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_VARIABLE = re.compile(r"\$[A-Z_][A-Z0-9_]+")  # in double quotes; $1 there is awk's or perl's
_READERS = {
    "R", "bc", "cat", "cut", "dc", "gawk", "head", "md5sum", "mysql", "nl", "node", "od", "perl",
    "psql", "rev", "ruby", "sha256sum", "sort", "sqlite3", "tac", "tail", "tee", "tr", "uniq", "wc",
    "xargs",
}  # fmt: skip


def needs_shell(words: Sequence[Word]) -> list[str]:
    """List the words that only a shell would understand.

    Examples
    --------
    >>> from azkaban_client.flow.loader.command_line import words_of
    >>> needs_shell(words_of("sh s.sh > out.log 2>&1"))
    ['>', '2>&1']
    >>> needs_shell(words_of('bash -c "ls | wc"')), needs_shell(words_of("cd data"))
    ([], ['cd'])
    >>> needs_shell(words_of("curl http://h/?a=1&b=2 -o 'a|b'"))
    []
    """
    understood = _shell_string(words)
    own_variables = understood is not None or _has_own_variables(words)
    found = []
    for at, word in enumerate(words):
        before = words[at - 1].text if at else ""
        plain = re.sub(r"\$\{[^}]*\}", "", word.bare)  # Azkaban's references
        if at != understood and (
            (at == 0 and (word.text in _BUILTINS or _ASSIGNMENT.match(word.bare)))
            or _SIGN.search(plain)
            or _is_joint(word, before)
            or ("*" in word.bare and _is_file_pattern(word, before))
            or (_in_double_quotes(word) and not own_variables)
        ):
            found.append(word.text)
    return found


def _shell_string(words: Sequence[Word]) -> int | None:
    """Return the place of the word that a shell reads as commands."""
    program = find_program(words)
    if program is None or not SHELL.match(program.name):
        return None
    kind, at = shell_script_at(program.arguments)
    return len(words) - len(program.arguments) + at if kind == "-c" else None


def _is_joint(word: Word, before: str) -> bool:
    """Tell ``;`` and ``&`` from those of a URL, and of ``find -exec``."""
    if "&" in word.bare and "://" not in word.text:
        return True
    return ";" in word.bare and not (word.text == ";" and before not in ("", ";"))


def _is_file_pattern(word: Word, before: str) -> bool:
    plain = not word.text.startswith("-") and "://" not in word.text and "=" not in word.text
    return plain and not before.startswith("-") and bool(re.search(r"[./]|^\*$", word.text))


def _in_double_quotes(word: Word) -> bool:
    quoted = "".join(c if q == '"' else " " for c, q in zip(word.text, word.quotes, strict=True))
    return bool(_VARIABLE.search(quoted))


def _has_own_variables(words: Sequence[Word]) -> bool:
    """Tell whether a program gives ``$NAME`` its own meaning: another shell, perl, awk."""
    program = find_program(words)
    name = posixpath.basename(program.name) if program else ""
    return program is None or name in ("ssh", "perl", "awk", "gawk", "mawk", "make", "envsubst")


def waits_for_input(words: Sequence[Word]) -> bool:
    """Tell whether a program would read its standard input, which Azkaban never closes.

    Examples
    --------
    >>> from azkaban_client.flow.loader.command_line import words_of
    >>> [waits_for_input(words_of(one)) for one in ("cat", "cat x", "sort -r -", "python3 -u")]
    [True, False, True, True]
    """
    program = find_program(words)
    if program is None:
        return False
    name = posixpath.basename(program.name)
    texts = [word.text for word in program.arguments]
    if PYTHON.match(program.name):
        return not texts or texts[-1] == "-" or set(texts) <= {"-u", "-i", "-q", "-B", "-O"}
    if SHELL.match(program.name):
        return shell_script_at(program.arguments)[0] == "-s"
    if name not in _READERS or any(one.startswith("--help") or one == "--version" for one in texts):
        return False
    plain = [one for one in texts if not one.startswith("-")]
    if name in ("tr", "tee"):
        return True
    return "-" in texts or (not plain and not _has_code(texts))


def _has_code(texts: Sequence[str]) -> bool:
    return any(re.match(r"-[A-Za-z]*[eEcf]|--(eval|command|file|execute)", one) for one in texts)
