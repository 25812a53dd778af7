"""What other libraries' jobs do without them; tests/live/spark/test_bigdl.py trains on YARN."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

import numpy as np

from jobs import bigdl_train, textclass, textclass_load, textclass_train, torch_train
from jobs._nn_text import Corpus
from jobs._runtime import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def run(out: Path, capsys: pytest.CaptureFixture[str], *props: str) -> tuple[int, str]:
    words = [word for prop in (*props, f"output.dir={out}") for word in ("--prop", prop)]
    modules = (bigdl_train, textclass, textclass_load, textclass_train, torch_train)
    specs = {module.JOB.prefix: module.JOB for module in modules}
    code = main(specs[props[0].partition(".")[0]], words)
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
    assert "azkaban-jobflow spark submit --bigdl" in said


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


def test_without_torch_the_comparison_says_that_it_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, done = texts(tmp_path, ragged=False), tmp_path / "local" / "local"
    assert run(tmp_path, capsys, f"torch.data={data}")[0] == 0
    note = json.loads((done / "torch_train" / "run.json").read_text())["outputs"]["note"]
    assert note.startswith("TorchDistributor was left out: ")
    assert "has no torch" in note
    given = {"classify.data": data, "classify.epochs": 1, "classify.hidden": 2}
    code, said = run(tmp_path, capsys, *(f"{key}={value}" for key, value in given.items()))
    assert code == 0, said
    models = f"verdict.models={done / 'textclass_train' / 'model.npz'},"
    code, said = run(tmp_path, capsys, models, f"verdict.data={data}", f"verdict.note={note}")
    assert code == 0, said
    assert html.escape(note) in (done / "textclass" / "report.html").read_text()
    code, said = run(tmp_path, capsys, "verdict.models=,", f"verdict.data={data}")
    assert code == 2
    assert "verdict.models = ','" in said
