"""The scikit-learn estimators: scikit-learn's own checks, pipelines, grids."""

from __future__ import annotations

import json
import math
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import check_estimator

from core.nn import Adam, CrossEntropy, Trainer
from core.nn.estimators import MLPClassifier, MLPRegressor, SequenceClassifier
from core.nn.trainer import TrainingError

ROOT = Path(__file__).parents[3]

# Batches are drawn in a random order, so a weight of 2 is not the same as two examples.
# scikit-learn's own networks do not pass this check either; whole batches are tested below.
STOCHASTIC = {"check_sample_weight_equivalence_on_dense_data": "batches are drawn at random"}


@pytest.mark.parametrize(
    "estimator",
    [
        MLPClassifier(epochs=30, learning_rate=0.03),
        MLPRegressor(epochs=40, learning_rate=0.03),
        SequenceClassifier(hidden=8, epochs=20, learning_rate=0.03),
    ],
    ids=["mlp", "regressor", "sequence"],
)
def test_scikit_learn_accepts(estimator: Any) -> None:
    results = check_estimator(
        estimator, on_fail=None, on_skip=None, expected_failed_checks=STOCHASTIC
    )
    states = {result["check_name"]: result["status"] for result in results}
    assert {name: state for name, state in states.items() if state == "failed"} == {}
    assert sum(state == "passed" for state in states.values()) > 50


def test_default_model_on_iris_is_973_right_in_ten_folds() -> None:
    x, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPClassifier(random_state=0))
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=3, random_state=0)
    assert cross_val_score(model, x, y, cv=folds).mean() >= 0.973


def test_grid_search_over_a_pipeline() -> None:
    x, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPClassifier(epochs=20, random_state=0))
    grid = GridSearchCV(model, {"mlpclassifier__hidden": [(1,), (10,)]}, cv=3).fit(x, y)
    assert grid.best_params_ == {"mlpclassifier__hidden": (10,)}
    assert grid.best_estimator_[-1].history_["loss"][-1] < 0.3


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_sequences_of_several_features(cell: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 6, 2))
    y = np.where((x[:, 0, 0] > 0) ^ (x[:, -1, 1] > 0), "same", "other")  # first and last step
    model = SequenceClassifier(cell, hidden=16, epochs=80, random_state=0).fit(x, y)
    assert model.score(x, y) > 0.9
    p = model.predict_proba(x)
    assert np.allclose(p.sum(axis=1), 1)
    assert (model.classes_[p.argmax(axis=1)] == model.predict(x)).all()


def test_the_seed_decides() -> None:
    x, y = load_iris(return_X_y=True)
    first, second, third = (
        MLPClassifier(epochs=3, random_state=seed).fit(x, y).predict_proba(x) for seed in (1, 1, 2)
    )
    assert (first == second).all()
    assert (first != third).any()


def test_unknown_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="cell = 'cnn': expected one of rnn, gru, lstm"):
        SequenceClassifier("cnn").fit(np.zeros((4, 3)), [0, 1, 0, 1])


# --- weights: whole batches know no order, so a weight of k is k examples ------------------------


def data(kind: Any) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 3))
    if kind is MLPRegressor:
        return x, np.stack([x[:, 0] * x[:, 1], x.sum(1)], axis=1)
    return x, np.where(x[:, 0] + 0.5 * rng.normal(size=24) > 0, "up", "down")


def found(model: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(
        model.predict(x) if isinstance(model, MLPRegressor) else model.predict_proba(x)
    )


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, SequenceClassifier])
def test_a_weight_of_k_is_k_examples(kind: Any) -> None:
    (x, y), weights = data(kind), np.arange(24) % 4
    model = {"epochs": 15, "batch_size": 999, "random_state": 0}
    weighed = kind(**model).fit(x, y, sample_weight=weights)
    repeated = kind(**model).fit(np.repeat(x, weights, axis=0), np.repeat(y, weights, axis=0))
    plain = kind(**model).fit(x, y)
    assert np.allclose(found(weighed, x), found(repeated, x), atol=1e-10)
    assert np.allclose(found(kind(**model).fit(x, y, np.full(24, 7.0)), x), found(plain, x))
    assert not np.allclose(found(weighed, x), found(plain, x), atol=1e-3)
    assert weighed.history_["loss"][-1] == pytest.approx(repeated.history_["loss"][-1])


@pytest.mark.parametrize("weight", ["balanced", {"up": 3.0}])
@pytest.mark.parametrize("batch_size", [5, 999])
def test_class_weights_multiply_those_of_the_examples(weight: Any, batch_size: int) -> None:
    x, y = data(MLPClassifier)
    own = np.linspace(0.5, 2, 24)
    model = {"epochs": 5, "batch_size": batch_size, "random_state": 0}
    one = MLPClassifier(class_weight=weight, **model).fit(x, y, own)
    two = MLPClassifier(**model).fit(x, y, own * compute_sample_weight(weight, y))
    assert np.allclose(one.predict_proba(x), two.predict_proba(x), atol=1e-12)


def test_balanced_classes_count_the_same() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, (190, 1)), rng.normal(1.5, 1, (10, 1))])
    y = np.repeat([0, 1], [190, 10])
    plain, balanced = (
        MLPClassifier((), epochs=30, weight_decay=0, class_weight=weight, random_state=0).fit(x, y)
        for weight in (None, "balanced")
    )
    assert plain.predict(x)[190:].mean() < 0.4
    assert balanced.predict(x)[190:].mean() > 0.55


# --- partial_fit, early stopping, files ----------------------------------------------------------


def test_partial_fit_is_training_at_a_constant_rate() -> None:
    x, y = load_iris(return_X_y=True)
    model = MLPClassifier(random_state=0)
    for _ in range(4):
        model.partial_fit(x, y, classes=[0, 1, 2])
    twin = MLPClassifier(random_state=0)
    twin.classes_ = np.arange(3)
    twin._begin((4,), 3)
    adam = Adam(learning_rate=model.learning_rate, weight_decay=model.weight_decay)
    trainer = Trainer(twin.network_, CrossEntropy(), adam, rng=twin._rng)
    trainer.fit(x, y, epochs=4, batch_size=16)
    for name, value in twin.network_.params.items():
        assert np.allclose(model.network_.params[name], value, atol=1e-12)
    assert model.n_iter_ == 4
    assert model.history_["loss"] == pytest.approx(trainer.history["loss"])


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, SequenceClassifier])
def test_a_saved_model_predicts_and_goes_on_as_before(kind: Any, tmp_path: Path) -> None:
    x, y = data(kind)
    first = {} if kind is MLPRegressor else {"classes": np.unique(y)}
    model = kind(random_state=0).partial_fit(x, y, **first)
    joblib.dump(model, tmp_path / "model.joblib")
    for again in (joblib.load(tmp_path / "model.joblib"), pickle.loads(pickle.dumps(model))):
        assert (found(again, x) == found(model, x)).all()
    kept = joblib.load(tmp_path / "model.joblib").partial_fit(x, y)
    before = found(model, x)
    assert np.allclose(found(model.partial_fit(x, y), x), found(kept, x), atol=1e-12)
    assert not np.allclose(before, found(kept, x), atol=1e-4)


def test_a_saved_pipeline_opens_elsewhere(tmp_path: Path) -> None:
    x, y = data(MLPRegressor)
    model = make_pipeline(StandardScaler(), MLPRegressor(epochs=5, random_state=0)).fit(x, y)
    joblib.dump(model, tmp_path / "pipeline.joblib")
    code = (
        "import joblib, sys, numpy as np; "
        "print(joblib.load(sys.argv[1]).predict(np.ones((1, 3))).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "pipeline.joblib")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert np.allclose(json.loads(done.stdout), model.predict(np.ones((1, 3))))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_early_stopping_keeps_the_best_network(kind: Any, *, weighted: bool) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 5))
    y = rng.integers(2, size=60) if kind is MLPClassifier else rng.normal(size=60)  # noise
    model = kind(
        (30,), epochs=300, early_stopping=True, n_iter_no_change=4, validation_fraction=0.25,
        tol=0.0, random_state=0,
    ).fit(x, y, np.linspace(0.5, 1.5, 60) if weighted else None)  # fmt: skip
    losses = model.history_["validation_loss"]
    best = int(np.argmin(losses))
    assert model.n_iter_ == len(losses) == best + 1 + 4
    # The network is that of the best epoch: training for as long, at the same rates, gives it.
    held = kind(
        (30,), epochs=300, early_stopping=True, n_iter_no_change=300, validation_fraction=0.25,
        tol=0.0, random_state=0,
    ).fit(x, y, np.linspace(0.5, 1.5, 60) if weighted else None)  # fmt: skip
    assert held.history_["validation_loss"][: best + 5] == losses
    assert model.n_iter_ < held.n_iter_ == 300


def test_a_regressor_learns_curves_and_several_targets() -> None:
    x = np.random.default_rng(3).uniform(-1, 1, (150, 2))
    y = np.stack([np.sin(3 * x[:, 0]), x[:, 0] * x[:, 1]], axis=1)
    model = MLPRegressor(epochs=60, random_state=0).fit(x[:100], y[:100])
    assert model.score(x[100:], y[100:]) > 0.8
    assert model.predict(x).shape == (150, 2)
    alone = MLPRegressor(epochs=2).fit(x, y[:, 0])
    assert alone.predict(x).shape == (150,)
    assert MLPRegressor(epochs=2).fit(x, y[:, :1]).predict(x).shape == (150, 1)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("at least one non-zero", lambda x, y: MLPClassifier().fit(x, y, np.zeros(24))),
        ("[Nn]egative", lambda x, y: MLPClassifier().fit(x, y, -np.ones(24))),
        ("sample_weight", lambda x, y: MLPClassifier().fit(x, y, np.ones(3))),
        ("classes is None", lambda x, y: MLPClassifier().partial_fit(x, y)),
        ("label 'up' is not", lambda x, y: MLPClassifier().partial_fit(x, y, ["down", "left"])),
        (
            "the first call's were",
            lambda x, y: (
                MLPClassifier().partial_fit(x, y, ["down", "up"]).partial_fit(x, y, ["up", "left"])
            ),
        ),
        (
            "class_weight = 'balanced'",
            lambda x, y: MLPClassifier(class_weight="balanced").partial_fit(x, y, ["down", "up"]),
        ),
        ("early_stopping = 2", lambda x, y: MLPClassifier(early_stopping=2).fit(x, y)),  # type: ignore[arg-type]
        (
            "n_iter_no_change = 0",
            lambda x, y: MLPClassifier(early_stopping=True, n_iter_no_change=0).fit(x, y),
        ),
        (
            r"validation_fraction = 1\.0",
            lambda x, y: MLPClassifier(early_stopping=True, validation_fraction=1.0).fit(x, y),
        ),
        ("tol = -1", lambda x, y: MLPClassifier(early_stopping=True, tol=-1).fit(x, y)),
        (
            "y has 2 targets: the first call's had 1",
            lambda x, _y: (
                MLPRegressor().partial_fit(x, x[:, 0]).partial_fit(x, x[:, :2])
            ),
        ),
        ("hidden = 3", lambda x, _y: MLPRegressor(3).fit(x, x[:, 0])),  # type: ignore[arg-type]
        (
            "classes = .*at least two",
            lambda x, _y: MLPClassifier().partial_fit(x, ["a"] * 24, ["a"]),
        ),
        *(
            (
                "classes = ",
                lambda x, _y, bad=bad: MLPClassifier().partial_fit(x, np.arange(24) % 2, bad),
            )
            for bad in ([], [0], [0, 1, math.nan], [[0, 1, 2]], "01", {0, 1}, [0, "1"], 2)
        ),
        (
            "class_weight: the weights of these examples are all 0",
            lambda x, y: MLPClassifier(class_weight={"up": 0, "down": 0}).fit(x, y),
        ),
        (
            "class_weight: the weights of these examples are too large",
            lambda x, y: MLPClassifier(class_weight={"up": 1e308}).fit(x, y),
        ),
        ("sum is not finite", lambda x, y: MLPClassifier().fit(x, y, np.full(24, 1e308))),
        (
            "sum is not finite",
            lambda x, _y: MLPRegressor().partial_fit(x, x[:, 0], np.full(24, 1e308)),
        ),
        (
            "sample_weight: all held-out examples weigh 0",
            lambda x, y: MLPClassifier(early_stopping=True, random_state=0).fit(
                x, y, np.arange(24) == np.argmax(y == "up")
            ),
        ),
        (
            r"cannot hold out 0\.99 \(validation_fraction\) of 24 examples",
            lambda x, y: MLPClassifier(early_stopping=True, validation_fraction=0.99).fit(x, y),
        ),
        (
            "early_stopping: cannot hold out",
            lambda x, _y: MLPClassifier(early_stopping=True).fit(x, np.arange(24) == 0),
        ),
        ("no class 'left' among", lambda x, y: MLPClassifier(class_weight={"left": 2}).fit(x, y)),
        (
            "no class 'left' among",
            lambda x, y: (
                MLPClassifier(class_weight={"left": 2}).partial_fit(x, y, ["down", "up"])
            ),
        ),
        *(
            (
                f"X is of shape {re.escape(str(shape))}",
                lambda _x, y, shape=shape: SequenceClassifier().fit(np.ones(shape), y),
            )
            for shape in ((24, 3, 1, 1), (24, 0, 2), (24, 2, 0))
        ),
        (
            "X has 2 features for each step: the network was trained with 1",
            lambda x, y: SequenceClassifier(epochs=1).fit(x, y).predict(np.ones((4, 3, 2))),
        ),
        (
            "X has 1 features for each step: the network was trained with 2",
            lambda x, y: (
                SequenceClassifier(epochs=1).fit(np.stack([x, x], axis=2), y).partial_fit(x, y)
            ),
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(message: str, call: Any) -> None:
    with pytest.raises(ValueError, match=message):
        call(*data(MLPClassifier))


def test_a_batch_may_lack_the_classes_that_have_weights() -> None:
    x, y = data(MLPClassifier)
    weights, own = {"up": 3.0}, np.where(y == "up", 3.0, 1.0)
    one = MLPClassifier(class_weight=weights, random_state=0)
    two = MLPClassifier(random_state=0)
    for part in (y == "down", y == "up", slice(None)):
        one.partial_fit(x[part], y[part], ["down", "up"])
        two.partial_fit(x[part], y[part], ["down", "up"], own[part])
    assert np.allclose(one.predict_proba(x), two.predict_proba(x), atol=1e-12)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_what_failed_to_train_predicts_nothing(kind: Any) -> None:
    x, y = data(kind)
    large = (x * 1e307, y) if kind is MLPClassifier else (x, y * 1e200)
    model = kind(activation="relu", epochs=1, random_state=0).fit(x, y)
    with pytest.raises(TrainingError, match="not finite"):
        model.fit(*large)
    with pytest.raises(NotFittedError):
        model.predict(x)
    assert model.fit(x, y).n_iter_ == 1
