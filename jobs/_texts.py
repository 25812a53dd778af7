"""Hold labelled texts as arrays of word numbers, in memory and in a file."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs._files import load_record, save_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

__all__ = ["PADDING", "UNKNOWN", "Corpus", "vocabulary_of", "words_of"]

# The first two rows of every vocabulary.
PADDING, UNKNOWN = "", "?"


@dataclass(frozen=True)
class Corpus:
    """Texts split into two parts; each text is a column.

    Attributes
    ----------
    x_train, x_test
        Word (or character) numbers ``(steps, texts)``, 0 after a text's end.
    y_train, y_test
        Class numbers ``(texts,)``, or one for each step ``(steps, texts)``.
    words, classes
        What the numbers stand for.
    """

    x_train: npt.NDArray[np.int32]
    y_train: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.int32]
    y_test: npt.NDArray[np.int64]
    words: tuple[str, ...]
    classes: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        save_record(self, path)

    @classmethod
    def load(cls, path: Path) -> Corpus:
        """Read a file that `save` wrote; raise `InputError` for anything else."""
        writer = "jobs.textclass.load or jobs.seqlabel.load"
        return load_record(cls, path, f"texts {path}", writer)


def words_of(text: str) -> list[str]:
    """List the words and signs of a text, in lower case.

    Examples
    --------
    >>> words_of("It's 3 o'clock.")
    ['it', "'", 's', '3', 'o', "'", 'clock', '.']
    """
    return re.findall(r"\w+|[^\w\s]", text.lower())


def vocabulary_of(texts: Iterable[Sequence[str]], size: int) -> tuple[str, ...]:
    """Collect the most frequent words; those with equal counts are in alphabetical order.

    Examples
    --------
    >>> vocabulary_of([["b", "a"], ["b", "c"]], 4)
    ('', '?', 'b', 'a')
    """
    counts = Counter(word for text in texts for word in text)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return (PADDING, UNKNOWN, *ordered[: size - 2])
