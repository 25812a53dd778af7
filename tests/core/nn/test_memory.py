"""Problems that only a right LSTM solves, and that a plain RNN is shown to fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.nn import (
    GRU,
    LSTM,
    RNN,
    Adam,
    CrossEntropy,
    Dense,
    EmbeddedDense,
    LastStep,
    Sequential,
    SquaredError,
    Trainer,
)
from core.nn.lstm import chrono_bias
from tests.core.nn.problems import RECALL_SYMBOLS, adding, copying, parity, recall

STEPS, HIDDEN = 100, 32


def _layer(kind: type, n_in: int, rng: np.random.Generator, *, symbols: bool) -> Any:
    project = None
    if symbols:
        project = EmbeddedDense(n_in, 8, kind.gates * HIDDEN, rng=rng, dtype="float32")
    layer = kind(n_in, HIDDEN, project=project, rng=rng, dtype="float32")
    if kind is LSTM:
        chrono_bias(layer, STEPS, rng)
    return layer


def _recall(kind: type, updates: int) -> float:
    """Accuracy over the last 50 updates."""
    rng, data = np.random.default_rng(0), np.random.default_rng(1)
    layer = _layer(kind, RECALL_SYMBOLS, rng, symbols=True)
    net = Sequential([layer, LastStep(), Dense(HIDDEN, 8, rng=rng, dtype="float32")])
    trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=5e-3), rng=rng, clip=1.0)
    right = []
    for _ in range(updates):
        x, y = recall(data, steps=STEPS, batch=32)
        right.append((trainer.step(x, y).output.argmax(axis=1) == y).mean())
    return float(np.mean(right[-50:]))


class _LastSteps:
    """The last steps' outputs: where the answer of the copy task is due."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.params: dict[str, Any] = {}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.count, *shape[1:])

    def forward(self, x: Any, ctx: Any) -> tuple[Any, Any]:
        del ctx
        return x[-self.count :], x.shape

    def backward(self, grad: Any, cache: Any) -> tuple[Any, dict[str, Any]]:
        dx = np.zeros(cache, dtype=grad.dtype)
        dx[-self.count :] = grad
        return dx, {}


def _copying(kind: type, limit: int, length: int = 2) -> float:
    """Accuracy of the symbols written down, over the last 10 updates: all right, or `limit`."""
    rng, data = np.random.default_rng(0), np.random.default_rng(1)
    layer = _layer(kind, RECALL_SYMBOLS, rng, symbols=True)
    output = Dense(HIDDEN, 8, rng=rng, dtype="float32")
    net = Sequential([layer, _LastSteps(length), output])
    trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=2e-2), rng=rng, clip=1.0)
    right: list[float] = []
    while trainer.updates < limit and (len(right) < 10 or np.mean(right[-10:]) < 0.99):
        x, y = copying(data, steps=STEPS, batch=32, length=length)
        answer = trainer.step(x, y[-length:]).output.argmax(axis=-1)
        right.append((answer == y[-length:]).mean())
    return float(np.mean(right[-10:]))


def _adding(kind: type, updates: int) -> float:
    """Mean squared error over the last 50 updates."""
    rng, data = np.random.default_rng(0), np.random.default_rng(1)
    layer = _layer(kind, 2, rng, symbols=False)
    net = Sequential([layer, LastStep(), Dense(HIDDEN, 1, rng=rng, dtype="float32")])
    trainer = Trainer(net, SquaredError("mean"), Adam(learning_rate=1e-2), rng=rng, clip=1.0)
    batches = (adding(data, steps=STEPS, batch=32) for _ in range(updates))
    errors = [2 * trainer.step(x, y).loss for x, y in batches]
    return float(np.mean(errors[-50:]))


def test_recall_after_100_steps() -> None:
    assert _recall(LSTM, 300) > 0.99
    assert _recall(RNN, 300) < 0.3


def test_copying_after_100_steps() -> None:
    assert _copying(LSTM, 2000) >= 0.99
    assert _copying(RNN, 500) < 0.3


def test_adding_over_100_steps() -> None:
    assert _adding(LSTM, 700) < 0.015
    assert _adding(RNN, 700) > 0.1


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_parity_of_30_bits(kind: type) -> None:
    rng, data = np.random.default_rng(0), np.random.default_rng(1)
    layer = kind(2, 16, project=EmbeddedDense(2, 4, kind.gates * 16, rng=rng), rng=rng)
    net = Sequential([layer, Dense(16, 2, rng=rng)])
    trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=2e-2), rng=rng, clip=1.0)
    for update in range(600):
        steps = 4 + min(update // 10, 26)  # short ones first
        x, y = parity(data, steps=steps, batch=32)
        right = (trainer.step(x, y).output.argmax(axis=-1) == y).mean()
    assert right > 0.99
