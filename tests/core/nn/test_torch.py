"""Outputs and gradients equal PyTorch's, with the same weights, in float64.

Without torch the arrays come from reference/torch.npz, which reference/make.py wrote with it; where
torch is installed they are computed anew.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.nn import (
    GRU,
    LSTM,
    RNN,
    SGD,
    Adam,
    Bidirectional,
    Context,
    CrossEntropy,
    Dense,
    Embedding,
    LayerNorm,
    Momentum,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)

if TYPE_CHECKING:
    from core.nn import Layer
    from core.nn.recurrent import Recurrent

HERE = Path(__file__).parent / "reference"
KINDS = {"RNN": RNN, "GRU": GRU, "LSTM": LSTM}


def _equal(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert np.linalg.norm(ours - theirs) <= 1e-12 * max(float(np.linalg.norm(theirs)), 1e-300)


@pytest.fixture(scope="module")
def reference() -> dict[str, dict[str, np.ndarray]]:
    if importlib.util.find_spec("torch"):
        spec = importlib.util.spec_from_file_location("make", HERE / "make.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        arrays = module.compute()
    else:
        with np.load(HERE / "torch.npz") as archive:
            arrays = dict(archive)
    cases: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        case, _, key = name.partition("/")
        cases.setdefault(case, {})[key] = array
    return cases


def _copy_weights(layer: Recurrent, case: dict[str, np.ndarray], suffix: str = "") -> None:
    """Torch keeps weights as (out, in) and two biases, which add up except in a GRU's new gate."""
    w, u, b, b_h = (
        case[f"{name}_l0{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    bias = b + b_h
    if isinstance(layer, GRU):
        n = layer.hidden
        bias[2 * n :] = b[2 * n :]
        layer.params["b_h"][...] = b_h[2 * n :]
    layer.params["project.W"][...] = w.T
    layer.params["project.b"][...] = bias
    layer.params["U"][...] = u.T


def _equal_grads(
    layer: Recurrent, grads: dict[str, np.ndarray], case: dict[str, np.ndarray], suffix: str = ""
) -> None:
    _equal(grads["project.W"], case[f"d_weight_ih_l0{suffix}"].T)
    _equal(grads["project.b"], case[f"d_bias_ih_l0{suffix}"])
    _equal(grads["U"], case[f"d_weight_hh_l0{suffix}"].T)
    if isinstance(layer, GRU):
        _equal(grads["b_h"], case[f"d_bias_hh_l0{suffix}"][2 * layer.hidden :])


@pytest.mark.parametrize("kind", KINDS)
def test_recurrent(reference: dict[str, dict[str, np.ndarray]], kind: str) -> None:
    case = reference[kind]
    layer = KINDS[kind](case["x"].shape[-1], case["y"].shape[-1], rng=np.random.default_rng(0))
    _copy_weights(layer, case)
    h = case["state"]
    y, cache = layer.forward(case["x"], Context(state=(h, h * 0.5) if kind == "LSTM" else h))
    _equal(y, case["y"])
    if kind == "LSTM":
        _equal(cache.state[1], case["c"])
    dx, grads = layer.backward(case["dy"], cache)
    _equal(dx, case["dx"])
    _equal_grads(layer, grads, case)


@pytest.mark.parametrize("kind", KINDS)
def test_bidirectional(reference: dict[str, dict[str, np.ndarray]], kind: str) -> None:
    case = reference[f"{kind}-both"]
    n_in, hidden = case["x"].shape[-1], case["y"].shape[-1] // 2
    rng = np.random.default_rng(0)
    ahead, back = (KINDS[kind](n_in, hidden, rng=rng) for _ in range(2))
    _copy_weights(ahead, case)
    _copy_weights(back, case, "_reverse")
    layer = Bidirectional(ahead, back)
    y, cache = layer.forward(case["x"])
    _equal(y, case["y"])
    dx, grads = layer.backward(case["dy"], cache)
    _equal(dx, case["dx"])
    for part, one, suffix in (("ahead", ahead, ""), ("back", back, "_reverse")):
        named = {k.removeprefix(f"{part}."): g for k, g in grads.items() if k.startswith(part)}
        _equal_grads(one, named, case, suffix)


def _module(name: str, case: dict[str, np.ndarray]) -> tuple[Layer, dict[str, str]]:
    """Build the layer; give the names of its parameters in torch."""
    rng = np.random.default_rng(0)
    if name == "Linear":
        layer = Dense(case["x"].shape[-1], case["y"].shape[-1], rng=rng)
        return layer, {"W": "weight", "b": "bias"}
    if name == "LayerNorm":
        return LayerNorm(case["x"].shape[-1]), {"gain": "weight", "shift": "bias"}
    if name == "Embedding":
        return Embedding(*case["weight"].shape, rng=rng), {"E": "weight"}
    return {"Sigmoid": Sigmoid, "Tanh": Tanh, "ReLU": ReLU, "Softmax": Softmax}[name](), {}


@pytest.mark.parametrize(
    "name", ["Linear", "LayerNorm", "Embedding", "Sigmoid", "Tanh", "ReLU", "Softmax"]
)
def test_layers(reference: dict[str, dict[str, np.ndarray]], name: str) -> None:
    case = reference[name]
    layer, names = _module(name, case)
    turned = name == "Linear"
    for ours, theirs in names.items():
        layer.params[ours][...] = case[theirs].T if turned else case[theirs]
    y, cache = layer.forward(case["x"])
    _equal(y, case["y"])
    dx, grads = layer.backward(case["dy"], cache)
    if "dx" in case:
        _equal(dx, case["dx"])
    for ours, theirs in names.items():
        _equal(grads[ours], case[f"d_{theirs}"].T if turned else case[f"d_{theirs}"])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_cross_entropy(reference: dict[str, dict[str, np.ndarray]], reduction: str) -> None:
    case = reference[f"CrossEntropy-{reduction}"]
    loss = CrossEntropy(reduction)  # type: ignore[arg-type]
    value, cache = loss.forward(case["y"], case["target"])
    _equal(np.array(value), case["loss"])
    _equal(loss.backward(cache), case["dy"])


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("SGD", SGD(learning_rate=0.1, weight_decay=0.01)),
        ("Momentum", Momentum(learning_rate=0.1, weight_decay=0.01)),
        ("Adam", Adam(learning_rate=0.01, weight_decay=0.1)),
        ("AdamW", Adam(learning_rate=0.01, weight_decay=0.1, decoupled=True)),
    ],
)
def test_first_20_steps(
    reference: dict[str, dict[str, np.ndarray]], name: str, rule: SGD | Momentum | Adam
) -> None:
    case = reference[name]
    theta = case["start"].copy()
    state = rule.init(theta)
    for grad, expected in zip(case["grads"], case["path"], strict=True):
        rule.step(theta, grad, state)
        _equal(theta, expected)


def test_the_reference_says_which_torch_made_it() -> None:
    with np.load(HERE / "torch.npz") as archive:
        assert str(archive["version"]).count(".") == 2
