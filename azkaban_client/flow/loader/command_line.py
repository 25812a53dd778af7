"""Azkaban's own way to split a command line."""

from __future__ import annotations

__all__ = ["split_command"]


def split_command(text: str) -> list[str]:
    '''Split a command as ``ProcessJob.partitionCommandLine`` does: spaces and quotes, no shell.

    Only the space separates; a quote opens anywhere and closes at the same quote; there are no
    escapes, and an empty word is dropped even when it is quoted.

    Examples
    --------
    >>> line = """bash -c "echo 'a b'" '' x'y z' """
    >>> split_command(line)
    ['bash', '-c', "echo 'a b'", 'xy z']
    '''
    words: list[str] = []
    word, quote = "", ""
    for character in f"{text} ":
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif not quote and character == " ":
            words.append(word)
            word = ""
        else:
            word += character
    words.append(word[:-1] if quote else word)
    return [word for word in words if word]
