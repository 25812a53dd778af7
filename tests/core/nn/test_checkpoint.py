"""Checkpoints: going on later is the same as never having stopped; early stopping."""

from __future__ import annotations

import io
import json
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


@pytest.mark.parametrize("batch_size", [None, 7, 50])
def test_each_update_of_an_epoch_can_be_gone_on_from(batch_size: int | None) -> None:
    """With dropout, whose draws come between those of the order, and measures of each epoch."""
    x, y = _data()
    options: Any = {"batch_size": batch_size, "validation": (x[:9], y[:9])}
    whole, saved = _trainer(1), list[io.BytesIO]()
    whole.after_update = lambda trainer: saved.append(_stream(trainer))
    whole.fit(x, y, epochs=3, **options)
    assert len(saved) == 3 * -(-50 // (batch_size or 50))
    for stream in saved:
        second = _trainer(2)
        load_checkpoint(stream, second)
        second.fit(x, y, epochs=3 - len(second.history), **options)
        assert second.parameters.values.tobytes() == whole.parameters.values.tobytes()
        assert second.history == whole.history
        assert second.updates == whole.updates
        assert second.rng.bit_generator.state == whole.rng.bit_generator.state


def test_an_epoch_goes_on_with_batches_of_another_size_but_not_with_other_examples() -> None:
    x, y = _data()
    seen, saved = list[int](), list[bytes]()
    first = _trainer(1)
    first.after_update = lambda trainer: saved.append(_stream(trainer).getvalue())
    first.fit(x, y, epochs=1, batch_size=20)
    second = _trainer(1)
    load_checkpoint(io.BytesIO(saved[0]), second)
    second.after_update = lambda trainer: seen.append(trainer.position.examples)
    second.fit(x, y, epochs=1, batch_size=8)
    assert seen == [28, 36, 44, 50]
    assert second.history["grad_norm"][0] > 0
    other = _trainer(1)
    load_checkpoint(io.BytesIO(saved[0]), other)
    with pytest.raises(ValueError, match="middle of an epoch of 50 examples, not 49"):
        other.fit(x[1:], y[1:], epochs=1, batch_size=8)


def test_after_an_error_an_epoch_begins_anew() -> None:
    x, y = _data()

    def fails(_trainer: Trainer) -> None:
        raise RuntimeError

    trainer = _trainer(1)
    trainer.after_update = fails
    with pytest.raises(RuntimeError):
        trainer.fit(x, y, epochs=1, batch_size=20)
    trainer.after_update = lambda _: None
    trainer.fit(x, y, epochs=1, batch_size=20)
    assert trainer.updates == 1 + 3


def test_checkpoints_of_before_positions_are_read() -> None:
    x, y = _data()
    trainer = _trainer(1)
    trainer.fit(x, y, epochs=1, batch_size=20)
    with np.load(_stream(trainer)) as archive:
        arrays = dict(archive)
    header = json.loads(arrays["header"].tobytes())
    assert header.pop("position") is None
    header["format"] = "azkaban-jobflow nn checkpoint 1"
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    stream, found = io.BytesIO(), _trainer(2)
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    stream.seek(0)
    load_checkpoint(stream, found)
    assert found.updates == 3
    assert found.position is None


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
