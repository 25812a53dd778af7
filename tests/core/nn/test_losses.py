"""Losses: values at the extremes, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core.nn import (
    CrossEntropy,
    NegativeLogLikelihood,
    ShapeError,
    Softmax,
    SquaredError,
    Weighted,
    sigmoid,
    softmax,
)
from core.nn.gradcheck import loss_error
from core.nn.labels import accuracy, classic_accuracy, from_classic, to_classic


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_huge_logits_is_finite_and_exact(dtype: type) -> None:
    y = np.array([[1e4, -1e4, 0], [-1e4, -1e4, 1e4]], dtype=dtype)
    loss = CrossEntropy("sum")
    value, cache = loss.forward(y, np.array([0, 0]))
    assert value == 2e4
    grad = loss.backward(cache)
    assert grad.dtype == dtype
    assert (grad == [[0, 0, 0], [-1, 0, 1]]).all()


def test_cross_entropy_of_equal_logits_is_the_log_of_their_number() -> None:
    value, _ = CrossEntropy().forward(np.full((5, 7), 3.0), np.arange(5))
    assert math.isclose(value, math.log(7))


def test_masked_steps_count_for_nothing() -> None:
    rng = np.random.default_rng(0)
    y, target = rng.normal(size=(4, 2, 3)), rng.integers(3, size=(4, 2))
    mask = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], dtype=bool)
    value, cache = CrossEntropy().forward(y, target, mask)
    alone, _ = CrossEntropy().forward(y[mask], target[mask])
    assert math.isclose(value, alone)
    assert not CrossEntropy().backward(cache)[~mask].any()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("masked", [False, True])
def test_likelihood_of_a_softmax_is_cross_entropy(*, reduction: Any, masked: bool) -> None:
    rng = np.random.default_rng(0)
    z, target = rng.normal(size=(4, 3, 5)), rng.integers(5, size=(4, 3))
    mask = rng.random((4, 3)) < 0.6 if masked else None
    layer, apart, fused = Softmax(), NegativeLogLikelihood(reduction), CrossEntropy(reduction)
    y, cache = layer.forward(z)
    value, loss_cache = apart.forward(y, target, mask)
    expected, fused_cache = fused.forward(z, target, mask)
    assert math.isclose(value, expected)
    dz, _ = layer.backward(apart.backward(loss_cache), cache)
    assert np.allclose(dz, fused.backward(fused_cache), rtol=1e-12, atol=1e-15)
    assert loss_error(apart, y, target, mask) < 1e-7


def test_a_batch_without_any_step_costs_nothing() -> None:
    y, target, mask = np.ones((2, 1, 3)), np.zeros((2, 1), dtype=int), np.zeros((2, 1), dtype=bool)
    for loss in (CrossEntropy(), NegativeLogLikelihood()):
        value, cache = loss.forward(y, target, mask)
        assert value == 0
        assert not loss.backward(cache).any()
    assert SquaredError("mean").forward(y, y + 1, mask)[0] == 0


def test_an_impossible_outcome_stays_finite() -> None:
    loss = NegativeLogLikelihood()
    value, cache = loss.forward(np.array([[1.0, 0.0]]), np.array([1]))
    assert 700 < value < 750
    assert np.isfinite(loss.backward(cache)).all()
    with pytest.raises(ValueError, match="NegativeLogLikelihood: target"):
        loss.check((1, 2), np.array([2]))


def test_squared_error_by_hand() -> None:
    y, t = np.array([[0.2, 0.9], [0.5, 0.5]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    total = 0.5 * (0.04 + 0.01 + 0.25 + 0.25)
    assert math.isclose(SquaredError("sum").forward(y, t)[0], total)
    assert math.isclose(SquaredError("mean").forward(y, t)[0], total / 2)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.array([0, 3]), r"target \(1,\) = 3 is outside 0..2"),
        (np.array([-1, 0]), r"target \(0,\) = -1 is outside 0..2"),
        (np.array([0.0, 1.0]), "class numbers, got float64"),
    ],
)
def test_cross_entropy_refuses_what_is_no_class(target: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrossEntropy().check((2, 3), target)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64"])
def test_cross_entropy_takes_classes_of_any_integer_dtype(dtype: str) -> None:
    y = np.random.default_rng(0).normal(size=(500, 7))
    target = np.arange(500) % 7
    value, cache = CrossEntropy().forward(y, target)
    same, same_cache = CrossEntropy().forward(y, target.astype(dtype))
    assert same == value
    assert (CrossEntropy().backward(same_cache) == CrossEntropy().backward(cache)).all()


def test_losses_refuse_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"outputs are \(2, 3\), so targets must be \(2,\)"):
        CrossEntropy().check((2, 3), np.zeros(3, dtype=int))
    with pytest.raises(ShapeError, match=r"outputs are \(2, 3\), targets are \(2, 2\)"):
        SquaredError().check((2, 3), np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"target \(0, 1\) is not finite"):
        SquaredError().check((1, 2), np.array([[0.0, np.nan]]))


def test_sigmoid_and_softmax_do_not_overflow() -> None:
    z = np.array([-1e4, -700.0, 0.0, 700.0, 1e4])
    assert (sigmoid(z)[[0, 2, 4]] == [0, 0.5, 1]).all()
    assert np.isfinite(softmax(z)).all()
    assert math.isclose(float(softmax(z).sum()), 1)
    ordinary = np.linspace(-5, 5, 11)
    assert np.allclose(sigmoid(ordinary), 1 / (1 + np.exp(-ordinary)), rtol=1e-14, atol=0)


def test_classic_convention_there_and_back() -> None:
    classes = np.array([2, 0, 1, 2])
    targets = to_classic(classes, 3)
    assert targets.shape == (4, 2)
    assert (from_classic(targets) == classes).all()
    outputs = np.array([[0.4, 0.3], [0.6, 0.1], [0.1, 0.8], [0.6, 0.3]])
    assert classic_accuracy(outputs, targets) == 0.5
    assert accuracy(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1, 1])) == 0.5
    with pytest.raises(ValueError, match=r"class 3 of example 1 is outside 0..2"):
        to_classic(np.array([0, 3]), 3)


@pytest.mark.parametrize("loss", [SquaredError("mean"), CrossEntropy()])
def test_weights_of_examples(loss: Any) -> None:
    rng = np.random.default_rng(0)
    y, weights = rng.normal(size=(5, 3)), np.array([0.0, 1.0, 2.0, 0.5, 1.5])
    target = rng.integers(3, size=5) if loss == CrossEntropy() else rng.normal(size=(5, 3))
    weighed = np.column_stack([target, weights])
    assert loss_error(Weighted(loss), y, weighed) < 1e-7
    each = [loss.forward(y[i : i + 1], target[i : i + 1])[0] for i in range(5)]
    assert Weighted(loss).forward(y, weighed)[0] == pytest.approx(np.mean(weights * each))
    Weighted(loss).check((5, 3), weighed)
    for bad in (-1.0, np.nan, np.inf):
        weighed[2, -1] = bad
        with pytest.raises(ValueError, match="Weighted: the weight of example 2 is"):
            Weighted(loss).check((5, 3), weighed)
