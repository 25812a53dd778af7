"""Turn labelled texts into word numbers, split by class.

    python -m jobs.textclass.load --csv reviews.csv

The CSV file has a header and two columns, text and class. Without a file the texts are the
paragraphs of the docstrings in Python's own standard library, and the class of each is the package
that it comes from. The vocabulary is that of the training part alone.
"""

from __future__ import annotations

import ast
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from azkaban_client.job import InputError, Outputs, Run, job, param
from jobs._files import read_rows
from jobs._texts import UNKNOWN, Corpus, vocabulary_of, words_of
from jobs.nn.load import split

__all__ = ["Numbering", "Params", "docstrings", "main"]

# Packages whose documentation is long enough to learn from.
_PACKAGES = ("asyncio", "email", "http", "importlib", "logging", "unittest", "xml")


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """How texts become numbers."""

    held_out: float = param(
        0.2, doc="Share of each class that is kept for the test, 0 to 1.", gt=0, lt=1
    )
    vocabulary: int = param(4000, doc="Words that are told apart, the most frequent.", ge=10)
    max_words: int = param(60, doc="Longest text, in words and signs.", ge=1)
    min_words: int = param(1, doc="Shortest text; shorter ones are left out.", ge=1)
    cut: bool = param(True, doc="Cut longer texts off; otherwise they are refused.")

    def check(self, prefix: str) -> None:
        """Raise `InputError` for bounds that no text can keep."""
        if self.min_words > self.max_words:
            raise InputError(
                f"{prefix}.min_words = {self.min_words}: more than max_words = {self.max_words}"
            )

    def wrong(self, words: int, prefix: str) -> str:
        """Say what is wrong with a text of so many words; empty if nothing is."""
        if not words:
            return "has no words"
        if words > self.max_words and not self.cut:
            return (
                f"has {words} words, more than max_words = {self.max_words}: raise it, or set "
                f"{prefix}.cut=true"
            )
        return ""


@dataclass(frozen=True, kw_only=True)
class Params(Numbering):
    """Which texts, and how they become numbers."""

    csv: Path | None = param(None, doc="A CSV file of texts and classes; docstrings if empty.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Read, split, number."""
    params.check(run.prefix)
    rows = _read_csv(params.csv) if params.csv else docstrings()
    texts, labels = _parted(rows, params, run)
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise InputError(f"textclass.load.csv: one class only ({classes[0]!r}), expected more")
    y = np.searchsorted(np.array(classes), np.array(labels)).astype(np.int64)
    train, test = split(y, params.held_out, run.rng, classes)
    known = vocabulary_of((texts[i] for i in train), params.vocabulary)
    x = _numbers(texts, known, params.max_words)
    corpus = Corpus(
        x_train=x[:, train],
        y_train=y[train],
        x_test=x[:, test],
        y_test=y[test],
        words=known,
        classes=classes,
    )
    path = run.dir / "texts.npz"
    corpus.save(path)
    cut = sum(len(words) > params.max_words for words in texts)
    run.log(
        f"{len(train)} texts to train, {len(test)} held out, {len(classes)} classes, "
        f"{len(known)} words; {cut} texts were cut at {params.max_words} words"
    )
    return {"data": path, "train": len(train), "test": len(test)}


def _parted(
    rows: list[tuple[str, str]], params: Params, run: Run
) -> tuple[list[list[str]], list[str]]:
    """Split texts into words and drop texts that are too short; return texts and classes."""
    texts = [words_of(text) for text, _ in rows]
    for number, words in enumerate(texts, 1):
        if wrong := params.wrong(len(words), run.prefix):
            raise InputError(f"textclass.load.csv: text {number} {wrong}")
    kept = [i for i, words in enumerate(texts) if len(words) >= params.min_words]
    if not kept:
        raise InputError(f"textclass.load.min_words = {params.min_words}: no text is as long")
    if params.min_words > 1:
        run.log(f"{len(texts) - len(kept)} of {len(texts)} texts are shorter and left out")
    return [texts[i] for i in kept], [rows[i][1] for i in kept]


def _numbers(texts: list[list[str]], known: tuple[str, ...], longest: int) -> npt.NDArray[np.int32]:
    number = {word: i for i, word in enumerate(known)}
    unknown = number[UNKNOWN]
    x = np.zeros((min(longest, max(map(len, texts))), len(texts)), dtype=np.int32)
    for column, words in enumerate(texts):
        ids = [number.get(word, unknown) for word in words[: len(x)]]
        x[: len(ids), column] = ids
    return x


def docstrings() -> list[tuple[str, str]]:
    """List the paragraphs of docstrings in Python's library, each with its package for a class."""
    library = Path(sysconfig.get_path("stdlib"))
    rows: dict[str, str] = {}
    for package in _PACKAGES:
        for path in sorted((library / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
                text = ast.get_docstring(node) if isinstance(node, kinds) else None
                for paragraph in re.split(r"\n\s*\n", text or ""):
                    if len(words_of(paragraph)) >= 5:
                        rows.setdefault(paragraph, package)
    if len(set(rows.values())) < 2:
        raise InputError("this Python comes without its library's source: set textclass.load.csv")
    return list(rows.items())


def _read_csv(path: Path) -> list[tuple[str, str]]:
    rows = []
    for number, row in enumerate(read_rows(path, "textclass.load.csv", "text and class")[1:], 2):
        if len(row) != 2:
            raise InputError(f"{path}, row {number}: {len(row)} columns, expected text and class")
        rows.append((row[0], row[1].strip()))
    return rows


if __name__ == "__main__":
    main.start()
