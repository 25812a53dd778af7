"""The scikit-learn estimators: scikit-learn's own checks, pipelines, grids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from core.nn.estimators import MLPClassifier, SequenceClassifier


@pytest.mark.parametrize(
    "estimator",
    [
        MLPClassifier(epochs=30, learning_rate=0.03),
        SequenceClassifier(hidden=8, epochs=20, learning_rate=0.03),
    ],
    ids=["mlp", "sequence"],
)
def test_scikit_learn_accepts(estimator: Any) -> None:
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    states = {result["check_name"]: result["status"] for result in results}
    assert {name: state for name, state in states.items() if state == "failed"} == {}
    assert sum(state == "passed" for state in states.values()) > 40


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
