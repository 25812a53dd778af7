"""Split a command line as Azkaban does."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Word", "split_command", "words_of"]


class Word(NamedTuple):
    """A word of a command line.

    Attributes
    ----------
    text
        As passed to the program.
    quotes
        For each character, the quote around it, or a space.
    """

    text: str
    quotes: str

    @property
    def bare(self) -> str:
        """The text with a space in place of each quoted character."""
        return "".join(c if q == " " else " " for c, q in zip(self.text, self.quotes, strict=True))


def words_of(text: str) -> list[Word]:
    """Split a command as ``ProcessJob.partitionCommandLine`` does; keep what was quoted."""
    words: list[Word] = []
    word, quotes, quote = "", "", ""
    for character in text:
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        elif not quote and character == " ":
            words.append(Word(word, quotes))
            word = quotes = ""
        else:
            word += character
            quotes += quote or " "
    words.append(Word(word, quotes))
    return [one for one in words if one.text]


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
    return [word.text for word in words_of(text)]
