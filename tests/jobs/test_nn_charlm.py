"""The jobs of flow charlm as Azkaban starts them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from jobs._models import load_model
from tests.jobs.process import ENV, ROOT, command, outputs, refused, run

TEXT = "She sells sea shells by the sea shore; the shells she sells are sea shells. " * 120
SMALL = {
    "hidden": 12,
    "updates": 40,
    "batch": 4,
    "steps": 20,
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def models(text: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for cell in ("rnn", "gru", "lstm"):
        folders[cell] = tmp_path_factory.mktemp(cell)
        props = {
            "input": text,
            "cell": cell,
            "output": folders[cell],
            "onnx": "true",
        }
        outputs(run("charlm.train", {**SMALL, **props, "output.dir": folders[cell], "seed": 3}))
    return folders


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_result_and_model(models: dict[str, Path], cell: str) -> None:
    result = json.loads((models[cell] / "result.json").read_text(encoding="utf-8"))
    assert result["updates"] == 40
    assert 0 < result["bits_per_char"] < 4.5
    assert result["tokens_per_second"] > 0
    assert result["cell"] == cell
    assert (models[cell] / "model.npz").stat().st_size > 1000
    assert not (models[cell] / "checkpoint.npz").exists()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_other_programs_read_on_from_symbol_to_symbol(models: dict[str, Path], cell: str) -> None:
    network, meta = load_model(models[cell] / "model.npz")
    session = onnxruntime.InferenceSession(models[cell] / "model.onnx")
    symbols = json.loads(session.get_modelmeta().custom_metadata_map["symbols"])
    assert list(symbols) == list(meta["symbols"])
    ids = np.array([[symbols.index(letter)] for letter in "she sells"])
    state = {
        one: np.zeros((1, 12), dtype=np.float32) for one in ("0.h", "0.c")[: 1 + (cell == "lstm")]
    }
    written = []
    for step in ids:
        y, *after = session.run(None, {"x": step[None], **state})
        written.append(y[0, 0])
        state = dict(zip(state, after, strict=True))
    assert np.allclose(written, network.forward(ids)[0][:, 0], atol=1e-5)


def test_the_same_seed_gives_the_same_bits(
    models: dict[str, Path], text: Path, tmp_path: Path
) -> None:
    props = {
        "input": text,
        "cell": "gru",
        "output.dir": tmp_path,
        "seed": 3,
    }
    bits = outputs(run("charlm.train", {**SMALL, **props}))["charlm_train.bits_per_char"]
    first = json.loads((models["gru"] / "result.json").read_text(encoding="utf-8"))
    assert float(bits) == first["bits_per_char"]


def test_compiled_steps_learn_the_same(models: dict[str, Path], text: Path, tmp_path: Path) -> None:
    props = {
        "input": text,
        "output": tmp_path,
        "compiled": "true",
    }
    outputs(run("charlm.train", {**SMALL, **props, "output.dir": tmp_path, "seed": 3}))
    plain, fast = (
        load_model(folder / "model.npz")[0].params["0.U"] for folder in (models["lstm"], tmp_path)
    )
    assert np.allclose(fast, plain, atol=1e-3)
    assert (fast != plain).any()  # other roundings: it was compiled


def test_report(models: dict[str, Path], text: Path, tmp_path: Path) -> None:
    paths = ",".join(str(folder / "model.npz") for folder in models.values())
    props = {"models": paths, "text": text, "output.dir": tmp_path}
    found = outputs(run("charlm.report", {**props, "characters": 50}))
    bits = {
        cell: json.loads((folder / "result.json").read_text(encoding="utf-8"))["bits_per_char"]
        for cell, folder in models.items()
    }
    assert found["charlm_report.best"] == min(bits, key=bits.__getitem__)
    assert float(found["charlm_report.bits_per_char"]) == pytest.approx(min(bits.values()))
    html = Path(found["charlm_report.report"]).read_text(encoding="utf-8")
    for words in ("lstm writes", "Learning curves", "trigrams", "does while it reads"):
        assert words in html
    assert "<image" not in html  # plots are vector graphics


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted_and_resumed_is_bit_identical(
    text: Path, tmp_path: Path, number: int, code: int
) -> None:
    props = {
        **SMALL,
        "input": text,
        "updates": 1500,
        "layers": 2,
        "dropout": 0.1,
        "checkpoint_every": 7,
        "seed": 5,
        "output.dir": tmp_path,
    }
    whole = tmp_path / "whole"
    outputs(run("charlm.train", {**props, "output": whole}))
    parts = tmp_path / "parts"
    checkpoint = parts / "checkpoint.npz"
    process = subprocess.Popen(
        command("charlm.train", {**props, "output": parts}),
        cwd=ROOT,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == code, (out, errors)
    assert "Traceback" not in errors
    assert "checkpoint.npz is kept" in out
    assert not (parts / "model.npz").exists()
    resumed = {**props, "output": parts, "resume": "true"}
    refused(
        run("charlm.train", {**resumed, "steps": 21}),
        "was made with steps = 20, not 21",
    )
    done = run("charlm.train", resumed)
    assert "goes on at update" in done.stdout
    outputs(done)
    with np.load(whole / "model.npz") as a, np.load(parts / "model.npz") as b:
        names = [name for name in a.files if name.startswith("param/")]
        assert names
        assert all(a[name].tobytes() == b[name].tobytes() for name in names)


def test_load_takes_a_file_or_the_reference(text: Path, tmp_path: Path) -> None:
    own = outputs(run("charlm.load", {"file": text, "output.dir": tmp_path}))
    assert Path(own["charlm_load.text"]).read_text(encoding="utf-8") == TEXT
    props = {"characters": 5000, "output.dir": tmp_path}
    assert outputs(run("charlm.load", props))["charlm_load.characters"] == "5000"


@pytest.mark.parametrize(
    ("module", "props", "message"),
    [
        ("charlm.train", {}, "charlm.train.input: required, expected a path"),
        ("charlm.train", {"input": "/no/book"}, "/no/book: No such file"),
        ("charlm.train", {"input": sys.executable}, "not UTF-8"),
        (
            "charlm.train",
            {"input": "TEXT", "cell": "lst"},
            "one of rnn, gru, lstm",
        ),
        (
            "charlm.train",
            {"input": "TEXT", "batch": 9999},
            "leave 0 in each",
        ),
        (
            "charlm.train",
            {"input": "TEXT", "held_out": 1e-9},
            "none to hold out",
        ),
        ("charlm.train", {"input": "TEXT", "units": 3}, "no such parameter"),
        ("charlm.load", {"file": "/no/book"}, "/no/book: No such file"),
        ("charlm.load", {"characters": 10}, "expected an integer >= 1000"),
        (
            "charlm.report",
            {"models": "/no/model", "text": "TEXT"},
            "/no/model: No such",
        ),
        (
            "charlm.report",
            {"models": "TEXT", "text": "TEXT"},
            "not a model file",
        ),
    ],
)
def test_bad_parameters_are_named(
    text: Path, tmp_path: Path, module: str, props: dict[str, object], message: str
) -> None:
    named = {key: text if value == "TEXT" else value for key, value in props.items()}
    refused(run(module, {**named, "output.dir": tmp_path}), message)


def test_divergence_is_reported(text: Path, tmp_path: Path) -> None:
    props = {
        **SMALL,
        "input": text,
        "learning_rate": 1e38,
        "output.dir": tmp_path,
    }
    done = run("charlm.train", {**props, "cell": "rnn"})
    refused(done, "is not finite at update")
    assert not list(tmp_path.rglob("model.npz"))


def test_a_damaged_checkpoint_is_refused(text: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.npz").write_bytes(b"no checkpoint")
    props = {
        "input": text,
        "output": tmp_path,
        "resume": "true",
    }
    refused(run("charlm.train", {**SMALL, **props}), "not a checkpoint, or a damaged one")


def test_the_report_refuses_strangers(models: dict[str, Path], text: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(TEXT + "ß" * 100, encoding="utf-8")
    props = {"models": models["rnn"] / "model.npz", "output.dir": tmp_path}
    refused(run("charlm.report", {**props, "text": other}), "'ß' at")
    done = run("charlm.report", {**props, "text": text, "prompt": "xyz"})
    refused(done, "charlm.report.prompt = 'xyz': character 'x' at 0")
