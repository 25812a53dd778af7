"""The jobs of flow seqlabel: labels that depend on what comes long before and after."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from core.nn import Context, softmax
from jobs._models import load_model
from jobs._texts import Corpus
from jobs.seqlabel.load import label_source
from tests.jobs.process import outputs, refused, run


def _table(path: Path) -> Path:
    """Label each letter as quoted or not: what no window of three letters tells."""
    rng = np.random.default_rng(0)
    rows = ["text,labels"]
    for _ in range(240):
        words = ["".join(rng.choice(list("abc"), rng.integers(3, 7))) for _ in range(3)]
        quoted = rng.random(3) < 0.5
        text = " ".join(f"'{w}'" if q else w for w, q in zip(words, quoted, strict=True))
        labels = " ".join(
            "q" * (len(w) + 2) if q else "p" * len(w) for w, q in zip(words, quoted, strict=True)
        )
        rows.append(f"{text},{labels}")
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sequences")
    props = {"csv": _table(folder / "table.csv"), "output.dir": folder}
    files = {"data": Path(outputs(run("seqlabel.load", props))["seqlabel_load.data"])}
    for cell in ("rnn", "gru"):
        props = {
            "data": files["data"],
            "cell": cell,
            "embedding": 8,
            "hidden": 12,
            "epochs": 15,
            "patience": 15,
            "batch_size": 8,
            "learning_rate": 0.02,
            "onnx": "true",
            "output.dir": folder / cell,
        }
        files[cell] = Path(outputs(run("seqlabel.train", props))["seqlabel_train.model"])
    return files


def test_texts_and_labels_become_numbers(trained: dict[str, Path]) -> None:
    corpus = Corpus.load(trained["data"])
    assert corpus.classes == (" ", "p", "q")
    assert set(corpus.words[2:]) == set("abc' ")
    assert corpus.x_train.shape == corpus.y_train.shape
    assert (corpus.x_train.shape[1], corpus.x_test.shape[1]) == (192, 48)
    quotes = corpus.x_train == corpus.words.index("'")
    assert (corpus.y_train[quotes] == 2).all()
    spaces = corpus.x_train == corpus.words.index(" ")
    assert (corpus.y_train[spaces] == 0).all()


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_other_programs_label_characters(trained: dict[str, Path], cell: str) -> None:
    corpus = Corpus.load(trained["data"])
    session = onnxruntime.InferenceSession(trained[cell].with_suffix(".onnx"))
    mask = corpus.x_test > 0
    inputs = {"x": corpus.x_test.astype(np.int64), "lengths": mask.sum(axis=0).astype(np.int32)}
    label, p = session.run(None, inputs)
    y, _ = load_model(trained[cell])[0].forward(corpus.x_test, Context(mask=mask))
    assert np.allclose(p, softmax(y), atol=1e-5)
    right = np.array(corpus.classes)[corpus.y_test] == label
    assert right[mask].mean() > 0.9


def test_the_whole_text_tells_what_neighbours_do_not(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    models = f"{trained['rnn']},{trained['gru']}"
    props = {
        "data": trained["data"],
        "models": models,
        "output.dir": tmp_path,
    }
    done = run("seqlabel.report", props)
    found = outputs(done)
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if "held-out" in line)
    right = {name: float(text.partition("%")[0]) for name, text in said.items()}
    assert right["gru"] > 98
    assert right["neighbours"] < 95
    assert right["character alone"] < right["neighbours"]
    html = Path(found["seqlabel_report.report"]).read_text(encoding="utf-8")
    for words in ("precision", "Confusion matrix", "Learning curves", "Held-out texts as"):
        assert words in html
    assert "<image" not in html  # plots are vector graphics
    # the accuracy, found again from the model's file
    corpus, (network, meta) = Corpus.load(trained["data"]), load_model(trained["gru"])
    kept = corpus.x_test > 0
    picked = network.forward(corpus.x_test, Context(mask=kept))[0].argmax(axis=-1)
    assert right["gru"] == round(100 * float((picked == corpus.y_test)[kept].mean()), 2)
    assert meta["validation"]["loss"] == pytest.approx(min(meta["history"]["validation_loss"]))
    shares = meta["history"]["validation_accuracy"]
    assert meta["validation"]["accuracy"] == shares[meta["best_epoch"] - 1] > 0.5


def test_lines_of_the_library_are_the_default(tmp_path: Path) -> None:
    done = run("seqlabel.load", {"output.dir": tmp_path, "count": 300})
    corpus = Corpus.load(Path(outputs(done)["seqlabel_load.data"]))
    assert corpus.classes == (
        "space", "comment", "number", "keyword", "name", "operator", "string",
    )  # fmt: skip
    assert corpus.x_train.shape[1] == 240
    hash_sign = corpus.words.index("#")
    at = corpus.x_train == hash_sign
    assert at.any()
    assert set(corpus.y_train[at].tolist()) <= {1, 6}  # a comment, or within a string


def test_source_is_labelled_by_its_tokens() -> None:
    text = 'def f(x):\n    """One\n    two."""\n    return x + 1.5  # why\n\x0c\ny = "#"'
    assert label_source(text) == [
        ("def f(x):", "kkk nonoo"),
        ('    """One', "    ssssss"),
        ('    two."""', "sssssssssss"),
        ("    return x + 1.5  # why", "    kkkkkk n o ddd  ccccc"),
        ("\x0c", " "),
        ('y = "#"', "n o sss"),
    ]


@pytest.mark.parametrize(
    ("table", "props", "message"),
    [
        ("text,labels\nab\n", {}, "row 2: 1 columns, expected text and labels"),
        ("text,labels\nab,x\n", {}, "row 2: 2 characters and 1 labels: expected one for each"),
        ("text,labels\n,\n", {}, "row 2: 0 characters and 0 labels"),
        ("text,labels\n", {}, "expected a header and rows of text and labels"),
        ("text,labels\nab,xx\ncd,xx\n", {}, "one label only ('x')"),
        ("text,labels\nab,xy\ncd,xy\n", {}, "leaves 2 of 2 texts to train"),
        (
            "text,labels\nabc,xyx\n",
            {"max_length": 2},
            "row 2: 3 characters, more than seqlabel.load.max_length = 2",
        ),
    ],
)
def test_bad_tables_are_refused(
    tmp_path: Path, table: str, props: dict[str, object], message: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(table, encoding="utf-8")
    refused(run("seqlabel.load", {"csv": path, "output.dir": tmp_path, **props}), message)


def test_strangers_are_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    corpus = Corpus.load(trained["data"])
    other = tmp_path / "other.npz"
    Corpus(
        corpus.x_train, corpus.y_train, corpus.x_test, corpus.y_test, corpus.words, ("a", "b", "c")
    ).save(other)
    props = {
        "data": other,
        "models": trained["gru"],
        "output.dir": tmp_path,
    }
    refused(run("seqlabel.report", props), "was trained on other data than seqlabel.report.data")
    props = {
        "data": trained["data"],
        "models": other,
        "output.dir": tmp_path,
    }
    refused(run("seqlabel.report", props), f"model {other}")
    stream = io.BytesIO()
    np.savez(stream, x=np.zeros(3))
    other.write_bytes(stream.getvalue())
    props = {"data": other, "output.dir": tmp_path}
    refused(
        run("seqlabel.train", props),
        "a file that jobs.textclass.load or",
    )
