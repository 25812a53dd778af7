"""The jobs of flow nn as Azkaban starts them: programs, properties, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import javaproperties
import numpy as np
import onnxruntime
import pytest

from azkaban_client.job import InputError
from core.nn import softmax
from core.nn.labels import from_classic
from jobs import _optional
from jobs._models import load_model
from jobs.nn._common import Dataset
from tests.jobs.process import ROOT, command, outputs, refused, run
from tests.waiting import eventually


def _run(
    module: str, folder: Path, env: dict[str, str] | None = None, **props: object
) -> subprocess.CompletedProcess[str]:
    return run(module, {"output.dir": folder, **props}, env)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("flow")
    load = outputs(_run("nn.load", folder, seed=1))
    files = {"folder": folder, "data": Path(load["nn_load.data"])}
    for model in ("classic", "default"):
        done = _run(
            "nn.train",
            folder / model,
            data=files["data"],
            model=model,
            epochs=160 if model == "classic" else 60,
            onnx="true",
            seed=1,
        )
        files[model] = Path(outputs(done)["nn_train.model"])
        assert outputs(done)["nn_train.onnx"] == str(files[model].with_suffix(".onnx"))
    return files


def test_load_splits_by_class_and_standardises_by_the_training_part(trained) -> None:
    data = Dataset.load(trained["data"])
    assert np.bincount(data.y_train).tolist() == [35, 35, 35]
    assert np.bincount(data.y_test).tolist() == [15, 15, 15]
    assert np.allclose(data.x_train.mean(axis=0), 0, atol=1e-12)
    assert np.allclose(data.x_train.std(axis=0), 1)
    assert data.classes == ("setosa", "versicolor", "virginica")


def test_another_seed_is_another_split(trained, tmp_path: Path) -> None:
    same = Dataset.load(Path(outputs(_run("nn.load", tmp_path, seed=1))["nn_load.data"]))
    first = Dataset.load(trained["data"])
    assert (same.x_train == first.x_train).all()
    other = Dataset.load(Path(outputs(_run("nn.load", tmp_path, seed=2))["nn_load.data"]))
    assert (other.x_train != first.x_train).any()


@pytest.mark.parametrize("model", ["classic", "default"])
def test_trained_models_learnt_and_know_their_data(trained, model: str) -> None:
    _, meta = load_model(trained[model])
    assert meta["model"] == model
    assert meta["history"]["accuracy"][-1] > 0.8
    assert meta["classes"] == ["setosa", "versicolor", "virginica"]
    assert len(meta["mean"]) == 4


@pytest.mark.parametrize("model", ["classic", "default"])
def test_other_programs_label_rows_as_they_are_measured(trained, model: str) -> None:
    data = Dataset.load(trained["data"])
    session = onnxruntime.InferenceSession(trained[model].with_suffix(".onnx"))
    rows = (data.x_test * data.scale + data.mean).astype(np.float32)
    label, p = session.run(None, {"x": rows})
    y, _ = load_model(trained[model])[0].forward(data.x_test)
    numbers = from_classic(y) if model == "classic" else y.argmax(axis=1)
    assert label.tolist() == [data.classes[i] for i in numbers]
    assert (label == np.array(data.classes)[data.y_test]).mean() > 0.8
    expected = np.column_stack([y, 1 - y.sum(axis=1)]) if model == "classic" else softmax(y)
    assert np.allclose(p, expected, atol=1e-5)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["features"]) == list(data.features)


def test_no_file_of_an_earlier_model_stays_beside_another(trained, tmp_path: Path) -> None:
    given = {"data": trained["data"], "epochs": 1}
    earlier = Path(outputs(_run("nn.train", tmp_path, onnx="true", **given))["nn_train.onnx"])
    assert earlier.is_file()
    assert "nn_train.onnx" not in outputs(_run("nn.train", tmp_path, **given))
    assert not earlier.exists()


def test_report_compares_the_models(trained, tmp_path: Path) -> None:
    models = f"{trained['classic']},{trained['default']}"
    done = _run("nn.report", tmp_path, data=trained["data"], models=models)
    found = outputs(done)
    assert float(found["nn_report.accuracy"]) >= 0.85
    best = found["nn_report.best"]
    assert found["nn_report.accuracy"] == found[f"nn_report.accuracy.{best}"]
    html = Path(found["nn_report.report"]).read_text(encoding="utf-8")
    for words in ("Held-out accuracy", "Confusion matrices", "Decision regions"):
        assert words in html
    own, _, _ = html.partition("<h2>Run</h2>")  # a slow run draws its use of the machine below
    assert own.count("<svg") == 3
    assert "<image" not in html  # vectors alone


def test_outputs_go_to_the_file_that_azkaban_names(trained, tmp_path: Path) -> None:
    props, outputs = tmp_path / "props", tmp_path / "outputs"
    values = {
        "nn.train.data": str(trained["data"]),
        "nn.train.epochs": "3",
        "output.dir": str(tmp_path),
        "azkaban.flow.execid": "12",
        "azkaban.flow.projectname": "nn",
    }
    with props.open("w", encoding="latin-1") as stream:
        javaproperties.dump(values, stream)
    env = {
        "JOB_PROP_FILE": str(props),
        "JOB_OUTPUT_PROP_FILE": str(outputs),
        "JOB_NAME": "nn_default",
    }
    done = subprocess.run(
        [sys.executable, "-m", "jobs.nn.train"],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    flat = json.loads(outputs.read_text(encoding="utf-8"))
    assert flat["nn_default.model"] == str(tmp_path / "nn" / "12" / "nn_default" / "model.npz")
    assert all(isinstance(value, str) for value in flat.values())


@pytest.mark.parametrize(
    ("package", "layer"), [("onnx", "--with onnx"), ("numba", "--with routing")]
)
def test_without_an_optional_package_a_job_says_which(
    package: str, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _optional.need(package, "nn.train.it")
    monkeypatch.setattr(_optional, "find_spec", lambda name: None if name == package else name)
    message = f"nn.train.it = true: needs the package {package}, .* env {layer} installs"
    with pytest.raises(InputError, match=message):
        _optional.need(package, "nn.train.it")


CSV = "a,b,kind\n1,2,x\n2,1,y\n3,5,x\n4,1,y\n5,9,x\n9,2,y\n"


def test_own_csv_goes_through_the_whole_flow(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(CSV, encoding="utf-8")
    data = outputs(_run("nn.load", tmp_path, csv=table))["nn_load.data"]
    train = outputs(_run("nn.train", tmp_path, data=data, epochs=5))
    done = _run("nn.report", tmp_path, data=data, models=train["nn_train.model"])
    assert "default" in outputs(done)["nn_report.best"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,kind\n1,2,x\n1,nan,y\n", "row 3, column 'b': 'nan' is not a finite number"),
        ("a,b,kind\n1,2,x\n1,y\n", "row 3: 2 columns, expected 3"),
        ("a,b,kind\n", "expected a header and rows"),
        ("a,b,kind\n1,2,x\n2,2,x\n", "one class only ('x')"),
        ("a,b,kind\n1,2,x\n2,2,y\n", "class 'x' has 1 examples"),
    ],
)
def test_load_refuses_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text, encoding="utf-8")
    refused(_run("nn.load", tmp_path, csv=table), message)


@pytest.mark.parametrize(
    ("module", "props", "message"),
    [
        ("nn.load", {"name": "mnist"}, "'mnist': expected one of iris, digits"),
        ("nn.load", {"held_out": 1}, "expected a number > 0 and < 1"),
        ("nn.load", {"csv": "/no/file.csv"}, "/no/file.csv: No such file"),
        ("nn.load", {"held_out": 0.001}, "held_out = 0.001 leaves one part"),
        ("nn.train", {}, "nn.train.data: required"),
        ("nn.train", {"data": "/no/data.npz"}, "/no/data.npz: No such file"),
        ("nn.train", {"data": __file__}, "not a file that jobs.nn.load wrote"),
        ("nn.train", {"data": "x", "epoch": 3}, "did you mean nn.train.epochs?"),
        ("nn.train", {"data": "x", "epochs": 0}, "expected an integer >= 1"),
    ],
)
def test_bad_parameters_are_named(
    tmp_path: Path, module: str, props: dict[str, object], message: str
) -> None:
    refused(_run(module, tmp_path, **props), message)


def test_divergence_is_reported_and_leaves_no_model(trained, tmp_path: Path) -> None:
    done = _run("nn.train", tmp_path, data=trained["data"], learning_rate=1e308, epochs=9)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"epoch \d+, batch \d+: the (loss|gradient) is not finite", done.stderr)
    assert not list(tmp_path.rglob("model.npz"))


def test_report_refuses_models_of_other_data(trained, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(CSV, encoding="utf-8")
    data = outputs(_run("nn.load", tmp_path, csv=table))["nn_load.data"]
    done = _run("nn.report", tmp_path, data=data, models=trained["default"])
    refused(done, "was trained on other data than nn.report.data")
    done = _run("nn.report", tmp_path, data=data, models=data)
    refused(done, "not a model file, or a damaged one")


def test_the_best_of_a_grid_is_chosen_by_validation(trained, tmp_path: Path) -> None:
    models = {}
    for label, epochs in (("short", 1), ("long", 60)):
        done = _run(
            "nn.train",
            tmp_path / label,
            data=trained["data"],
            label=label,
            epochs=epochs,
            validation=0.25,
        )
        found = outputs(done)
        models[found["nn_train.model"]] = float(found["nn_train.validation_accuracy"])
    short, long = models.values()
    assert short < long
    done = _run("nn.report", tmp_path, data=trained["data"], models=",".join(models))
    assert outputs(done)["nn_report.best"] == "long"
    first = next(iter(models))
    done = _run("nn.report", tmp_path, data=trained["data"], models=f"{first},{first}")
    refused(done, "nn.report.models: two of them are called 'short'")


def test_a_kill_leaves_no_model(trained, tmp_path: Path) -> None:
    props = {
        "data": trained["data"],
        "epochs": 10_000_000,
        "output.dir": tmp_path,
    }
    process = subprocess.Popen(
        command("nn.train", props), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    eventually(lambda: list(tmp_path.rglob("nn_train")))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"Traceback" not in errors
    assert not list(tmp_path.rglob("model.npz"))
