"""The jobs of flow textclass: a class that only the order of words tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from core.nn import Context, softmax
from jobs._models import load_model
from jobs._texts import Corpus
from tests.jobs.process import outputs, refused, run

SMALL = {
    "embedding": 12,
    "hidden": 12,
    "dropout": 0.1,
    "epochs": 12,
    "patience": 12,
    "batch_size": 8,
    "learning_rate": 0.01,
}


def _table(path: Path) -> Path:
    """Write who bites whom: both classes have the same words."""
    rng = np.random.default_rng(0)
    rows = ["text,class"]
    for _ in range(200):
        a, b = rng.permutation(["dog", "man"])
        filler = " ".join(rng.choice(["well", "so", "then", "now"], rng.integers(0, 4)))
        rows.append(f"{filler} the {a} bites the {b},{a} bites")
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("texts")
    table = _table(folder / "table.csv")
    props = {"csv": table, "output.dir": folder}
    files = {"data": Path(outputs(run("textclass.load", props))["textclass_load.data"])}
    for cell in ("none", "gru", "lstm"):
        props = {"data": files["data"], "cell": cell, "onnx": "true"}
        done = run("textclass.train", {**SMALL, **props, "output.dir": folder / cell})
        files[cell] = Path(outputs(done)["textclass_train.model"])
    return files


def test_texts_become_numbers(trained: dict[str, Path]) -> None:
    corpus = Corpus.load(trained["data"])
    assert corpus.classes == ("dog bites", "man bites")
    assert corpus.words[:2] == ("", "?")
    assert set(corpus.words[2:]) == {"the", "dog", "man", "bites", "well", "so", "then", "now"}
    assert corpus.x_train.shape == (8, 160)
    assert len(corpus.y_test) == 40
    column = corpus.x_train[:, 0]
    words = [corpus.words[i] for i in column[column > 0]]
    assert words[-5:-3] == ["the", corpus.classes[corpus.y_train[0]].split()[0]]


def test_only_the_order_tells_and_recurrent_layers_find_it(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    models = ",".join(str(trained[cell]) for cell in ("none", "gru", "lstm"))
    props = {
        "data": trained["data"],
        "models": models,
        "output.dir": tmp_path,
    }
    done = run("textclass.report", props)
    found = outputs(done)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if "held-out" in line)
    right = {name: float(text.partition("%")[0]) for name, text in said.items()}
    assert right["gru"] > 95
    assert right["lstm"] > 95
    assert right["none"] < 75
    assert right["naive Bayes"] < 75
    assert found["textclass_report.best"] in ("gru", "lstm")
    html = Path(found["textclass_report.report"]).read_text(encoding="utf-8")
    for words in ("naive Bayes", "Confusion matrix", "looks at", "most attention"):
        assert words in html
    assert "<image" not in html  # plots are vector graphics


@pytest.mark.parametrize("cell", ["none", "gru", "lstm"])
def test_other_programs_label_texts(trained: dict[str, Path], cell: str) -> None:
    corpus = Corpus.load(trained["data"])
    session = onnxruntime.InferenceSession(trained[cell].with_suffix(".onnx"))
    words = json.loads(session.get_modelmeta().custom_metadata_map["words"])
    assert tuple(words) == corpus.words
    mask = corpus.x_test > 0
    inputs = {"x": corpus.x_test.astype(np.int64), "lengths": mask.sum(axis=0).astype(np.int32)}
    label, p = session.run(None, inputs)
    y, _ = load_model(trained[cell])[0].forward(corpus.x_test, Context(mask=mask))
    assert np.allclose(p, softmax(y), atol=1e-5)
    assert label.tolist() == [corpus.classes[i] for i in p.argmax(axis=1)]


def test_models_keep_their_words_and_scores(trained: dict[str, Path]) -> None:
    _, meta = load_model(trained["lstm"])
    assert len(meta["words"]) == 10
    assert meta["validation"]["accuracy"] > 0.9
    best = min(meta["history"]["validation_loss"])
    assert meta["history"]["validation_loss"][meta["best_epoch"] - 1] == best
    assert meta["validation"]["loss"] == pytest.approx(best)


def test_docstrings_of_the_library_are_the_default(tmp_path: Path) -> None:
    done = run("textclass.load", {"output.dir": tmp_path, "vocabulary": 50})
    corpus = Corpus.load(Path(outputs(done)["textclass_load.data"]))
    assert "asyncio" in corpus.classes
    assert len(corpus.words) == 50
    assert corpus.x_train.max() == 49


@pytest.mark.parametrize(
    ("text", "props", "message"),
    [
        ("text,class\nhello\n", {}, "row 2: 1 columns, expected text and class"),
        ("text,class\n", {}, "expected a header and rows"),
        ("text,class\na b,x\nc d,x\n", {}, "one class only ('x')"),
        ("text,class\na b,x\n,y\n", {}, "text 2 has no words"),
        (
            "text,class\na b c,x\nc d,y\n",
            {"max_words": 2, "cut": "false"},
            "text 1 has 3 words, more than max_words = 2",
        ),
    ],
)
def test_bad_tables_are_refused(
    tmp_path: Path, text: str, props: dict[str, object], message: str
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text, encoding="utf-8")
    refused(
        run("textclass.load", {"csv": table, "output.dir": tmp_path, **props}),
        message,
    )


def test_strangers_are_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("text,class\n" + "a b,x\nc d,y\n" * 5, encoding="utf-8")
    props = {"csv": table, "output.dir": tmp_path}
    data = outputs(run("textclass.load", props))["textclass_load.data"]
    verdict = {
        "data": data,
        "models": trained["gru"],
        "output.dir": tmp_path,
    }
    refused(
        run("textclass.report", verdict), "was trained on other data than textclass.report.data"
    )
    props = {"data": trained["gru"], "output.dir": tmp_path}
    refused(
        run("textclass.train", props),
        "a file that jobs.textclass.load or",
    )
