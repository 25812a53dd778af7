"""The steps compiled by numba: equal to those in numpy, which are held to everything else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from core.nn import GRU, LSTM, Bidirectional, Context
from core.nn.compiled import tanh
from core.nn.gradcheck import layer_error, relative_error
from core.nn.models import charlm

KINDS = [GRU, LSTM]


def _twins(kind: type, dtype: str = "float64", hidden: int = 5) -> list[Any]:
    """Make the same layer twice, in numpy and compiled."""
    pair = []
    for compiled in (False, True):
        rng = np.random.default_rng(0)
        layer = kind(3, hidden, rng=rng, dtype=dtype, compiled=compiled)
        for array in layer.params.values():
            np.add(array, rng.normal(scale=0.5, size=array.shape), out=array, casting="same_kind")
        pair.append(layer)
    return pair


def _passes(layer: Any, x: np.ndarray, dy: np.ndarray, ctx: Context) -> list[np.ndarray]:
    y, cache = layer.forward(x, ctx)
    dx, grads = layer.backward(dy, cache)
    state = [np.asarray(cache.state)] if hasattr(cache, "state") else []
    return [y, dx, *state, *(grads[name] for name in sorted(grads))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_the_compiled_layer_equals_the_one_in_numpy(*, kind: type, masked: bool) -> None:
    rng = np.random.default_rng(1)
    plain, compiled = _twins(kind, hidden=37)  # no multiple of a vector
    x, dy = rng.normal(size=(30, 6, 3)), rng.normal(size=(30, 6, 37))
    mask = np.arange(30)[:, None] < rng.integers(1, 31, size=6) if masked else None
    h, c = rng.normal(size=(2, 6, 37))
    ctx = Context(mask=mask, state=(h, c) if kind is LSTM else h)
    pairs = zip(_passes(plain, x, dy, ctx), _passes(compiled, x, dy, ctx), strict=True)
    assert max(relative_error(a, b) for a, b in pairs) < 1e-13
    assert layer_error(compiled, x[:3], Context(mask=None if mask is None else mask[:3])) < 1e-7


@pytest.mark.parametrize("kind", KINDS)
def test_both_directions_and_gaps_in_a_mask(kind: type) -> None:
    """Slices of gradients, turned sequences, and steps that are left out in the middle."""
    rng = np.random.default_rng(2)
    mask = rng.random((12, 4)) < 0.6
    x, dy = rng.normal(size=(12, 4, 3)), rng.normal(size=(12, 4, 10))
    layers = [Bidirectional(layer, layer) for layer in _twins(kind)]
    first, second = (_passes(layer, x, dy, Context(mask=mask)) for layer in layers)
    assert max(map(relative_error, first, second)) < 1e-13


def test_float32_stays_float32() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 4, 3)).astype("float32")
    dy = rng.normal(size=(20, 4, 5)).astype("float32")
    first, second = (_passes(layer, x, dy, Context()) for layer in _twins(LSTM, "float32"))
    assert {array.dtype for array in second} == {np.dtype("float32")}
    assert max(map(relative_error, first, second)) < 1e-5


def test_a_language_model_takes_the_compiled_layers() -> None:
    nets = [
        charlm(vocabulary=7, hidden=5, layers=2, rng=np.random.default_rng(0), compiled=compiled)
        for compiled in (False, True)
    ]
    x = np.random.default_rng(1).integers(7, size=(9, 2))
    (plain, _), (fast, _) = (net.forward(x) for net in nets)
    assert np.allclose(plain, fast, atol=1e-6)
    assert [layer.compiled for layer in nets[1].layers[:2]] == [True, True]


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_tanh_is_exact_to_a_few_units_in_the_last_place(real: Any) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.normal(size=2000) * size for size in (1e-30, 1e-8, 1e-3, 0.1, 1, 3, 8)]
    ).astype(real)
    y = np.array([tanh(v, real) for v in x])
    exact = np.tanh(x.astype(np.longdouble))
    assert (np.abs(y - exact) / np.spacing(np.abs(exact).astype(real))).max() <= 8
    ends = [tanh(real(v), real) for v in (0, 19.5, 1e30, np.inf, -np.inf)]
    assert np.allclose(ends, [0, 1, 1, 1, -1], rtol=4 * np.finfo(real).eps, atol=0)
    assert np.isnan(tanh(real("nan"), real))


@pytest.mark.parametrize("kind", KINDS)
def test_nan_is_not_hidden(kind: type) -> None:
    _, layer = _twins(kind)
    x = np.zeros((4, 2, 3))
    x[1, 0, 0] = np.nan
    y, _ = layer.forward(x)
    assert np.isnan(y[1:, 0]).all()
    assert np.isfinite(y[:, 1]).all()


def test_without_numba_compiled_is_refused_in_words() -> None:
    code = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'numba' else find(name)\n"
        "import numpy as np; from core.nn import LSTM\n"
        "LSTM(2, 3, rng=np.random.default_rng(0))\n"
        "LSTM(2, 3, rng=np.random.default_rng(0), compiled=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ValueError: compiled = True needs the package numba: install it, or leave compiled out"
    )
    assert "line 6" in done.stderr
