"""Checkpoints: going on later is the same as never having stopped; early stopping."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from core.nn import SGD, Adam, CrossEntropy, Dense, Dropout, Momentum, Sequential, Tanh, Trainer
from core.nn.callbacks import EarlyStopping
from core.nn.checkpoint import load_checkpoint, save_checkpoint
from core.nn.labels import accuracy
from core.nn.language import Reader, train
from core.nn.models import charlm
from core.nn.serial import ModelError

RULES = [SGD(learning_rate=0.1), Momentum(learning_rate=0.1), Adam(learning_rate=0.05)]


def _trainer(seed: int, rule: Any = RULES[2], dtype: str = "float64", hidden: int = 4) -> Trainer:
    rng = np.random.default_rng(seed)
    net = Sequential(
        [
            Dense(3, hidden, rng=rng, dtype=dtype),
            Tanh(),
            Dropout(0.3),
            Dense(hidden, 2, rng=rng, dtype=dtype),
        ]
    )
    return Trainer(net, CrossEntropy(), rule, rng=rng, metric=accuracy, clip=1.0)


def _data(n: int = 50) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(9).normal(size=(n, 3))
    return x, (x[:, 0] > 0).astype(int)


def _stream(trainer: Trainer, extra: Any = None) -> io.BytesIO:
    stream = io.BytesIO()
    save_checkpoint(stream, trainer, extra)
    stream.seek(0)
    return stream


@pytest.mark.parametrize("rule", RULES, ids=["sgd", "momentum", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resumed_training_is_bit_identical(rule: Any, dtype: str) -> None:
    x, y = _data()
    options = {"batch_size": 8, "validation": (x, y)}
    whole = _trainer(1, rule, dtype)
    whole.fit(x, y, epochs=6, **options)
    first = _trainer(1, rule, dtype)
    first.fit(x, y, epochs=2, **options)
    second = _trainer(2, rule, dtype)  # another start: everything must come from the checkpoint
    assert load_checkpoint(_stream(first), second) is None
    second.fit(x, y, epochs=4, **options)
    assert second.parameters.values.tobytes() == whole.parameters.values.tobytes()
    assert second.history == whole.history
    assert second.updates == whole.updates
    assert second.rng.bit_generator.state == whole.rng.bit_generator.state


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_text_is_read_on_where_it_was_left(cell: str) -> None:
    ids = np.random.default_rng(0).integers(5, size=500)

    def start() -> tuple[Trainer, Reader]:
        rng = np.random.default_rng(3)
        net = charlm(vocabulary=5, hidden=6, cell=cell, layers=2, dropout=0.2, rng=rng)
        trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=0.01), rng=rng, clip=5.0)
        return trainer, Reader(ids, batch=4, steps=10)

    whole, reader = start()
    train(whole, reader, updates=30)
    first, reader = start()
    train(first, reader, updates=17)
    stream = _stream(first, {"position": reader.position, "state": reader.state})
    second, reader = start()
    extra = load_checkpoint(stream, second)
    reader.position, reader.state = extra["position"], extra["state"]
    train(second, reader, updates=30)
    assert second.parameters.values.tobytes() == whole.parameters.values.tobytes()


def test_extra_values_come_back_as_they_were() -> None:
    extra = {
        "a": [1, 2.5, None, "ü", True],
        "b": (np.arange(3), {"array": "no array", "tuple": ((), [])}),
        "c": {"dict": {}},
    }
    trainer = _trainer(0)
    back = load_checkpoint(_stream(trainer, extra), trainer)
    assert back["a"] == extra["a"]
    assert isinstance(back["b"], tuple)
    assert (back["b"][0] == np.arange(3)).all()
    assert back["b"][1] == extra["b"][1]  # type: ignore[index]
    assert back["c"] == extra["c"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: _trainer(0, hidden=5), "another training: parameters is"),
        (lambda: _trainer(0, RULES[0]), "another training: optimiser is Adam"),
        (lambda: _trainer(0, dtype="float32"), "another training: dtype is float64, not float32"),
    ],
)
def test_another_training_is_refused(other: Any, message: str) -> None:
    trainer = other()
    before = trainer.parameters.values.copy()
    with pytest.raises(ModelError, match=message):
        load_checkpoint(_stream(_trainer(0)), trainer)
    assert (trainer.parameters.values == before).all()


@pytest.mark.parametrize("cut", [0, 50, 700])
def test_a_damaged_checkpoint_is_refused(cut: int) -> None:
    data = _stream(_trainer(0)).getvalue()
    with pytest.raises(ModelError, match="not a checkpoint, or a damaged one"):
        load_checkpoint(io.BytesIO(data[:cut]), _trainer(0))


def test_early_stopping_keeps_the_best() -> None:
    x, y = _data(20)
    y = np.random.default_rng(0).permutation(y)  # nothing to learn but noise
    trainer = _trainer(0)
    stopping = EarlyStopping(patience=4)
    seen: list[int] = []
    history = trainer.fit(
        x[:10],
        y[:10],
        epochs=500,
        batch_size=5,
        validation=(x[10:], y[10:]),
        callbacks=[stopping, lambda trained: seen.append(trained.updates)],
    )
    losses = history["validation_loss"]
    assert len(losses) < 500
    assert len(losses) == losses.index(min(losses)) + 1 + 4
    assert trainer.evaluate(x[10:], y[10:])["loss"] == min(losses) == stopping.best
    assert seen == [2 * (i + 1) for i in range(len(losses))]


def test_early_stopping_says_what_is_missing() -> None:
    x, y = _data(20)
    with pytest.raises(ValueError, match="no column 'validation_loss'"):
        _trainer(0).fit(x, y, epochs=2, callbacks=[EarlyStopping(patience=1)])
    with pytest.raises(ValueError, match="patience = 0"):
        EarlyStopping(patience=0)
