"""Every argument of every public class and function, given nonsense: ValueError that names it."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import core.nn
from core.nn import (
    GRU,
    LSTM,
    RNN,
    SGD,
    Adam,
    AttentionPool,
    CrossEntropy,
    Dense,
    Dropout,
    EmbeddedDense,
    Embedding,
    LayerNorm,
    Momentum,
    NegativeLogLikelihood,
    SquaredError,
    Trainer,
    language,
    models,
    schedules,
)
from core.nn.callbacks import EarlyStopping
from core.nn.estimators import MLPClassifier, MLPRegressor, SequenceClassifier
from core.nn.initial import uniform
from core.nn.scaling import mean_and_scale

COUNT = [0, -1, 1.5, math.nan, math.inf, True, "3", None, [3]]
AMOUNT = [0.0, -1.0, math.nan, math.inf, True, "1", None, [1.0]]
FROM_ZERO = [-1e-9, math.nan, math.inf, True, "1", None, [1.0]]
SHARE = [-0.1, 1.0, 2, math.nan, True, "0.5", None, [0.5]]
WORD = ["nonsense", "", 3, None, ["tanh"]]
OPTIONAL = [value for value in AMOUNT if value is not None]

RNG = {"rng": np.random.default_rng(0)}
FREE = {
    "rng",
    "weights",
    "bias",
    "dtype",
    "project",
    "compiled",
    "steps",
    "decoupled",
    "progress",
    "after_update",
    "metric",
} | {
    *("schedule", "network", "loss", "optimiser", "random_state", "column", "best", "_waited"),
    *("_values", "layers", "ahead", "back", "activations"),
}
"""Arguments that are no numbers or words: objects, functions, flags."""

CALLS: dict[str, tuple[Any, dict[str, Any], dict[str, list[Any]]]] = {
    "Dense": (Dense, {"n_in": 2, "n_out": 3, **RNG}, {"n_in": COUNT, "n_out": COUNT}),
    "Dropout": (Dropout, {"rate": 0.5}, {"rate": SHARE}),
    "LayerNorm": (LayerNorm, {"n": 3}, {"n": COUNT, "eps": AMOUNT}),
    "Embedding": (
        Embedding,
        {"vocabulary": 3, "n_out": 2, **RNG},
        {"vocabulary": COUNT, "n_out": COUNT},
    ),
    "EmbeddedDense": (
        EmbeddedDense,
        {"vocabulary": 3, "n_embedding": 2, "n_out": 2, **RNG},
        {"vocabulary": COUNT, "n_embedding": COUNT, "n_out": COUNT},
    ),
    "AttentionPool": (AttentionPool, {"n": 3, "n_key": 2, **RNG}, {"n": COUNT, "n_key": COUNT}),
    **{
        kind.__name__: (kind, {"n_in": 2, "hidden": 3, **RNG}, {"n_in": COUNT, "hidden": COUNT})
        for kind in (RNN, GRU, LSTM)
    },
    "SGD": (SGD, {"learning_rate": 0.1}, {"learning_rate": AMOUNT, "weight_decay": FROM_ZERO}),
    "Momentum": (
        Momentum,
        {"learning_rate": 0.1},
        {"learning_rate": AMOUNT, "momentum": SHARE, "weight_decay": FROM_ZERO},
    ),
    "Adam": (
        Adam,
        {},
        {
            "learning_rate": AMOUNT,
            "beta1": SHARE,
            "beta2": SHARE,
            "eps": AMOUNT,
            "weight_decay": FROM_ZERO,
        },
    ),
    **{
        kind.__name__: (kind, {}, {"reduction": WORD})
        for kind in (SquaredError, CrossEntropy, NegativeLogLikelihood)
    },
    "Trainer": (
        Trainer,
        {"network": Dense(2, 2, **RNG), "loss": CrossEntropy(), "optimiser": Adam(), **RNG},
        {"clip": OPTIONAL, "batch_axis": [2, -1, "0", None], "target_axis": [2, -1, "0", None]},
    ),
    "EarlyStopping": (EarlyStopping, {"patience": 2}, {"patience": COUNT, "min_delta": FROM_ZERO}),
    "falling": (schedules.falling, {"updates": 3}, {"updates": COUNT}),
    "cosine": (schedules.cosine, {"updates": 3}, {"updates": COUNT}),
    "steps": (schedules.steps, {"every": 3, "factor": 0.5}, {"every": COUNT, "factor": AMOUNT}),
    "uniform": (uniform, {"limit": 1.0}, {"limit": FROM_ZERO}),
    "mlp": (
        models.mlp,
        {"sizes": [2, 3], **RNG},
        {
            "sizes": [[], [2], [2, 0], [2, 1.5], [2, True]],
            **dict.fromkeys(("activation", "output", "start"), WORD),
        },
    ),
    "charlm": (
        models.charlm,
        {"vocabulary": 5, "hidden": 3, **RNG},
        {
            "vocabulary": COUNT,
            "hidden": COUNT,
            "cell": WORD,
            "embedding": [value for value in COUNT if value is not None],
            "layers": COUNT,
            "dropout": SHARE,
        },
    ),
    "textclass": (
        models.textclass,
        {"vocabulary": 5, "classes": 2, **RNG},
        {
            **dict.fromkeys(("vocabulary", "classes", "embedding", "hidden"), COUNT),
            "cell": WORD,
            "pool": WORD,
            "dropout": SHARE,
        },
    ),
    "tagger": (
        models.tagger,
        {"vocabulary": 5, "classes": 2, **RNG},
        {
            **dict.fromkeys(("vocabulary", "classes", "embedding", "hidden"), COUNT),
            "cell": WORD,
            "dropout": SHARE,
        },
    ),
    "Reader": (
        language.Reader,
        {"ids": np.arange(99), "batch": 2, "steps": 3},
        {"batch": COUNT, "steps": COUNT},
    ),
    "ngram_bits": (
        language.ngram_bits,
        {"train_ids": np.arange(9), "test_ids": np.arange(9), "order": 1, "vocabulary": 9},
        {"order": [*COUNT, 99], "vocabulary": COUNT},
    ),
}
CASES = [
    pytest.param(call, good, name, value, id=f"{title}({name}={value!r})")
    for title, (call, good, bad) in CALLS.items()
    for name, values in bad.items()
    for value in values
]


@pytest.mark.parametrize(("call", "good", "name", "value"), CASES)
def test_nonsense_is_refused_by_name(
    call: Any, good: dict[str, Any], name: str, value: Any
) -> None:
    call(**good)
    with pytest.raises(ValueError, match=name):
        call(**{**good, name: value})


def test_every_argument_of_every_class_is_in_the_table() -> None:
    left_out = {"ParameterVector", "Sequential", "Bidirectional", "Context", "History"}
    for title in core.nn.__all__:
        kind = getattr(core.nn, title)
        if not inspect.isclass(kind) or title in left_out or issubclass(kind, Exception):
            continue
        if getattr(kind, "_is_protocol", False):
            continue
        numbers = set(inspect.signature(kind).parameters) - FREE - {"options"}
        given = set(CALLS[title][2]) if title in CALLS else set()
        assert numbers <= given, title


ESTIMATORS: dict[str, list[Any]] = {
    "epochs": COUNT,
    "batch_size": COUNT,
    "learning_rate": AMOUNT,
    "weight_decay": FROM_ZERO,
    "clip": OPTIONAL,
    "hidden": [],
    "activation": WORD,
    "cell": WORD,
    "class_weight": [
        *("even", 3, [1, 2], np.ones(2), {0: -1.0}, {0: math.nan}, {0: "1"}, {1: None}, {9: 1.0}),
        {"0": 1.0},
    ],
    "early_stopping": [None, 2, "yes", np.array([True, False])],
    "n_iter_no_change": COUNT,
    "tol": FROM_ZERO,
    "validation_fraction": [0, 1, -0.5, math.nan, None, "3"],
}


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, SequenceClassifier])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_refuse_nonsense_before_any_work(kind: Any, name: str) -> None:
    x, y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2
    assert set(inspect.signature(kind).parameters) <= {*ESTIMATORS, "random_state"}
    if name not in inspect.signature(kind).parameters:
        return
    bad = ESTIMATORS[name]
    if name == "hidden":
        bad = [3, None, [0], [1.5], ["3"], [True]] if kind is not SequenceClassifier else COUNT
    for value in bad:
        model = kind(epochs=1).set_params(**{name: value})
        with pytest.raises(ValueError, match=name):
            model.fit(x, y)
        assert not hasattr(model, "history_")
    assert clone(kind(epochs=3)).epochs == 3


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_fit_refuses_nonsense(name: str) -> None:
    trainer = Trainer(Dense(2, 2, **RNG), CrossEntropy(), Adam(), **RNG)
    x, y = np.zeros((4, 2)), np.zeros(4, dtype=int)
    for value in COUNT:
        if value is None or (name == "epochs" and value == 0 and value is not False):
            continue
        with pytest.raises(ValueError, match=name):
            trainer.fit(x, y, **{"epochs": 1, name: value})


def test_numbers_that_the_network_cannot_hold_are_refused() -> None:
    trainer = Trainer(Dense(2, 2, dtype=np.float32, **RNG), CrossEntropy(), Adam(), **RNG)
    x = np.zeros((4, 2))
    x[2, 1] = 1e300
    with pytest.raises(ValueError, match=r"x\[2, 1\] = 1e\+300: data must be finite in float32"):
        trainer.fit(x, np.zeros(4, dtype=int), epochs=1)
    with pytest.raises(ValueError, match="must be numbers"):
        trainer.fit(x.astype(str), np.zeros(4, dtype=int), epochs=1)


@pytest.mark.parametrize("value", [0.1, 1e-300, 1e140, -7.3, 0.0])
@pytest.mark.parametrize("n", [3, 10, 1001])
def test_a_constant_feature_has_scale_1(value: float, n: int) -> None:
    x = np.stack([np.full(n, value), np.arange(n)], axis=1)
    mean, scale = mean_and_scale(x)
    assert (mean[0], scale[0]) == (value, 1.0)
    assert ((x - mean) / scale)[:, 0].tolist() == [0.0] * n
    assert scale[1] == pytest.approx(np.arange(n).std())


def test_a_feature_that_is_constant_but_for_rounding_has_scale_1() -> None:
    x = np.array([[0.1 + 0.2], [0.3], [0.15 + 0.15]])
    assert mean_and_scale(x)[1].tolist() == [1.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e200])
def test_numbers_too_large_to_scale_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"x\[1, 0\]"):
        mean_and_scale(np.array([[1.0], [value]]))
