"""Recurrent layers: gradients, the readable cells, masks, states; embeddings, dropout, pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.nn import (
    GRU,
    LSTM,
    RNN,
    AttentionPool,
    Bidirectional,
    Context,
    CrossEntropy,
    Dense,
    Dropout,
    EmbeddedDense,
    Embedding,
    LastStep,
    LayerNorm,
    MeanPool,
    Sequential,
    ShapeError,
    Tanh,
    final_state,
)
from core.nn.embedding import sum_rows_by
from core.nn.gradcheck import layer_error, relative_error
from core.nn.lstm import chrono_bias
from tests.core.nn import cells

KINDS = [RNN, GRU, LSTM]
TOLERANCE = 1e-7
few = settings(max_examples=12, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def _stirred(layer: Any, rng: np.random.Generator) -> Any:
    """Move every parameter off its start: a zero bias hides mistakes."""
    for array in layer.params.values():
        np.add(array, rng.normal(scale=0.5, size=array.shape), out=array)
    return layer


def _state(kind: type, rng: np.random.Generator, batch: int, hidden: int) -> Any:
    h = rng.normal(size=(batch, hidden))
    return (h, rng.normal(size=(batch, hidden))) if kind is LSTM else h


def _lengths(rng: np.random.Generator, steps: int, batch: int) -> np.ndarray:
    return np.arange(steps)[:, None] < rng.integers(1, steps + 1, size=batch)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
@few
@given(seed=seeds, steps=st.integers(1, 4), batch=st.integers(1, 3), hidden=st.integers(1, 3))
def test_gradients(
    *, kind: type, masked: bool, seed: int, steps: int, batch: int, hidden: int
) -> None:
    rng = np.random.default_rng(seed)
    layer = _stirred(kind(2, hidden, rng=rng), rng)
    mask = _lengths(rng, steps, batch) if masked else None
    ctx = Context(mask=mask, state=_state(kind, rng, batch, hidden))
    assert layer_error(layer, rng.normal(size=(steps, batch, 2)), ctx) < TOLERANCE


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_in_both_directions(*, kind: type, masked: bool) -> None:
    rng = np.random.default_rng(0)
    layer = Bidirectional(*(_stirred(kind(2, 3, rng=rng), rng) for _ in range(2)))
    mask = _lengths(rng, 5, 4) if masked else None
    assert layer_error(layer, rng.normal(size=(5, 4, 2)), Context(mask=mask)) < TOLERANCE


def test_gradients_of_a_stack_over_symbols() -> None:
    rng = np.random.default_rng(0)
    first = LSTM(6, 3, project=EmbeddedDense(6, 4, 12, rng=rng), rng=rng)
    net = Sequential(
        [
            first,
            LayerNorm(3),
            GRU(3, 2, rng=rng),
            AttentionPool(2, 3, rng=rng),
            Dense(2, 2, rng=rng),
        ]
    )
    mask = _lengths(rng, 5, 3)
    ids = rng.integers(6, size=(5, 3))
    assert layer_error(_stirred(net, rng), ids, Context(mask=mask)) < TOLERANCE


def test_a_projection_of_the_users_own_is_left_alone() -> None:
    """The recurrent loop writes over its inputs: not over what another layer's cache holds."""
    rng = np.random.default_rng(0)
    for kind in KINDS:
        project = Sequential([Dense(2, 3 * kind.gates, rng=rng), Tanh()])
        assert layer_error(kind(2, 3, project=project, rng=rng), rng.normal(size=(4, 2, 2))) < 1e-7


# --- the readable cells ----------------------------------------------------------------------


def _unrolled(layer: Any, x: np.ndarray, dy: np.ndarray) -> tuple[np.ndarray, ...]:
    """Outputs, gradient by ``z``, and by U, from the cells in `tests.core.nn.cells`."""
    u = layer.params["U"]
    z = layer.project.forward(x)[0]
    h = np.zeros((x.shape[1], layer.hidden))
    c = np.zeros_like(h)
    ys, steps, befores = [], [], []
    for z_t in z:
        befores.append(h)
        if isinstance(layer, LSTM):
            step: Any = cells.lstm_forward(z_t, h, c, u)
            h, c = step.h, step.c
        elif isinstance(layer, GRU):
            h, step = cells.gru_forward(z_t, h, u, layer.params["b_h"])
        else:
            h = step = cells.rnn_forward(z_t, h, u)
        ys.append(h)
        steps.append(step)
    dz, du = np.zeros_like(z), np.zeros_like(u)
    dh, dc = np.zeros_like(h), np.zeros_like(h)
    for t in reversed(range(len(z))):
        dh = dh + dy[t]
        if isinstance(layer, LSTM):
            dz[t], dh, dc = cells.lstm_backward(dh, dc, steps[t], u)
            du += befores[t].T @ dz[t]
        elif isinstance(layer, GRU):
            dz[t], by_u, dh = cells.gru_backward(dh, befores[t], steps[t], u)
            du += befores[t].T @ by_u
        else:
            dz[t], dh = cells.rnn_backward(dh, steps[t], u)
            du += befores[t].T @ dz[t]
    return np.array(ys), dz, du


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fast_layer_equals_the_readable_cell(kind: type, dtype: type) -> None:
    rng = np.random.default_rng(1)
    layer = _stirred(kind(3, 4, rng=rng, dtype=dtype), rng)
    x = rng.normal(size=(9, 5, 3)).astype(dtype)
    dy = rng.normal(size=(9, 5, 4)).astype(dtype)
    y, cache = layer.forward(x)
    dx, grads = layer.backward(dy, cache)
    ys, dz, du = _unrolled(layer, x, dy)
    gate = 1e-13 if dtype is np.float64 else 1e-5
    assert y.dtype == dx.dtype == grads["U"].dtype == dtype
    assert relative_error(y, ys) < gate
    assert relative_error(grads["U"], du) < gate
    assert relative_error(dx, dz @ layer.params["project.W"].T) < gate


# --- masks and states ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_batch_is_each_sequence_on_its_own(kind: type) -> None:
    rng = np.random.default_rng(2)
    layer = _stirred(kind(2, 3, rng=rng), rng)
    both = Bidirectional(layer, _stirred(kind(2, 3, rng=rng), rng))
    lengths = [4, 1, 6]
    x = rng.normal(size=(6, 3, 2))
    mask = np.arange(6)[:, None] < np.array(lengths)
    padded, cache = layer.forward(x, Context(mask=mask))
    padded_both, _ = both.forward(x, Context(mask=mask))
    for i, n in enumerate(lengths):
        alone, own = layer.forward(x[:n, i : i + 1])
        assert np.allclose(padded[:n, i], alone[:, 0], rtol=1e-13, atol=1e-15)
        assert np.allclose(padded[n:, i], alone[-1, 0])
        ends = zip(np.atleast_3d(cache.state), np.atleast_3d(own.state), strict=True)
        if kind is LSTM:
            assert all(np.allclose(a[i], b[0]) for a, b in ends)
        alone_both, _ = both.forward(x[:n, i : i + 1])
        assert np.allclose(padded_both[:n, i], alone_both[:, 0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_carried_between_windows(kind: type) -> None:
    rng = np.random.default_rng(3)
    net = Sequential([kind(2, 3, rng=rng), kind(3, 4, rng=rng), Dense(4, 1, rng=rng)])
    x = rng.normal(size=(10, 2, 2))
    whole, _ = net.forward(x)
    state, parts = None, []
    for start in range(0, 10, 3):
        y, cache = net.forward(x[start : start + 3], Context(state=state))
        state = final_state(cache)
        parts.append(y)
    assert np.allclose(whole, np.concatenate(parts), rtol=1e-13, atol=1e-15)
    assert state[2] is None


def test_caches_survive_a_second_backward() -> None:
    rng = np.random.default_rng(4)
    for kind in KINDS:
        layer = kind(2, 3, rng=rng)
        y, cache = layer.forward(rng.normal(size=(4, 2, 2)))
        first, second = (layer.backward(np.ones_like(y), cache) for _ in range(2))
        assert (first[0] == second[0]).all()
        assert all((first[1][name] == second[1][name]).all() for name in first[1])


def test_what_does_not_fit_is_named() -> None:
    rng = np.random.default_rng(0)
    layer = LSTM(2, 3, rng=rng)
    x = np.zeros((4, 5, 2))
    with pytest.raises(ShapeError, match=r"LSTM\(2, 3\).*expected.*2.*got \(4, 5, 7\)"):
        layer.forward(np.zeros((4, 5, 7)))
    with pytest.raises(ShapeError, match=r"expected \(steps, batch, 2\), got \(4, 2\)"):
        layer.forward(np.zeros((4, 2)))
    with pytest.raises(ShapeError, match=r"mask is \(5, 4\), expected \(4, 5\)"):
        layer.forward(x, Context(mask=np.ones((5, 4), dtype=bool)))
    with pytest.raises(ShapeError, match=r"state is \(2, 3\), expected \(5, 3\)"):
        layer.forward(x, Context(state=(np.zeros((2, 3)), np.zeros((2, 3)))))
    with pytest.raises(ShapeError, match=r"pair \(h, c\)"):
        layer.forward(x, Context(state=np.zeros((5, 3))))
    with pytest.raises(ValueError, match="takes no state"):
        Bidirectional(layer, layer).forward(x, Context(state=()))
    with pytest.raises(ValueError, match="hidden = 0"):
        RNN(1, 0, rng=rng)


def test_forget_gates_start_open() -> None:
    bias = LSTM(2, 3, rng=np.random.default_rng(0)).params["project.b"]
    assert bias.tolist() == [0] * 3 + [1] * 3 + [0] * 6
    layer = LSTM(2, 500, rng=np.random.default_rng(0))
    chrono_bias(layer, 100, np.random.default_rng(0))
    forget = layer.params["project.b"][500:1000]
    assert forget.min() >= 0
    assert forget.max() <= np.log(99) + 1e-9
    assert np.isclose(np.exp(forget).mean(), 50, rtol=0.1)


# --- embeddings ------------------------------------------------------------------------------


def test_gradients_of_embeddings() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(5, size=(4, 3))
    assert layer_error(Embedding(5, 2, rng=rng), ids) < TOLERANCE
    assert layer_error(_stirred(EmbeddedDense(5, 3, 2, rng=rng), rng), ids) < TOLERANCE


def test_embedded_dense_is_embedding_then_dense() -> None:
    rng = np.random.default_rng(0)
    layer = _stirred(EmbeddedDense(7, 3, 4, rng=rng), rng)
    plain = Sequential([Embedding(7, 3, rng=rng), Dense(3, 4, rng=rng)])
    for ours, theirs in (("E", "0.E"), ("W", "1.W"), ("b", "1.b")):
        plain.params[theirs][...] = layer.params[ours]
    ids, dy = rng.integers(7, size=(5, 2)), rng.normal(size=(5, 2, 4))
    y, cache = layer.forward(ids)
    expected, plain_cache = plain.forward(ids)
    assert np.allclose(y, expected, rtol=1e-13)
    grads, plain_grads = layer.backward(dy, cache)[1], plain.backward(dy, plain_cache)[1]
    for ours, theirs in (("E", "0.E"), ("W", "1.W"), ("b", "1.b")):
        assert np.allclose(grads[ours], plain_grads[theirs], rtol=1e-12)


@pytest.mark.parametrize("count", [3, 256, 257, 5000])
@pytest.mark.parametrize("n", [0, 1, 400])
def test_rows_are_summed_by_number(count: int, n: int) -> None:
    rng = np.random.default_rng(0)
    rows, ids = rng.normal(size=(n, 2)), rng.integers(count, size=n)
    expected = np.zeros((count, 2))
    np.add.at(expected, ids, rows)
    assert np.allclose(sum_rows_by(rows, ids, count), expected, rtol=1e-13, atol=1e-14)


def test_symbols_out_of_range_are_refused() -> None:
    layer = Embedding(3, 2, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"Embedding\(3, 2\): 3 is outside 0..2"):
        layer.forward(np.array([0, 3]))
    with pytest.raises(ValueError, match="-1 is outside"):
        layer.forward(np.array([-1]))
    with pytest.raises(ShapeError, match="expected whole numbers, got float64"):
        layer.forward(np.zeros(2))


# --- dropout, normalisation, pooling ---------------------------------------------------------


class _Repeating:
    """A generator that draws the same numbers each time: what a difference quotient needs."""

    def random(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        return np.random.default_rng(5).random(shape, dtype=dtype)


@pytest.mark.parametrize("steps", [False, True])
def test_dropout(*, steps: bool) -> None:
    layer = Dropout(0.25, steps=steps)
    x = np.ones((40, 50, 20))
    y, cache = layer.forward(x, Context(training=True, rng=np.random.default_rng(0)))
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert np.isclose(y.mean(), 1, atol=0.04)
    assert bool((y == y[:1]).all()) is steps
    assert (layer.backward(x, cache)[0] == y).all()
    assert layer.forward(x)[0] is x
    ctx = Context(training=True, rng=_Repeating())  # type: ignore[arg-type]
    assert layer_error(layer, np.random.default_rng(0).normal(size=(3, 4, 2)), ctx) < TOLERANCE
    with pytest.raises(ValueError, match="needs Context"):
        layer.forward(x, Context(training=True))
    with pytest.raises(ValueError, match="rate = 1"):
        Dropout(1)


@few
@given(seed=seeds, n=st.integers(3, 6))  # of two features, all that is left is a sign
def test_gradients_of_layer_norm(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    assert layer_error(_stirred(LayerNorm(n), rng), rng.normal(size=(3, 2, n))) < TOLERANCE


@pytest.mark.parametrize("masked", [False, True])
@few
@given(seed=seeds, steps=st.integers(1, 5))
def test_gradients_of_pooling(*, masked: bool, seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, 3, 2))
    ctx = Context(mask=_lengths(rng, steps, 3) if masked else None)
    for layer in (LastStep(), MeanPool(), _stirred(AttentionPool(2, 3, rng=rng), rng)):
        assert layer_error(layer, x, ctx) < TOLERANCE


def test_pooling_ignores_what_is_masked() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 2, 3))
    mask = np.arange(5)[:, None] < np.array([2, 5])
    for layer in (MeanPool(), AttentionPool(3, 4, rng=rng)):
        y, _ = layer.forward(x, Context(mask=mask))
        alone, _ = layer.forward(x[:2, :1])
        assert np.allclose(y[0], alone[0])
        with pytest.raises(ShapeError, match="steps, batch"):
            layer.output_shape((5, 3))


def test_a_sequence_model_learns_to_tell_orders_apart() -> None:
    """Same symbols in another order: what no bag of symbols can tell."""
    from core.nn import Adam, Trainer

    rng = np.random.default_rng(0)
    net = Sequential([LSTM(2, 8, project=EmbeddedDense(2, 4, 32, rng=rng), rng=rng), LastStep()])
    net = Sequential([net, Dense(8, 2, rng=rng)])
    x = rng.integers(2, size=(12, 256))
    y = (x[0] != x[-1]).astype(int)
    trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=0.02), rng=rng, clip=1.0)
    losses = [trainer.step(x, y).loss for _ in range(150)]
    assert losses[0] > 0.6
    assert losses[-1] < 0.1


@pytest.mark.parametrize("kind", [*KINDS, "both"])
def test_first_layers_are_not_asked_for_the_gradient_of_their_input(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    layer = Bidirectional(LSTM(3, 4, rng=rng), GRU(3, 4, rng=rng)) if kind == "both" else None
    net = Sequential([layer or kind(3, 4, rng=rng), LastStep()])
    y, cache = net.forward(rng.normal(size=(6, 2, 3)))
    _, expected = net.backward(np.ones_like(y), cache)

    def refuse(*_: Any) -> Any:
        raise AssertionError("nobody needs it")

    monkeypatch.setattr(Dense, "backward", refuse)
    found = net.parameter_gradients(np.ones_like(y), cache)
    assert found.keys() == expected.keys()
    for name, grad in found.items():
        assert np.array_equal(grad, expected[name])
