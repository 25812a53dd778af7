"""The network of the notes: against its formulas written out, and the accuracy it reaches.

`_plain` is a transcription of the published program: one number at a time, bias as a last input of
1, n - 1 sigmoid outputs, gradients summed over all examples. The published signs are kept behind
``published=True``: there the derivative of the sigmoid has the wrong sign in both layers; at the
output that cancels against an addition where descent subtracts, but the hidden layer, where the
wrong sign enters twice, climbs.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.datasets import load_iris

from core.nn import SGD, SquaredError, Trainer
from core.nn.labels import classic_accuracy, to_classic
from core.nn.models import mlp

IRIS = load_iris()
RAW = np.asarray(IRIS.data, dtype=np.float64)
LABELS = np.asarray(IRIS.target)
SCALED = (RAW - RAW.mean(axis=0)) / RAW.std(axis=0)
HIDDEN, CLASSES = 10, 3


def _sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z))


def _plain(x, y, start, eta, iterations, *, published=False):
    """Yield (squared error, accuracy) before each update, then the weights."""
    w_in, w_out = (w.copy() for w in start)
    sign = -1.0 if published else 1.0
    features, outputs = x.shape[1] + 1, CLASSES - 1
    for _ in range(iterations):
        change_in, change_out = np.zeros_like(w_in), np.zeros_like(w_out)
        error, right = 0.0, 0
        for row, label in zip(x, y, strict=True):
            x1 = [*map(float, row), 1.0]
            h = [_sigmoid(sum(x1[i] * w_in[i, k] for i in range(features))) for k in range(HIDDEN)]
            h1 = [*h, 1.0]
            out = [
                _sigmoid(sum(h1[k] * w_out[k, j] for k in range(HIDDEN + 1)))
                for j in range(outputs)
            ]
            truth = [1.0 if label == j else 0.0 for j in range(outputs)]
            error += sum((t - o) ** 2 for t, o in zip(truth, out, strict=True))
            right += int(np.argmax([*out, 1 - sum(out)])) == label
            # dE/dy = -(t - y) and dy/dz = y (1 - y); the program halves the first
            delta = [-0.5 * (t - o) * sign * (1 - o) * o for t, o in zip(truth, out, strict=True)]
            for k in range(HIDDEN + 1):
                for j in range(outputs):
                    change_out[k, j] += h1[k] * delta[j]
            for k in range(HIDDEN):
                back = sum(delta[j] * w_out[k, j] for j in range(outputs))
                back *= sign * (1 - h[k]) * h[k]
                for i in range(features):
                    change_in[i, k] += x1[i] * back
        yield error, right / len(x)
        w_in -= sign * eta * change_in
        w_out -= sign * eta * change_out
    yield w_in, w_out


def _start(seed: int):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (5, HIDDEN)), rng.uniform(-1, 1, (HIDDEN + 1, CLASSES - 1))


def _network(w_in: np.ndarray, w_out: np.ndarray):
    net = mlp(
        sizes=[4, HIDDEN, CLASSES - 1],
        activation="sigmoid",
        output="sigmoid",
        start="classic",
        rng=np.random.default_rng(0),
    )
    values = {"0.W": w_in[:-1], "0.b": w_in[-1], "2.W": w_out[:-1], "2.b": w_out[-1]}
    for name, value in values.items():
        net.params[name][...] = value
    return net


@pytest.mark.parametrize("x", [RAW, SCALED], ids=["raw", "standardised"])
def test_equals_the_formulas_iteration_by_iteration(x: np.ndarray) -> None:
    rows = np.arange(0, 150, 5)
    start = _start(3)
    net = _network(*start)
    # the program's 0.5 on dE/dy is half of the gradient of 1/2 (t - y)^2: half of its eta
    trainer = Trainer(
        net,
        SquaredError("sum"),
        SGD(learning_rate=0.5 * 0.02),
        rng=np.random.default_rng(0),
        metric=classic_accuracy,
    )
    iterations = 12
    history = trainer.fit(x[rows], to_classic(LABELS[rows], CLASSES), epochs=iterations)
    *plain, (w_in, w_out) = _plain(x[rows], LABELS[rows], start, 0.02, iterations)
    assert np.allclose(2 * np.array(history["loss"]), [e for e, _ in plain], rtol=1e-12, atol=0)
    assert history["accuracy"] == pytest.approx([a for _, a in plain], abs=1e-12)
    ours = [net.params[name] for name in ("0.W", "0.b", "2.W", "2.b")]
    for a, b in zip(ours, (w_in[:-1], w_in[-1], w_out[:-1], w_out[-1]), strict=True):
        assert np.allclose(a, b, rtol=1e-12, atol=1e-14)


def test_the_published_signs_climb_in_the_hidden_layer() -> None:
    rows = np.arange(0, 150, 10)
    start = _start(3)
    *_, (right_in, right_out) = _plain(SCALED[rows], LABELS[rows], start, 0.02, 1)
    *_, (wrong_in, wrong_out) = _plain(SCALED[rows], LABELS[rows], start, 0.02, 1, published=True)
    assert np.allclose(wrong_out, right_out, rtol=0, atol=1e-15)
    assert np.allclose(wrong_in - start[0], start[0] - right_in, rtol=0, atol=1e-15)


# As the program of the notes runs (its 0.5 halves the step), and as the job runs.
@pytest.mark.parametrize(("x", "eta"), [(RAW, 0.01), (SCALED, 0.02)], ids=["notes", "job"])
def test_reaches_82_percent_by_iteration_160_in_the_median(x: np.ndarray, eta: float) -> None:
    reached = []
    for seed in range(20):
        trainer = Trainer(
            _network(*_start(seed)),
            SquaredError("sum"),
            SGD(learning_rate=eta),
            rng=np.random.default_rng(seed),
            metric=classic_accuracy,
        )
        history = trainer.fit(x, to_classic(LABELS, CLASSES), epochs=161)
        reached.append(history["accuracy"][160])
    assert np.median(reached) >= 0.82


def test_the_mean_gradient_does_not_learn_at_that_eta() -> None:
    trainer = Trainer(
        _network(*_start(0)),
        SquaredError("mean"),
        SGD(learning_rate=0.02),
        rng=np.random.default_rng(0),
        metric=classic_accuracy,
    )
    history = trainer.fit(SCALED, to_classic(LABELS, CLASSES), epochs=161)
    assert history["accuracy"][160] < 0.75
