"""Every layer and loss against central differences in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.nn import CrossEntropy, Dense, ReLU, Sequential, Sigmoid, Softmax, SquaredError, Tanh
from core.nn.gradcheck import layer_error, loss_error, numeric_gradient, relative_error
from core.nn.initial import uniform
from core.nn.sequential import parameter_gradients

TOLERANCE = 1e-7

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 5)
leading = st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple)
few = settings(max_examples=25, deadline=None)


def _away_from_zero(x: np.ndarray) -> np.ndarray:
    """ReLU has a corner at 0, where a difference quotient means nothing."""
    return np.where(np.abs(x) < 1e-3, 0.5, x)


@few
@given(seed=seeds, n_in=sizes, n_out=sizes, lead=leading)
def test_dense(seed: int, n_in: int, n_out: int, lead: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    layer = Dense(n_in, n_out, rng=rng, bias=uniform(1.0))
    assert layer_error(layer, rng.normal(size=(*lead, n_in))) < TOLERANCE


@pytest.mark.parametrize("kind", [Sigmoid, Tanh, ReLU, Softmax])
@few
@given(seed=seeds, n=st.integers(2, 5), lead=leading)
def test_elementwise(kind: type, seed: int, n: int, lead: tuple[int, ...]) -> None:
    x = _away_from_zero(np.random.default_rng(seed).normal(size=(*lead, n)))
    assert layer_error(kind(), x) < TOLERANCE


@few
@given(seed=seeds, n=sizes)
def test_a_chain_of_layers(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    net = Sequential([Dense(3, n, rng=rng), Tanh(), Dense(n, 2, rng=rng), Sigmoid()])
    assert layer_error(net, rng.normal(size=(4, 3))) < TOLERANCE


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("masked", [False, True])
@few
@given(seed=seeds, n=st.integers(2, 5), lead=leading)
def test_losses(*, reduction: str, masked: bool, seed: int, n: int, lead: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(*lead, n))
    mask = rng.random(lead) < 0.7 if masked else None
    if mask is not None:
        mask.flat[0] = True
    classes = rng.integers(n, size=lead)
    assert loss_error(CrossEntropy(reduction), y, classes, mask) < TOLERANCE
    assert loss_error(SquaredError(reduction), y, rng.normal(size=y.shape), mask) < TOLERANCE


def test_the_checker_finds_a_wrong_sign() -> None:
    class Wrong(Tanh):
        def backward(self, dy: np.ndarray, cache: np.ndarray) -> tuple[np.ndarray, dict]:
            return -dy * (1 - cache**2), {}

    assert layer_error(Wrong(), np.ones((2, 2))) > 1


def test_parameter_gradients_are_those_of_backward() -> None:
    rng = np.random.default_rng(0)
    layers = [[Dense(3, 4, rng=rng), Tanh(), Dense(4, 2, rng=rng)], [Tanh(), Dense(3, 2, rng=rng)]]
    for net in map(Sequential, layers):
        y, cache = net.forward(rng.normal(size=(5, 3)))
        dy = rng.normal(size=y.shape)
        full = net.backward(dy, cache)[1]
        short = parameter_gradients(net, dy, cache)
        assert short.keys() == full.keys() == net.params.keys()
        assert all((short[name] == full[name]).all() for name in full)


def test_numeric_gradient_puts_the_array_back() -> None:
    x = np.array([0.1, 1e3])
    before = x.copy()
    grad = numeric_gradient(lambda: float((x**3).sum()), x)
    assert (x == before).all()
    assert relative_error(grad, 3 * before**2) < 1e-9
