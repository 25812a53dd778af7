"""ONNX files, run by onnxruntime: the same outputs as the networks', to float32's precision."""

from __future__ import annotations

import importlib.util
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from core.nn import (
    GRU,
    LSTM,
    RNN,
    AttentionPool,
    Bidirectional,
    Context,
    Dense,
    Dropout,
    EmbeddedDense,
    Embedding,
    LastStep,
    LayerNorm,
    MeanPool,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    final_state,
)
from core.nn.estimators import MLPClassifier, MLPRegressor, SequenceClassifier
from core.nn.export import to_onnx
from core.nn.labels import from_classic
from core.nn.models import charlm, mlp, tagger, textclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.nn.protocols import Array, Layer

RNG = np.random.default_rng(0)
PRECISION = 1e-5  # float32, and sums of some hundred terms


def shaken(network: Layer) -> Layer:
    """Give every parameter a value of its own: what begins at 0 or 1 would hide a fault."""
    rng = np.random.default_rng(1)
    for value in network.params.values():
        value[...] = rng.normal(size=value.shape, scale=0.7)
    return network


def run(content: bytes, **inputs: Array) -> list[Any]:
    """Check a file, run it, and return its outputs, whose declared shapes must be right."""
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    lengths: dict[str, int] = {}
    for declared in session.get_inputs():
        for name, n in zip(declared.shape, inputs[declared.name].shape, strict=True):
            assert lengths.setdefault(name, n) == n if isinstance(name, str) else name == n
    found: list[Any] = session.run(None, inputs)
    for declared, value in zip(session.get_outputs(), found, strict=True):
        assert tuple(lengths.get(n, n) for n in declared.shape) == value.shape
    return found


def single(x: Array) -> Array:
    return x.astype(np.int64 if x.dtype.kind == "i" else np.float32)


def features(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def symbols(steps: int, batch: int, count: int = 6) -> Array:
    return np.random.default_rng(steps).integers(count, size=(steps, batch))


DENSE: dict[str, Callable[[], Layer]] = {
    "dense": lambda: Dense(4, 3, rng=RNG),
    "sigmoid": lambda: Sequential([Dense(4, 3, rng=RNG), Sigmoid()]),
    "tanh": lambda: Sequential([Tanh(), Dense(4, 5, rng=RNG), Tanh()]),
    "relu": lambda: Sequential([Dense(4, 9, rng=RNG), ReLU(), Dense(9, 2, rng=RNG)]),
    "softmax": lambda: Sequential([Dense(4, 3, rng=RNG), Softmax()]),
    "dropout": lambda: Sequential([Dropout(0.5), Dense(4, 3, rng=RNG), Dropout(0.9)]),
    "norm": lambda: Sequential([LayerNorm(4, eps=0.1), Dense(4, 3, rng=RNG), LayerNorm(3)]),
    "nested": lambda: Sequential([Sequential([Dense(4, 3, rng=RNG)]), Sequential([Tanh()])]),
    "no parameters": Tanh,
    "float32": lambda: mlp(sizes=[4, 30, 2], dtype="float32", rng=RNG),
    "classic": lambda: mlp(sizes=[4, 10, 2], activation="sigmoid", output="sigmoid", rng=RNG),
}


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("batch", [1, 7])
def test_layers_on_tables(name: str, batch: int) -> None:
    network, x = shaken(DENSE[name]()), features(batch, 4)
    (y,) = run(to_onnx(network), x=single(x))
    assert y.dtype == np.float32
    assert np.allclose(y, network.forward(x)[0], atol=PRECISION)


def around(kind: Any, n_in: int, hidden: int) -> Bidirectional:
    return Bidirectional(kind(n_in, hidden, rng=RNG), kind(n_in, hidden + 1, rng=RNG))


KINDS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
# What each reads: numbers (steps, batch, 3), or symbols (steps, batch).
SEQUENCES: dict[str, tuple[Callable[[], Layer], bool]] = {
    **{name: (lambda kind=kind: kind(3, 5, rng=RNG), False) for name, kind in KINDS.items()},
    **{
        f"{name} of symbols": (
            lambda kind=kind: kind(
                6, 5, rng=RNG, project=EmbeddedDense(6, 4, kind.gates * 5, rng=RNG)
            ),
            True,
        )
        for name, kind in KINDS.items()
    },
    **{
        f"{name} around": (lambda kind=kind: around(kind, 3, 4), False)
        for name, kind in KINDS.items()
    },
    "a table of sums": (lambda: GRU(6, 2, rng=RNG, project=Embedding(6, 6, rng=RNG)), True),
    "a projection of several layers": (
        lambda: LSTM(3, 2, rng=RNG, project=Sequential([Dense(3, 8, rng=RNG), Tanh()])),
        False,
    ),
    "layers on layers": (
        lambda: Sequential(
            [GRU(3, 4, rng=RNG), Dropout(0.2), LSTM(4, 6, rng=RNG), Dense(6, 2, rng=RNG)]
        ),
        False,
    ),
    "around layers around": (
        lambda: Bidirectional(
            Sequential([RNN(3, 4, rng=RNG), around(GRU, 4, 2)]),
            Sequential([around(LSTM, 3, 2), Dense(5, 4, rng=RNG), RNN(4, 2, rng=RNG)]),
        ),
        False,
    ),
    "last": (lambda: Sequential([LSTM(3, 5, rng=RNG), LastStep(), Dense(5, 2, rng=RNG)]), False),
    "last of both": (lambda: Sequential([around(GRU, 3, 4), LastStep()]), False),
    "mean": (lambda: Sequential([GRU(3, 5, rng=RNG), MeanPool()]), False),
    "attention": (lambda: Sequential([around(RNN, 3, 4), AttentionPool(9, 3, rng=RNG)]), False),
    "pooled numbers": (lambda: Sequential([LayerNorm(3), AttentionPool(3, 2, rng=RNG)]), False),
    "bag of words": (lambda: Sequential([Embedding(6, 3, rng=RNG), MeanPool()]), True),
    "texts": (lambda: textclass(vocabulary=6, classes=3, hidden=4, embedding=5, rng=RNG), True),
    "labels": (lambda: tagger(vocabulary=6, classes=3, hidden=4, cell="gru", rng=RNG), True),
    "characters": (lambda: charlm(vocabulary=6, hidden=7, layers=2, cell="gru", rng=RNG), True),
}


def read_by(name: str, steps: int, batch: int) -> tuple[Layer, Array]:
    build, of_symbols = SEQUENCES[name]
    x = symbols(steps, batch) if of_symbols else features(steps, batch, 3)
    return shaken(build()), x


@pytest.mark.parametrize("name", SEQUENCES)
def test_layers_on_sequences(name: str) -> None:
    for steps, batch in [(1, 1), (2, 3), (9, 2)]:
        network, x = read_by(name, steps, batch)
        (y,) = run(to_onnx(network), x=single(x))
        assert np.allclose(y, network.forward(x)[0], atol=PRECISION)


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_of_different_lengths(name: str) -> None:
    lengths = np.array([7, 3, 1, 0, 6, 7], dtype=np.int32)
    network, x = read_by(name, 7, 6)
    (y,) = run(to_onnx(network, lengths=True), x=single(x), lengths=lengths)
    mask = np.arange(7)[:, None] < lengths
    expected = network.forward(x, Context(mask=mask))[0]
    assert np.allclose(y, expected, atol=PRECISION)
    assert not np.allclose(y, network.forward(x)[0], atol=1e-2)


STATES = [name for name in SEQUENCES if name in KINDS or "symbols" in name or name == "characters"]


@pytest.mark.parametrize("name", [*STATES, "layers on layers"])
@pytest.mark.parametrize("ragged", [False, True])
def test_a_window_goes_on_where_the_last_one_ended(name: str, *, ragged: bool) -> None:
    network, x = read_by(name, 8, 3)
    content = to_onnx(network, state=True, lengths=ragged)
    session = onnxruntime.InferenceSession(content)
    names = [one.name for one in session.get_outputs()]
    assert names[0] == "y"
    assert len(names) > 1
    lengths = np.array([4, 2, 1] if ragged else [4, 4, 4], dtype=np.int32)
    extra = {"lengths": lengths} if ragged else {}
    context: dict[str, Any] = {"mask": np.arange(4)[:, None] < lengths}
    state = {
        one.name: np.zeros((3, one.shape[1]), dtype=np.float32)
        for one in session.get_inputs()
        if one.name not in ("x", "lengths")
    }
    assert {f"{one}.next" for one in state} == set(names[1:])
    for window in (x[:4], x[4:]):
        found = dict(zip(names, run(content, x=single(window), **extra, **state), strict=True))
        expected, cache = network.forward(window, Context(**context))
        assert np.allclose(found["y"], expected, atol=PRECISION)
        context["state"] = final_state(cache)
        state = {one: found[f"{one}.next"] for one in state}
    last = context["state"] if isinstance(network, Sequential) else (context["state"],)
    parts = [one for one in last if one is not None]
    flat = itertools.chain.from_iterable(p if isinstance(p, tuple) else (p,) for p in parts)
    assert all(np.allclose(a, b, atol=PRECISION) for a, b in zip(flat, state.values(), strict=True))


# --- classes, scales, texts ----------------------------------------------------------------------


@pytest.mark.parametrize("ends", [[], [Softmax()]])
def test_classes_by_the_largest_logit(ends: list[Layer]) -> None:
    network = shaken(Sequential([Dense(4, 3, rng=RNG)]))
    x = features(20, 4)
    content = to_onnx(Sequential([network, *ends]), classes=["né", "b", ""])
    label, p = run(content, x=single(x))
    logits = network.forward(x)[0]
    assert (label == np.array(["né", "b", ""])[logits.argmax(axis=1)]).all()
    assert len(set(label)) == 3
    assert np.allclose(p, Softmax().forward(logits)[0], atol=PRECISION)


def test_classes_of_the_classic_convention() -> None:
    network, x = mlp(sizes=[4, 2], output="sigmoid", rng=RNG), 3 * features(200, 4)
    label, p = run(to_onnx(network, classes=["a", "b", "c"]), x=single(x))
    y = network.forward(x)[0]
    assert (label == np.array(["a", "b", "c"])[from_classic(y)]).all()
    assert set(label) == {"a", "b", "c"}
    assert np.allclose(p, np.column_stack([y, 1 - y.sum(axis=1)]), atol=PRECISION)


def test_each_step_has_its_class() -> None:
    network, x = read_by("labels", 5, 4)
    lengths = np.array([5, 2, 3, 1], dtype=np.int32)
    content = to_onnx(network, lengths=True, classes=["a", "b", "c"])
    label, _ = run(content, x=x, lengths=lengths)
    mask = np.arange(5)[:, None] < lengths
    numbers = network.forward(x, Context(mask=mask))[0].argmax(axis=-1)
    assert (label == np.array(["a", "b", "c"])[numbers]).all()


def test_scales_keep_what_large_numbers_differ_by() -> None:
    network = shaken(mlp(sizes=[2, 8, 1], rng=RNG))
    mean, scale = np.array([2019.51, 1e6 + 0.3]), np.array([3.3, 0.7])
    x = single(mean + features(50, 2) * scale)  # as the program that reads the file has them
    (y,) = run(to_onnx(network, scaling=(mean, scale)), x=x)
    assert np.allclose(y, network.forward((x - mean) / scale)[0], atol=PRECISION)


def test_texts_about_a_network_are_kept() -> None:
    content = to_onnx(Dense(1, 1, rng=RNG), about={"words": '["a", "ü"]'})
    session = onnxruntime.InferenceSession(content)
    assert session.get_modelmeta().custom_metadata_map == {"words": '["a", "ü"]'}
    assert session.get_modelmeta().producer_name == "azkaban-jobflow"


# --- scikit-learn --------------------------------------------------------------------------------


def table() -> tuple[Array, Array]:
    x = np.random.default_rng(5).normal(size=(60, 3)) * [1, 40, 0.1] + [0, 1900, 7]
    return x, (x[:, 0] > 0).astype(int) + (x[:, 2] > 7)


@pytest.mark.parametrize(
    "label",
    [lambda y: y, lambda y: y - 7, lambda y: y > 0, lambda y: np.array(["a", "b", "ç"])[y]],
    ids=["numbers", "negative", "booleans", "texts"],
)
def test_classifiers_give_labels_and_probabilities(label: Callable[[Array], Array]) -> None:
    x, y = table()
    model = make_pipeline(StandardScaler(), MLPClassifier(epochs=20, random_state=0))
    model.fit(x, label(y))
    x = single(x)
    found, p = run(to_onnx(model), x=x)
    assert (found == model.predict(x)).all()
    assert np.allclose(p, model.predict_proba(x), atol=PRECISION)


@pytest.mark.parametrize(
    "scalers",
    [
        [],
        ["passthrough", StandardScaler(with_mean=False)],
        [StandardScaler(with_std=False), MaxAbsScaler()],
        [MinMaxScaler((-1, 3)), StandardScaler()],
        [RobustScaler()],
        [RobustScaler(with_centering=False, with_scaling=False), StandardScaler()],
    ],
    ids=["none", "scale", "mean", "range", "robust", "off"],
)
def test_scalers_before_a_network(scalers: list[Any]) -> None:
    x, y = table()
    model = make_pipeline(*scalers, MLPClassifier(epochs=3, random_state=0)).fit(x, y)
    x = single(x)
    assert np.allclose(run(to_onnx(model), x=x)[1], model.predict_proba(x), atol=PRECISION)


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("flat", [False, True])
def test_regressors_with_scaled_targets(targets: int, *, flat: bool) -> None:
    x, _ = table()
    y = 1e3 + 50 * np.stack([x[:, 0], x[:, 0] ** 2], axis=1)[:, :targets]
    y = y[:, 0] if flat else y
    inner = make_pipeline(StandardScaler(), MLPRegressor(epochs=5, random_state=0))
    own = single(x)
    for model in (
        inner,
        TransformedTargetRegressor(inner),
        TransformedTargetRegressor(inner, transformer=StandardScaler()),
        make_pipeline(
            MinMaxScaler(),
            TransformedTargetRegressor(MLPRegressor(epochs=3), transformer=MinMaxScaler()),
        ),
    ):
        model.fit(x, y)
        (found,) = run(to_onnx(model), x=own)
        expected = model.predict(own)
        assert found.shape == expected.shape
        assert np.allclose(found, expected, rtol=PRECISION, atol=PRECISION)


@pytest.mark.parametrize("cell", KINDS)
def test_sequence_classifiers_take_what_predict_takes(cell: str) -> None:
    for x in (features(30, 6), features(30, 6, 2)):
        y = np.where(x.reshape(30, -1).sum(axis=1) > 0, "up", "down")
        model = SequenceClassifier(cell, hidden=4, epochs=2, random_state=0).fit(x, y)
        label, p = run(to_onnx(model), x=single(x))
        assert (label == model.predict(single(x))).all()
        assert np.allclose(p, model.predict_proba(single(x)), atol=PRECISION)


def test_a_search_is_the_best_that_it_found() -> None:
    x, y = table()
    model = make_pipeline(StandardScaler(), MLPClassifier(epochs=2, random_state=0))
    search = GridSearchCV(model, {"mlpclassifier__hidden": [(3,), (5,)]}, cv=2).fit(x, y)
    assert np.allclose(
        run(to_onnx(search), x=single(x))[1], search.predict_proba(single(x)), atol=1e-5
    )


def test_the_example_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [page.read_text("utf-8") for page in (Path(__file__).parents[3] / "docs").rglob("*.md")]
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", "\n".join(pages))
    (code,) = (block for block in blocks if "to_onnx" in block)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs", "exec"), {})  # noqa: S102 (our own page)
    assert (tmp_path / "iris.onnx").is_file()


# --- what is refused -----------------------------------------------------------------------------


class Doubled:
    """A layer of a user's own."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def forward(self, x: Array, ctx: Context = Context()) -> tuple[Array, None]:  # noqa: B008
        return 2 * x, None

    def backward(self, dy: Array, cache: None) -> tuple[Array, dict[str, Array]]:
        return 2 * dy, {}


class Louder(Dense):
    """A layer that inherits from a known one, and does something else."""

    def forward(self, x: Array, ctx: Context = Context()) -> tuple[Array, Array]:  # noqa: B008
        y, cache = super().forward(x, ctx)
        return 3 * y, cache


def unfit(value: float) -> Layer:
    layer = Dense(1, 1, rng=RNG)
    layer.params["W"][...] = value
    return Sequential([layer])


TABLE = table()
QUICK = MLPClassifier(epochs=1)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("^Doubled: cannot be written as ONNX; .*LSTM", lambda: to_onnx(Doubled())),
        (
            "^layer 1.0, Louder: cannot",
            lambda: to_onnx(Sequential([Tanh(), Sequential([Louder(2, 2, rng=RNG)])])),
        ),
        (
            "^layer 0.project, Doubled: cannot",
            lambda: to_onnx(Sequential([RNN(3, 3, rng=RNG, project=Doubled())])),
        ),
        (
            "^layer back, MeanPool: .* within the layer Bidirectional",
            lambda: to_onnx(Bidirectional(MeanPool(), MeanPool())),
        ),
        (
            "^layer 0, Bidirectional: reads whole sequences",
            lambda: to_onnx(Sequential([around(RNN, 2, 2)]), state=True),
        ),
        ("lengths = True: the network reads no", lambda: to_onnx(Tanh(), lengths=True)),
        ("state = True: the network has no rec", lambda: to_onnx(MeanPool(), state=True)),
        ("scaling: .* the 2 that", lambda: to_onnx(Dense(2, 1, rng=RNG), scaling=(0, 1))),  # type: ignore[arg-type]
        (
            "scaling: .* symbols that",
            lambda: to_onnx(Embedding(2, 1, rng=RNG), scaling=(np.zeros(1), np.ones(1))),
        ),
        ("classes: 5 for a network with 3", lambda: to_onnx(Dense(2, 3, rng=RNG), classes="abcde")),
        ("parameter 0.W: not finite", lambda: to_onnx(unfit(np.nan))),
        ("parameter 0.W: .* too large for float32", lambda: to_onnx(unfit(1e39))),
        (
            "layer 1, Dense.3, 1.: expected",
            lambda: to_onnx(Sequential([unfit(1), Dense(3, 1, rng=RNG)])),
        ),
        ("DummyClassifier: neither a network", lambda: to_onnx(DummyClassifier().fit(*TABLE))),
        (
            "^SelectKBest.*: cannot be written",
            lambda: to_onnx(make_pipeline(SelectKBest(k=1), QUICK).fit(*TABLE)),
        ),
        (
            r"^MinMaxScaler\(clip=True\): cannot be written",
            lambda: to_onnx(make_pipeline(MinMaxScaler(clip=True), QUICK).fit(*TABLE)),
        ),
        (
            "FunctionTransformer.*cannot be written",
            lambda: to_onnx(
                TransformedTargetRegressor(
                    MLPRegressor(epochs=1), func=np.log1p, inverse_func=np.expm1
                ).fit(TABLE[0], TABLE[1])
            ),
        ),
        (
            "are for networks, not estimators",
            lambda: to_onnx(QUICK.fit(*TABLE), classes=["a"]),
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_named(message: str, call: Callable[[], bytes]) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize(
    "model", [MLPClassifier(), make_pipeline(StandardScaler(), MLPRegressor())]
)
def test_estimators_must_be_trained(model: Any) -> None:
    with pytest.raises(NotFittedError):
        to_onnx(model)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.nn.export.find_spec", lambda _: None)
    with pytest.raises(ImportError, match="azkaban-jobflow env --with onnx installs it"):
        to_onnx(Tanh())
    assert importlib.util.find_spec("onnx")
