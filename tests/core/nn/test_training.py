"""Optimisers, the trainer, the parameter vector and model files."""

from __future__ import annotations

import io
import math
import zipfile
from itertools import pairwise

import numpy as np
import pytest

from core.nn import (
    SGD,
    Adam,
    Context,
    CrossEntropy,
    Dense,
    Momentum,
    ParameterVector,
    Sequential,
    ShapeError,
    SquaredError,
    Tanh,
    Trainer,
    TrainingError,
)
from core.nn.initial import glorot_uniform, he_normal, orthogonal, uniform, zeros
from core.nn.labels import accuracy
from core.nn.models import charlm, mlp
from core.nn.optimisers import clip_norm
from core.nn.schedules import cosine, falling, steps, warm_up
from core.nn.serial import ModelError, load, save


def _net(seed: int = 0, dtype: str = "float64") -> Sequential:
    return mlp(sizes=[3, 5, 2], dtype=dtype, rng=np.random.default_rng(seed))


def _problem(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(1).normal(size=(n, 3))
    return x, (x.sum(axis=1) > 0).astype(int)


def _trainer(net: Sequential, seed: int = 0, **options: object) -> Trainer:
    settings = {"rng": np.random.default_rng(seed), "metric": accuracy, **options}
    return Trainer(net, CrossEntropy(), Adam(learning_rate=0.02), **settings)  # type: ignore[arg-type]


# --- optimisers ------------------------------------------------------------------------------


def test_sgd_and_momentum_by_hand() -> None:
    theta, grad = np.array([1.0, -2.0]), np.array([0.5, 0.5])
    SGD(learning_rate=0.1, weight_decay=0.5).step(theta, grad, {})
    assert np.allclose(theta, [1 - 0.1 * (0.5 + 0.5), -2 - 0.1 * (0.5 - 1.0)])
    theta, rule = np.array([1.0]), Momentum(learning_rate=0.1, momentum=0.5)
    state = rule.init(theta)
    for _ in range(2):
        rule.step(theta, np.array([1.0]), state)
    assert np.allclose(theta, 1 - 0.1 * 1 - 0.1 * 1.5)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_equals_its_published_algorithm(*, decoupled: bool) -> None:
    rng = np.random.default_rng(0)
    theta, decay, rate = rng.normal(size=4), 0.1, 0.01
    expected = theta.copy()
    m = v = np.zeros(4)
    rule = Adam(learning_rate=rate, weight_decay=decay, decoupled=decoupled)
    state = rule.init(theta)
    for t in range(1, 21):
        g = rng.normal(size=4)
        rule.step(theta, g, state)
        if decoupled:
            expected = expected - rate * decay * expected
        else:
            g = g + decay * expected
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        expected = expected - rate * m_hat / (np.sqrt(v_hat) + 1e-8)
        assert np.allclose(theta, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("dtype", "steps"), [("float32", 1024), ("float64", 7040)])
def test_the_means_of_idle_parameters_decay_to_zero(dtype: str, steps: int) -> None:
    """Subnormal numbers would slow each later step down."""
    rule, theta = Adam(), np.zeros(3, dtype=dtype)
    state, grad = rule.init(theta), np.array([1.0, 1.0, 1e-3], dtype=dtype)
    rule.step(theta, grad, state)
    grad[0] = 0  # a word that does not occur again
    for _ in range(steps - 1):
        rule.step(theta, grad, state)
    assert state["m"][0] == 0
    assert state["v"][0] > 0  # which would make the next update smaller, as it should
    assert (state["m"][1:] > 0).all()
    before = theta.copy()
    grad[0] = 1
    rule.step(theta, grad, state)
    assert theta[0] < before[0]


def test_adam_leaves_the_gradient_alone() -> None:
    theta, grad = np.ones(3), np.arange(3.0)
    rule = Adam(weight_decay=0.1)
    rule.step(theta, grad, rule.init(theta))
    assert (grad == np.arange(3.0)).all()


def test_clipping_keeps_the_direction() -> None:
    grad = np.array([3.0, -4.0])
    assert clip_norm(grad, 10) == 5
    assert (grad == [3, -4]).all()
    assert clip_norm(grad, 2.5) == 5
    assert np.allclose(grad, [1.5, -2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(learning_rate=0), "learning_rate = 0"),
        (lambda: Adam(learning_rate=float("nan")), "learning_rate = nan"),
        (lambda: Adam(weight_decay=-1), "weight_decay = -1"),
        (lambda: Adam(beta1=1.0), "beta1 = 1.0"),
        (lambda: Momentum(learning_rate=1, momentum=1), "momentum = 1"),
    ],
)
def test_optimisers_refuse_settings_out_of_range(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# --- initialisers ----------------------------------------------------------------------------


def test_initial_values_have_their_variance() -> None:
    rng = np.random.default_rng(0)
    shape = (300, 200)
    assert math.isclose(glorot_uniform(rng, shape).var(), 2 / 500, rel_tol=0.03)
    assert math.isclose(he_normal(rng, shape).var(), 2 / 300, rel_tol=0.03)
    assert math.isclose(uniform(1.0)(rng, shape).var(), 1 / 3, rel_tol=0.03)
    assert not zeros(rng, shape).any()


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    w = orthogonal(np.random.default_rng(0), shape)
    assert w.shape == shape
    gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
    assert np.allclose(gram, np.eye(min(shape)), atol=1e-12)


# --- parameters as one vector ----------------------------------------------------------------


def test_parameters_are_views_into_the_vector() -> None:
    net = _net()
    before = {name: array.copy() for name, array in net.params.items()}
    vector = ParameterVector(net)
    assert vector.values.size == 3 * 5 + 5 + 5 * 2 + 2
    assert all((net.params[name] == array).all() for name, array in before.items())
    vector.values += 1
    assert all(np.allclose(net.params[name], array + 1) for name, array in before.items())


def test_a_second_vector_is_the_same_memory() -> None:
    net = _net()
    first, second = ParameterVector(net), ParameterVector(net)
    assert second.values is first.values


def test_part_of_a_vector_is_not_taken_for_the_whole() -> None:
    net = _net()
    ParameterVector(net)
    inner = ParameterVector(net.layers[0])
    assert inner.values.size == 3 * 5 + 5


def test_nested_parameters_cannot_be_removed() -> None:
    with pytest.raises(TypeError, match=r"0\.W"):
        del _net().params["0.W"]


def test_mixed_dtypes_are_refused() -> None:
    rng = np.random.default_rng(0)
    mixed = Sequential([Dense(2, 2, rng=rng), Dense(2, 2, rng=rng, dtype=np.float32)])
    with pytest.raises(ValueError, match="different dtypes"):
        ParameterVector(mixed)


# --- trainer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_run(dtype: str) -> None:
    x, y = _problem()
    runs = []
    for _ in range(2):
        net = _net(dtype=dtype)
        history = _trainer(net, seed=7).fit(x, y, epochs=5, batch_size=16, validation=(x, y))
        runs.append((history.columns, net.params["0.W"].copy()))
        assert net.params["0.W"].dtype == dtype
    assert runs[0][0] == runs[1][0]
    assert (runs[0][1] == runs[1][1]).all()
    net = _net(dtype=dtype)
    _trainer(net, seed=8).fit(x, y, epochs=5, batch_size=16)
    assert (net.params["0.W"] != runs[0][1]).any()


def test_history_and_counts() -> None:
    x, y = _problem()
    seen = []

    def progress(epochs):
        for epoch in epochs:
            yield epoch
            seen.append(epoch)

    trainer = _trainer(_net(), progress=progress)
    history = trainer.fit(x, y, epochs=4, batch_size=25, validation=(x, y))
    assert seen == [0, 1, 2, 3]
    assert trainer.updates == 4 * 3
    assert len(history) == 4
    assert set(history.columns) == {
        "loss",
        "accuracy",
        "grad_norm",
        "validation_loss",
        "validation_accuracy",
    }
    assert history["validation_loss"][-1] == trainer.evaluate(x, y)["loss"]
    assert history["loss"][-1] < history["loss"][0]
    assert "accuracy" in history


def test_steps_beyond_the_end_are_neither_right_nor_wrong() -> None:
    rng = np.random.default_rng(0)
    network = charlm(vocabulary=5, hidden=4, dtype="float64", rng=rng)
    trainer = Trainer(
        network, CrossEntropy(), Adam(), rng=rng, metric=accuracy, batch_axis=1, target_axis=1
    )
    x = rng.integers(1, 5, (6, 3))
    mask = np.arange(6)[:, None] < [2, 6, 3]
    guess = network.forward(x, Context(mask=mask))[0].argmax(axis=-1)
    y = np.where(np.arange(6)[:, None] < [1, 2, 3], guess, (guess + 1) % 5)
    assert trainer.evaluate(x, y, mask)["accuracy"] == pytest.approx(6 / 11)
    assert trainer.evaluate(x, y, mask.astype(int))["accuracy"] == pytest.approx(6 / 11)
    seen = trainer.fit(x, y, epochs=1, mask=mask)["accuracy"]
    assert seen == pytest.approx([6 / 11])


def test_a_batch_of_everything_is_the_full_gradient() -> None:
    x, y = _problem()
    one, two = _net(), _net()
    _trainer(one).fit(x, y, epochs=3)
    _trainer(two).fit(x, y, epochs=3, batch_size=1000)
    for name in one.params:
        assert np.allclose(one.params[name], two.params[name], rtol=1e-10, atol=1e-12)


def test_schedule_and_clip_are_applied() -> None:
    x, y = _problem()
    net = _net()
    before = {name: array.copy() for name, array in net.params.items()}
    _trainer(net, schedule=lambda _: 0.0).fit(x, y, epochs=1)
    assert all((net.params[name] == array).all() for name, array in before.items())
    rule = SGD(learning_rate=1.0)
    trainer = Trainer(net, CrossEntropy(), rule, rng=np.random.default_rng(0), clip=1e-3)
    start = trainer.parameters.values.copy()
    trainer.fit(x, y, epochs=1)
    assert math.isclose(np.linalg.norm(trainer.parameters.values - start), 1e-3, rel_tol=1e-9)


@pytest.mark.parametrize("make", [falling, cosine, lambda n: steps(n, 0.5)])
def test_schedules_start_whole_and_never_rise(make) -> None:
    factors = [make(20)(update) for update in range(40)]
    assert factors[0] == 1
    assert all(a >= b >= 0 for a, b in pairwise(factors))
    assert factors[-1] < 0.6
    with pytest.raises(ValueError, match="= 0: must be an integer >= 1"):
        make(0)


def test_warm_up_rises_and_hands_over() -> None:
    factors = [warm_up(5, falling(10))(update) for update in range(16)]
    assert np.allclose(factors[:5], [0.2, 0.4, 0.6, 0.8, 1])
    assert factors[5:] == [falling(10)(update) for update in range(11)]


def test_training_stops_at_the_first_loss_that_is_not_finite() -> None:
    x, y = np.full((4, 1), 1e200), np.zeros((4, 1))
    layer = Dense(1, 1, rng=np.random.default_rng(0))
    rule = SGD(learning_rate=1.0)
    trainer = Trainer(layer, SquaredError(), rule, rng=np.random.default_rng(0))
    with pytest.raises(TrainingError, match="epoch 0, batch 0: the loss is not finite at update 0"):
        trainer.fit(x, y, epochs=3)
    assert np.isfinite(layer.params["W"]).all()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, dtype=int), "the data are empty"),
        (np.zeros((2, 3)), np.zeros(3, dtype=int), "2 examples but 3 targets"),
        (np.array([[0, np.nan, 0]]), np.zeros(1, dtype=int), r"x\[0, 1\] = nan"),
        (np.zeros((2, 4)), np.zeros(2, dtype=int), r"layer 0, Dense\(3, 5\).*got \(2, 4\)"),
        (np.zeros((2, 3)), np.array([0, 2]), r"target \(1,\) = 2 is outside 0..1"),
    ],
)
def test_unfit_data_are_refused(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _trainer(_net()).fit(x, y, epochs=1)


def test_bad_sizes_are_refused() -> None:
    x, y = _problem()
    with pytest.raises(ValueError, match="batch_size = 0"):
        _trainer(_net()).fit(x, y, epochs=1, batch_size=0)
    with pytest.raises(ValueError, match="n_in = 0"):
        Dense(0, 2, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least one layer"):
        Sequential([])
    with pytest.raises(ShapeError, match="got "):
        Dense(2, 2, rng=np.random.default_rng(0)).forward(np.zeros((1, 3)))


def test_mlp_refuses_unknown_names() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="activation = 'sine': expected one of sigmoid, tanh"):
        mlp(sizes=[2, 2, 2], activation="sine", rng=rng)
    with pytest.raises(ValueError, match=r"sizes = \[2\]"):
        mlp(sizes=[2], rng=rng)


# --- model files -----------------------------------------------------------------------------


def _saved(**header: object) -> io.BytesIO:
    stream = io.BytesIO()
    options = {"builder": "mlp", "settings": {"sizes": [3, 5, 2]}, **header}
    save(stream, _net(3), **options)  # type: ignore[arg-type]
    stream.seek(0)
    return stream


def test_a_model_file_gives_the_same_network_back() -> None:
    net, meta = load(_saved(meta={"classes": ["a", "ä"]}))
    x, _ = _problem()
    assert (net.forward(x)[0] == _net(3).forward(x)[0]).all()
    assert meta == {"classes": ["a", "ä"]}


@pytest.mark.parametrize("cut", [0, 10, 300])
def test_a_damaged_file_is_refused(cut: int) -> None:
    with pytest.raises(ModelError, match="not a model file, or a damaged one"):
        load(io.BytesIO(_saved().getvalue()[:cut]))


def test_a_flipped_bit_is_refused() -> None:
    data = bytearray(_saved().getvalue())
    data[len(data) // 2] ^= 1
    with pytest.raises(ModelError):
        load(io.BytesIO(bytes(data)))


def test_foreign_files_are_refused() -> None:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    stream.seek(0)
    with pytest.raises(ModelError, match="not a model file"):
        load(stream)
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    pickled.seek(0)
    with pytest.raises(ModelError, match="not a model file"):
        load(pickled)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("readme.txt", "hello")
    archive.seek(0)
    with pytest.raises(ModelError, match="not a model file"):
        load(archive)


def test_what_does_not_match_is_named() -> None:
    with pytest.raises(ModelError, match="builder 'other': known are mlp"):
        load(_saved(builder="other"))
    with pytest.raises(ModelError, match=r"parameter 0\.W is \(3, 5\), expected \(4, 5\)"):
        load(_saved(settings={"sizes": [4, 5, 2]}))
    with pytest.raises(ModelError, match=r"do not match its settings: 0\.W, 0\.b"):
        load(_saved(settings={"sizes": [3, 5, 2]}), {"mlp": lambda **_: Tanh()})
    with pytest.raises(ModelError, match="unexpected keyword"):
        load(_saved(settings={"size": [4, 5, 2]}))
