"""What of BigDL's job needs no BigDL; tests/live/spark/test_bigdl.py trains on YARN."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jobs import bigdl_train, textclass_load
from jobs._nn_text import Corpus
from jobs._runtime import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def run(out: Path, capsys: pytest.CaptureFixture[str], *props: str) -> tuple[int, str]:
    words = [word for prop in (*props, f"output.dir={out}") for word in ("--prop", prop)]
    spec = bigdl_train.JOB if props[0].startswith("bigdl.") else textclass_load.JOB
    code = main(spec, words)
    return code, capsys.readouterr().err


def texts(folder: Path, *, ragged: bool) -> Path:
    rng = np.random.default_rng(0)
    x = rng.integers(1, 9, (5, 20)).astype(np.int32)
    x[4, 3] = 0 if ragged else 1
    y = np.arange(20) % 2
    corpus = Corpus(x, y, x[:, :4], y[:4], tuple("_?abcdefg"), ("even", "odd"))
    corpus.save(folder / "texts.npz")
    return folder / "texts.npz"


def test_texts_of_several_lengths_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(tmp_path, capsys, f"bigdl.data={texts(tmp_path, ragged=True)}")
    assert code == 2
    assert "texts differ in length" in said
    assert "corpus.min_words" in said


def test_without_bigdl_it_says_how_it_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(tmp_path, capsys, f"bigdl.data={texts(tmp_path, ragged=False)}")
    assert code == 2
    assert "setup spark submit --bigdl" in said


def test_short_texts_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{'word ' * (1 + n % 7)},{'AB'[n % 2]}" for n in range(70)]
    csv = tmp_path / "texts.csv"
    csv.write_text("\n".join(["text,class", *rows]) + "\n")
    given = (f"corpus.csv={csv}", "corpus.vocabulary=10", "corpus.max_words=4")
    code, said = run(tmp_path, capsys, *given, "corpus.min_words=4")
    assert code == 0, said
    found = Corpus.load(tmp_path / "local" / "local" / "textclass_load" / "texts.npz")
    assert found.y_train.size + found.y_test.size == 40
    assert found.x_train.all()
    assert found.x_test.all()
    assert run(tmp_path, capsys, *given, "corpus.min_words=5")[0] == 2
