"""What the jobs that train by other libraries do without them; test_bigdl.py trains on YARN."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

import numpy as np

from azkaban_client.job.reference import jobs_of
from jobs._texts import Corpus

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def run(out: Path, capsys: pytest.CaptureFixture[str], *props: str) -> tuple[int, str]:
    words = [word for prop in (*props, f"output.dir={out}") for word in ("--prop", prop)]
    jobs = {job.prefix: job for job in jobs_of("jobs")}
    code = jobs[props[0].partition("=")[0].rpartition(".")[0]].main(words)
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
    code, said = run(tmp_path, capsys, f"spark.bigdl.data={texts(tmp_path, ragged=True)}")
    assert code == 2
    assert "texts differ in length" in said
    assert "jobs.textclass.load with min_words" in said


def test_without_bigdl_it_says_how_it_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(tmp_path, capsys, f"spark.bigdl.data={texts(tmp_path, ragged=False)}")
    assert code == 2
    assert "azkaban-jobflow spark submit --bigdl" in said


def test_without_spark_a_job_says_in_one_line_how_it_is_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("one two\n")
    code, said = run(tmp_path, capsys, f"spark.words.text={tmp_path / 'a.txt'}")
    assert code == 2
    assert said.splitlines()[-1] == (
        "spark.words: there is no Spark here: run it by azkaban-jobflow spark submit "
        "--py-files core,jobs,azkaban_client -m jobs.spark.words"
    )
    assert "Traceback" not in said


def test_texts_that_are_too_large_for_a_broadcast_are_refused_with_the_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = np.ones((60, 5000), np.int32), np.arange(5000) % 2
    Corpus(x, y, x[:, :2], y[:2], ("", "?"), ("even", "odd")).save(tmp_path / "texts.npz")
    props = (f"spark.train.data={tmp_path / 'texts.npz'}", "spark.train.broadcast_mb=1")
    code, said = run(tmp_path, capsys, *props)
    assert code == 2
    assert "spark.train.broadcast_mb = 1: the texts take 1.2 MB, and all go to each task" in said


def test_short_texts_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{'word ' * (1 + n % 7)},{'AB'[n % 2]}" for n in range(70)]
    csv = tmp_path / "texts.csv"
    csv.write_text("\n".join(["text,class", *rows]) + "\n")
    given = (
        f"textclass.load.csv={csv}",
        "textclass.load.vocabulary=10",
        "textclass.load.max_words=4",
    )
    code, said = run(tmp_path, capsys, *given, "textclass.load.min_words=4")
    assert code == 0, said
    found = Corpus.load(tmp_path / "local" / "local" / "textclass_load" / "texts.npz")
    assert found.y_train.size + found.y_test.size == 40
    assert found.x_train.all()
    assert found.x_test.all()
    assert run(tmp_path, capsys, *given, "textclass.load.min_words=5")[0] == 2


def test_without_torch_the_comparison_says_that_it_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, done = texts(tmp_path, ragged=False), tmp_path / "local" / "local"
    assert run(tmp_path, capsys, f"spark.torch.data={data}")[0] == 0
    note = json.loads((done / "spark_torch" / "run.json").read_text())["outputs"]["note"]
    assert note.startswith("TorchDistributor was left out: ")
    assert "has no torch" in note
    given = {"textclass.train.data": data, "textclass.train.epochs": 1, "textclass.train.hidden": 2}
    code, said = run(tmp_path, capsys, *(f"{key}={value}" for key, value in given.items()))
    assert code == 0, said
    models = f"textclass.report.models={done / 'textclass_train' / 'model.npz'},"
    code, said = run(
        tmp_path, capsys, models, f"textclass.report.data={data}", f"textclass.report.note={note}"
    )
    assert code == 0, said
    assert html.escape(note) in (done / "textclass_report" / "report.html").read_text()
    code, said = run(tmp_path, capsys, "textclass.report.models=,", f"textclass.report.data={data}")
    assert code == 2
    assert "textclass.report.models = ','" in said
