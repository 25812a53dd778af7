"""Labelled texts as jobs.textclass.load numbers them, to compare others with."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from jobs._texts import Corpus
from jobs.textclass.load import main

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["assert_same", "in_one_process", "write_table"]


def write_table(path: Path, rows: Iterable[Sequence[object]], *names: str) -> Path:
    """Write a CSV file with a header."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([names or ("my text", "its class"), *rows])
    return path


def in_one_process(path: Path, **props: Any) -> Corpus:
    """Number the texts of a CSV file, with seed 7."""
    out = path.with_suffix(".alone")
    given = {"csv": path, **props}
    words = [f"textclass.load.{name}={value}" for name, value in given.items()]
    words += [f"output.dir={out}", "seed=7"]
    assert main.main([word for one in words for word in ("--prop", one)]) == 0
    return Corpus.load(out / "local" / "local" / "textclass_load" / "texts.npz")


def assert_same(found: Corpus, expected: Corpus) -> None:
    """Compare everything, types included."""
    assert (found.words, found.classes) == (expected.words, expected.classes)
    for name in ("x_train", "y_train", "x_test", "y_test"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert (one == other).all(), name
