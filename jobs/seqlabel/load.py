"""Turn texts whose every character has a label into numbers, split by text.

    python -m jobs.seqlabel.load --csv labelled.csv

The CSV file has a header and two columns: a text, and its labels, one character for each character
of the text. Without a file, the texts are lines of Python's standard library, and the labels say
what each character is part of, as an editor colours it.
"""

from __future__ import annotations

import io
import keyword
import sysconfig
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from azkaban_client.job import InputError, Outputs, Run, job, param
from jobs._files import read_rows
from jobs._texts import UNKNOWN, Corpus, vocabulary_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.nn.protocols import Array

__all__ = ["Params", "label_source", "main"]

# Packages whose lines are used: prose, numbers and signs in many styles.
_PACKAGES = ("asyncio", "email", "http", "json", "logging", "unittest", "xml")

# The label of each character, as a letter and in words.
LABELS = {
    " ": "space",
    "c": "comment",
    "k": "keyword",
    "n": "name",
    "d": "number",
    "o": "operator",
    "s": "string",
}


@dataclass(frozen=True, kw_only=True)
class Params:
    """Which texts."""

    csv: Path | None = param(
        None, doc="A CSV file of texts and labels; lines of Python's library if empty."
    )
    count: int = param(4000, doc="Lines taken from the library, at random.", ge=10)
    held_out: float = param(0.2, doc="Share of the texts kept for the test, 0 to 1.", gt=0, lt=1)
    max_length: int = param(100, doc="Longest text, in characters; longer ones are refused.", ge=1)


@job
def main(params: Params, run: Run) -> Outputs:
    """Read, split, number."""
    if params.csv:
        rows = _read_csv(params.csv, params.max_length)
        names = {letter: letter for _, labels in rows for letter in labels}
    else:
        rows = _library_lines(params, run.rng)
        names = LABELS
    letters = sorted(names)
    if len(letters) < 2:
        raise InputError(
            f"seqlabel.load.csv: one label only ({letters[0]!r}), expected two or more"
        )
    order = run.rng.permutation(len(rows))
    cut = round(params.held_out * len(rows))
    if not 0 < cut < len(rows):
        raise InputError(
            f"seqlabel.load.held_out = {params.held_out}: leaves {len(rows) - cut} of {len(rows)} "
            "texts to train and the others to test: both need at least one"
        )
    known = vocabulary_of((rows[i][0] for i in order[cut:]), 1000)
    x, y = _numbers(rows, known, letters)
    corpus = Corpus(
        x_train=x[:, order[cut:]],
        y_train=y[:, order[cut:]],
        x_test=x[:, order[:cut]],
        y_test=y[:, order[:cut]],
        words=known,
        classes=tuple(names[letter] for letter in letters),
    )
    path = run.dir / "sequences.npz"
    corpus.save(path)
    run.log(
        f"{len(rows) - cut} texts to train, {cut} held out, {len(letters)} labels, "
        f"{len(known)} characters"
    )
    return {"data": path, "train": len(rows) - cut, "test": cut}


def _numbers(
    rows: Sequence[tuple[str, str]], known: tuple[str, ...], letters: list[str]
) -> tuple[Array, Array]:
    number = {symbol: i for i, symbol in enumerate(known)}
    unknown = number[UNKNOWN]
    longest = max(len(text) for text, _ in rows)
    x = np.zeros((longest, len(rows)), dtype=np.int32)
    y = np.zeros((longest, len(rows)), dtype=np.int64)
    for column, (text, labels) in enumerate(rows):
        x[: len(text), column] = [number.get(symbol, unknown) for symbol in text]
        y[: len(text), column] = [letters.index(letter) for letter in labels]
    return x, y


def label_source(source: str) -> list[tuple[str, str]]:
    r"""Label each character of each line of a Python program, see `LABELS`.

    Examples
    --------
    >>> label_source("if x: # why\n    y = 'no'")
    [('if x: # why', 'kk no ccccc'), ("    y = 'no'", '    n o ssss')]
    """
    lines = source.split("\n")
    labels = [[" "] * len(line) for line in lines]
    kinds = {tokenize.COMMENT: "c", tokenize.NUMBER: "d", tokenize.OP: "o", tokenize.STRING: "s"}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        letter = kinds.get(token.type)
        if token.type == tokenize.NAME:
            letter = "k" if keyword.iskeyword(token.string) else "n"
        elif tokenize.tok_name[token.type].startswith("FSTRING"):
            letter = "s"
        if letter is None:
            continue
        (first, left), (last, right) = token.start, token.end
        for row in range(first - 1, min(last, len(lines))):
            start = left if row == first - 1 else 0
            stop = right if row == last - 1 else len(lines[row])
            labels[row][start:stop] = letter * (min(stop, len(lines[row])) - start)
    return [(line, "".join(marks)) for line, marks in zip(lines, labels, strict=True)]


def _library_lines(params: Params, rng: np.random.Generator) -> list[tuple[str, str]]:
    library = Path(sysconfig.get_path("stdlib"))
    rows: dict[str, str] = {}
    for package in _PACKAGES:
        for path in sorted((library / package).rglob("*.py")):
            for line, labels in label_source(path.read_text(encoding="utf-8")):
                if len(line.strip()) >= 10 and len(line) <= params.max_length:
                    rows.setdefault(line, labels)
    if len(rows) < params.count:
        raise InputError(
            f"seqlabel.load.count = {params.count}: this Python's library has {len(rows)} such "
            "lines: ask for fewer, or set seqlabel.load.csv"
        )
    lines = list(rows.items())
    return [lines[i] for i in rng.choice(len(lines), params.count, replace=False)]


def _read_csv(path: Path, longest: int) -> list[tuple[str, str]]:
    rows = []
    for number, row in enumerate(read_rows(path, "seqlabel.load.csv", "text and labels")[1:], 2):
        if len(row) != 2:
            raise InputError(f"{path}, row {number}: {len(row)} columns, expected text and labels")
        text, labels = row
        if not text or len(text) != len(labels):
            raise InputError(
                f"{path}, row {number}: {len(text)} characters and {len(labels)} labels: "
                "expected one for each, and at least one"
            )
        if len(text) > longest:
            raise InputError(
                f"{path}, row {number}: {len(text)} characters, more than "
                f"seqlabel.load.max_length = {longest}: raise it, or part the text"
            )
        rows.append((text, labels))
    return rows


if __name__ == "__main__":
    main.start()
